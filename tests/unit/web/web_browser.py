"""A browser for tests of the pages: it keeps cookies and fills in forms."""

import re

PASSWORD = "three small green boats"
COST = 256
"""Of scrypt: quick. OpenSSL takes no less with these parameters."""


class Browser:
    """One browser: keeps cookies, sends the token of the page it saw last."""

    def __init__(self, app, address="10.0.0.7", scheme="http"):
        self.app = app
        self.client = app.test_client()
        self.extra = {"environ_overrides": {"REMOTE_ADDR": address}, "base_url": f"{scheme}://card.example"}
        self.token = ""

    def get(self, path, **more):
        return self._seen(self.client.get(path, **self.extra, **more))

    def post(self, path, data=None, **more):
        return self._seen(self.client.post(path, data={"csrf_token": self.token, **(data or {})}, **self.extra, **more))

    def request(self, method, path, **more):
        return self._seen(self.client.open(path, method=method, **self.extra, **more))

    def _seen(self, response):
        response.direct_passthrough = False
        response.get_data()
        response.close()
        if response.mimetype == "text/html":
            found = re.search(r'name="csrf_token" value="([^"]+)"', response.get_data(as_text=True))
            self.token = found[1] if found else self.token
        return response

    def sign_in(self, name="admin", password=PASSWORD, path="/login"):
        self.get(path)
        return self.post(path, {"user": name, "pw": password})

    @property
    def cookie(self):
        """What the browser holds of this card."""
        return self.client.get_cookie("istars-80", "card.example")
