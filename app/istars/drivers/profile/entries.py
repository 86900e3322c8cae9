"""One entry of a data file to one declaration. Every function takes all keys of its entry and raises Wrong for a mistake."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from istars.drivers.conditions import Condition, Test
from istars.drivers.item import Blocks, Decoder, Line, Registers, Sample, Table, Timing, When
from istars.drivers.profile.declare import TOGETHER, MapCommand, MapItem, MapVariable, Phases, Rule, Side
from istars.drivers.profile.source import Entry, Wrong, whole
from istars.drivers.registers import Choice, Number, Text
from istars.model.alarms import ALARMS
from istars.model.commands import COMMANDS
from istars.model.readings import PHASES, READINGS, STATUS_TOKENS, Kind, Value
from istars.model.variables import VARIABLES

LAST_REGISTER = 65_535
TABLES = {"input": Table.INPUT, "holding": Table.HOLDING}

LIMITS = ("at_least", "above", "below")

HIDDEN = ".alarm."
"""Names of the private items that the alarms of a map stand for begin so."""

DERIVED = ("ups.status", "ups.alarm", "ALARM")
"""Readings, and a token, that come from rules and alarms, never from one entry."""


def item_of(entry: Entry, table: Table, sides: Mapping[str, Side]) -> MapItem:
    """One entry of `items`."""
    name, kind = entry.text("name", limit=60), entry.choice("type", DECODERS, "number")
    count = entry.whole("count", 1, 2 if kind == "number" else 60, 1) if kind != "choice" else 1
    phases = _phases(Entry(entry.take("phases")), sides) if entry.has("phases") else None
    if phases and (kind != "number" or count != 1):
        raise Wrong("only numbers of one register have phases")
    _check_reading(name, KINDS[kind])
    factor, condition = _rescale(entry)
    return MapItem(
        name=name,
        at=_registers(entry, table, 3 if phases else count, count),
        decode=DECODERS[kind](entry, name),
        when=When(entry.choice("when", [when.value for when in When], When.EACH_POLL.value)),
        phases=phases,
        factor=factor,
        factor_when=condition,
    )


def _registers(entry: Entry, table: Table, span: int, count: int) -> Registers:
    chosen = TABLES[entry.choice("table", TABLES)] if entry.has("table") else table
    return Registers(chosen, entry.whole("register", 0, LAST_REGISTER + 1 - span), count)


def _number(entry: Entry, _name: str) -> Decoder:
    bits = _bits(entry)
    unknown = frozenset(whole("unknown", raw, 0, 0xFFFFFFFF) for raw in entry.list("unknown"))
    return Number(entry.number("scale", -1e6, 1e6, 1), entry.flag("signed", True), unknown, bits)


def _choice(entry: Entry, name: str) -> Choice:
    choices = {whole("choices", key, 0, LAST_REGISTER): value for key, value in entry.items("choices").items()}
    declared = READINGS[name].values if name in READINGS else None
    for value in choices.values():
        if not isinstance(value, str) or (declared and value not in declared):
            among = f" is not one of: {', '.join(declared)}" if declared else " is not a text"
            raise Wrong(f"choices: {value!r}{among}")
    if not choices:
        raise Wrong("choices is missing")
    return Choice(choices, _bits(entry))


def _text(_entry: Entry, _name: str) -> Decoder:
    return Text()


DECODERS: Mapping[str, Callable[[Entry, str], Decoder]] = {"number": _number, "choice": _choice, "text": _text}
KINDS = {"number": (Kind.NUMBER,), "choice": (Kind.CHOICE, Kind.TEXT), "text": (Kind.TEXT,)}


def _check_reading(name: str, kinds: tuple[Kind, ...]) -> None:
    """Raises Wrong unless `name` is a reading of one of `kinds`, or private to the map (".name")."""
    if name.startswith(".") and not name.startswith(HIDDEN):
        return
    if name not in READINGS or name in DERIVED:
        raise Wrong(f"{name!r} is not the name of a reading")
    if READINGS[name].kind not in kinds:
        raise Wrong(f"{name} is no {' or '.join(kind.value for kind in kinds)}")


def _bits(entry: Entry) -> tuple[int, int] | None:
    raw = entry.list("bits")
    if not raw:
        return None
    if len(raw) != 2:
        raise Wrong("bits must be [first, last], lowest bit 0")
    first = whole("bits", raw[0], 0, 15)
    return first, whole("bits", raw[1], first, 15)


def _phases(entry: Entry, sides: Mapping[str, Side]) -> Phases:
    made = Phases(
        entry.choice("side", sides), entry.text("name", limit=60), entry.choice("together", ("", *TOGETHER), "")
    )
    entry.end()
    if "{phase}" not in made.name:
        raise Wrong("phases: name must hold {phase}")
    for phase in PHASES:
        _check_reading(made.name.replace("{phase}", phase), KINDS["number"])
    return made


def _rescale(entry: Entry) -> tuple[float, Condition]:
    if not entry.has("rescale"):
        return 1, ()
    inner = Entry(entry.take("rescale"))
    factor, condition = inner.number("factor", 1e-6, 1e6), _condition(inner.items("when"))
    inner.end()
    return factor, condition


def _condition(raw: Mapping[str, Any], known: Collection[str] | None = None) -> Condition:
    return tuple(_test(name, wanted, known) for name, wanted in raw.items())


def _test(name: str, wanted: Any, known: Collection[str] | None) -> Test:
    if known is not None and name not in known:
        raise Wrong(f"when: {name!r} is no item of this map")
    if isinstance(wanted, list) and wanted and all(isinstance(one, str | int | float) for one in wanted):
        return Test(name, among=tuple(wanted))
    if isinstance(wanted, dict) and wanted:
        entry = Entry(wanted)
        limits = [entry.number(key, -1e9, 1e9) if entry.has(key) else None for key in LIMITS]
        entry.end()
        return Test(name, (), *limits)
    raise Wrong(f"when, {name}: must be a list of values, or an object with one of: {', '.join(LIMITS)}")


def alarm_of(entry: Entry, table: Table) -> tuple[list[MapItem], list[Rule]]:
    """Registers that report an alarm, once or for several equal modules: private items and the rules on them."""
    code, wanted, bits = _alarm_code(entry.text("alarm")), _among(entry, "is"), _bits(entry)
    repeat = Entry(entry.take("repeat", {}))
    count, stride = repeat.whole("count", 1, 100, 1), repeat.whole("stride", 0, 1000, 0)
    repeat.end()
    present = Entry(entry.take("present")) if entry.has("present") else None
    base = _registers(entry, table, 1 + (count - 1) * stride, 1)
    gate = present.whole("register", 0, LAST_REGISTER + 1 - count * stride) if present else None
    gate_is = _among(present, "is") if present else ()
    if present:
        present.end()
    items, rules = [], []
    for offset in range(0, count * stride or 1, stride or 1):
        shown = _hidden(Registers(base.table, base.address + offset), bits)
        tests = [Test(shown.name, among=wanted)]
        items.append(shown)
        if gate is not None:
            there = _hidden(Registers(base.table, gate + offset), None)
            tests.append(Test(there.name, among=gate_is))
            items.append(there)
        rules.append(Rule(tuple(tests), alarms=(code,)))
    return items, rules


def _hidden(at: Registers, bits: tuple[int, int] | None) -> MapItem:
    part = f".{bits[0]}-{bits[1]}" if bits else ""
    return MapItem(f"{HIDDEN}{at.table}.{at.address}{part}", at, Number(1, False, frozenset(), bits))


def _among(entry: Entry, key: str) -> tuple[Value, ...]:
    return tuple(whole(key, raw, 0, LAST_REGISTER) for raw in entry.list(key)) or (1,)


def _alarm_code(code: Any) -> str:
    if not isinstance(code, str) or code not in ALARMS or not ALARMS[code].is_state:
        raise Wrong(f"{code!r} is not the code of an alarm")
    return code


def rule_of(entry: Entry, known: Collection[str]) -> Rule:
    """One entry of `rules`; its conditions name items in `known`."""
    status = tuple(entry.list("status"))
    allowed = [token for token in STATUS_TOKENS if token not in DERIVED]
    for token in status:
        if token not in allowed:
            raise Wrong(f"status: {token!r} is not one of: {', '.join(allowed)}; ALARM comes by itself")
    alarms = tuple(_alarm_code(code) for code in entry.list("alarms"))
    if not status and not alarms:
        raise Wrong("status or alarms is missing")
    return Rule(_condition(entry.items("when"), known), status, alarms)


def command_of(entry: Entry, known: Collection[str]) -> MapCommand:
    """One entry of `commands`; `shown` names items in `known`."""
    name = entry.text("name")
    if name not in COMMANDS or COMMANDS[name].arguments:
        raise Wrong(f"{name!r} is not the name of a command without arguments")
    return MapCommand(
        name,
        entry.whole("function", 1, 127, 6),
        entry.whole("register", 0, LAST_REGISTER),
        entry.whole("value", 0, LAST_REGISTER),
        _condition(entry.items("shown"), known),
    )


def variable_of(entry: Entry) -> MapVariable:
    """One entry of `variables`."""
    name = entry.text("name")
    declared = VARIABLES.get(name)
    if declared is None:
        raise Wrong(f"{name!r} is not the name of a variable that can be written")
    function, at = entry.whole("function", 1, 127, 6), _registers(entry, Table.HOLDING, 1, 1)
    if declared.choices:
        decode = _choice(entry, name)
        strange = [str(word) for word in decode.choices.values() if word not in declared.choices]
        if strange:
            raise Wrong(f"choices: {strange[0]!r} is not one of: {', '.join(declared.choices)}")
        return MapVariable(name, function, at, decode, choices={word: raw for raw, word in decode.choices.items()})
    if declared.decimals is None:
        raise Wrong(f"{name} is a text: a register cannot hold it")
    scale = entry.number("scale", 1e-6, 1e6, 1)
    low, high = entry.number("min", -1e6, 1e6), entry.number("max", -1e6, 1e6)
    if not low < high or not -0x8000 <= low / scale <= high / scale <= 0xFFFF:
        raise Wrong("min and max must be in order and fit into a register")
    return MapVariable(name, function, at, Number(scale, low < 0), scale, {}, low, high)


def sample_of(entry: Entry) -> Sample:
    """One entry of `samples`."""
    try:
        request, reply = bytes.fromhex(entry.text("request")), bytes.fromhex(entry.text("reply"))
    except ValueError:
        raise Wrong("request and reply must be hexadecimal bytes") from None
    return Sample(request, reply, dict(entry.items("fields")), entry.text("origin"))


def side_of(entry: Entry) -> Side:
    """One value of `sides`."""
    side = Side(entry.text("voltage"), entry.text("count", ""))
    entry.end()
    if side.count:
        _check_reading(side.count, KINDS["number"])
    return side


def line_of(entry: Entry) -> Line:
    """The object `line`."""
    usual = Line()
    line = Line(
        entry.whole("baud", 300, 921_600, usual.baud),
        entry.whole("bytesize", 7, 8, usual.bytesize),
        entry.choice("parity", ("N", "E", "O"), usual.parity),
        entry.whole("stopbits", 1, 2, usual.stopbits),
    )
    entry.end()
    return line


def timing_of(entry: Entry) -> Timing:
    """The object `timing`."""
    usual = Timing()
    timing = Timing(
        answer_s=entry.number("answer_s", 0.05, 10, usual.answer_s),
        gap_s=entry.number("gap_s", 0, 5, usual.gap_s),
        effect_s=entry.number("effect_s", 0, 30, usual.effect_s),
    )
    entry.end()
    return timing


def blocks_of(entry: Entry) -> Blocks:
    """The object `blocks`."""
    usual = Blocks()
    blocks = Blocks(entry.whole("hole", 0, 124, usual.hole), entry.whole("limit", 1, 125, usual.limit))
    entry.end()
    return blocks


def fixed_of(raw: Mapping[str, Any]) -> dict[str, str]:
    """The object `fixed`."""
    for name, value in raw.items():
        _check_reading(name, (Kind.TEXT, Kind.CHOICE))
        if not isinstance(value, str):
            raise Wrong(f"fixed, {name}: must be a text")
    return dict(raw)
