"""Who may do what: managers by address and community, users of SNMPv3 by name; and who is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from istars.settings import Settings
from istars.settings.addresses import Pattern, address_of, allowed, parse
from istars.settings.groups.snmp import LISTED
from istars.snmp.engine import Engine
from istars.snmp.usm import User

HOSTS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Manager:
    """Somebody who may ask by v1 or v2c."""

    number: int
    patterns: tuple[Pattern, ...]
    community: bytes
    write: bool

    @property
    def who(self) -> str:
        """For the audit record: the community is a secret."""
        return f"SNMP manager {self.number}"


@dataclass(frozen=True, slots=True)
class Known:
    """A user of SNMPv3 with keys for this engine, and the words that other engines need keys of."""

    user: User
    write: bool
    auth_word: str
    priv_word: str

    @property
    def who(self) -> str:
        """For the audit record."""
        return f"SNMP user {self.user.name.decode()}"


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who is told. `events` are words of NOTICES in the settings."""

    number: int
    address: str
    port: int
    version: str
    community: bytes
    user: Known | None
    inform: bool
    events: frozenset[str]


@dataclass(slots=True)
class Access:
    """All of them, as the settings say. `problems` says in plain sentences who was left out and why."""

    managers: list[Manager] = field(default_factory=list)
    users: dict[bytes, Known] = field(default_factory=dict)
    recipients: list[Recipient] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _hosts: dict[str, tuple[Manager, ...]] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether anybody may ask at all."""
        return bool(self.managers or self.readers)

    @property
    def readers(self) -> bool:
        """Whether anybody may ask by SNMPv3."""
        return bool(self.users)

    def managers_at(self, host: str) -> tuple[Manager, ...]:
        """Managers whose addresses hold `host`."""
        found = self._hosts.get(host)
        if found is None:
            if len(self._hosts) >= HOSTS_KEPT:
                self._hosts.clear()
            found = self._hosts[host] = tuple(each for each in self.managers if allowed(each.patterns, host))
        return found


def access(settings: Settings, engine: Engine) -> Access:
    """What the settings say. A user who cannot be served safely is left out, and it is said why."""
    found = Access()
    for number in range(1, LISTED + 1):
        _manager(found, settings, number)
    known: dict[str, Known] = {}
    for number in range(1, LISTED + 1):
        _user(found, known, settings, number, engine)
    for number in range(1, LISTED + 1):
        _recipient(found, known, settings, number)
    return found


def _manager(found: Access, settings: Settings, number: int) -> None:
    def text(name: str) -> str:
        return settings.text(f"snmp.manager.{number}.{name}")

    if text("permission") != "none" and text("addresses") and text("community"):
        manager = Manager(number, parse(text("addresses")), text("community").encode(), text("permission") == "write")
        found.managers.append(manager)


def _user(found: Access, known: dict[str, Known], settings: Settings, number: int, engine: Engine) -> None:
    def text(name: str) -> str:
        return settings.text(f"snmp.user.{number}.{name}")

    name, permission = text("name"), text("permission")
    auth, priv = ("" if text(part) == "none" else text(part) for part in ("auth", "priv"))
    auth_word, priv_word = text("auth.passphrase"), text("priv.passphrase")
    if not name:
        return
    problem = ""
    if name in known:
        problem = "there is another one of this name"
    elif (auth and not auth_word) or (priv and not priv_word):
        problem = "a passphrase is missing"
    elif priv and not auth:
        problem = "privacy needs authentication"
    elif priv == "des" and settings["snmp.des"] is not True:
        problem = "DES is not allowed"
    elif not engine.durable:
        problem = "flash cannot be written"
    if problem:
        found.problems.append(f"The SNMPv3 user {name} is not served: {problem}.")
        return
    user = User(name, auth, auth_word, priv, priv_word, engine.id)
    # what comes without a signature may have been written by anybody
    known[name] = Known(user, permission == "write" and bool(auth), auth_word, priv_word)
    if permission != "none":
        found.users[user.name] = known[name]


def _recipient(found: Access, known: dict[str, Known], settings: Settings, number: int) -> None:
    key = f"snmp.trap.{number}"
    address, version = settings.text(f"{key}.address"), settings.text(f"{key}.version")
    if not address:
        return
    user = known.get(settings.text(f"{key}.user"))
    if version == "v3" and user is None:
        found.problems.append(f"Trap recipient {number} gets nothing: its SNMPv3 user is not known.")
        return
    parsed = address_of(address)
    recipient = Recipient(
        number,
        str(parsed),
        settings.whole(f"{key}.port") or settings.whole("snmp.trap.port"),
        version,
        settings.text(f"{key}.community").encode(),
        user if version == "v3" else None,
        settings.text(f"{key}.type") == "inform" and version != "v1",
        frozenset(settings.items_of(f"{key}.events")),
    )
    found.recipients.append(recipient)
