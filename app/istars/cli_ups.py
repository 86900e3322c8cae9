"""Verbs of the command line for the link to the UPS: what it speaks, and the owner's register maps."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from istars import asker
from istars.platform import paths
from istars.store import detection, maps
from istars.store.battery import read as read_battery

Order = Callable[[str, Mapping[str, object], float], int]
"""Gives a command, waits so many seconds for what comes of it, says it; the exit status."""

SEARCH_S, TRIAL_S = 180.0, 60.0


def say(text: str) -> None:
    """One line of output."""
    sys.stdout.write(text + "\n")


def add(verbs: Any, order: Order) -> None:
    """Put the verbs into the parser's `verbs`; they act through `order`."""
    search = verbs.add_parser("detect", help="find out what the UPS speaks, and remember it")
    search.add_argument("--device", default="", metavar="PORT", help="another port than that of the settings")
    search.add_argument("--json", action="store_true", help="all that was seen on the wire, for scripts")
    search.set_defaults(run=lambda options: _detect(options, order))
    battery = verbs.add_parser("battery", help="what discharges taught of the battery, and its tests, as JSON")
    battery.set_defaults(run=lambda _options: _battery())
    own = verbs.add_parser("map", help="register maps of your own").add_subparsers(required=True, metavar="VERB")
    own.add_parser("list", help="those that are kept").set_defaults(run=lambda _options: _list())
    keep = own.add_parser("keep", help="try a map on the device that is connected, and keep it if that answers by it")
    keep.add_argument("file", metavar="FILE", help="its name without .json becomes that of the protocol")
    keep.set_defaults(run=lambda options: _keep(options, order))
    show = own.add_parser("show", help="the file as it was brought")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(run=lambda options: _show(options.name))
    remove = own.add_parser("remove", help="take one off the card")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(run=lambda options: _remove(options.name))


def _detect(options: argparse.Namespace, order: Order) -> int:
    """`detect`: looks, then tells what answered, also where nothing is known."""
    status = order("istars.link.detect", {"device": options.device}, SEARCH_S)
    found = detection.read()
    if options.json:
        say(json.dumps(found, ensure_ascii=False, indent=2))
    elif status:
        for answer in found.get("answers", []):
            say(answer["text"])
    return status


def _battery() -> int:
    say(json.dumps(read_battery(), ensure_ascii=False, indent=2))
    return 0


def _list() -> int:
    for name, title in maps.stored().items():
        say(f"{name}: {title}")
    return 0


def _keep(options: argparse.Namespace, order: Order) -> int:
    """`map keep FILE`: the port belongs to the worker, so the worker tries it."""
    path = Path(options.file)
    paths.make_dirs()
    maps.offer(path.stem, path.read_bytes())
    status = order("istars.map.keep", {"name": path.stem}, TRIAL_S)
    if status:
        maps.drop(path.stem)
    return status


def _show(name: str) -> int:
    sys.stdout.write(maps.content(name))
    return 0


def _remove(name: str) -> int:
    maps.remove(name)
    asker.note("register map removed", name)
    return 0
