"""What the agent itself keeps of the UPS while it runs: numbers of alarms, the last test, countdowns, failures of the mains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from istars.model.alarms import ALARMS
from istars.snmp.ber import Oid
from istars.snmp.oids import ALARM_CONDITIONS, WELL_KNOWN_ALARMS, WELL_KNOWN_TESTS
from istars.store.live_alarms import LiveAlarm

MAINS_ALARMS = frozenset(code for code, alarm in ALARMS.items() if alarm.rfc1628 == 6) | {"ON_BATTERY"}
"""Alarms that say that the input is out of tolerance; while the battery is tested, ON_BATTERY does not."""
NUMBERS: Mapping[str, int] = {
    code: number
    for number, code in enumerate(
        (
            "ON_BATTERY", "BATTERY_LOW", "BATTERY_DEPLETED", "CHARGE_LOW", "RUNTIME_SHORT", "INPUT_BAD", "SHUTDOWN_PENDING",
            "SHUTDOWN_IMMINENT", "OUTPUT_OFF", "OUTPUT_BAD", "ON_BYPASS", "BYPASS_BAD", "OVERLOAD", "LOAD_HIGH", "AVR_BOOST",
            "AVR_TRIM", "ECO_MODE", "CONVERTER_MODE", "AWAITING_POWER", "EPO", "NEUTRAL_LOST", "PHASE_SEQUENCE", "UPS_FAULT",
            "OVER_TEMPERATURE", "CHARGER_FAIL", "FAN_FAIL", "FUSE_FAIL", "RECTIFIER_FAIL", "INVERTER_FAIL", "OUTPUT_SHORT",
            "BATTERY_OPEN", "BATTERY_REVERSED", "BATTERY_REPLACE", "TEST_RUNNING", "TEST_FAILED", "AMBIENT_HOT", "AMBIENT_COLD",
            "AMBIENT_DAMP", "AMBIENT_DRY", "SENSOR_LOST", "BMS_ALARM", "BMS_LOST", "SCHEDULED_OFF_SOON", "CLOCK_SYNC_FAIL",
            "MAIL_FAIL", "SMS_FAIL", "COMM_LOST", "STORAGE_FULL", "RECORDS_DAMAGED", "SETTINGS_DAMAGED", "ACCOUNTS_DAMAGED",
            "WORKER_FAILED", "WEBHOOK_FAIL", "SYSLOG_FAIL",
        ),
        start=1,
    )
}  # fmt: skip
"""Alarm to its number in ISTARS-MIB. Numbers are kept for ever: new ones are added at the end."""
TEST = "TEST_RUNNING"
NO_TEST, ABORT, GENERAL, QUICK, DEEP = 1, 2, 3, 4, 5
PASSED, WARNING, FAILED, ABORTED, RUNNING, NONE = 1, 2, 3, 4, 5, 6
RESULTS = {"none": NONE, "running": RUNNING, "passed": PASSED, "failed": FAILED, "stopped": ABORTED}


def test_oid(number: int) -> Oid:
    """A well-known test of RFC 1628."""
    return (*WELL_KNOWN_TESTS, number)


@dataclass(slots=True)
class TestLog:
    """The present or last test; times in boottime seconds. `kind` is what was asked for by SNMP, or a general test."""

    kind: int = NO_TEST
    started: float = 0.0
    ended: float = 0.0
    running: bool = False
    asked: int = GENERAL


@dataclass(slots=True)
class UpsState:
    """State since the agent started at `begun` (boottime). Countdowns are moments in boottime."""

    begun: float
    spin_lock: int = 1
    line_bads: int = 0
    off_at: float | None = None
    on_at: float | None = None
    reboot_until: float | None = None
    test: TestLog = field(default_factory=TestLog)
    _present: set[str] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)
    _descriptions: dict[str, Oid] = field(default_factory=dict)
    _last: int = 0

    def begin(self, alarms: Iterable[LiveAlarm]) -> None:
        """What is present already when the agent starts."""
        for alarm in alarms:
            self._present.add(alarm.code)
            if alarm.code == TEST:
                self.test.running, self.test.kind, self.test.started = True, GENERAL, self.begun

    def happened(self, code: str, raised: bool, at: float) -> None:
        """An alarm was raised or cleared at boottime `at`."""
        was_bad = bool(self._present & MAINS_ALARMS)
        (self._present.add if raised else self._present.discard)(code)
        if code in MAINS_ALARMS and raised and not was_bad and TEST not in self._present:
            self.line_bads += 1
        if code == TEST and raised:
            self.test = TestLog(self.test.asked, at, at, True)
        elif code == TEST:
            self.test.running, self.test.ended = False, at

    def keep(self, alarms: Iterable[LiveAlarm]) -> None:
        """Give numbers to alarms that are new; those that are gone give theirs up."""
        present = {alarm.key: alarm for alarm in alarms}
        for key in [key for key in self._numbers if key not in present]:
            self.drop(key)
        for key, alarm in sorted(present.items(), key=lambda item: item[1].since_wall):
            self.number(key, alarm.code)

    def number(self, key: str, code: str) -> tuple[int, Oid]:
        """UpsAlarmId and upsAlarmDescr of an alarm; no two have the same description."""
        if key not in self._numbers:
            self._last += 1
            self._numbers[key] = self._last
            self._descriptions[key] = self._description(code)
        return self._numbers[key], self._descriptions[key]

    def _description(self, code: str) -> Oid:
        declared = ALARMS.get(code)
        if declared is not None and declared.rfc1628 is not None:
            known = (*WELL_KNOWN_ALARMS, declared.rfc1628)
            if known not in self._descriptions.values():
                return known
        return (*ALARM_CONDITIONS, NUMBERS.get(code, 0))

    def drop(self, key: str) -> None:
        """An alarm is over."""
        self._numbers.pop(key, None)
        self._descriptions.pop(key, None)
