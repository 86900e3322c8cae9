"""`python -m istars firmware ...`: the update of the firmware from the command line, the same steps as on its page."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from istars import asker
from istars.errors import IStarsError
from istars.platform import clock, paths
from istars.store import firmware, wake
from istars.store.firmware import Status
from istars.store.live import LiveTable

ORDER_S = 10.0
CHECK_S = 180.0
INSTALL_S = 1_800.0
LOOK_S = 0.2


def say(text: str) -> None:
    """One line of output, at once: somebody may be following it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _json(value: Any) -> None:
    say(json.dumps(value, ensure_ascii=False, indent=2))


def _order(name: str, arguments: dict[str, object] | None = None) -> None:
    """Give the updater an order and wait until it has taken or refused it. Raises IStarsError."""
    with LiveTable(paths.live_db()) as live:
        number = live.submit(
            firmware.UPDATER, name, arguments or {}, asked_by=asker.who(), address=asker.whence(), lifetime_s=ORDER_S
        )
        bell = wake.Bell(f"cli-{number}")
        wake.nudge(firmware.UPDATER)
        last = clock.boottime() + 2 * ORDER_S
        while not (state := live.command(number)).ended and clock.boottime() < last:
            bell.wait(LOOK_S)
        bell.close()
    if state.state != "done":
        raise IStarsError(state.result if state.state == "failed" else "the updater does not run")
    say(state.result)


def _follow(states: frozenset[str], patience_s: float, after: float | None = None) -> Status:
    """Tell of the progress while the update is in one of `states`; answers where it has got to.

    With `after` (epoch seconds) it first waits for the updater to take what was brought then.
    """
    bell = wake.Bell(f"cli-{firmware.UPDATER}-{clock.boottime():.6f}")
    last, told = clock.boottime() + patience_s, ""
    try:
        while clock.boottime() < last:
            now = firmware.status()
            taken = after is None or (now.package is not None and now.package.at >= after)
            line = f"{now.state} {now.progress} % {now.text}".rstrip()
            if taken and line != told:
                say(line)
                told = line
            if taken and now.state not in states:
                return now
            bell.wait(LOOK_S)
    finally:
        bell.close()
    raise IStarsError(f"the updater did not finish within {patience_s:g} s")


def show(options: argparse.Namespace) -> int:
    """`firmware status`: what runs, what was brought, how far it came."""
    now = firmware.status()
    if options.json:
        _json(dataclasses.asdict(now))
        return 0
    if not now.running:
        raise IStarsError("the updater does not run")
    say(f"running: {now.version}" + (f", slot {now.slot}" if now.slot else ", no slots")
        + (", good" if now.confirmed else ", not yet found good" if now.slot else ""))  # fmt: skip
    say(f"state: {now.state}" + (f": {now.reason}" if now.reason else ""))
    for slot in now.slots:
        words = [
            word for word, true in (("runs", slot.booted), ("good", slot.good), ("starts next", slot.next)) if true
        ]
        say(f"slot {slot.name}: {slot.version or 'unknown version'}" + (f" ({', '.join(words)})" if words else ""))
    if now.package is not None:
        say(f"package: {now.package.version}, signed by {now.package.signer or 'nobody known yet'}")
    _say_offered(now)
    return 0


def _say_offered(now: Status) -> None:
    if now.online_problem:
        say(f"channel: {now.online_problem}")
    elif now.offered is not None:
        say(f"offered: {now.offered.version}, {now.offered.size} bytes")
    elif now.asked_at:
        say(f"offered: nothing newer, asked at {clock.iso(now.asked_at)}")


def show_history(options: argparse.Namespace) -> int:
    """`firmware history`: what became of earlier updates, newest first."""
    found = firmware.history()
    if options.json:
        _json([dataclasses.asdict(each) for each in found])
        return 0
    for each in found:
        say(f"{clock.iso(each.at)} {each.from_version} to {each.version}: {each.result}"
            + (f": {each.reason}" if each.reason else ""))  # fmt: skip
    return 0


def upload(options: argparse.Namespace) -> int:
    """`firmware upload FILE`: bring a package and wait until it is checked."""
    paths.make_dirs()
    began = clock.wall()
    with sys.stdin.buffer if options.file == "-" else Path(options.file).open("rb") as file:
        manifest = firmware.receive(file, by=asker.who(), address=asker.whence())
    asker.note("firmware uploaded", manifest.version)
    now = _follow(frozenset({firmware.CHECKING}), CHECK_S, after=began)
    if now.state != firmware.READY or now.package is None:
        raise IStarsError(now.reason or f"the update is {now.state}")
    say(f"{now.package.version}, signed by {now.package.signer}, can be installed")
    return 0


def install(options: argparse.Namespace) -> int:
    """`firmware install`: write what is ready, and have the card restart into it."""
    now = firmware.status()
    wanted = now.package.version if now.package is not None else ""
    _order("istars.firmware.install", {"version": wanted, "downgrade": int(options.downgrade)})
    asker.note("firmware installed", wanted)
    now = _follow(frozenset({firmware.INSTALLING}), INSTALL_S)
    if now.state != firmware.RESTART:
        raise IStarsError(now.reason or f"the update is {now.state}")
    say("the card restarts into it")
    return 0


def discard(_options: argparse.Namespace) -> int:
    """`firmware discard`: forget what was brought."""
    _order("istars.firmware.discard")
    asker.note("firmware discarded", "")
    return 0


def look(_options: argparse.Namespace) -> int:
    """`firmware check`: ask the channel for something newer."""
    _order("istars.firmware.look")
    return _follow_channel()


def download(_options: argparse.Namespace) -> int:
    """`firmware download`: fetch what the channel offers, and have it checked."""
    _order("istars.firmware.download")
    asker.note("firmware download", "")
    return _follow_channel()


def _follow_channel() -> int:
    """Wait for the channel's answer, and tell it."""
    bell = wake.Bell(f"cli-{firmware.UPDATER}-{clock.boottime():.6f}")
    last, told = clock.boottime() + INSTALL_S, ""
    while (now := firmware.status()).online and clock.boottime() < last:
        if now.online != told:
            say(now.online)
            told = now.online
        bell.wait(LOOK_S)
    bell.close()
    _say_offered(now)
    return 1 if now.online_problem else 0


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """The verbs below `firmware`."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    status = verbs.add_parser("status", help="what runs, and how far an update came")
    status.set_defaults(run=show)
    past = verbs.add_parser("history", help="what became of earlier updates")
    past.set_defaults(run=show_history)
    for verb in (status, past):
        verb.add_argument("--json", action="store_true", help="for scripts")
    bring = verbs.add_parser("upload", help="bring iStars.tar.gz and have it checked")
    bring.add_argument("file", metavar="FILE", help="- is standard input")
    bring.set_defaults(run=upload)
    write = verbs.add_parser("install", help="write what was checked to the other slot and restart into it")
    write.add_argument("--downgrade", action="store_true", help="also where it is older than what runs")
    write.set_defaults(run=install)
    verbs.add_parser("discard", help="forget what was brought").set_defaults(run=discard)
    verbs.add_parser("check", help="ask the channel for something newer").set_defaults(run=look)
    verbs.add_parser("download", help="fetch what the channel offers").set_defaults(run=download)
