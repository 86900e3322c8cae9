"""The UPS that can be simulated, as they would stand in a data sheet.

`megatec` and `megatec-interactive` speak Megatec Q1, `east` and `invt` Modbus RTU, the others the dialect of their name. Three
phases make a 20 kVA unit with a split bank (positive and negative half) of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from .battery import BatteryDesign

Topology = Literal["online", "interactive"]
Source = Literal["none", "line", "battery", "bypass"]


@dataclass(frozen=True)
class UpsDesign:
    """Ratings and limits of one UPS model; volts, hertz, seconds, fractions of one."""

    kind: str
    topology: Topology
    maker: str
    model: str
    firmware: str
    serial: str
    rated_va: float
    battery: BatteryDesign
    phases: int = 1
    power_factor: float = 0.9
    nominal_v: float = 230.0
    nominal_hz: float = 50.0
    # Input the rectifier (online) or the relay (line-interactive) accepts; outside of it the battery carries the load.
    input_low_v: float = 160.0
    input_high_v: float = 280.0
    bypass_low_v: float = 176.0
    bypass_high_v: float = 264.0
    # Until the loss of the mains is recognised, and until the load is taken back after its return.
    transfer_s: float = 0.010
    walk_in_s: float = 3.0
    line_efficiency: float = 0.93
    inverter_efficiency: float = 0.94
    charger_efficiency: float = 0.90
    idle_w: float = 60.0
    quick_test_s: float = 10.0

    @property
    def rated_w(self) -> float:
        """Rated active power."""
        return self.rated_va * self.power_factor


_ONLINE_BANK: Final = BatteryDesign(cells=96, capacity_ah=12.0, cell_ohm=0.00225, charger_a=1.8)

DESIGNS: Final[dict[str, UpsDesign]] = {
    design.kind: design
    for design in (
        UpsDesign("megatec", "online", "EAST", "EA906S", "V2.81", "", 6000.0, _ONLINE_BANK),
        UpsDesign(
            "megatec-interactive",
            "interactive",
            "EAST",
            "EA6120",
            "V1.07",
            "",
            1200.0,
            BatteryDesign(cells=12, capacity_ah=9.0, cell_ohm=0.003, charger_a=1.35),
            power_factor=0.6,
            input_low_v=165.0,
            input_high_v=285.0,
            transfer_s=0.008,
            walk_in_s=1.5,
            line_efficiency=0.98,
            inverter_efficiency=0.85,
            idle_w=8.0,
        ),
        # The EA900 tests its battery for 20 s (control register 0x8006 = 1).
        UpsDesign(
            "east", "online", "EAST", "EA906 G4", "V2.0.7", "EA9060123456AB", 6000.0, _ONLINE_BANK, quick_test_s=20.0
        ),
        UpsDesign("invt", "online", "INVT", "HR1106", "0102", "", 6000.0, _ONLINE_BANK, quick_test_s=20.0),
    )
}

# Dialects: kinds whose protocol has the same name, with the unit that speaks it.
for _kind, _like in {
    "q1": "megatec-interactive",
    "mustek": "megatec-interactive",
    "zinto": "megatec-interactive",
    "mecer": "megatec-interactive",
    "megatec-old": "megatec-interactive",
    "voltronic-qs": "megatec-interactive",
    "voltronic": "megatec",
    "q6": "megatec",
    "q2": "megatec",
    "megatec-3ph": "megatec",
}.items():
    DESIGNS[_kind] = replace(DESIGNS[_like], kind=_kind)

DIALECT_KINDS: Final = tuple(DESIGNS)[4:]
# Register maps of the card whose simulated device is made from the map itself.
for _kind in ("huawei-ups2000", "kstar"):
    DESIGNS[_kind] = replace(DESIGNS["east"], kind=_kind)
MAP_KINDS: Final = ("huawei-ups2000", "kstar")
# Reached through the network only: another network card (SNMP), and a server of Network UPS Tools.
NETWORK_DESIGNS: Final = {kind: replace(DESIGNS["megatec"], kind=kind) for kind in ("rfc1628", "nut")}
MEGATEC_KINDS: Final = ("megatec", "megatec-interactive")
# Kinds that exist with three phases only.
THREE_PHASE_KINDS: Final = ("q6", "q2", "megatec-3ph")
MODBUS_KINDS: Final = ("east", "invt")


def design_of(kind: str, phases: int = 1) -> UpsDesign:
    """Return the data sheet of `kind`; raises ValueError for an unknown kind or a number of phases it does not exist in."""
    if kind in NETWORK_DESIGNS and phases == 1:
        return NETWORK_DESIGNS[kind]
    if kind not in DESIGNS:
        raise ValueError(f"unknown kind of UPS '{kind}'; known: {', '.join(DESIGNS)}")
    if kind in THREE_PHASE_KINDS:
        phases = 3
    if phases not in (1, 3) or (phases == 3 and kind not in (*MODBUS_KINDS, *THREE_PHASE_KINDS, "voltronic", "kstar")):
        raise ValueError(f"{kind} does not exist with {phases} phases")
    if phases == 1:
        return DESIGNS[kind]
    bank = BatteryDesign(cells=192, capacity_ah=20.0, cell_ohm=0.00135, charger_a=4.0)
    return replace(DESIGNS[kind], phases=3, rated_va=20000.0, battery=bank, idle_w=150.0)


# Seconds an overload is borne before something gives, by where the load hangs: (load % above which, seconds), worst first.
OVERLOAD_ALARM_PERCENT: Final = 105.0
OVERLOAD_LIMITS: Final[dict[tuple[Topology, Source], tuple[tuple[float, float], ...]]] = {
    ("online", "line"): ((150.0, 1.0), (125.0, 30.0), (105.0, 600.0)),
    ("online", "battery"): ((150.0, 0.5), (125.0, 10.0), (105.0, 60.0)),
    ("online", "bypass"): ((200.0, 1.0), (150.0, 60.0), (125.0, 600.0)),
    ("interactive", "line"): ((150.0, 2.0), (125.0, 60.0), (105.0, 600.0)),
    ("interactive", "battery"): ((150.0, 0.5), (125.0, 10.0), (105.0, 60.0)),
}


def overload_limit_s(topology: Topology, source: Source, load_percent: float) -> float | None:
    """Return the seconds `load_percent` is borne on `source`; None when for ever."""
    for above, seconds in OVERLOAD_LIMITS.get((topology, source), ()):
        if load_percent > above:
            return seconds
    return None
