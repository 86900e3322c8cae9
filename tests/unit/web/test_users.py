"""Remote login: what administrators do with users, tokens and sessions, and what that means for those."""

import html
import re

import pytest
from istars.platform import clock
from istars.store.audit import AuditRecord
from web_browser import PASSWORD

NEW = "seven slow purple trains"
ADD, EDIT, REMOVE = "/settings/users/add", "/settings/users/edit?name=", "/settings/users/remove?name="


def text(response):
    return response.get_data(as_text=True)


def errors(response):
    """Errors of a form by field."""
    return dict(re.findall(r'<p class="err" id="([a-z0-9_]+)-e">.*?<span>(.*?)</span>', text(response)))


def noted(app):
    """The audit record as (who, action, subject, old, new), oldest first."""
    with app.app_context():
        entries, _ = AuditRecord().page(day=None, text="", before=None, limit=100)
    return [(entry.who, entry.action, entry.subject, entry.old, entry.new) for entry in reversed(entries)]


@pytest.fixture
def add(admin):
    """Adds a user as an administrator does."""

    def made(name="eve", **more):
        admin.get(ADD)
        form = {"name": name, "permission": "read", "patterns": "", "p1": NEW, **more}
        return admin.post(ADD, form)

    return made


@pytest.fixture
def edit(admin):
    def made(name, **form):
        admin.get(EDIT + name)
        return admin.post(EDIT + name, {"permission": "read", "patterns": "", "p1": "", **form})

    return made


# users


def test_added_user_signs_in_with_the_permission_given(admin, add, browser, accounts, app):
    response = add(permission="write", must_change="1", patterns="10.0.0.*, 2001:db8::/32")
    assert (response.status_code, response.headers["Location"]) == (303, "/settings/users")
    page = text(admin.get("/settings/users"))
    assert "User eve was added." in page
    assert "10.0.0.*, 2001:db8::/32" in page
    assert "must choose a password" in page
    eve = browser(address="10.0.0.9")
    assert eve.sign_in("eve", NEW).headers["Location"] == "/password"
    page = text(eve.get("/password"))
    assert "An administrator has chosen your present password." in page
    assert eve.get("/").status_code == 302
    assert eve.get("/account").headers["Location"].startswith("/password")
    assert eve.post("/account/factor/begin", {"pw": NEW}).headers["Location"].startswith("/password")
    eve.get("/password")
    assert eve.post("/password", {"p1": PASSWORD, "p2": PASSWORD}).status_code == 303
    assert eve.get("/").status_code == 200
    assert ("admin", "user added", "user eve", "", "write, 10.0.0.*, 2001:db8::/32") in noted(app)


@pytest.mark.parametrize(
    ("form", "field", "told"),
    [
        ({"name": ""}, "name", "A name has 1 to 64"),
        ({"name": "x" * 65}, "name", "A name has 1 to 64"),
        ({"name": "a\0b"}, "name", "printable"),
        ({"name": "Admin"}, "name", "There is already a user called"),
        ({"permission": "root"}, "permission", "The permission is one of"),
        ({"permission": ""}, "permission", "The permission is one of"),
        ({"patterns": "10.0.0.300"}, "patterns", "“10.0.0.300” is no address"),
        ({"patterns": "<b>"}, "patterns", "“&lt;b&gt;” is no address"),
        ({"patterns": "x" * 60_000}, "patterns", "is no address"),
        ({"p1": "short"}, "p1", "5 characters. It needs at least 12."),
        ({"p1": ""}, "p1", "0 characters"),
        ({"p1": "evelyn berg 1", "name": "Evelyn Berg"}, "p1", "a name that stands on this card"),
    ],
)
def test_each_error_stands_at_its_field(add, accounts, form, field, told):
    response = add(**form)
    assert response.status_code == 200
    assert list(errors(response)) == [field]
    assert told in errors(response)[field]
    assert f'<a href="#{field}">' in text(response)
    assert NEW not in text(response)
    assert [user.name for user in accounts.users()] == ["admin"]


def test_what_was_typed_is_kept_beside_the_error(add):
    page = text(add(name='"><script>', permission="write", patterns="10.0.0.7\nx"))
    assert 'value="&#34;&gt;&lt;script&gt;"' in page
    assert re.search(r'value="write" checked', page)
    assert ">\n10.0.0.7\nx</textarea>" in page


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "a/b?c=d&e#f", "<b>", "ユーザー", "..", "%00"])
def test_strange_names_work_everywhere(admin, add, browser, accounts, name):
    assert add(name).status_code == 303
    assert accounts.user(name)
    page = text(admin.get("/settings/users"))
    (link,) = re.findall(r'href="(/settings/users/remove[^"]*)"', page)
    link = html.unescape(link)
    assert admin.get(link.replace("remove", "edit")).status_code == 200
    assert browser(address="10.0.0.9").sign_in(name, NEW).headers["Location"] == "/"
    admin.get(link)
    assert admin.post(link).status_code == 303
    assert accounts.user(name) is None


def test_new_permission_ends_sessions(admin, edit, reader, app):
    assert edit("eve", permission="write").status_code == 303
    assert reader.get("/").status_code == 302
    assert "or your permission" in text(reader.get("/login"))
    assert ("admin", "permission changed", "user eve", "read", "write") in noted(app)


def test_user_without_permission_cannot_sign_in(admin, edit, reader, browser, app):
    edit("eve", permission="none")
    assert reader.get("/").status_code == 302
    response = browser(address="10.0.0.8").sign_in("eve")
    assert "User name or password is not right." in text(response)
    assert noted(app)[-1][1:] == ("sign-in refused", "user eve", "", "no permission")
    edit("eve", permission="read")
    assert browser(address="10.0.0.8").sign_in("eve").status_code == 303


def test_user_bound_to_another_address_cannot_sign_in(add, browser, app):
    add(patterns="192.168.1.*")
    there, here = browser(address="192.168.1.44"), browser(address="10.0.0.9")
    assert there.sign_in("eve", NEW).status_code == 303
    for _ in range(4):
        response = here.sign_in("eve", NEW)
        assert "User name or password is not right." in text(response)
        assert "You come from 10.0.0.9." in text(response)
    assert here.sign_in("eve", NEW).status_code == 429
    assert noted(app)[-1][1:] == ("sign-in refused", "user eve", "", "address")


def test_right_password_from_a_wrong_address_looks_like_a_wrong_one(add, browser):
    pages = []
    for host, name, word in ((1, "eve", NEW), (2, "bob", "wrong password")):
        add(name, patterns="192.168.1.*")
        told = text(browser(address=f"10.0.1.{host}").sign_in(name, word)).replace(f'value="{name}"', "")
        pages.append(told.split('<div class="fields')[1].split("<details")[0])
    assert pages[0] == pages[1]


def test_stolen_cookie_is_worth_nothing_from_elsewhere(add, browser, app):
    add(patterns="192.168.1.*")
    eve = browser(address="192.168.1.44")
    eve.sign_in("eve", NEW)
    thief = browser(address="10.0.0.9")
    thief.client.set_cookie("istars-80", eve.cookie.value, domain="card.example")
    assert thief.get("/").status_code == 302
    assert thief.get("/api/v1/readings").status_code == 401
    assert "only from certain addresses. You come from 10.0.0.9" in text(thief.get("/login"))
    assert thief.post("/logout").status_code in (302, 400)
    # who it belongs to goes on
    assert eve.get("/alarms").status_code == 200


def test_new_addresses_count_from_the_next_request(admin, edit, reader):
    assert reader.get("/alarms").status_code == 200
    edit("eve", patterns="192.168.1.*")
    assert reader.get("/alarms").status_code == 302
    edit("eve", patterns="10.0.0.8")
    assert reader.get("/alarms").status_code == 200


@pytest.mark.parametrize(
    ("form", "field", "told"),
    [
        ({"permission": "none"}, "permission", "You cannot take every permission from yourself."),
        ({"permission": "write"}, "permission", "This is the last administrator"),
        ({"permission": "administrator", "patterns": "192.168.1.*"}, "patterns", "You would lock yourself out"),
        ({"permission": "administrator", "p1": NEW}, "p1", "in your account"),
    ],
)
def test_administrator_cannot_lock_himself_out(admin, edit, accounts, form, field, told):
    before = accounts.users()
    response = edit("admin", **form)
    assert told in errors(response)[field]
    assert accounts.users() == before
    assert admin.get("/settings/users").status_code == 200
    assert accounts.verify("admin", PASSWORD)


def test_administrator_may_bind_himself_to_where_he_is(admin, edit, accounts):
    assert edit("admin", permission="administrator", patterns="10.0.0.*").status_code == 303
    assert admin.get("/settings/users").status_code == 200


def test_administrator_may_step_down_where_another_is(admin, add, edit, accounts):
    add("two", permission="administrator")
    assert edit("admin", permission="read").status_code == 303
    assert admin.get("/settings/users").status_code == 302
    assert accounts.user("admin").permission == "read"


def test_password_set_by_an_administrator(admin, edit, reader, browser, accounts, app):
    assert "It needs at least 12" in errors(edit("eve", p1="short"))["p1"]
    assert reader.get("/alarms").status_code == 200
    assert edit("eve", p1=NEW, must_change="1").status_code == 303
    assert reader.get("/alarms").status_code == 302
    assert browser(address="10.0.0.8").sign_in("eve", NEW).headers["Location"] == "/password"
    assert ("admin", "password set", "user eve", "", "changed") in noted(app)
    assert NEW not in str(noted(app))


def test_duty_to_change_alone(admin, edit, reader, app):
    assert edit("eve", must_change="1").status_code == 303
    assert reader.get("/alarms").headers["Location"].startswith("/password")
    edit("eve")
    assert reader.get("/alarms").status_code == 200
    assert ("admin", "password rule changed", "user eve", "may be kept", "must be changed") in noted(app)


def test_removal_is_asked_for_and_names_the_user(admin, reader, accounts, app):
    accounts.create_token("grafana", "read", owner="eve")
    page = text(admin.get(REMOVE + "eve"))
    assert "Remove user eve?" in page
    assert "grafana" in page
    assert accounts.user("eve")
    assert admin.post(REMOVE + "eve").status_code == 303
    assert accounts.user("eve") is None
    assert reader.get("/").status_code == 302
    assert "User eve was removed." in text(admin.get("/settings/users"))
    assert ("admin", "user removed", "user eve", "read, any address", "") in noted(app)
    assert admin.get(REMOVE + "eve").status_code == 404


def test_nobody_removes_himself(admin, accounts):
    admin.get(REMOVE + "admin")
    assert "You cannot remove yourself" in text(admin.post(REMOVE + "admin"))
    assert accounts.user("admin")


# tokens


def make_token(admin, **form):
    admin.get("/settings/tokens/add")
    return admin.post("/settings/tokens/add", {"name": "grafana", "permission": "read", "expires": "30", **form})


def ask(app, token, address="10.0.0.9", path="/api/v1/readings"):
    return app.test_client().get(
        path, headers={"Authorization": f"Bearer {token}"}, environ_overrides={"REMOTE_ADDR": address}
    )


def test_token_is_shown_once_and_works_until_revoked(admin, live, app, accounts):
    page = make_token(admin)
    (token,) = re.findall(r'id="token">(ist_[\w-]+)<', text(page))
    assert page.headers["Cache-Control"] == "no-store"
    assert ask(app, token).status_code == 200
    listed = text(admin.get("/settings/users"))
    assert token not in listed
    assert token[:10] in listed
    (kept,) = accounts.list_tokens()
    assert (kept.owner, kept.permission) == ("admin", "read")
    assert kept.expires == pytest.approx(clock.wall() + 30 * 86_400, abs=60)
    link = f"/settings/tokens/revoke?number={kept.id}"
    assert "Revoke token grafana?" in text(admin.get(link))
    assert admin.post(link).status_code == 303
    assert ask(app, token).status_code == 401
    assert admin.get(link).status_code == 404
    assert [line[1:3] for line in noted(app)[-2:]] == [
        ("token made", "token grafana"),
        ("token revoked", "token grafana"),
    ]
    assert token not in str(noted(app))


def test_token_is_bound_to_addresses(admin, live, app):
    (token,) = re.findall(r'id="token">(ist_[\w-]+)<', text(make_token(admin, patterns="192.168.1.*")))
    assert ask(app, token, "192.168.1.9").status_code == 200
    assert ask(app, token, "10.0.0.9").status_code == 401


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": ""}, "name"),
        ({"permission": "none"}, "permission"),
        ({"expires": "7"}, "expires"),
        ({"patterns": "x"}, "patterns"),
    ],
)
def test_tokens_that_cannot_be_made(admin, accounts, form, field):
    assert list(errors(make_token(admin, **form))) == [field]
    assert accounts.list_tokens() == []


def test_token_cannot_expire_where_the_clock_is_not_set(admin, accounts, monkeypatch):
    monkeypatch.setattr(clock, "wall", lambda: 60.0)
    assert "clock is not set" in errors(make_token(admin))["expires"].replace("&#39;", "'")
    assert "ist_" in text(make_token(admin, expires="never"))


def test_token_opens_no_page(admin, app):
    (token,) = re.findall(r'id="token">(ist_[\w-]+)<', text(make_token(admin, permission="administrator")))
    assert ask(app, token, path="/settings/users").status_code == 302
    assert ask(app, token, path="/account").status_code == 302


# sessions


def seats(page):
    return re.findall(r'name="session" value="([0-9a-f]{16})">(Sign out|End session)<span class="vh"> of (\w+)', page)


def test_session_is_listed_and_ended(admin, reader, app):
    found = seats(text(admin.get("/settings/users")))
    assert sorted((name, word) for _, word, name in found) == [("admin", "Sign out"), ("eve", "End session")]
    (handle,) = [handle for handle, _, name in found if name == "eve"]
    assert admin.post("/settings/users/sessions/end", {"session": handle}).status_code == 303
    assert reader.get("/").status_code == 302
    assert "An administrator has ended this session." in text(reader.get("/login"))
    page = text(admin.get("/settings/users"))
    assert "The session of eve from 10.0.0.8 was ended." in page
    assert len(seats(page)) == 1
    admin.post("/settings/users/sessions/end", {"session": handle})
    assert "over already" in text(admin.get("/settings/users"))
    assert ("admin", "session ended", "user eve", "from 10.0.0.8", "") in noted(app)


def test_own_session_ends_by_signing_out(admin):
    ((handle, _, _),) = seats(text(admin.get("/settings/users")))
    assert admin.post("/settings/users/sessions/end", {"session": handle}).headers["Location"] == "/login"
    assert admin.get("/settings/users").status_code == 302


def test_list_holds_nothing_that_opens_a_session(admin, browser):
    ((handle, _, _),) = seats(text(admin.get("/settings/users")))
    assert handle not in admin.cookie.value


# who may


@pytest.mark.parametrize("permission", ["read", "write"])
def test_pages_are_for_administrators(app, browser, accounts, permission):
    accounts.add_user("eve", PASSWORD, permission)
    eve = browser()
    eve.sign_in("eve")
    eve.get("/account")
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/settings/users", "/settings/tokens")):
            for method in rule.methods & {"GET", "POST"}:
                assert eve.request(method, rule.rule, data={"csrf_token": eve.token}).status_code == 403, rule.rule
    assert "/settings/users" not in text(eve.get("/account"))


def test_sign_ins_are_noted(browser, accounts, app):
    accounts.set_password("admin", PASSWORD)
    one = browser()
    one.sign_in(password="wrong")
    one.sign_in("my secret", "wrong")
    one.sign_in()
    one.get("/password")
    one.post("/logout")
    assert [(line[0], *line[1:3], line[4]) for line in noted(app)] == [
        ("nobody signed in", "sign-in refused", "user admin", "wrong password"),
        ("nobody signed in", "sign-in refused", "an unknown user", "wrong password"),
        ("admin", "signed in", "user admin", ""),
        ("admin", "signed out", "user admin", ""),
    ]


def test_frame_of_the_pages_follows_the_ups(admin, live):
    """What a page asks for when an alarm appears while it is open."""
    query = re.search(r'data-live="/live\?([^"]*)"', text(admin.get("/settings/users")))[1]
    response = admin.get("/live/part?" + html.unescape(query))
    assert response.status_code == 200
    assert 'id="badge"' in text(response)
