"""Finding out what the UPS speaks, and register maps of the owner, as the page and the API ask for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from istars.errors import StoreError
from istars.model.commands import COMMANDS
from istars.platform import clock
from istars.settings import Change, load
from istars.settings.groups import FIELDS
from istars.store import detection, maps
from istars.store.live_commands import LiveCommand
from istars.web import changes, session
from istars.web.audit import note
from istars.web.store import live, settings, store
from istars.web.view import Facts

CLAIM_S = 12.0
"""A poll of a UPS that does not answer is the longest that a command has to wait for."""
TRIAL_S = 45.0
PROGRESS = "istars.link.detect.progress"
NOTHING: dict[str, Any] = {"device": "", "percent": 0, "doing": "", "found": None, "answers": [], "ended": ""}
DEVICE = FIELDS["ups.device"]


class Refused(Exception):
    """What was asked for was not done; `lines` are the single reasons, where there are several."""

    def __init__(self, said: str, lines: Iterable[str] = (), status: int = 409) -> None:
        super().__init__(said)
        self.lines, self.status = list(lines), status


def searched(facts: Facts | None = None) -> dict[str, Any]:
    """The last search as store/detection.py tells it, and whether it is `running`."""
    found = {**NOTHING, **detection.read()}
    if facts is None:
        facts = Facts(live().readings(), now=clock.boottime())
    return {**found, "running": bool(found["device"]) and not found["ended"] and facts.value(PROGRESS) is not None}


def _said(command: LiveCommand) -> str:
    said = command.result if command.ended and command.state != "expired" else ""
    said = said or "the program that reads the UPS does not answer"
    return said[:1].upper() + said[1:] + ("" if said.endswith(".") else ".")


def _give(name: str, arguments: dict[str, object], wait_s: float, claimed: bool = False) -> LiveCommand:
    """Give a command to the worker that has the port. `claimed`: wait only until it has begun."""
    declared = COMMANDS[name]
    person = session.asker()
    return store().order(
        declared.target, name, declared.check(arguments), asked_by=person.name, address=session.address(), wait_s=wait_s,
        claimed=claimed,
    )  # fmt: skip


def search(device: str = "") -> str:
    """Begin a search on `device`, or on the port of the settings; what is done, in words. Raises Refused."""
    if searched()["running"]:
        raise Refused("The card is finding out already.")
    command = _give("istars.link.detect", {"device": device, "apply": 0}, CLAIM_S, claimed=True)
    note("command", command.name, new=device or settings().text("ups.device"))
    if command.state in ("failed", "expired", "queued"):
        # What was found out in an instant, for instance that there is no such port, stands on the page too.
        raise Refused(_said(command))
    return "The card is finding out what the UPS speaks."


def stop() -> str:
    """End the search that runs; what is done, in words. Raises Refused where nobody answers."""
    if not searched()["running"]:
        return "Nothing is being searched for."
    command = _give("istars.link.detect.stop", {}, CLAIM_S)
    if command.state != "done":
        raise Refused(_said(command))
    note("command", command.name)
    return _said(command)


def pending(state: dict[str, Any]) -> bool:
    """Whether what was found is not what is set."""
    current = load(environment={})
    return any(FIELDS[key].format(current[key]) != str(value) for key, value in detection.as_settings(state).items())


def apply() -> tuple[Change, ...]:
    """Make what was found the setting. Raises Refused where nothing was found, and what changes.save() raises."""
    wanted = detection.as_settings(detection.read())
    if not wanted:
        raise Refused("Nothing has been found that could be set.")
    made = changes.save(wanted)
    live().touch()
    return made


def keep_map(name: str, content: bytes) -> str:
    """Try a register map on the device and keep it if that answers by it; what it answered.

    Raises Refused with every mistake of the map or what the device did instead, OSError.
    """
    try:
        maps.offer(name, content)
    except StoreError as error:
        raise Refused(_sentence(error), status=422) from None
    command = _give("istars.map.keep", {"name": name}, TRIAL_S)
    note("register map", name, new=command.state)
    if command.state == "done":
        return _said(command)
    if command.state == "failed":
        maps.drop(name)
        lines = command.result.removeprefix(f"{name}.json: ").split(f"\n{name}.json: ")
        mistakes = lines if command.result.startswith(f"{name}.json: ") else []
        said = "The map has mistakes." if mistakes else f"The map is not kept: {command.result.removesuffix('.')}."
        raise Refused(said, mistakes, 422)
    if command.state != "running":
        maps.drop(name)
    raise Refused(_said(command), status=503)


def remove_map(name: str) -> None:
    """Take a map off the card. Raises Refused for the one that is in use, and where there is none."""
    if load()["ups.protocol"] == name:
        raise Refused(f"The map {name} is in use. Choose another protocol first.")
    try:
        maps.remove(name)
    except StoreError as error:
        raise Refused(_sentence(error), status=404) from None
    note("register map removed", name)
    live().touch()


def _sentence(error: Exception) -> str:
    said = str(error)
    return said[:1].upper() + said[1:] + "."
