"""Somebody who has to wait after wrong passwords is an event: once, without what was typed, and not as often as one may guess."""

import pytest
from istars.store.throttle import FREE_FAILURES
from istars.web import auth
from web_browser import PASSWORD


@pytest.fixture
def events(live):
    """The events about sign-ins that the core would take to flash, as who and where from."""
    return lambda: [event.args["by"] for event in live.pending_events() if event.code == "LOGIN_FAIL"]


def guess(browser, times, name="admin", address="192.0.2.1"):
    one = browser(address=address)
    for _ in range(times):
        one.sign_in(name, "wrong")


def test_the_first_wait_is_an_event_and_no_try_before(browser, accounts, events):
    accounts.set_password("admin", PASSWORD)
    guess(browser, FREE_FAILURES)
    assert events() == []
    guess(browser, 1)
    assert events() == ["user admin, from 192.0.2.1"]


def test_tries_during_and_after_a_wait_are_not_told_again(browser, accounts, events, boottime):
    accounts.set_password("admin", PASSWORD)
    guess(browser, FREE_FAILURES + 1)
    for _ in range(4):
        guess(browser, 1)
        boottime.pass_s(900)
        guess(browser, 1)
    assert len(events()) == 1


def test_what_was_typed_as_a_name_stands_nowhere(browser, accounts, events):
    guess(browser, FREE_FAILURES + 1, name="my secret password")
    assert events() == ["an unknown user, from 192.0.2.1"]


def test_a_name_that_is_tried_from_many_addresses(browser, accounts, events):
    accounts.set_password("admin", PASSWORD)
    for number in range(FREE_FAILURES + 1):
        guess(browser, 1, address=f"192.0.2.{number}")
    assert events() == [f"user admin, from 192.0.2.{FREE_FAILURES}"]


def test_somebody_who_guesses_from_everywhere_fills_no_record(browser, accounts, events, boottime):
    for number in range(auth.LOCKED_AN_HOUR + 5):
        guess(browser, FREE_FAILURES + 1, name=f"n{number}", address=f"198.51.100.{number}")
    assert len(events()) == auth.LOCKED_AN_HOUR
    boottime.pass_s(auth.HOUR_S)
    guess(browser, FREE_FAILURES + 1, name="later", address="203.0.113.1")
    assert len(events()) == auth.LOCKED_AN_HOUR + 1


def test_wrong_codes_count_too(browser, accounts, app, events):
    import pyotp
    from istars.platform import clock
    from istars.store.factors import new_secret

    accounts.set_password("admin", PASSWORD)
    secret = new_secret()
    app.extensions["istars.store"].factors.switch_on("admin", secret, pyotp.TOTP(secret).at(clock.wall()))
    one = browser(address="192.0.2.1")
    assert one.sign_in().headers["Location"].startswith("/login/code")
    one.get("/login/code")
    for _ in range(FREE_FAILURES + 1):
        one.post("/login/code", {"code": "12345"})
    assert events() == ["user admin, from 192.0.2.1"]
