"""Asking an agent of this process, with encodings made by pyasn1 and pysnmp: none of the code that is tested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from istars.model.readings import Value
from istars.platform import clock, paths
from istars.settings import load
from istars.settings.store import change
from istars.snmp import engine
from istars.snmp.access import access
from istars.snmp.agent import Agent
from istars.snmp.counters import Counters
from istars.snmp.picture import Picture
from istars.snmp.state import UpsState
from istars.snmp.writes import Writer
from istars.store.live import LiveTable
from netsnmp import MANAGERS
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import rfc1902
from pysnmp.proto.api import v1, v2c

HERE = "127.0.0.1"
ON_MAINS: dict[str, Value] = {
    "ups.status": "OL CHRG",
    "ups.alarm": "",
    "device.mfr": "EAST",
    "device.model": "EA900",
    "ups.firmware": "V2",
    "input.voltage": 231.4,
    "input.frequency": 49.9,
    "output.voltage": 230.1,
    "ups.load": 42,
    "battery.charge": 97,
    "battery.runtime": 1234,
    "battery.voltage": 218.6,
    "battery.temperature": 24.6,
    "ups.beeper.status": "enabled",
}
KINDS = {
    "get": "GetRequestPDU",
    "next": "GetNextRequestPDU",
    "set": "SetRequestPDU",
    "bulk": "GetBulkRequestPDU",
}
Answer = tuple[int, int, list[tuple[str, object]]]
"""Error status, error index, names (dotted) with values; exceptions are None, "instance" or "end"."""


class Harness:
    """One agent; `ask` sends it a message and answers what came back."""

    def __init__(self) -> None:
        change(MANAGERS)
        self.engine = engine.start()
        self.counters = Counters()
        self.live = LiveTable.open_or_renew(paths.live_db())
        self.state = UpsState(self.engine.started)
        self.picture = Picture(self.live, load(), self.engine, self.counters, self.state)
        self.writer = Writer(self.picture)
        self.writer.settings_changed = self.renew
        self.agent = Agent(self.engine, self.picture, self.writer, self.counters)
        self.renew()
        self.publish(ON_MAINS)

    def renew(self) -> None:
        """Take the settings of the file into use."""
        self.picture.settings = load()
        self.picture.forget()
        self.agent.use(access(load(), self.engine))

    def set(self, values: Mapping[str, str]) -> None:
        """Change settings."""
        change(values)
        self.renew()

    def publish(self, values: Mapping[str, Value], lifetime_s: float = 60) -> None:
        """Readings as a poll brings them."""
        self.live.publish("upslink", dict(values), lifetime_s=lifetime_s)
        self.picture.forget()

    def close(self) -> None:
        self.live.close()

    def raw(self, data: bytes, host: str = HERE) -> list[bytes]:
        """What the agent sends for some octets."""
        answers: list[bytes] = []
        self.agent.receive(data, host, answers.append)
        return answers

    def ask(
        self,
        kind: str,
        *names: str,
        community: str = "public",
        version: int = 1,
        host: str = HERE,
        values: Sequence[object] = (),
        bulk: tuple[int, int] = (0, 10),
    ) -> Answer | None:
        """Ask by v1 (0) or v2c (1); None where there is no answer."""
        answers = self.raw(message(kind, names, community, version, values, bulk), host)
        return understood(answers[0], version) if answers else None

    def value(self, name: str, **more: object) -> object:
        """The value of one object below 1.3.6.1.2.1.33.1."""
        answer = self.ask("get", f"1.3.6.1.2.1.33.1.{name}", **more)  # type: ignore[arg-type]
        assert answer is not None
        return answer[2][0][1]

    def walk(self, start: str = "1.3.6.1", version: int = 1) -> list[tuple[str, object]]:
        """Everything below `start`, one by one."""
        found: list[tuple[str, object]] = []
        name = start
        while True:
            answer = self.ask("next", name, version=version)
            assert answer is not None
            status, _, rows = answer
            if status == 2 or rows[0][1] == "end":
                return found
            assert tuple(map(int, rows[0][0].split("."))) > tuple(map(int, name.split("."))), "the order of a walk"
            name = rows[0][0]
            found.append(rows[0])


def message(
    kind: str,
    names: Sequence[str],
    community: str = "public",
    version: int = 1,
    values: Sequence[object] = (),
    bulk: tuple[int, int] = (0, 10),
    request: int = 4711,
) -> bytes:
    """A message of v1 or v2c."""
    api = v1 if version == 0 else v2c
    pdu = getattr(api, KINDS[kind])()
    if kind == "bulk":
        v2c.apiBulkPDU.set_defaults(pdu)
        v2c.apiBulkPDU.set_non_repeaters(pdu, bulk[0])
        v2c.apiBulkPDU.set_max_repetitions(pdu, bulk[1])
    else:
        api.apiPDU.set_defaults(pdu)
    api.apiPDU.set_request_id(pdu, request)
    given = list(values) or [api.Null("")] * len(names)
    api.apiPDU.set_varbinds(pdu, list(zip(names, given, strict=True)))
    whole = api.Message()
    api.apiMessage.set_defaults(whole)
    api.apiMessage.set_community(whole, community)
    api.apiMessage.set_pdu(whole, pdu)
    return bytes(encoder.encode(whole))


def understood(data: bytes, version: int = 1) -> Answer:
    """A response in plain words; raises where pyasn1 does not accept it."""
    api = v1 if version == 0 else v2c
    whole, rest = decoder.decode(data, asn1Spec=api.Message())
    assert not rest
    pdu = api.apiMessage.get_pdu(whole)
    rows = [(str(name), plain(value)) for name, value in api.apiPDU.get_varbinds(pdu)]
    return int(api.apiPDU.get_error_status(pdu)), int(api.apiPDU.get_error_index(pdu)), rows


def plain(value: object) -> object:
    """A value of pysnmp as one of Python."""
    name = type(value).__name__
    if name in ("NoSuchObject", "NoSuchInstance", "EndOfMibView"):
        return {"NoSuchObject": None, "NoSuchInstance": "instance", "EndOfMibView": "end"}[name]
    if isinstance(value, rfc1902.OctetString) or name == "OctetString":
        return bytes(value)  # type: ignore[call-overload]
    if name in ("ObjectIdentifier", "ObjectName"):
        return str(value)
    if name == "Null":
        return ""
    return int(value) if hasattr(value, "__int__") else str(value)


def now() -> float:
    """Boottime."""
    return clock.boottime()
