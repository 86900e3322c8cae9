"""Remote control by page and API; a stand-in carries the commands out."""

import pytest
from istars.settings.store import save
from istars.store import abilities
from other_values import written_down
from test_serial_page import worker

PAGE = "/device/control"
COMMANDS = {
    "test.battery.start.quick": {},
    "test.battery.start": {"duration_s": (60, 5940)},
    "shutdown.return": {"delay_s": (12, 600)},
    "shutdown.reboot": {"delay_s": (12, 600), "return_s": (180, 599_940)},
    "shutdown.stop": {},
    "load.off": {},
}
VARIABLES = [
    {"name": "ups.start.auto", "value": "yes", "low": None, "high": None, "choices": []},
    {"name": "input.transfer.high", "value": 264, "low": 231, "high": 276, "choices": []},
    {"name": "driver.flag.x<y>", "value": "1", "low": None, "high": None, "choices": ["1", "2"]},
]
LINK = {"istars.link.state": "ok", "ups.status": "OL", "ups.load": 38, "ups.realpower": 380}


@pytest.fixture
def ups(live):
    """A UPS that can do these things, on mains."""
    abilities.write("megatec", "Megatec / Q1", COMMANDS, VARIABLES, "")
    save({"system.name": "Core room"})
    live.publish("upslink", LINK, lifetime_s=60)
    return live


def page_of(answer):
    return answer.get_data(as_text=True)


def done(*_):
    return "done", "as ordered"


def test_only_who_may_write_sees_it(reader, ups):
    assert reader.get(PAGE).status_code == 403
    assert reader.post(f"{PAGE}/command/load.off", {"sure": "yes", "system": "Core room"}).status_code == 403
    assert ups.recent("upslink", 5) == []


def test_what_this_ups_can_do_is_offered_and_nothing_else(admin, ups):
    page = page_of(admin.get(PAGE))
    assert all(f"{PAGE}/command/{name}" in page for name in COMMANDS)
    assert f"{PAGE}/command/bypass.start" not in page
    assert "Outlet groups" not in page
    assert "The load is 38 %, 380 W." in page
    assert "<small>(s, 12 to 600)</small>" in page
    assert "<small>(min, 1 to 99)</small>" in page
    assert "driver.flag.x&lt;y&gt;" in page
    assert admin.post(f"{PAGE}/command/bypass.start", {"sure": "yes"}).status_code == 404


def test_nothing_is_offered_before_the_ups_has_answered_nor_sent_while_it_is_silent(admin, live):
    assert "What the UPS can do is not known" in page_of(admin.get(PAGE))
    abilities.write("megatec", "Megatec / Q1", COMMANDS, [], "")
    live.publish("upslink", {"istars.link.state": "lost"}, lifetime_s=60)
    page = page_of(admin.get(PAGE))
    assert "nothing can be sent" in page
    assert "data-act" not in page


def test_a_harmless_command_is_given_at_once_and_what_the_ups_said_is_shown(admin, ups):
    with worker(lambda *_: ("done", "Battery test of 10 s: the UPS reports a test running.")) as got:
        answer = admin.post(f"{PAGE}/command/test.battery.start.quick")
    assert answer.status_code == 303
    assert got == [("test.battery.start.quick", {})]
    page = page_of(admin.get(PAGE))
    assert "Battery test of 10 s: the UPS reports a test running." in page
    assert "Short battery test, by admin" in page
    assert any(entry.subject == "test.battery.start.quick" for entry in written_down())


def test_what_takes_power_needs_the_name_of_the_system(admin, ups):
    with worker(done) as got:
        asked = page_of(admin.post(f"{PAGE}/command/shutdown.return", {"delay_s": "60"}))
        assert "The load loses power after the delay" in asked
        assert "Type the name of the system, Core room" in asked
        wrong = admin.post(f"{PAGE}/command/shutdown.return", {"delay_s": "60", "sure": "yes", "system": "core"})
        assert (wrong.status_code, "Nothing was sent" in page_of(wrong)) == (422, True)
        assert got == []
        form = {"delay_s": "60", "sure": "yes", "system": "Core room"}
        assert admin.post(f"{PAGE}/command/shutdown.return", form).status_code == 303
    assert got == [("shutdown.return", {"delay_s": 60})]


@pytest.mark.parametrize(
    ("name", "form", "reason"),
    [
        ("shutdown.return", {"delay_s": "601"}, "Switch off in must be between 12 and 600 s for this UPS, not 601."),
        ("shutdown.return", {"delay_s": "soon"}, "Switch off in must be a whole number, not &#39;soon&#39;."),
        ("shutdown.reboot", {"delay_s": "30", "return_s": "2"}, "Switch on again after must be between 3 and 9999 min"),
        ("test.battery.start", {"duration_s": "100"}, "Length must be between 1 and 99 min for this UPS, not 100."),
    ],
)
def test_limits_of_the_protocol_are_checked_before_anything_is_sent(admin, ups, name, form, reason):
    answer = admin.post(f"{PAGE}/command/{name}", form)
    assert answer.status_code == 422
    assert reason in page_of(answer)
    assert ups.recent("upslink", 5) == []


def test_minutes_are_sent_as_seconds(admin, ups):
    with worker(done) as got:
        admin.post(f"{PAGE}/command/test.battery.start", {"duration_s": "10"})
    assert got == [("test.battery.start", {"duration_s": 600})]


def test_a_switch_off_that_counts_shows_its_seconds_and_can_be_cancelled(admin, ups):
    assert 'id="now"' in page_of(admin.get(PAGE))
    ups.publish("upslink", {**LINK, "ups.timer.shutdown": 28, "ups.alarm": "SHUTDOWN_PENDING"}, lifetime_s=60)
    page = page_of(admin.get(PAGE))
    assert 'data-v="control.left">in 28 seconds' in page
    assert "Cancel the switch-off" in page
    assert admin.get("/live?page=control").get_json()["v"]["control.left"] == "in 28 seconds"


def test_a_refusal_of_the_ups_is_shown_with_its_reason(admin, ups):
    with worker(lambda *_: ("failed", "the UPS refuses the command 'T'")):
        admin.post(f"{PAGE}/command/test.battery.start.quick")
    assert "Short battery test: The UPS refuses the command &#39;T&#39;." in page_of(admin.get(PAGE))


def test_a_setting_is_changed_and_one_that_concerns_the_load_is_asked_about(admin, ups):
    with worker(done) as got:
        assert admin.post(f"{PAGE}/setting/ups.start.auto", {"value": "no"}).status_code == 303
        wrong = admin.post(f"{PAGE}/setting/input.transfer.high", {"value": "300"})
        assert (wrong.status_code, "must be between 231 and 276 V, not 300" in page_of(wrong)) == (422, True)
        asked = admin.post(f"{PAGE}/setting/input.transfer.high", {"value": "250"})
        assert "It becomes 250 V; it is 264 V now." in page_of(asked)
        assert admin.post(f"{PAGE}/setting/input.transfer.high", {"value": "250", "sure": "1"}).status_code == 303
        assert admin.post(f"{PAGE}/setting/ups.id", {"value": "x"}).status_code == 404
    assert [arguments for _, arguments in got] == [
        {"name": "ups.start.auto", "value": "no"},
        {"name": "input.transfer.high", "value": "250"},
    ]


def test_programs_are_told_what_can_be_told(bearer, ups):
    found = {each["name"]: each for each in bearer("GET", "/api/v1/commands").get_json()["commands"]}
    assert set(COMMANDS) < set(found)
    assert "istars.restart" in found
    (delay,) = found["shutdown.return"]["arguments"]
    assert (delay["minimum"], delay["maximum"], delay["unit"]) == (12, 600, "s")
    (first, *_) = bearer("GET", "/api/v1/variables").get_json()["variables"]
    assert (first["name"], first["value"], first["choices"]) == ("ups.start.auto", "yes", ["yes", "no"])


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("commands/shutdown.return", {"arguments": {"delay_s": 601}}, 400, "delay_s"),
        ("commands/shutdown.return", {"arguments": {"delay_s": "soon"}}, 400, "delay_s"),
        ("commands/shutdown.return", {"arguments": {"speed": 1}}, 400, "speed"),
        ("commands/bypass.start", {}, 404, "name"),
        ("commands/istars.serial.send", {"arguments": {"bytes": "51"}}, 404, "name"),
        ("commands/istars.variable.set", {"arguments": {"name": "x", "value": "y"}}, 404, "name"),
    ],
)
def test_a_program_is_refused_with_field_and_reason(bearer, ups, path, body, status, field):
    answer = bearer("POST", f"/api/v1/{path}", "administrator", json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (status, field)
    assert ups.recent("upslink", 5) == []


def test_a_program_gives_commands_and_settings_with_write_permission_only(bearer, ups):
    assert bearer("POST", "/api/v1/commands/load.off").status_code == 403
    assert bearer("PUT", "/api/v1/variables/ups.start.auto", json={"value": "no"}).status_code == 403
    with worker(done) as got:
        answer = bearer("POST", "/api/v1/commands/shutdown.return", "write", json={"arguments": {"delay_s": 60}})
        assert (answer.status_code, answer.get_json()["message"]) == (200, "as ordered")
        assert bearer("PUT", "/api/v1/variables/ups.start.auto", "write", json={"value": "no"}).status_code == 200
    assert [name for name, _ in got] == ["shutdown.return", "istars.variable.set"]
    for value in ("perhaps", None, True, ["no"]):
        answer = bearer("PUT", "/api/v1/variables/ups.start.auto", "write", json={"value": value})
        assert (answer.status_code, answer.get_json()["field"]) == (400, "value")
