"""The overview worked out: tiles, energy-flow drawing, the readings behind each of its nodes, the table of phases.

Pure functions over `Facts`. What they return is structure only; every text that ticks goes into one dictionary by key (a
reading's own name where it is a reading), so that a page replaces texts in place and is redrawn only when its structure changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from istars.model.readings import PHASES, READINGS, format_number
from istars.web.readout import PANELS, PHASE_ROWS, TILES, Field, Readout
from istars.web.view import Facts, State, Tone, since, state_of

ONLINE_TYPE = "online"

# Which parts of the drawing carry energy: `on` with the flow, `rev` against the direction drawn, `thin` for the battery's charge.
_CONVERTED = {"feed": "on", "in": "on", "rec": "on", "inv": "on", "out": "on", "last": "on"}
_FROM_BATTERY = {"bat": "on rev", "inv": "on", "out": "on", "last": "on"}
_DOUBLE: Mapping[State, dict[str, str]] = {
    State.ONLINE: _CONVERTED,
    State.CONVERTER: _CONVERTED,
    State.BATTERY: _FROM_BATTERY,
    State.TEST: _FROM_BATTERY,
    State.BYPASS: {"feed": "on", "byp": "on", "byo": "on", "last": "on"},
    State.ECO: {"feed": "on", "byp": "on", "byo": "on", "last": "on"},
}
_CHARGING = ("feed", "in", "rec", "bat")
_CHARGING_SINGLE = ("feed", "out", "chg", "bat")
_THROUGH = {"feed": "on", "out": "on", "last": "on"}
_SINGLE: Mapping[State, dict[str, str]] = {
    State.ONLINE: _THROUGH,
    State.ECO: _THROUGH,
    State.BYPASS: _THROUGH,
    State.BATTERY: {"bat": "on rev", "chg": "on rev", "last": "on"},
    State.TEST: {"bat": "on rev", "chg": "on rev", "last": "on"},
}
_HUES: Mapping[State, str] = {
    State.BATTERY: "warn",
    State.BYPASS: "warn",
    State.TEST: "warn",
    State.FAULT: "crit",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One box of the drawing. `sub` is the key of the line below the value; `tag` is its state in one or two words."""

    id: str
    name: str
    tone: Tone
    tag: str
    main: Field | None
    sub: str
    bad: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """The drawing: which one (`double` conversion or `single`), its nodes in the order of the flow, its live parts."""

    drawing: str
    state: State
    hue: str
    nodes: Mapping[str, Node]
    wires: Mapping[str, str]
    relay: str
    chosen: str


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One quantity of the three phases and of all together."""

    label: str
    unit: str
    cells: tuple[Field | None, ...]
    total: Field | None


@dataclass(frozen=True, slots=True)
class Panel:
    """The readings behind one node."""

    id: str
    name: str
    tone: Tone
    tag: str
    big: Field | None
    phases: tuple[PhaseRow, ...]
    rows: tuple[Field, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the overview that comes from readings."""

    tiles: tuple[Field, ...]
    flow: Flow
    panels: tuple[Panel, ...]
    phases: tuple[tuple[str, tuple[PhaseRow, ...]], ...]
    device: Panel


def overview(facts: Facts) -> tuple[Overview, dict[str, str]]:
    """The overview as structure, and its texts by key."""
    readout = Readout(facts)
    phases = {part: phase_rows(readout, part) for part in PHASE_ROWS}
    flow = flow_of(readout, bool(phases["mains"]))
    panels = tuple(panel(readout, node, phases.get(node.id, ())) for node in flow.nodes.values())
    named = {"mains": "Mains", "byp": "Bypass", "load": "Output"}
    page = Overview(
        tiles=tiles(readout),
        flow=flow,
        panels=panels,
        phases=tuple((named[part], phases[part]) for part in ("load", "mains", "byp") if phases[part]),
        device=device(readout, flow),
    )
    return page, readout.texts


def device(readout: Readout, flow: Flow) -> Panel:
    """What the UPS is, and the readings of parts that the drawing does not have."""
    rows = readout.rows("ups")
    for part in ("byp", "rec"):
        if part not in flow.nodes:
            rows += readout.rows(part)
    return _noted(Panel("ups", "This UPS", Tone.OK, "", None, (), rows))


def drawing_of(facts: Facts) -> str:
    """`single` for a UPS that passes mains through, `double` for one that converts it twice.

    A type that is stale still tells how the UPS is built; one that was never told is judged by the readings there are.
    """
    stored = facts.readings.get("ups.type")
    if stored is not None:
        return "double" if stored.value == ONLINE_TYPE else "single"
    own = ("istars.rectifier.state", "istars.inverter.state", "input.bypass.voltage", "input.bypass.L1-N.voltage")
    return "double" if any(name in facts.readings for name in own) else "single"


def wires(facts: Facts, drawing: str, state: State) -> dict[str, str]:
    """Classes of the parts of the drawing that carry energy in this state."""
    table = _DOUBLE if drawing == "double" else _SINGLE
    live = dict(table.get(state, {}))
    tokens = facts.tokens
    idle = facts.text("istars.battery.state") == "disconnected" or facts.alarm("BATTERY_OPEN", "CHARGER_FAIL")
    charges = state in (State.ONLINE, State.ECO, State.CONVERTER) or (state is State.BYPASS and "CHRG" in tokens)
    if idle or not (charges or (state is State.OFF and "OL" in tokens)):
        return live
    way = _CHARGING if drawing == "double" else _CHARGING_SINGLE
    return dict.fromkeys(way, "on thin") | live


def flow_of(readout: Readout, three_phases: bool) -> Flow:
    """The energy-flow drawing."""
    facts = readout.facts
    state, drawing = state_of(facts), drawing_of(facts)
    order = (
        ("mains", "byp", "rec", "bat", "inv", "load") if drawing == "double" else ("mains", "avr", "inv", "bat", "load")
    )
    nodes = {name: _MAKERS[name](readout, state) for name in order}
    if drawing == "single":
        nodes["inv"] = replace(nodes["inv"], name="Inverter, charger")
    if three_phases:
        nodes["mains"] = _three_phase_mains(readout, nodes["mains"])
    if {"ambient.temperature", "ambient.humidity"} & facts.readings.keys():
        nodes["env"] = _room(readout, state)
    return Flow(
        drawing=drawing,
        state=state,
        hue=_HUES.get(state, "live"),
        nodes=nodes,
        wires=wires(facts, drawing, state),
        relay="shut" if state in (State.ONLINE, State.ECO, State.BYPASS, State.OFF) else "open",
        chosen="bat" if state in (State.BATTERY, State.TEST) else "load",
    )


def _node(
    readout: Readout, node_id: str, name: str, condition: tuple[Tone, str], main: Field | None = None, sub: str = ""
) -> Node:
    """A node with its line of text; a value that is not current shows when it was read instead."""
    tone, tag = condition
    stale = bool(main and main.note) or state_of(readout.facts) in (State.OFFLINE, State.WAITING)
    if stale:
        tone, tag = Tone.NONE, "No data"
        sub = f"Read {readout.facts.seen(main.key)[:10].strip()}" if main and main.note else ""
    readout.texts[f"sub.{node_id}"] = sub
    return Node(node_id, name, tone, tag, main, f"sub.{node_id}", tone is Tone.CRIT, stale)


def _mains(readout: Readout, state: State) -> Node:
    facts = readout.facts
    sub, condition = readout.with_unit("input.frequency"), (Tone.OK, "Normal")
    if "OB" in facts.tokens:
        sub, condition = f"Failed at {since(facts, 'ON_BATTERY')[-8:]}", (Tone.CRIT, "Failed")
    elif facts.alarm("INPUT_BAD"):
        condition = (Tone.WARN, "Out of limits")
    elif state is State.UNKNOWN:
        condition = (Tone.NONE, "Not known")
    return _node(readout, "mains", "Mains", condition, readout.field("input.voltage", "Voltage"), sub)


def _three_phase_mains(readout: Readout, node: Node) -> Node:
    """Mains of three phases: the mean of their voltages, and the phase that is missing, if one is."""
    fields = {phase: readout.field(f"input.{phase}-N.voltage") for phase in PHASES}
    known = {phase: found for phase, found in fields.items() if found}
    if not known:
        return node
    volts = {phase: float(readout.facts.readings[found.key].value) for phase, found in known.items()}
    first = next(iter(known.values()))
    main = replace(first, key="mean.input.voltage", label="Mean voltage, phase to neutral", tone=Tone.OK)
    readout.texts[main.key] = format_number(sum(volts.values()) / len(volts), READINGS[first.key].precision)
    if first.note:
        readout.texts[node.sub] = f"Read {readout.facts.seen(first.key)[:10].strip()}"
        return replace(node, main=main, stale=True)
    if node.tag == "Failed":
        return replace(node, main=main)
    missing = [phase for phase in PHASES if volts.get(phase, 0.0) < max(volts.values()) / 2]
    if missing:
        readout.texts[node.sub] = f"{', '.join(missing)} missing"
        return replace(node, main=main, tone=Tone.CRIT, tag=readout.texts[node.sub], bad=True)
    frequency = readout.with_unit("input.frequency") or readout.with_unit("input.L1.frequency")
    readout.texts[node.sub] = f"3~ {frequency}".strip()
    return replace(node, main=main)


def _bypass(readout: Readout, state: State) -> Node:
    facts = readout.facts
    condition = (Tone.OK, "Ready")
    if state is State.BYPASS:
        condition = (Tone.WARN, "Carries the load")
    elif state is State.ECO:
        condition = (Tone.OK, "Carries the load")
    elif facts.alarm("BYPASS_BAD") or facts.text("istars.bypass.state") == "none" or state is State.CONVERTER:
        condition = (Tone.WARN, "Not available")
    elif "OB" in facts.tokens and (facts.number("input.bypass.voltage") or 0.0) < 1.0:
        condition = (Tone.WARN, "No supply")
    return _node(readout, "byp", "Bypass", condition, readout.field("input.bypass.voltage", "Voltage"), condition[1])


def _rectifier(readout: Readout, state: State) -> Node:
    told = readout.facts.text("istars.rectifier.state")
    on = told == "on" if told else state in (State.ONLINE, State.CONVERTER, State.ECO)
    condition = (Tone.OK, "Working") if on else (Tone.OK, "Soft start") if told == "soft-start" else (Tone.NONE, "Off")
    if readout.facts.alarm("RECTIFIER_FAIL"):
        condition = (Tone.CRIT, "Failed")
    return _node(readout, "rec", "Rectifier", condition)


def _battery(readout: Readout, state: State) -> Node:
    facts = readout.facts
    condition = (Tone.OK, readout.told("istars.battery.state") or "Ready")
    if facts.alarm("BATTERY_OPEN") or facts.text("istars.battery.state") == "disconnected":
        condition = (Tone.CRIT, "Disconnected")
    elif "LB" in facts.tokens:
        condition = (Tone.CRIT, "Nearly empty")
    elif state is State.BATTERY or "DISCHRG" in facts.tokens:
        condition = (Tone.INFO if state is State.TEST else Tone.WARN, "Discharging")
    elif facts.alarm("BATTERY_REPLACE", "TEST_FAILED") or "RB" in facts.tokens:
        condition = (Tone.WARN, "Replace")
    elif "CHRG" in facts.tokens:
        condition = (Tone.OK, readout.told("istars.battery.state") or "Charging")
    voltage = readout.with_unit("battery.voltage")
    runtime = readout.with_unit("battery.runtime")
    charge = readout.field("battery.charge", "Charge")
    if state is State.BATTERY and runtime:
        sub = f"{runtime} left"
    else:
        sub = ", ".join(part for part in (runtime, voltage if charge else "") if part)
    main = charge or readout.field("battery.voltage", "Voltage")
    return _node(readout, "bat", "Battery", condition, main, sub)


def _inverter(readout: Readout, state: State) -> Node:
    told = readout.facts.text("istars.inverter.state")
    working = state in (State.BATTERY, State.TEST) or (
        drawing_of(readout.facts) == "double" and state in (State.ONLINE, State.CONVERTER)
    )
    on = told == "on" if told else working
    condition = (Tone.OK, "Working") if on else (Tone.NONE, readout.told("istars.inverter.state") or "Standby")
    if readout.facts.alarm("INVERTER_FAIL"):
        condition = (Tone.CRIT, "Failed")
    return _node(readout, "inv", "Inverter", condition)


def _regulator(readout: Readout, state: State) -> Node:
    tokens = readout.facts.tokens
    condition = (Tone.OK, "Passes mains on")
    sub = "Direct"
    if "BOOST" in tokens:
        condition, sub = (Tone.INFO, "Raises the voltage"), "Raising"
    elif "TRIM" in tokens:
        condition, sub = (Tone.INFO, "Lowers the voltage"), "Lowering"
    elif state not in (State.ONLINE, State.ECO, State.BYPASS):
        condition, sub = (Tone.NONE, "Off"), "Off"
    return _node(readout, "avr", "Regulator", condition, None, sub)


def _load(readout: Readout, state: State) -> Node:
    facts = readout.facts
    condition = (Tone.OK, "Protected")
    if state is State.OFF:
        condition = (Tone.CRIT, "Not supplied")
    elif facts.alarm("OVERLOAD") or "OVER" in facts.tokens:
        condition = (Tone.CRIT, "Overload")
    elif state is State.BYPASS:
        condition = (Tone.WARN, "Not protected")
    elif facts.alarm("OUTPUT_BAD"):
        condition = (Tone.CRIT, "Voltage out of limits")
    elif facts.alarm("LOAD_HIGH"):
        condition = (Tone.WARN, "High")
    elif state in (State.BATTERY, State.TEST):
        condition = (Tone.OK, "On battery")
    elif state in (State.FAULT, State.UNKNOWN):
        condition = (Tone.NONE, "Not known")
    power = readout.field("ups.realpower", "Active power")
    percent = readout.with_unit("ups.load")
    voltage = readout.with_unit("output.voltage") or readout.with_unit("output.L1-N.voltage")
    main = power or readout.field("ups.load", "Load") or readout.field("output.voltage", "Voltage")
    shown = (percent, voltage) if power else (voltage if main and main.key != "output.voltage" else "",)
    return _node(readout, "load", "Load", condition, main, ", ".join(part for part in shown if part))


def _room(readout: Readout, _state: State) -> Node:
    hot = readout.facts.alarm("AMBIENT_HOT", "AMBIENT_COLD", "AMBIENT_DAMP", "AMBIENT_DRY", "SENSOR_LOST")
    condition = (Tone.WARN, "Out of limits") if hot else (Tone.OK, "Normal")
    humidity = readout.with_unit("ambient.humidity")
    main = readout.field("ambient.temperature", "Temperature") or readout.field("ambient.humidity", "Humidity")
    return _node(readout, "env", "Room", condition, main, f"{humidity} humidity" if humidity else "")


_MAKERS: Mapping[str, Callable[[Readout, State], Node]] = {
    "mains": _mains,
    "byp": _bypass,
    "rec": _rectifier,
    "avr": _regulator,
    "bat": _battery,
    "inv": _inverter,
    "load": _load,
}


def panel(readout: Readout, node: Node, phases: tuple[PhaseRow, ...]) -> Panel:
    """The readings behind a node, the most telling one large."""
    big = next((found for name in PANELS[node.id].big if (found := readout.field(name))), None)
    rows = tuple(row for row in readout.rows(node.id) if big is None or row.key != big.key)
    return _noted(Panel(node.id, node.name, node.tone, node.tag, big, phases, rows))


def _noted(shown: Panel) -> Panel:
    """The panel, and what all of its readings say about not being current, once instead of at each."""
    fields = [*shown.rows, *(cell for row in shown.phases for cell in row.cells if cell)]
    fields += [shown.big] if shown.big else []
    notes = {field.note for field in fields if not field.key.startswith("istars.link.")}
    return replace(shown, note=notes.pop()) if len(notes) == 1 else shown


def phase_rows(readout: Readout, part: str) -> tuple[PhaseRow, ...]:
    """The quantities that the UPS reports for each phase of one part; none for a UPS of one phase."""
    rows = []
    for label, name, total in PHASE_ROWS[part]:
        cells = tuple(readout.field(name.format(phase=phase), f"{label} {phase}") for phase in PHASES)
        if any(cells):
            rows.append(PhaseRow(label, next(cell.unit for cell in cells if cell), cells, readout.field(total, label)))
    return tuple(rows)


def tiles(readout: Readout) -> tuple[Field, ...]:
    """The six readings that matter most among those there are."""
    found: list[Field] = []
    for name, label in TILES:
        shown = _highest_phase(readout) if name == "output.phases" else readout.field(name, label)
        if shown is not None:
            found.append(shown)
    return tuple(found[:6])


def _highest_phase(readout: Readout) -> Field | None:
    """The phase with the highest load, of a UPS with three."""
    loads = [(readout.facts.number(f"output.{phase}.power.percent"), phase) for phase in PHASES]
    known = [(value, phase) for value, phase in loads if value is not None]
    if len(known) < 2:
        return None
    value, phase = max(known)
    readout.texts["highest.load"] = format_number(value, 0)
    name = f"output.{phase}.power.percent"
    return Field("highest.load", f"Highest, {phase}", "%", tone=readout.tone(name), meter=True)
