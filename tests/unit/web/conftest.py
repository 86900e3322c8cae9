"""A card in a folder of its own, the app on it, and a browser that fills in forms."""

import jinja2
import pytest
from istars.platform import clock, paths
from istars.store.archive import Archive
from istars.store.live import LiveTable
from istars.web.app import create_app
from web_browser import COST, PASSWORD, Browser
from werkzeug.routing import Rule


@pytest.fixture
def card(root, monkeypatch):
    """An empty card whose core worker has made its files."""
    for variable in ("ISTARS_HTTP_PROXY", "HTTP_PORT"):
        monkeypatch.delenv(variable, raising=False)
    Archive(paths.archive_db()).close()
    return root


@pytest.fixture
def live(card):
    """The live table as a worker of the card holds it."""
    table = LiveTable(paths.live_db())
    yield table
    table.close()


class Compiled(jinja2.BytecodeCache):
    """Templates that an earlier test has compiled; each test has an app of its own, all have the same templates."""

    def __init__(self):
        self.kept = {}

    def load_bytecode(self, bucket):
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket):
        self.kept[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()
BUILDERS = {}


@pytest.fixture(autouse=True, scope="session")
def builders():
    """Half of the time of an app is the compiling of what builds its addresses; that is the same in the app of each test."""
    original = Rule._compile_builder

    def remembered(self, append_unknown=True):
        key = (self.rule, self.host, self.subdomain, repr(self.defaults), append_unknown)
        if key not in BUILDERS:
            BUILDERS[key] = original(self, append_unknown)
        return BUILDERS[key]

    Rule._compile_builder = remembered
    yield
    Rule._compile_builder = original


@pytest.fixture
def app(card):
    made = create_app({"SCRYPT_COST": COST})
    made.jinja_env.bytecode_cache = COMPILED
    yield made
    made.extensions["istars.store"].close()


@pytest.fixture
def accounts(app):
    return app.extensions["istars.store"].accounts


@pytest.fixture
def boottime(monkeypatch):
    """The card's clock, moved by `boottime.pass_s()`."""

    class Moved:
        offset = 0.0

        def pass_s(self, seconds):
            self.offset += seconds

    usual, moved = clock.boottime, Moved()
    monkeypatch.setattr(clock, "boottime", lambda: usual() + moved.offset)
    return moved


@pytest.fixture
def browser(app):
    """Makes browsers: `browser()`, `browser(address=...)`."""
    return lambda **more: Browser(app, **more)


@pytest.fixture
def admin(browser, accounts):
    """A browser in which an administrator is signed in, with a password of his own."""
    accounts.set_password("admin", PASSWORD)
    made = browser()
    assert made.sign_in().status_code == 303
    made.get("/password")
    return made


@pytest.fixture
def reader(browser, accounts):
    """A browser in which somebody is signed in who may only look."""
    accounts.add_user("eve", PASSWORD, "read")
    made = browser(address="10.0.0.8")
    assert made.sign_in("eve").status_code == 303
    made.get("/password")
    return made


@pytest.fixture
def bearer(app, accounts):
    """A function that asks the API with a token of some permission."""

    def ask(method, path, permission="read", **more):
        text = accounts.create_token(f"t{len(accounts.list_tokens())}", permission)
        return app.test_client().open(path, method=method, headers={"Authorization": f"Bearer {text}"}, **more)

    return ask
