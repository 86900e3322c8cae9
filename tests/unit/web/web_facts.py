"""Facts for tests: a UPS whose readings and alarms are said in one line."""

from istars.model.alarms import ALARMS
from istars.platform import clock
from istars.store.live import LiveReading
from istars.store.live_alarms import LiveAlarm
from istars.web.view import Facts

NOW, WALL = 10_000.0, 1_790_000_000.0
LIFE = 3.0

MAINS = {
    "ups.status": "OL",
    "ups.alarm": "",
    "ups.type": "online",
    "input.voltage": 230.4,
    "input.frequency": 50.0,
    "output.voltage": 220.1,
    "ups.load": 38,
    "battery.voltage": 436.8,
    "battery.charge": 100,
}
LINK = {"istars.link.state": "ok", "istars.link.reason": "", "istars.link.detail": ""}
INTERACTIVE = {**MAINS, "ups.type": "offline / line interactive"}
PHASES = {
    "ups.status": "OL",
    "ups.type": "online",
    "input.phases": 3,
    "ups.load": 57,
    **{f"input.L{n}-N.voltage": volts for n, volts in ((1, 231.2), (2, 229.8), (3, 230.6))},
    **{f"output.L{n}.power.percent": load for n, load in ((1, 41), (2, 84), (3, 47))},
}


def reading(name, value, at=NOW - 0.5, life=LIFE, estimated=False, source="upslink"):
    return LiveReading(name, value, at, at + life, at, source, estimated)


def alarm(code, seconds=10.0, **more):
    severity = ALARMS[code].severity
    return LiveAlarm(
        more.pop("key", f"key-{code}"),
        code,
        severity,
        WALL - seconds,
        NOW - seconds,
        more.pop("boot", clock.boot_id()),
        **more,
    )


def facts(values=None, *alarms, link=LINK, age=0.5, estimated=(), **named):
    """A UPS on mains, or one with `values`; `age` is how long ago it was read, `named` changes single readings (`_` for `.`)."""
    changed = {name.replace("_", "."): value for name, value in named.items()}
    shown = {**(MAINS if values is None else values), **changed}
    readings = {name: reading(name, value, NOW - age, estimated=name in estimated) for name, value in shown.items()}
    readings |= {name: reading(name, value, NOW - 0.5, 20.0) for name, value in (link or {}).items()}
    return Facts(readings, alarms, NOW, WALL)
