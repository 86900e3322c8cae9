from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istars.drivers.conditions import Test as Condition
from istars.drivers.engine import protocols
from istars.drivers.profile import ProfileError, parse_profile
from istars.drivers.profile.source import entry_lines
from istars.drivers.registers import Choice, Number, Text
from istars.drivers.ups import NETWORK_PROTOCOLS, PROFILES, TEXT_PROTOCOLS, protocol_named, protocol_names
from istars.errors import LinkError

RACKPOWER = Path(__file__).with_name("rackpower-1cc.json").read_text("utf-8")
MAPS = [path.read_text("utf-8") for path in sorted(PROFILES.glob("*.json"))]


def smallest() -> dict[str, Any]:
    return {
        "schema": 1,
        "title": "Smallest",
        "source": "made up",
        "sides": {"input": {"voltage": "input.voltage", "count": "input.phases"}},
        "items": [
            {"name": "input.voltage", "register": 12, "phases": {"side": "input", "name": "input.{phase}-N.voltage"}},
            {"name": "istars.ups.mode", "register": 71, "type": "choice", "choices": {"4": "line"}},
            {"name": "device.serial", "register": 76, "type": "text", "count": 7},
        ],
        "alarms": [{"register": 88, "alarm": "INPUT_BAD"}],
        "rules": [{"when": {"istars.ups.mode": ["line"]}, "status": ["OL"]}],
        "commands": [{"name": "beeper.mute", "register": "0x8002", "value": 1}],
        "samples": [{"request": "01 04", "reply": "01 04", "fields": {}, "origin": "made up"}],
    }


def parse(raw: Any) -> None:
    parse_profile(json.dumps(raw, indent=1), "my-map")


def test_the_smallest_map_is_fine() -> None:
    parse(smallest())


def mistakes(raw: Any) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        parse(raw)
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
    assert str(caught.value).startswith("my-map.json: line ")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("schema", 2, "schema must be 1"),
        ("title", "", None),
        ("title", 5, "title must be a text"),
        ("title", "x\ny", "printable"),
        ("colour", "red", "'colour' is not known here"),
        ("line", {"baud": 9600, "parity": "X"}, "parity: 'X' is not one of: N, E, O"),
        ("line", {"baud": 1}, "baud: 1 is not a whole number between 300 and 921600"),
        ("line", {"baud": True}, "baud: True"),
        ("line", {"speed": 9600}, "'speed' is not known here"),
        ("line", [], "line must be an object"),
        ("timing", {"answer_s": 0}, "answer_s: 0 is not a number between 0.05 and 10"),
        ("timing", {"gap_s": "0.1"}, "gap_s: '0.1' is not a number"),
        ("blocks", {"limit": 126}, "limit: 126"),
        ("table", "coils", "table: 'coils' is not one of: input, holding"),
        ("table", [], "table: []"),
        ("fixed", {"device.colour": "red"}, "'device.colour' is not the name of a reading"),
        ("fixed", {"device.mfr": 5}, "device.mfr: must be a text"),
        ("fixed", {"ups.load": "5"}, "ups.load is no text or choice"),
        ("sides", {"input": {"voltage": "output.voltage"}}, "voltage must name an item with phases"),
        ("sides", {"input": 5}, "must be an object"),
        ("sides", {"input": {"voltage": "input.voltage", "count": "input.count"}}, "'input.count' is not the name"),
        ("items", {}, "items must be a list"),
        ("items", [], "items is empty"),
        ("items.0", 5, "items[0]: must be an object"),
        ("items.0.name", "input.volts", "items[0] (input.volts): 'input.volts' is not the name of a reading"),
        ("items.0.name", ".alarm.4.88", "is not the name of a reading"),
        ("items.0.name", "ups.status", "is not the name of a reading"),
        ("items.0.name", "device.model", "device.model is no number"),
        ("items.0.register", 70_000, "items[0] (input.voltage): register: 70000 is not a whole number between 0 and"),
        ("items.0.register", 65_534, "between 0 and 65533"),
        ("items.0.register", "twelve", "register: 'twelve'"),
        ("items.0.register", 1.5, "register: 1.5"),
        ("items.0.scale", "0.1", "scale: '0.1' is not a number"),
        ("items.0.signed", 1, "signed must be true or false"),
        ("items.0.type", "float", "type: 'float' is not one of: number, choice, text"),
        ("items.0.unknown", 5, "unknown must be a list"),
        ("items.0.unknown", ["none"], "unknown: 'none'"),
        ("items.0.bits", [1], "bits must be [first, last]"),
        ("items.0.bits", [5, 4], "bits: 4 is not a whole number between 5 and 15"),
        ("items.0.when", "daily", "when: 'daily' is not one of: poll, rarely, once"),
        ("items.0.table", "coils", "table: 'coils'"),
        ("items.0.count", 2, "only numbers of one register have phases"),
        ("items.0.phases.side", "output", "side: 'output' is not one of: input"),
        ("items.0.phases.name", "input.voltage", "phases: name must hold {phase}"),
        ("items.0.phases.name", "input.{phase}.volts", "'input.L1.volts' is not the name of a reading"),
        ("items.0.phases.together", "mean", "together: 'mean'"),
        ("items.0.rescale", {"factor": 0.1, "when": {".series": [1]}}, "rescale names '.series', which is no item"),
        ("items.0.rescale", {"when": {}}, "factor is missing"),
        ("items.1.name", "input.voltage", "input.voltage is no choice or text"),
        ("items.1.choices", {}, "choices is missing"),
        ("items.1.choices", {"4": "mains"}, "choices: 'mains' is not one of: fault, power-on"),
        ("items.1.choices", {"4": 4}, "choices: 4"),
        ("items.1.choices", {"x": "line"}, "choices: 'x'"),
        ("items.1.scale", 0.1, "'scale' is not known here"),
        ("items.2.count", 61, "count: 61"),
        ("items.2.name", "device.mode", "'device.mode' is not the name of a reading"),
        ("alarms.0.alarm", "INPUT_WORSE", "alarms[0]: 'INPUT_WORSE' is not the code of an alarm"),
        ("alarms.0.alarm", "TEST_PASSED", "'TEST_PASSED' is not the code of an alarm"),
        ("alarms.0.is", "yes", "is must be a list"),
        ("alarms.0.repeat", {"count": 200}, "count: 200"),
        ("alarms.0.repeat", {"count": 100, "stride": 1000}, "register: 88"),
        ("alarms.0.present", {}, "register is missing"),
        ("rules.0.when", {"istars.mode": ["line"]}, "rules[0]: when: 'istars.mode' is no item of this map"),
        ("rules.0.when", {"istars.ups.mode": []}, "must be a list of values, or an object"),
        ("rules.0.when", {"istars.ups.mode": {"over": 5}}, "'over' is not known here"),
        ("rules.0.status", ["ON"], "status: 'ON' is not one of: OL, OB"),
        ("rules.0.status", ["ALARM"], "ALARM comes by itself"),
        ("rules.0.status", [{}], "status: {}"),
        ("rules.0.status", [], "status or alarms is missing"),
        ("rules.0.alarms", [["EPO"]], "is not the code of an alarm"),
        ("commands.0.name", "beeper.loud", "commands[0] (beeper.loud): 'beeper.loud' is not the name of a command"),
        ("commands.0.name", "shutdown.return", "is not the name of a command without arguments"),
        ("commands.0.value", -1, "value: -1"),
        ("commands.0.function", 300, "function: 300"),
        ("samples.0.request", "01 0", "hexadecimal"),
        ("samples.0.origin", None, "origin must be a text"),
    ],
)
def test_each_mistake_has_its_reason(path: str, value: Any, reason: str | None) -> None:
    raw = smallest()
    place: Any = raw
    *way, last = path.split(".")
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[int(last) if isinstance(place, list) else last] = value
    if reason is None:
        parse(raw)
    else:
        assert any(reason in mistake for mistake in mistakes(raw)), mistakes(raw)


@pytest.mark.parametrize("key", ["schema", "title", "source", "items"])
def test_what_must_be_there(key: str) -> None:
    raw = smallest()
    del raw[key]
    assert any(key in mistake for mistake in mistakes(raw))


def test_all_mistakes_come_at_once_with_their_lines() -> None:
    text = RACKPOWER.replace('"register": 20025', '"register": -1').replace('"value": 1}', '"value": "on"}')
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "my-map", "upload.json")
    lines = text.splitlines()
    assert [(lines[problem.line - 1].split('"')[3], problem.where) for problem in caught.value.problems] == [
        ("output.voltage", "items[2] (output.voltage)"),
        ("bypass.stop", "commands[1] (bypass.stop)"),
    ]
    assert "upload.json: line 14, items[2] (output.voltage): register: -1 is not" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "line 1: no valid JSON"),
        ('{\n "schema": 1,\n "title": ?}', "line 3: no valid JSON"),
        ("[]", "must be an object"),
        ('{"schema": 1, "schema": 1}', "'schema' is there twice"),
        ('{"schema": NaN}', "NaN is not a number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"schema": ' + "9" * 5000 + "}", "line 1"),
        (" " * 300_000, "larger than 256 kB"),
        ('{"schema": 1, "items": [' + "{}," * 1000 + "{}]}", "more than 1000 entries"),
    ],
)
def test_what_is_no_map_at_all(text: str, reason: str) -> None:
    with pytest.raises(ProfileError, match=reason):
        parse_profile(text, "my-map")


def test_the_name_becomes_that_of_the_protocol() -> None:
    assert parse_profile(RACKPOWER, "my-map-2").name == "my-map-2"
    for name in ("", "My map", "../etc"):
        with pytest.raises(ProfileError, match="the name"):
            parse_profile(RACKPOWER, name, "upload.json")


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}), st.just([[]])
)


def places(raw: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to everything inside `raw`."""
    keys = raw.keys() if isinstance(raw, dict) else range(len(raw)) if isinstance(raw, list) else ()
    return [place for key in keys for place in ((*path, key), *places(raw[key], (*path, key)))]


@given(data=st.data(), value=values)
def test_any_value_anywhere_is_taken_or_refused_by_name(data: st.DataObject, value: Any) -> None:
    raw = copy.deepcopy(smallest())
    *way, last = data.draw(st.sampled_from(places(raw)))
    place = raw
    for step in way:
        place = place[step]
    place[last] = value
    try:
        parse(raw)
    except ProfileError as error:
        problems = error.problems
    else:
        problems = ()
    assert all(problem.reason for problem in problems)


@given(st.text(max_size=200))
def test_any_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(ProfileError):
        parse_profile(text, "my-map")


def test_lines_of_entries() -> None:
    text = '{\n "a": {"items": [1]},\n "items": [\n  {"x": [1, 2]},\n\n  {}, {}\n ]\n}'
    assert entry_lines(text, "items") == [4, 6, 6]
    assert entry_lines(text, "rules") == []
    assert entry_lines('{"items": 5}', "items") == []


def test_all_maps_of_the_card_load_and_say_where_they_are_from() -> None:
    assert protocol_names() == (
        *TEXT_PROTOCOLS,
        *NETWORK_PROTOCOLS,
        "east-ea900",
        "huawei-ups2000",
        "invt-hr11",
        "kstar",
    )
    for name, protocol in protocols().items():
        assert protocol.name == name
        assert protocol.title
        assert protocol.source
    with pytest.raises(LinkError, match="no protocol 'x'"):
        protocol_named("x")


def test_numbers() -> None:
    assert Number(0.1)(b"\xff\xf4") == -1.2
    assert Number(0.1, signed=False)(b"\xff\xf4") == 6552.4
    assert Number(100)(b"\x00\x0c") == 1200
    assert isinstance(Number(100)(b"\x00\x0c"), int)
    assert Number(1)(b"\xff\xff\xff\xfe") == -2
    assert Number(1, signed=False)(b"\x00\x01\x00\x00") == 65536
    assert Number(0.1, unknown=frozenset({0xFED6}))(b"\xfe\xd6") is None
    assert Number(bits=(1, 1))(b"\x00\x02") == 1


def test_choices_and_texts() -> None:
    states = Choice({0: "off", 3: "battery"}, (0, 1))
    assert [states(bytes((0, word))) for word in (0, 3, 7, 1)] == ["off", "battery", "battery", None]
    assert Text()(b"EA900\0\0 ") == "EA900"
    assert Text()(b"\0\0\xff ") is None


@pytest.mark.parametrize(
    ("test", "holding", "failing"),
    [
        (Condition("x", among=("a", 5)), ("a", 5, 5.0), ("b", 6)),
        (Condition("x", above=100), (100.1,), (100, "101")),
        (Condition("x", at_least=50), (50, 51), (49.9,)),
        (Condition("x", below=50), (49.9, -1), (50,)),
        (Condition("x", at_least=10, below=20), (10, 19), (9, 20)),
    ],
)
def test_conditions(test: Condition, holding: tuple[Any, ...], failing: tuple[Any, ...]) -> None:
    assert all(test.holds({"x": value}) for value in holding)
    assert not any(test.holds({"x": value}) for value in failing)
    assert not test.holds({})
