"""What the UPS link finds out about the battery beyond what the UPS says: estimates, what discharges taught, tests."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict

from istars.drivers.batterytest import BatteryTestWatch
from istars.drivers.estimate import Bank, Estimator, Learned
from istars.model.readings import Value
from istars.platform import clock
from istars.settings import Settings
from istars.store import battery

log = logging.getLogger(__name__)


class BatteryWork:
    """Follows the battery of one UPS with one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        known = battery.read()["learned"]
        full_s, discharges = known.get("full_s"), known.get("discharges")
        trusted = isinstance(full_s, int | float) and isinstance(discharges, int) and full_s > 0
        self._learned = Learned(float(full_s), discharges) if trusted else Learned()
        self._estimator: Estimator | None = None
        self._tests = BatteryTestWatch()

    def follow(
        self, values: Mapping[str, Value], estimated: Collection[str], at: float
    ) -> tuple[dict[str, Value], frozenset[str]]:
        """The readings of a poll with estimates put in; see Estimator."""
        if self._estimator is None:
            self._estimator = Estimator(self._bank(values), self._learned)
        made = self._estimator.estimate(values, estimated, at)
        record = self._tests.look(values, at, clock.wall())
        try:
            if self._estimator.learned != self._learned:
                self._learned = self._estimator.learned
                battery.keep_learned(asdict(self._learned))
                log.info("a discharge tells that a full battery lasts %.0f s at full load", self._learned.full_s)
            if record is not None:
                battery.keep_test(asdict(record))
        except OSError as problem:
            log.warning("what was found out about the battery cannot be kept: %s", problem)
        return made

    def _bank(self, values: Mapping[str, Value]) -> Bank:
        settings = self._settings
        nominal, rated = values.get("battery.voltage.nominal"), values.get("ups.realpower.nominal")
        cells = settings.whole("ups.battery.cells") or (round(nominal / 2) if isinstance(nominal, int | float) else 0)
        rated_w = settings.whole("ups.nominal.power") or (rated if isinstance(rated, int | float) else 0)
        return Bank(cells, settings.whole("ups.battery.packs"), settings.number("ups.battery.capacity"), float(rated_w))
