"""Estimates against the physics of the simulators, which know how long their battery really lasts."""

from __future__ import annotations

from istars.drivers.batterytest import BatteryTestWatch
from istars.drivers.estimate import Bank, Estimator, Learned
from istars.model.readings import Value
from simulators.designs import design_of
from simulators.physics import Ups


def interactive() -> Ups:
    ups = Ups(design_of("megatec-interactive"))
    ups.wander = 0.0
    return ups


def readings(ups: Ups) -> dict[str, Value]:
    """What a UPS tells that reports neither charge nor time left."""
    tokens = ["OB" if ups.utility_fail else "OL", *(["LB"] if ups.battery.low else []), *(["TEST"] if ups.test else [])]
    return {
        "ups.status": " ".join(tokens),
        "ups.load": round(ups.shown_load_percent),
        "battery.voltage": round(ups.battery.voltage_v, 1),
        "battery.voltage.nominal": 24.0,
    }


def discharge(ups: Ups, estimator: Estimator, load: float) -> list[tuple[float, float]]:
    """Run the battery down from full: (time left as estimated, charge as estimated) every ten seconds, and the charge back."""
    ups.set_load(load)
    ups.set_charge(100)
    ups.step(60)
    start, seen = ups.time_s, []
    estimator.estimate(readings(ups), (), ups.time_s)
    ups.set_mains(0)
    while ups.cut is None:
        ups.step(10)
        values, _ = estimator.estimate(readings(ups), (), ups.time_s)
        seen.append((float(values.get("battery.runtime", -1)), float(values["battery.charge"])))
    ups.set_mains(230)
    ups.set_charge(100)
    ups.step(120)
    # The estimator must not see the hours of recharging as a gap of one poll.
    seen.append((ups.time_s - start - 120, 0))
    return seen


BANK = Bank(cells=12, packs=1, capacity_ah=9, rated_w=720)


def error(ups: Ups, estimator: Estimator, load: float) -> float:
    """How far the first time left of a discharge is from how long it really lasted, as a part of that."""
    seen = discharge(ups, estimator, load)
    lasted = seen[-1][0]
    return abs(seen[0][0] - lasted) / lasted


def test_nothing_is_guessed_without_capacity_and_before_a_discharge() -> None:
    values, names = Estimator(Bank(cells=12), Learned()).estimate(readings(interactive()), (), 0)
    assert "battery.runtime" not in values
    assert names == {"battery.charge"}


def test_estimates_get_better_with_each_discharge() -> None:
    ups, estimator = interactive(), Estimator(BANK, Learned())
    first = error(ups, estimator, 60)
    assert estimator.learned.discharges == 1
    second = error(ups, estimator, 60)
    assert second < first
    assert second < 0.1
    assert error(ups, estimator, 30) < 0.25


def test_one_discharge_is_enough_without_a_capacity() -> None:
    ups, estimator = interactive(), Estimator(Bank(cells=12), Learned())
    discharge(ups, estimator, 50)
    assert error(ups, estimator, 50) < 0.1


def test_charge_falls_on_battery_and_rises_on_mains() -> None:
    ups, estimator = interactive(), Estimator(BANK, Learned())
    charges = [charge for _, charge in discharge(ups, estimator, 60)[:-1]]
    assert charges == sorted(charges, reverse=True)
    low = float(estimator.estimate({**readings(ups), "ups.status": "OL"}, (), ups.time_s - 110)[0]["battery.charge"])
    higher = float(estimator.estimate({**readings(ups), "ups.status": "OL"}, (), ups.time_s - 81)[0]["battery.charge"])
    assert higher >= low


def test_what_the_ups_tells_itself_is_left_alone() -> None:
    told: dict[str, Value] = {"ups.status": "OB", "ups.load": 50, "battery.charge": 77, "battery.runtime": 600}
    assert Estimator(BANK, Learned(1000, 3)).estimate(told, (), 0) == (told, frozenset())


def test_a_time_left_is_estimated_from_a_charge_that_the_ups_tells() -> None:
    told: dict[str, Value] = {"ups.status": "OL", "ups.load": 100, "battery.charge": 50}
    values, names = Estimator(BANK, Learned(1000, 3)).estimate(told, (), 0)
    assert (values["battery.runtime"], names) == (500, {"battery.runtime"})


def test_a_test_is_kept_with_what_was_before_during_and_after() -> None:
    ups, watch = interactive(), BatteryTestWatch()
    found = []
    watch.look(readings(ups), 0, 1_000)
    ups.start_test("quick")
    for second in range(1, 90):
        ups.step(1)
        found.append(watch.look(readings(ups), second, 1_000 + second))
    (record,) = [each for each in found if each]
    assert record.at == 1_001
    assert record.before_v is not None
    assert record.lowest_v is not None
    assert record.after_v is not None
    assert record.lowest_v < record.before_v
    assert record.lowest_v < record.after_v
    assert record.lasted_s == 9
    assert record.load == 42
