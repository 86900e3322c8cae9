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
from istars.workers.ownervalues import CELL_V, fitted_at, with_owner

log = logging.getLogger(__name__)


class BatteryWork:
    """Follows the battery of one UPS with one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._learned = self._known()
        self._estimator: Estimator | None = None
        self._tests = BatteryTestWatch()

    def _known(self) -> Learned:
        """What discharges of the present battery have taught."""
        known = battery.read()["learned"]
        full_s, discharges, at = known.get("full_s"), known.get("discharges"), known.get("at")
        if not isinstance(full_s, int | float) or not isinstance(discharges, int) or full_s <= 0:
            return Learned()
        fitted = fitted_at(self._settings)
        if fitted is not None and not (isinstance(at, int | float) and at >= fitted):
            return Learned()
        return Learned(float(full_s), discharges)

    def follow(
        self, values: Mapping[str, Value], estimated: Collection[str], at: float
    ) -> tuple[dict[str, Value], frozenset[str]]:
        """The readings of a poll with what the owner has entered, and with estimates put in; see Estimator."""
        values = with_owner(values, self._settings)
        if self._estimator is None:
            self._estimator = Estimator(self._bank(values), self._learned)
        made = self._estimator.estimate(values, estimated, at)
        record = self._tests.look(values, at, clock.wall())
        try:
            if self._estimator.learned != self._learned:
                self._learned = self._estimator.learned
                battery.keep_learned({**asdict(self._learned), "at": clock.wall()})
                log.info("a discharge tells that a full battery lasts %.0f s at full load", self._learned.full_s)
            if record is not None:
                battery.keep_test(asdict(record))
        except OSError as problem:
            log.warning("what was found out about the battery cannot be kept: %s", problem)
        return made

    def _bank(self, values: Mapping[str, Value]) -> Bank:
        settings = self._settings
        nominal, rated = values.get("battery.voltage.nominal"), values.get("ups.realpower.nominal")
        cells = settings.whole("ups.battery.cells") or (
            round(nominal / CELL_V) if isinstance(nominal, int | float) else 0
        )
        rated_w = float(rated) if isinstance(rated, int | float) else 0.0
        return Bank(cells, settings.whole("ups.battery.packs"), settings.number("ups.battery.capacity"), rated_w)
