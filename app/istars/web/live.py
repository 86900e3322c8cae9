"""Live values: one short JSON answer per change of the live table, shared by every browser that looks at the same page.

    GET /live?page=overview        {"v": {key: text}, "s": {section: hash}, "state": ..., "say": ...}, or 304
    GET /live/part?page=overview   the sections of that page as HTML, rendered by the templates of the page itself

A browser replaces texts in place (`data-v`). When the hash of a section differs from the one it shows (`data-h`), it fetches the
part and takes the sections that changed. What must not be cached stands in headers: when to ask again (`X-Next-Ms`), the card's
clock (`X-Clock`), its boottime (`X-Up`), and what tells that it was restarted or got another firmware (`X-Boot`).
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, current_app, render_template, request

from istars import __version__
from istars.platform import clock
from istars.web.lists import badge_of, spoken
from istars.web.store import live, settings
from istars.web.view import Facts, link_of, state_of

blueprint = Blueprint("live", __name__)

AFTER_POLL_S = 0.08
"""A poll takes a moment to be read, published and judged by the rules."""
SOONEST_MS, LATEST_MS = 250, 1000
PAGES_KEPT = 32

Texts = dict[str, str]
Sections = dict[str, object]
Builder = Callable[[Facts, Mapping[str, str]], tuple[Sections, Texts]]


@dataclass(frozen=True)
class Page:
    """What one page shows at one moment: `x` the structure of its sections, `h` their hashes, `t` the texts that tick."""

    name: str
    args: Mapping[str, str]
    facts: Facts
    x: Sections
    t: Texts
    h: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    body: str = ""

    @property
    def query(self) -> str:
        """What the browser asks `/live` for."""
        return urlencode({"page": self.name, **self.args})


_builders: dict[str, tuple[Builder, tuple[str, ...]]] = {"plain": (lambda _facts, _args: ({}, {}), ())}
_kept: OrderedDict[tuple[str, str], tuple[object, Page]] = OrderedDict()
_lock = threading.Lock()


def builds(name: str, arguments: tuple[str, ...] = ()) -> Callable[[Builder], Builder]:
    """Register what makes the sections of page `name`, and which query arguments it depends on."""

    def register(builder: Builder) -> Builder:
        _builders[name] = builder, arguments
        return builder

    return register


def digest(structure: object) -> str:
    """Short hash of something whose `repr` tells all of it."""
    return hashlib.blake2s(repr(structure).encode(), digest_size=6).hexdigest()


def facts_now() -> tuple[Facts, object]:
    """Everything known at this moment, and a key that changes whenever something that a page shows has changed.

    The counter is read before the readings: what is newer than the counter is built again next time, never the other way.
    """
    table = live()
    key = table.instance(), table.sequence()
    facts = Facts(table.readings(), table.alarms(), clock.boottime(), clock.wall())
    settings()  # brings this process into the card's time zone
    here = clock.local(facts.wall)
    return facts, (*key, *sorted(facts.stale_names), facts.link, here.date(), here.utcoffset())


def page_of(name: str, args: Mapping[str, str], facts: Facts, key: object) -> Page:
    """The page as it is now; built once per change and kept for all who look at it."""
    builder, wanted = _builders[name]
    used = {argument: args[argument] for argument in wanted if args.get(argument)}
    slot = (name, urlencode(used))
    with _lock:
        found = _kept.get(slot)
        if found and found[0] == key:
            _kept.move_to_end(slot)
            return found[1]
    page = _build(Page(name, used, facts, {}, {}), builder, key)
    with _lock:
        _kept[slot] = key, page
        while len(_kept) > PAGES_KEPT:
            _kept.popitem(last=False)
    return page


def page_now(name: str, args: Mapping[str, str]) -> Page:
    """The page as it is at this moment. Raises StoreError where the live table cannot be read."""
    return page_of(name, args, *facts_now())


def _build(page: Page, builder: Builder, key: object) -> Page:
    """The page with its sections, texts, hashes and the answer that says so."""
    sections, texts = builder(page.facts, page.args)
    link, badge = link_of(page.facts), badge_of(page.facts.alarms)
    sections = {"link": link, "badge": badge, "mark": badge, "nolink": link, **sections}
    hashes = {name: digest(structure) for name, structure in sections.items()}
    answer = {"v": texts, "s": hashes, "state": state_of(page.facts), "say": spoken(page.facts)}
    return Page(
        page.name,
        page.args,
        page.facts,
        sections,
        texts,
        hashes,
        etag=f'"{digest((key, page.query, __version__))}"',
        body=json.dumps(answer, ensure_ascii=False, separators=(",", ":")),
    )


def next_ms(facts: Facts, interval_s: float) -> int:
    """Milliseconds until the next readings are due: right after the next poll, so that a page is as quick as the UPS is asked.

    A poll that is late is waited for at short steps; one that is long overdue (a dead line) is not.
    """
    status = facts.readings.get("ups.status")
    if status is None:
        return LATEST_MS
    due = status.at + interval_s + AFTER_POLL_S - facts.now
    if due < -2 * interval_s:
        return LATEST_MS
    return min(LATEST_MS, max(SOONEST_MS, round(due * 1000)))


def run_id() -> str:
    """Another one means that the card was restarted or got another version: a page loads itself anew."""
    return f"{clock.boot_id()[:8]}{current_app.static_url_path}"


def _stamp(response: Response, facts: Facts) -> Response:
    """Headers of what must not be cached."""
    response.headers["X-Next-Ms"] = str(next_ms(facts, settings().number("ups.poll.interval")))
    response.headers["X-Clock"] = clock.local(facts.wall).isoformat(timespec="milliseconds")
    response.headers["X-Up"] = f"{facts.now:.3f}"
    response.headers["X-Boot"] = run_id()
    return response


def _answer(make: Callable[[Page], Response]) -> Response:
    """The answer for the page that the query names."""
    name = request.args.get("page", "plain")
    if name not in _builders:
        abort(404)
    facts, key = facts_now()
    return _stamp(make(page_of(name, request.args, facts, key)), facts)


@blueprint.get("/live")
def values() -> Response:
    """Texts and section hashes of a page; 304 while nothing on it has changed."""

    def make(page: Page) -> Response:
        headers = {"ETag": page.etag}
        if request.headers.get("If-None-Match") == page.etag:
            return Response(status=304, headers=headers)
        return Response(page.body, headers=headers, mimetype="application/json")

    return _answer(make)


@blueprint.get("/live/part")
def part() -> Response:
    """The sections of a page as HTML."""
    return _answer(lambda page: Response(render_template("part.html", page=page), mimetype="text/html"))


def show(name: str, template: str, *, args: Mapping[str, str] | None = None, **more: object) -> str:
    """A whole page. `args` are those of its query that it depends on."""
    return render_template(template, page=page_now(name, request.args if args is None else args), **more)


@blueprint.app_context_processor
def _shell() -> dict[str, object]:
    """What the frame around every page needs; nothing is read unless a template asks."""
    return {
        "plain_page": lambda: page_now("plain", {}),
        "option": lambda key: settings().text(key),
        "card_clock": lambda: clock.local(clock.wall()).isoformat(timespec="seconds"),
        "boot_now": clock.boottime,
        "wall_now": clock.wall,
        "digest": digest,
        "run_id": run_id,
        "theme": request.cookies.get("theme") if request.cookies.get("theme") in ("light", "dark") else None,
    }
