"""Every alarm and event the card knows, declared once: severity, words, what to do, RFC 1628 number, NUT word.

An alarm is a state: it is raised, it lasts, it clears, and both edges are events. A plain event only happens. Events are kept
as code and arguments, never as sentences, so that old records follow a change of language.
When alarms are raised and cleared stands in `rules/conditions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from istars.errors import UnknownName


class Severity(StrEnum):
    """Worst first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Declaration of one alarm, or of a plain event where `cleared` is empty.

    `title` and `detail` may hold `{argument}`; `rfc1628` is n of upsWellKnownAlarms 1.3.6.1.2.1.33.1.6.3.n; `nut` the word of
    `ups.status` or of upsmon's NOTIFYTYPE.
    """

    code: str
    severity: Severity
    title: str
    cleared: str = ""
    meaning: str = ""
    actions: tuple[str, ...] = ()
    detail: str = ""
    rfc1628: int | None = None
    nut: str = ""

    @property
    def is_state(self) -> bool:
        """Whether it lasts and clears, or only happens."""
        return bool(self.cleared)


C, W, I = Severity.CRITICAL, Severity.WARNING, Severity.INFORMATION  # noqa: E741 - the columns of the catalogue

_CHECK_LOAD = "Switch off loads that are not needed."
_CALL_SERVICE = "Call the service of the UPS and give the model, the serial number and this text."

# fmt: off
_POWER = (
    Alarm(
        "ON_BATTERY", W, "Mains failed, UPS on battery", "Mains restored",
        "There is no usable voltage at the mains input. The load runs from the battery.",
        ("Look at the supply breaker of the UPS and ask whether the building has power.",
         "If mains does not come back, shut down what may not lose power before the battery is empty."),
        rfc1628=2, nut="ONBATT",
    ),
    Alarm(
        "BATTERY_LOW", C, "Battery low", "Battery no longer low",
        "The UPS says that its battery is nearly empty. It can switch the load off at any moment.",
        ("Shut down computers now.", "Do not start a battery test."), rfc1628=3, nut="LOWBATT",
    ),
    Alarm(
        "BATTERY_DEPLETED", C, "Battery empty", "Battery charged again",
        "No charge is left. The load loses power, or has lost it.", ("Wait until the battery is charged again.",), rfc1628=4,
        nut="LB",
    ),
    Alarm(
        "CHARGE_LOW", W, "Battery charge below {limit} %", "Battery charge back above the limit",
        "Less charge is left than the limit set on this card.", ("Prepare to shut down computers.",), "{value} %",
    ),
    Alarm(
        "RUNTIME_SHORT", W, "Less than {limit} min left on battery", "Time left back above the limit",
        "At this load the battery lasts for less than the limit set on this card.", (_CHECK_LOAD,), "{value} min",
    ),
    Alarm(
        "INPUT_BAD", W, "Mains voltage out of limits", "Mains voltage back within limits",
        "Mains is there, but outside the limits set on this card.", ("Ask an electrician to look at the supply.",), "{value} V",
        rfc1628=6,
    ),
    Alarm(
        "SHUTDOWN_PENDING", C, "The UPS is about to switch off", "Switch-off cancelled or done",
        "A switch-off is counting down in the UPS.", ("Cancel it under Remote control if nobody ordered it.",), rfc1628=22,
        nut="FSD",
    ),
    Alarm(
        "SHUTDOWN_IMMINENT", C, "The UPS switches off within 5 seconds", "Switch-off done",
        "The countdown in the UPS has nearly ended.", rfc1628=23, nut="FSD",
    ),
    Alarm(
        "OUTPUT_OFF", C, "Output switched off", "Output is on again",
        "The UPS gives no voltage to the load.", ("Find out who switched it off before switching it on.",), rfc1628=14, nut="OFF",
    ),
    Alarm(
        "OUTPUT_BAD", C, "Output voltage out of limits", "Output voltage back within limits",
        "The load gets a voltage outside the limits set on this card.", (_CALL_SERVICE,), "{value} V", rfc1628=7,
    ),
    Alarm(
        "ON_BYPASS", W, "On bypass, load not protected", "Load protected again",
        "The load runs from mains directly. If mains fails now, it loses power.",
        ("Look for an overload or a fault.", "Transfer to inverter when the cause is gone."), rfc1628=9, nut="BYPASS",
    ),
    Alarm(
        "BYPASS_BAD", W, "Bypass supply not available", "Bypass supply available again",
        "Bypass has no usable voltage. If the inverter stops now, the load loses power.",
        ("It often clears together with a mains failure. Do not transfer to bypass.",), rfc1628=10,
    ),
    Alarm(
        "OVERLOAD", C, "Output overloaded", "Overload over",
        "More is connected than the UPS can carry. It may transfer to bypass or switch off.", (_CHECK_LOAD,), "{value} %",
        rfc1628=8, nut="OVER",
    ),
    Alarm(
        "LOAD_HIGH", W, "Load above {limit} %", "Load back below the limit",
        "The load is higher than the limit set on this card.", (_CHECK_LOAD,), "{value} %",
    ),
    Alarm(
        "AVR_BOOST", I, "Raising a low mains voltage", "Mains voltage needs no raising",
        "The UPS lifts the mains voltage without using its battery.", nut="BOOST",
    ),
    Alarm(
        "AVR_TRIM", I, "Lowering a high mains voltage", "Mains voltage needs no lowering",
        "The UPS lowers the mains voltage without using its battery.", nut="TRIM",
    ),
    Alarm("ECO_MODE", I, "Economy mode", "Economy mode ended",
          "The load runs from mains and the inverter stands by: less loss, a short gap when mains fails.", nut="ECO"),
    Alarm("CONVERTER_MODE", I, "Frequency converter mode", "Frequency converter mode ended",
          "The output has its own frequency; bypass cannot be used."),
    Alarm("AWAITING_POWER", W, "Waiting for mains to switch on", "Output switched on",
          "The output is off and comes back when mains returns.", rfc1628=21),
    Alarm("EPO", C, "Emergency power off", "Emergency power off released",
          "Somebody pressed the emergency switch, or its wire is open.",
          ("Do not switch on before it is known why.",), rfc1628=18),
    Alarm("NEUTRAL_LOST", C, "Neutral of the mains lost", "Neutral of the mains back",
          "Without neutral, voltages can rise and destroy the load.", ("Call an electrician at once.",), rfc1628=6),
    Alarm("PHASE_SEQUENCE", W, "Wrong order of the mains phases", "Order of the mains phases right",
          "Phases are connected in the wrong order.", ("Call an electrician.",), rfc1628=6),
)

_PARTS = (
    Alarm("UPS_FAULT", C, "UPS fault", "UPS fault over", "The UPS reports a fault of its own.", (_CALL_SERVICE,), rfc1628=18,
          nut="ALARM"),
    Alarm("OVER_TEMPERATURE", C, "UPS too hot", "UPS temperature normal",
          "Heat shortens the life of the battery and can switch the UPS off.",
          ("Look for dust, blocked air and a warm room.", _CHECK_LOAD), "{value} °C", rfc1628=5),
    Alarm("CHARGER_FAIL", C, "Charger failed", "Charger works again",
          "The battery is no longer charged. It bridges only what it holds now.", (_CALL_SERVICE,), rfc1628=13),
    Alarm("FAN_FAIL", C, "Fan failed", "Fan works again", "The UPS will become too hot.", (_CALL_SERVICE,), rfc1628=16),
    Alarm("FUSE_FAIL", C, "Fuse failed", "Fuse replaced", "A fuse in the UPS is open.", (_CALL_SERVICE,), rfc1628=17),
    Alarm("RECTIFIER_FAIL", C, "Rectifier failed", "Rectifier works again", "The UPS cannot use mains.", (_CALL_SERVICE,),
          rfc1628=18),
    Alarm("INVERTER_FAIL", C, "Inverter failed", "Inverter works again", "The UPS cannot make its own voltage.",
          (_CALL_SERVICE,), rfc1628=18),
    Alarm("OUTPUT_SHORT", C, "Short circuit at the output", "Short circuit gone",
          "Something connected to the output is shorted.", ("Disconnect what was connected last.",), rfc1628=7),
    Alarm("BATTERY_OPEN", C, "Battery disconnected", "Battery connected",
          "The UPS has no battery: the load loses power with the next mains failure.",
          ("Look at the battery breaker and connectors.",), rfc1628=1),
    Alarm("BATTERY_REVERSED", C, "Battery connected the wrong way", "Battery connected the right way",
          "Plus and minus of the battery are exchanged.", ("Switch the battery breaker off and call the service.",), rfc1628=1),
    Alarm("BATTERY_REPLACE", W, "Battery must be replaced", "Battery replaced",
          "The battery failed its test or is at the end of its life.", ("Order batteries.",), rfc1628=1, nut="REPLBATT"),
    Alarm("TEST_RUNNING", I, "Battery test running", "Battery test ended",
          "The load runs from the battery for a test.", rfc1628=24, nut="CAL"),
    Alarm("TEST_FAILED", W, "Battery test failed", "Battery test passed",
          "The battery did not hold the load for the time of the test.", ("Charge it for a day and test again.",
          "Order batteries if it fails again."), rfc1628=19, nut="RB"),
    Alarm("AMBIENT_HOT", W, "Room above {limit} °C", "Room temperature back below the limit",
          "The room is warmer than the limit set on this card.", ("Look at the cooling.",), "{value} °C"),
    Alarm("AMBIENT_COLD", W, "Room below {limit} °C", "Room temperature back above the limit",
          "The room is colder than the limit set on this card.", (), "{value} °C"),
    Alarm("AMBIENT_DAMP", W, "Room humidity above {limit} %", "Room humidity back below the limit",
          "The room is damper than the limit set on this card.", (), "{value} %"),
    Alarm("AMBIENT_DRY", W, "Room humidity below {limit} %", "Room humidity back above the limit",
          "The room is drier than the limit set on this card.", (), "{value} %"),
    Alarm("SENSOR_LOST", W, "Room sensor does not answer", "Room sensor answers again",
          "No data come from the sensor.", ("Look at its cable and address.",)),
)

_CARD = (
    Alarm("BMS_ALARM", W, "Lithium battery reports an alarm", "Lithium battery reports no alarm",
          "The management system inside the battery protects its cells and may disconnect them.", (_CALL_SERVICE,),
          "{reason}", rfc1628=1, nut="ALARM"),
    Alarm("BMS_LOST", W, "No data from the lithium battery", "Data from the lithium battery are back",
          "The card cannot see what the battery does.", ("Look at the CAN cable.",), rfc1628=1),
    Alarm("SCHEDULED_OFF_SOON", W, "Scheduled switch-off in {value} min", "The scheduled switch-off is over",
          "The timetable of this card switches the load off soon.", ("Skip it under Schedule if the load must stay on.",),
          rfc1628=22),
    Alarm("CLOCK_SYNC_FAIL", W, "The card's clock is not synchronised", "The card's clock is synchronised",
          "No time server answers; times of events may be wrong.", ("Check the time servers and the network.",), "{reason}"),
    Alarm("MAIL_FAIL", W, "Mails cannot be sent", "Mails are sent again",
          "Nobody is told of alarms by mail.", ("Send a test mail and read the server's answer.",), "{reason}"),
    Alarm("SMS_FAIL", W, "Short messages cannot be sent", "Short messages are sent again",
          "Nobody is told of alarms by SMS.", ("Look at the modem, its signal and its SIM card.",), "{reason}"),
    Alarm("WEBHOOK_FAIL", W, "A webhook is not told", "Webhooks are told again",
          "A program or chat does not learn of alarms.", ("Send a test and read the answer.",), "{reason}"),
    Alarm("SYSLOG_FAIL", W, "A syslog server is not told", "Syslog servers are told again",
          "A server that records events gets none.", ("Send a test and read what it says.",), "{reason}"),
    Alarm("COMM_LOST", C, "No data from the UPS", "Data from the UPS are back",
          "The card cannot see what the UPS does. Nothing on the pages is current.",
          ("Look at the cable between card and UPS.", "Check protocol and port under UPS parameters."), "{reason}", rfc1628=20,
          nut="COMMBAD"),
    Alarm("STORAGE_FULL", C, "The card's storage is full", "The card's storage has room again",
          "Events are kept in memory until there is room; a power cut of the card would lose them.",
          ("Export and delete old records.",), "{reason}"),
    Alarm("RECORDS_DAMAGED", W, "The event record was damaged", "The damage was seen",
          "The damaged file was kept beside a new one. Events before this moment are in the old file.",
          ("Export the old file before the next factory reset.",), "{file}"),
    Alarm("SETTINGS_DAMAGED", C, "The settings are damaged", "The settings are good again",
          "The card works with the last good settings.", ("Look through the settings and save them.",), "{reason}"),
    Alarm("ACCOUNTS_DAMAGED", C, "The user accounts were damaged", "The user accounts are good again",
          "The card works with the last good copy, or refuses every sign-in where there is none.", (), "{reason}"),
    Alarm("WORKER_FAILED", C, "A part of the card does not run", "All parts of the card run",
          "A program of the card does not start or hangs.", ("Restart the card; save a report for the maker.",), "{worker}"),
)

_EVENTS = (
    Alarm("CARD_STARTED", I, "Card started", detail="version {version}"),
    Alarm("CARD_RESTARTS", I, "Card restarts", detail="{reason}"),
    Alarm("CLOCK_CHANGED", I, "The card's clock was set", detail="{seconds} s"),
    Alarm("LOGIN_FAIL", W, "Sign-in refused after wrong passwords", detail="{by}"),
    Alarm("USER_RESCUED", W, "A user was given a one-time password at the console", detail="{user}, by {by}"),
    Alarm("CONFIG_CHANGED", I, "Settings changed", detail="by {by}"),
    Alarm("FIRMWARE_UPDATED", I, "Firmware updated", detail="version {version}"),
    Alarm("FIRMWARE_ROLLED_BACK", W, "New firmware was given up, the old one runs again", detail="{version}: {reason}"),
    Alarm("FIRMWARE_FAILED", W, "Firmware was not installed", detail="{reason}"),
    Alarm("FIRMWARE_OFFERED", I, "New firmware is offered", detail="version {version}"),
    Alarm("TEST_PASSED", I, "Battery test passed"),
    Alarm("COMMAND_DONE", I, "Command carried out", detail="{command}, by {by}: {result}"),
    Alarm("COMMAND_FAILED", W, "Command failed", detail="{command}, by {by}: {result}"),
    Alarm("ALARM_ACKNOWLEDGED", I, "Alarm acknowledged", detail="{title}, by {by}"),
    Alarm("SETTINGS_RESTORED", I, "Settings restored from a file", detail="{count} changed, by {by}"),
    Alarm("FACTORY_RESET", W, "Reset to factory settings", detail="{count} changed, by {by}"),
    Alarm("HOST_WOKEN", I, "Computer answers", detail="{host}, after {tries} packets"),
    Alarm("HOST_SENT_TO", I, "Computer was sent a wake-up packet", detail="{host}"),
    Alarm("HOST_NOT_WOKEN", W, "Computer does not answer", detail="{host}, after {tries} wake-up packets"),
    Alarm("TRAP_FAILED", W, "A trap or inform did not arrive", detail="{notice} to {address}: {reason}"),
    Alarm("EVENTS_MISSED", W, "Some changes of the UPS were not seen", detail="{count} changes while the card was busy"),
)
# fmt: on

PARTS: Mapping[str, tuple[Alarm, ...]] = MappingProxyType(
    {"Power": _POWER, "UPS, battery, room": _PARTS, "Card and links": _CARD, "What only happens": _EVENTS}
)
"""The catalogue in its parts, by their titles."""
ALARMS: Mapping[str, Alarm] = MappingProxyType({item.code: item for part in PARTS.values() for item in part})
"""Code to declaration, in the order of the catalogue."""


Say = Callable[[str], str]
"""Says a text in some language."""


class _Blank(dict[str, object]):
    """Arguments of a text; one that is missing shows as an ellipsis rather than failing the page."""

    def __missing__(self, key: str) -> str:
        return "\u2026"


def alarm(code: str) -> Alarm:
    """Declaration of `code`; raises UnknownName for a code that is not declared."""
    try:
        return ALARMS[code]
    except KeyError:
        raise UnknownName(f"no alarm is called {code!r}") from None


def describe(code: str, args: Mapping[str, object], say: Say = str) -> str:
    """The alarm in words: `Load above 80 %`. A code of a newer firmware shows as itself."""
    declaration = ALARMS.get(code)
    return say(declaration.title).format_map(_Blank(args)) if declaration else code


def describe_detail(code: str, args: Mapping[str, object], say: Say = str) -> str:
    """What the alarm adds to its title (`112 %`); empty where there is nothing to add."""
    declaration = ALARMS.get(code)
    if declaration is None or not declaration.detail or not args:
        return ""
    return say(declaration.detail).format_map(_Blank(args))


def describe_event(code: str, kind: str, args: Mapping[str, object], say: Say = str) -> str:
    """The event in words; `kind` is `raise`, `clear` or `event`, `say` translates the texts of the catalogue."""
    declaration = ALARMS.get(code)
    if declaration is not None and kind == "clear" and declaration.cleared:
        return say(declaration.cleared).format_map(_Blank(args))
    shown = describe(code, args, say)
    extra = describe_detail(code, args, say)
    return f"{shown}: {extra}" if extra else shown
