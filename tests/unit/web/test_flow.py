"""The overview worked out from readings."""

import pytest
from istars.model.readings import READINGS, Kind
from istars.web.flow import drawing_of, overview, wires
from istars.web.readout import HIDDEN
from istars.web.view import Facts, State, Tone, state_of
from web_facts import INTERACTIVE, LINK, MAINS, NOW, PHASES, WALL, alarm, facts, reading


def live(now):
    return wires(now, drawing_of(now), state_of(now))


def node(now, name):
    page, texts = overview(now)
    found = page.flow.nodes[name]
    return found, texts[found.sub]


# which drawing


@pytest.mark.parametrize(
    ("values", "drawing"),
    [
        (MAINS, "double"),
        (INTERACTIVE, "single"),
        ({"ups.status": "OL"}, "single"),
        ({"ups.status": "OL", "istars.rectifier.state": "on"}, "double"),
        ({"ups.status": "OL", "input.bypass.L1-N.voltage": 230.0}, "double"),
    ],
)
def test_the_drawing_follows_the_kind_of_ups(values, drawing):
    assert drawing_of(facts(values)) == drawing


def test_a_type_read_long_ago_still_tells_how_the_ups_is_built():
    assert drawing_of(facts(age=1000.0)) == "double"


# what carries energy


def test_double_conversion():
    through = {"feed", "in", "rec", "inv", "out", "last", "bat"}
    assert set(live(facts())) == through
    assert live(facts())["bat"] == "on thin"
    assert live(facts(ups_status="OB")) == {"bat": "on rev", "inv": "on", "out": "on", "last": "on"}
    assert set(live(facts(ups_status="OL BYPASS"))) == {"feed", "byp", "byo", "last"}
    assert live(facts(ups_status="OL BYPASS CHRG"))["rec"] == "on thin"
    assert live(facts(ups_status="OL ECO"))["in"] == "on thin"
    assert live(facts(ups_status="OL OFF")) == dict.fromkeys(("feed", "in", "rec", "bat"), "on thin")
    assert live(facts(ups_status="OB OFF")) == {}


def test_line_interactive():
    on_mains = live(facts(INTERACTIVE))
    assert on_mains == {"feed": "on", "out": "on", "last": "on", "chg": "on thin", "bat": "on thin"}
    assert live(facts(INTERACTIVE, ups_status="OB")) == {"bat": "on rev", "chg": "on rev", "last": "on"}
    assert "last" not in live(facts(INTERACTIVE, ups_status="OL OFF"))


def test_nothing_is_live_that_is_not_known():
    for unknown in (facts(age=60.0), facts({}), facts(ups_status=""), facts(ups_alarm="UPS_FAULT")):
        assert live(unknown) == {}


def test_a_battery_that_is_not_there_is_not_charged():
    assert "bat" not in live(facts(None, alarm("BATTERY_OPEN")))
    assert "bat" not in live(facts({**MAINS, "istars.battery.state": "disconnected"}))


def test_the_relay_of_a_line_interactive_ups():
    assert overview(facts(INTERACTIVE))[0].flow.relay == "shut"
    assert overview(facts(INTERACTIVE, ups_status="OB"))[0].flow.relay == "open"
    assert overview(facts(INTERACTIVE, age=60.0))[0].flow.relay == "open"


# nodes


def test_nodes_in_the_order_of_the_flow():
    assert list(overview(facts())[0].flow.nodes) == ["mains", "byp", "rec", "bat", "inv", "load"]
    assert list(overview(facts(INTERACTIVE))[0].flow.nodes) == ["mains", "avr", "inv", "bat", "load"]
    assert "env" in overview(facts({**MAINS, "ambient.temperature": 24.6}))[0].flow.nodes


def test_mains_that_failed():
    found, sub = node(facts(None, alarm("ON_BATTERY", 192), ups_status="OB"), "mains")
    assert (found.tag, found.tone, found.bad) == ("Failed", Tone.CRIT, True)
    assert sub.startswith("Failed at ")


def test_the_regulator_says_what_it_does():
    assert node(facts(INTERACTIVE), "avr")[1] == "Direct"
    assert node(facts(INTERACTIVE, ups_status="OL BOOST"), "avr")[1] == "Raising"
    assert node(facts(INTERACTIVE, ups_status="OL TRIM"), "avr")[1] == "Lowering"
    assert node(facts(INTERACTIVE, ups_status="OB"), "avr")[1] == "Off"


@pytest.mark.parametrize(
    ("status", "alarms", "tag", "tone"),
    [
        ("OL", (), "Protected", Tone.OK),
        ("OB", (), "On battery", Tone.OK),
        ("OL BYPASS", (), "Not protected", Tone.WARN),
        ("OL OFF", (), "Not supplied", Tone.CRIT),
        ("OL", ("OVERLOAD",), "Overload", Tone.CRIT),
        ("OL OVER", (), "Overload", Tone.CRIT),
        ("OL", ("LOAD_HIGH",), "High", Tone.WARN),
        ("OL", ("OUTPUT_BAD",), "Voltage out of limits", Tone.CRIT),
        ("", (), "Not known", Tone.NONE),
    ],
)
def test_the_load(status, alarms, tag, tone):
    found, _ = node(facts(None, *(alarm(code) for code in alarms), ups_status=status), "load")
    assert (found.tag, found.tone) == (tag, tone)


@pytest.mark.parametrize(
    ("status", "alarms", "tag"),
    [
        ("OL", (), "Ready"),
        ("OL CHRG", (), "Charging"),
        ("OB DISCHRG", (), "Discharging"),
        ("OB LB", (), "Nearly empty"),
        ("OL", ("BATTERY_OPEN",), "Disconnected"),
        ("OL", ("BATTERY_REPLACE",), "Replace"),
        ("OL RB", (), "Replace"),
    ],
)
def test_the_battery(status, alarms, tag):
    assert node(facts(None, *(alarm(code) for code in alarms), ups_status=status), "bat")[0].tag == tag


def test_the_battery_shows_what_there_is():
    assert node(facts(battery_runtime=2520), "bat")[1] == "42 min, 436.8 V"
    assert node(facts(battery_runtime=2280, ups_status="OB"), "bat")[1] == "38 min left"
    bare = {name: value for name, value in MAINS.items() if name != "battery.charge"}
    found, sub = node(facts(bare), "bat")
    assert (found.main.key, sub) == ("battery.voltage", "")


def test_bypass():
    assert node(facts(), "byp")[1] == "Ready"
    assert node(facts(ups_status="OL BYPASS"), "byp")[1] == "Carries the load"
    assert node(facts(ups_status="OL CONVERTER"), "byp")[1] == "Not available"
    assert node(facts(None, alarm("BYPASS_BAD")), "byp")[1] == "Not available"
    assert node(facts(ups_status="OB"), "byp")[1] == "No supply"


def test_estimated_values_are_marked():
    page, _ = overview(facts(estimated=("battery.charge",)))
    assert page.flow.nodes["bat"].main.estimated
    assert next(tile for tile in page.tiles if tile.key == "battery.charge").estimated


# stale


def test_without_data_nothing_looks_current():
    page, texts = overview(facts(age=61.0))
    assert page.flow.wires == {}
    assert all(each.stale and each.tag == "No data" and not each.bad for each in page.flow.nodes.values())
    assert all(tile.note.startswith("no data since ") for tile in page.tiles)
    assert all(each.note for each in page.panels if each.rows)
    assert texts["ups.load"] == "38"
    assert texts["sub.load"].startswith("Read ")


def test_one_reading_that_is_late_is_marked_alone():
    now = facts()
    late = Facts({**now.readings, "input.voltage": reading("input.voltage", 230.0, NOW - 60)}, (), NOW, WALL)
    page, _ = overview(late)
    noted = {tile.key: bool(tile.note) for tile in page.tiles}
    assert noted["input.voltage"]
    assert not noted["ups.load"]
    assert page.flow.nodes["mains"].stale
    assert not page.flow.nodes["load"].stale
    panel = next(each for each in page.panels if each.id == "mains")
    assert panel.note == ""
    assert panel.big.note


# phases


def test_three_phases():
    page, texts = overview(facts(PHASES))
    mains = page.flow.nodes["mains"]
    assert (mains.main.key, texts["mean.input.voltage"], texts["sub.mains"]) == ("mean.input.voltage", "230.5", "3~")
    assert [name for name, _ in page.phases] == ["Output", "Mains"]
    (load,) = page.phases[0][1]
    assert [cell.key for cell in load.cells] == [f"output.L{n}.power.percent" for n in (1, 2, 3)]
    assert load.total.key == "ups.load"
    highest = next(tile for tile in page.tiles if tile.key == "highest.load")
    assert (highest.label, texts["highest.load"]) == ("Highest, L2", "84")


def test_one_phase_has_no_table():
    assert overview(facts())[0].phases == ()


def test_a_phase_that_is_missing_is_named():
    found, sub = node(facts({**PHASES, "input.L2-N.voltage": 3.1}), "mains")
    assert (found.tag, found.bad, sub) == ("L2 missing", True, "L2 missing")


def test_a_failure_of_all_phases_is_a_failure():
    dead = {f"input.L{n}-N.voltage": 0.0 for n in (1, 2, 3)}
    assert node(facts({**PHASES, **dead, "ups.status": "OB"}), "mains")[0].tag == "Failed"


def test_three_phases_that_are_stale_keep_their_last_mean():
    page, texts = overview(facts(PHASES, age=61.0))
    assert page.flow.nodes["mains"].main.note
    assert texts["mean.input.voltage"] == "230.5"


def test_the_phase_above_the_limit_is_marked():
    page, _ = overview(facts(PHASES, alarm("LOAD_HIGH", args={"limit": "80", "value": 84.0})))
    assert [cell.tone for cell in page.phases[0][1][0].cells] == [Tone.OK, Tone.WARN, Tone.OK]


# tiles and panels


def test_six_tiles_of_those_there_are():
    page, _ = overview(facts({**MAINS, "battery.runtime": 2520, "ambient.temperature": 24.6, "ups.temperature": 31.0}))
    assert [tile.label for tile in page.tiles] == ["Load", "Battery", "Time on battery", "Output", "Mains", "Room"]
    assert len(overview(facts({"ups.status": "OL"}))[0].tiles) == 0


def test_on_battery_the_time_is_time_left():
    page, _ = overview(facts(ups_status="OB", battery_runtime=600))
    assert "Time left" in [tile.label for tile in page.tiles]


def test_a_tile_takes_the_colour_of_its_alarm():
    page, _ = overview(facts(None, alarm("OVERLOAD", args={"limit": "100", "value": 112.0}), ups_load=112))
    assert next(tile for tile in page.tiles if tile.key == "ups.load").tone is Tone.CRIT


@pytest.mark.parametrize("kind", ["online", "offline / line interactive"])
def test_every_reading_stands_somewhere_and_only_once(kind):
    samples = {Kind.NUMBER: 1.0, Kind.TEXT: "x", Kind.TOKENS: "OL", Kind.CHOICE: "on"}
    values = {name: samples[each.kind] for name, each in READINGS.items() if not name.startswith("istars.link.")}
    values |= {"ups.status": "OL", "ups.type": kind}
    page, _ = overview(facts(values))
    panels = [*page.panels, page.device]
    placed = [row.key for each in panels for row in each.rows]
    placed += [each.big.key for each in panels if each.big]
    placed += [cell.key for each in panels for row in each.phases for cell in row.cells]
    if kind != "online":
        # a regulator shows what goes in and comes out once more, and the phases of a bypass it has not stand in the table
        for name in ("input.voltage", "output.voltage"):
            placed.remove(name)
        placed += [cell.key for name, rows in page.phases if name == "Bypass" for row in rows for cell in row.cells]
    assert sorted(placed) == sorted(set(values) - HIDDEN)


def test_a_reading_that_no_list_names_stands_with_its_like():
    page, texts = overview(facts({**MAINS, "istars.battery.maintenance.days": 90}))
    battery = next(each for each in page.panels if each.id == "bat")
    assert battery.rows[-1].key == "istars.battery.maintenance.days"
    assert texts["istars.battery.maintenance.days"] == "90"


def test_structure_stays_while_only_numbers_tick():
    assert overview(facts(ups_load=38))[0] == overview(facts(ups_load=39))[0]
    assert overview(facts(ups_load=38))[0] != overview(facts(ups_load=38, ups_status="OB"))[0]


def test_the_battery_is_chosen_while_it_feeds_the_load():
    assert overview(facts())[0].flow.chosen == "load"
    assert overview(facts(ups_status="OB"))[0].flow.chosen == "bat"


def test_the_state_of_the_drawing_is_the_state_of_the_page():
    assert overview(facts(ups_status="OL TEST"))[0].flow.state is State.TEST
    assert overview(facts({}, link=LINK))[0].flow.state is State.WAITING
