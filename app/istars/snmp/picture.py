"""The one picture of everything that the agent serves: taken anew when the live table changed, and only when somebody asks."""

from __future__ import annotations

from istars.platform import clock
from istars.settings import Settings
from istars.snmp import mib2, modules, ownmib, upsmib
from istars.snmp.counters import Counters
from istars.snmp.engine import Engine
from istars.snmp.state import UpsState
from istars.snmp.table import Row, Table
from istars.snmp.upsmib import Moment
from istars.store.live import LiveTable

LOOK_S = 0.2
"""How long a picture is believed without a look at the live table."""
CARD_S = 5.0
"""How long memory, storage and counters of the interfaces are believed."""
OBJECTS = upsmib.OBJECTS | mib2.OBJECTS | ownmib.OBJECTS | modules.OBJECTS


class Picture:
    """Takes the pictures. `settings` may be replaced; `forget` has the next question answered from a new picture."""

    def __init__(
        self, live: LiveTable, settings: Settings, engine: Engine, counters: Counters, state: UpsState
    ) -> None:
        self.live, self.settings, self.engine, self.counters, self.state = live, settings, engine, counters, state
        self._table = Table(())
        self._look_at = 0.0
        self._expires = 0.0
        self._sequence = -1
        self._slow: list[Row] = []
        self._slow_until = 0.0

    def forget(self) -> None:
        """Something changed that the live table does not tell."""
        self._look_at = self._expires = 0.0

    def moment(self) -> Moment:
        """What is true now."""
        now = clock.boottime()
        fresh = {name: each.value for name, each in self.live.readings().items() if not each.stale(now)}
        return Moment(fresh, self.live.alarms(), self.settings, now)

    def table(self) -> Table:
        """The present picture."""
        now = clock.boottime()
        if now < self._look_at:
            return self._table
        self._look_at = now + LOOK_S
        sequence = self.live.sequence()
        if sequence != self._sequence or now >= self._expires:
            self._take(now)
            self._sequence = sequence
        return self._table

    def _take(self, now: float) -> None:
        readings = self.live.readings()
        if now >= self._slow_until:
            self._slow = [
                *mib2.interface_rows(),
                *ownmib.card_rows(),
                *ownmib.worker_rows(self.live.heartbeats().values()),
            ]
            self._slow_until = now + CARD_S
        fresh = {name: each for name, each in readings.items() if not each.stale(now)}
        values = {name: each.value for name, each in fresh.items()}
        moment = Moment(values, self.live.alarms(), self.settings, now)
        self.state.keep(moment.alarms)
        rows = [
            *mib2.rows(self.settings, self.engine, self.counters),
            *upsmib.rows(moment, self.state),
            *self._slow,
            *ownmib.link_rows(values),
            *ownmib.reading_rows(readings.values(), now),
            *ownmib.alarm_rows(moment.alarms, self.state),
            *modules.rows(readings.values(), now),
        ]
        self._table = Table(rows, OBJECTS)
        self._expires = min([each.expires for each in fresh.values()] + [self._slow_until])
