"""When each alarm is raised and when it clears: one table.

A test looks at fresh readings and answers True, False or None ("cannot be known now"); None leaves an alarm as it is, so that
a lost link freezes what was known. A condition must hold for `raise_s` (and over `polls` looks at the UPS) before it is an
alarm, and be gone for `clear_s` before the alarm clears; a value must come back by `back` before it counts as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from istars.model.readings import Value
from istars.settings import Settings

Arguments = dict[str, object]

CLOCK_LOST_S = 4 * 3600.0
"""A clock on its own goes wrong by seconds a week; four hours leave time servers that are restarted alone."""


@dataclass(slots=True)
class View:
    """What a test may look at: fresh readings, settings, facts about the card itself, and whether its alarm is present."""

    readings: Mapping[str, Value]
    settings: Settings
    facts: Mapping[str, Arguments]
    active: bool = False
    args: Arguments = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """A numeric reading; None where it is not known."""
        value = self.readings.get(name)
        return None if value is None or isinstance(value, str) else float(value)

    def tokens(self, name: str) -> list[str] | None:
        """The words of a reading; None where it is not known."""
        value = self.readings.get(name)
        return str(value).split() if value is not None else None


@dataclass(frozen=True, slots=True)
class Test:
    """`holds` answers True, False or None; `by_states` says that discrete readings alone decide it.

    Discrete readings are kept change by change, so such a test can be asked about the past as well.
    """

    holds: Callable[[View], bool | None]
    by_states: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One row of the table. `at_once` is a second test that needs no waiting, such as a bit that the UPS itself sets."""

    code: str
    test: Test
    raise_s: float = 0.0
    clear_s: float = 0.0
    polls: int = 1
    at_once: Test | None = None

    def delay(self, active: bool, settings: Settings) -> float:
        """Seconds the opposite state must last before the alarm changes."""
        wait = self.clear_s if active else self.raise_s
        # A little less than whole polls: the look that completes them must not miss by its own jitter.
        return max(wait, (self.polls - 0.5) * settings.number("ups.poll.interval") if self.polls > 1 else 0.0)


def status(*words: str) -> Test:
    """`ups.status` holds one of `words`."""

    def test(view: View) -> bool | None:
        found = view.tokens("ups.status")
        return None if found is None else any(word in found for word in words)

    return Test(test, by_states=True)


def reported(code: str) -> Test:
    """The UPS itself reports the alarm `code`."""

    def test(view: View) -> bool | None:
        found = view.tokens("ups.alarm")
        return None if found is None else code in found

    return Test(test, by_states=True)


def equals(name: str, *values: str) -> Test:
    """A state reading has one of `values`."""

    def test(view: View) -> bool | None:
        found = view.readings.get(name)
        return None if found is None else found in values

    return Test(test, by_states=True)


def fact(code: str) -> Test:
    """The card found `code` out about itself."""

    def test(view: View) -> bool | None:
        found = view.facts.get(code)
        if found is not None:
            view.args.update(found)
        return found is not None

    return Test(test)


def clock_lost() -> Test:
    """The card keeps its own clock by time servers, and none of them answers."""

    def test(view: View) -> bool | None:
        found = view.readings.get("istars.clock.state")
        view.args.update(reason=str(view.readings.get("istars.clock.detail", "")))
        return None if found is None else found in ("searching", "stopped")

    return Test(test)


def trouble(name: str) -> Test:
    """A reading that says in words what is wrong, and is empty while nothing is."""

    def test(view: View) -> bool | None:
        found = view.readings.get(name)
        if found:
            view.args.update(reason=found)
        return None if found is None else bool(found)

    return Test(test)


def any_of(*tests: Test) -> Test:
    """At least one holds. Unknown only if none holds and one of them cannot be known."""

    def test(view: View) -> bool | None:
        answers = [each.holds(view) for each in tests]
        if any(answers):
            return True
        known = [answer for answer in answers if answer is not None]
        # A device that never has one of the readings is judged by those it has.
        return None if not known else False

    return Test(test, by_states=all(each.by_states for each in tests))


def _limited(name: str, key: str, back: float, sign: int, per: float, zero_is_off: bool) -> Test:
    def test(view: View) -> bool | None:
        limit = view.settings.number(key)
        if zero_is_off and limit == 0:
            return False
        value = view.number(name)
        if value is None:
            return None
        value /= per
        view.args.update(value=f"{round(value, 1):g}", limit=f"{limit:g}")
        return sign * value > sign * limit - (back if view.active else 0.0)

    return Test(test)


def above(name: str, key: str, *, back: float, per: float = 1.0, zero_is_off: bool = False) -> Test:
    """A reading is above the limit in option `key`; once it was, it must fall to `back` below it. `per` divides the reading."""
    return _limited(name, key, back, 1, per, zero_is_off)


def below(name: str, key: str, *, back: float, per: float = 1.0, zero_is_off: bool = False) -> Test:
    """A reading is below the limit in option `key`; once it was, it must rise to `back` above it."""
    return _limited(name, key, back, -1, per, zero_is_off)


def only_if(gate: Test, test: Test) -> Test:
    """`test`, but only while `gate` holds."""

    def gated(view: View) -> bool | None:
        opened = gate.holds(view)
        return test.holds(view) if opened else opened

    return Test(gated, by_states=gate.by_states and test.by_states)


def battery_low() -> Test:
    """The UPS says low; once it did, it stays so until mains is back: its flag may flicker when the load falls."""

    def test(view: View) -> bool | None:
        words = view.tokens("ups.status")
        return None if words is None else "LB" in words or (view.active and "OB" in words)

    return Test(test, by_states=True)


def battery_old() -> Test:
    """The battery is as old as it is expected to become. Without its date, or an expected life, this decides nothing."""

    def test(view: View) -> bool | None:
        age, life = view.number("istars.battery.age"), view.settings.number("ups.battery.life")
        return None if age is None or not life else age >= life

    return Test(test)


CONDITIONS: tuple[Condition, ...] = (
    # The UPS qualifies its mains itself, for seconds, before it says so: waiting again would only make the card late.
    Condition("ON_BATTERY", status("OB")),
    Condition("BATTERY_LOW", battery_low()),
    Condition("BATTERY_DEPLETED", below("battery.charge", "limit.charge.empty", back=4), at_once=reported("BATTERY_DEPLETED")),
    Condition("CHARGE_LOW", below("battery.charge", "limit.charge.low", back=3, zero_is_off=True), 5, 5),
    Condition(
        "RUNTIME_SHORT",
        only_if(status("OB"), below("battery.runtime", "limit.runtime.low", back=1, per=60, zero_is_off=True)),
        3,
        5,
    ),
    Condition("INPUT_BAD", any_of(
        above("input.voltage", "limit.input.high", back=3, zero_is_off=True),
        below("input.voltage", "limit.input.low", back=3, zero_is_off=True)), 2, 5, at_once=reported("INPUT_BAD")),
    Condition("SHUTDOWN_PENDING", any_of(reported("SHUTDOWN_PENDING"), status("FSD"))),
    Condition("SHUTDOWN_IMMINENT", reported("SHUTDOWN_IMMINENT")),
    Condition("OUTPUT_OFF", status("OFF"), polls=2),
    Condition("OUTPUT_BAD", any_of(
        above("output.voltage", "limit.output.high", back=3, zero_is_off=True),
        below("output.voltage", "limit.output.low", back=3, zero_is_off=True)), 2, 5, at_once=reported("OUTPUT_BAD")),
    Condition("ON_BYPASS", status("BYPASS"), polls=2),
    Condition("BYPASS_BAD", reported("BYPASS_BAD"), polls=3),
    Condition("OVERLOAD", above("ups.load", "limit.load.over", back=5), 3, 10, at_once=reported("OVERLOAD")),
    Condition("LOAD_HIGH", above("ups.load", "limit.load.high", back=5), 30, 30),
    Condition("AVR_BOOST", status("BOOST"), polls=3),
    Condition("AVR_TRIM", status("TRIM"), polls=3),
    Condition("ECO_MODE", status("ECO"), polls=2),
    Condition("CONVERTER_MODE", status("CONVERTER"), polls=2),
    Condition("AWAITING_POWER", reported("AWAITING_POWER"), polls=2),
    Condition("EPO", reported("EPO")),
    Condition("NEUTRAL_LOST", reported("NEUTRAL_LOST"), polls=2),
    Condition("PHASE_SEQUENCE", reported("PHASE_SEQUENCE"), polls=2),
    Condition("UPS_FAULT", reported("UPS_FAULT"), polls=2),
    Condition("OVER_TEMPERATURE", any_of(
        above("ups.temperature", "limit.temperature.high", back=3),
        above("istars.inverter.temperature", "limit.parts.high", back=3),
        above("istars.rectifier.temperature", "limit.parts.high", back=3)), 30, 30, at_once=reported("OVER_TEMPERATURE")),
    Condition("CHARGER_FAIL", reported("CHARGER_FAIL"), polls=2),
    Condition("FAN_FAIL", reported("FAN_FAIL"), polls=2),
    Condition("FUSE_FAIL", reported("FUSE_FAIL"), polls=2),
    Condition("RECTIFIER_FAIL", reported("RECTIFIER_FAIL"), polls=2),
    Condition("INVERTER_FAIL", reported("INVERTER_FAIL"), polls=2),
    Condition("OUTPUT_SHORT", reported("OUTPUT_SHORT"), polls=2),
    Condition("BATTERY_OPEN", any_of(reported("BATTERY_OPEN"), equals("istars.battery.state", "disconnected")), 5, 5),
    Condition("BATTERY_REVERSED", reported("BATTERY_REVERSED"), polls=2),
    Condition("BATTERY_REPLACE", any_of(status("RB"), reported("BATTERY_REPLACE")), polls=2, at_once=battery_old()),
    Condition("TEST_RUNNING", status("TEST", "CAL")),
    Condition("TEST_FAILED", any_of(equals("ups.test.result", "failed"), reported("TEST_FAILED"))),
    Condition("AMBIENT_HOT", above("ambient.temperature", "limit.ambient.hot", back=1), 30, 30),
    Condition("AMBIENT_COLD", below("ambient.temperature", "limit.ambient.cold", back=1), 30, 30),
    Condition("AMBIENT_DAMP", above("ambient.humidity", "limit.ambient.damp", back=3), 30, 30),
    Condition("AMBIENT_DRY", below("ambient.humidity", "limit.ambient.dry", back=3), 30, 30),
    Condition("CLOCK_SYNC_FAIL", clock_lost(), CLOCK_LOST_S),
    # The time-out is in the fact itself: how long the link has been silent is known to the core alone.
    Condition("COMM_LOST", fact("COMM_LOST")),
    Condition("STORAGE_FULL", fact("STORAGE_FULL"), 0, 10),
    Condition("RECORDS_DAMAGED", fact("RECORDS_DAMAGED")),
    Condition("SETTINGS_DAMAGED", fact("SETTINGS_DAMAGED")),
    Condition("ACCOUNTS_DAMAGED", equals("istars.accounts.state", "restored", "closed")),
    # One failure may be a server that restarts.
    Condition("MAIL_FAIL", trouble("istars.mail.trouble"), 60),
    Condition("SMS_FAIL", trouble("istars.sms.trouble"), 60),
    Condition("WEBHOOK_FAIL", trouble("istars.webhook.trouble"), 60),
    Condition("SYSLOG_FAIL", trouble("istars.syslog.trouble"), 60),
    Condition("WORKER_FAILED", fact("WORKER_FAILED")),
)  # fmt: skip
"""Every alarm that this card raises, in the order of the catalogue."""
