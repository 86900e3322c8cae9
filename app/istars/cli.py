"""The card from the command line: readings, alarms, events, commands, settings; users and tokens in `cli_accounts.py`.

Output is plain lines, or one JSON document with `--json`, for scripts. Exit status: 0 done, 1 refused or failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from istars import asker, cli_accounts, cli_ups, firmware_cli, settings
from istars.errors import IStarsError, SettingsError
from istars.model.alarms import describe as describe_alarm
from istars.model.alarms import describe_detail, describe_event
from istars.model.commands import COMMANDS, command
from istars.model.readings import format_value, reading
from istars.platform import clock, paths, zone
from istars.settings import Change, csvfile, exchange
from istars.settings.groups import FIELDS
from istars.settings.store import change
from istars.store import wake
from istars.store.archive import Archive
from istars.store.audit import plain
from istars.store.live import LiveTable

COMMAND_LIFETIME_S = 10.0


def say(text: str = "") -> None:
    """One line of output."""
    sys.stdout.write(text + "\n")


def as_json(value: object) -> None:
    """One JSON document of output."""
    say(json.dumps(value, ensure_ascii=False, indent=2))


def show_readings(options: argparse.Namespace) -> int:
    """`readings`: what is known now; stale ones say so."""
    now = clock.boottime()
    with LiveTable(paths.live_db()) as live:
        found = live.readings()
    rows = [found[name] for name in sorted(found) if not options.names or name in options.names]
    if options.json:
        as_json(
            [
                {
                    "name": row.name,
                    "value": row.value,
                    "unit": reading(row.name).unit,
                    "age_s": round(row.age(now), 1),
                    "stale": row.stale(now),
                    "estimated": row.estimated,
                }
                for row in rows
            ]
        )
        return 0
    for row in rows:
        remark = f"  (stale, {row.age(now):.0f} s old)" if row.stale(now) else "  (estimated)" if row.estimated else ""
        say(f"{row.name}: {format_value(row.name, row.value)} {reading(row.name).unit}".rstrip() + remark)
    return 0


def show_alarms(options: argparse.Namespace) -> int:
    """`alarms`: what is wrong now."""
    with LiveTable(paths.live_db()) as live:
        alarms = live.alarms()
    if options.json:
        as_json(
            [
                {
                    "key": alarm.key,
                    "code": alarm.code,
                    "severity": alarm.severity,
                    "text": describe_alarm(alarm.code, alarm.args),
                    "detail": describe_detail(alarm.code, alarm.args),
                    "lasted_s": round(alarm.lasted(clock.boottime(), clock.wall()), 1),
                    "acknowledged_by": alarm.acknowledged_by,
                }
                for alarm in alarms
            ]
        )
        return 0
    for alarm in alarms:
        lasted = alarm.lasted(clock.boottime(), clock.wall())
        say(f"{alarm.severity}: {describe_alarm(alarm.code, alarm.args)}, for {lasted:.0f} s")
    return 0


def show_events(options: argparse.Namespace) -> int:
    """`events`: what happened, oldest first."""
    with Archive(paths.archive_db(), readonly=True) as archive:
        events = archive.events(since=options.since, limit=options.limit)
    if options.json:
        as_json(
            [
                {
                    "id": event.id,
                    "at": clock.iso(event.at),
                    "code": event.code,
                    "kind": event.kind,
                    "severity": event.severity,
                    "text": describe_event(event.code, event.kind, event.args),
                    "args": event.args,
                    "duration_s": event.duration_s,
                }
                for event in events
            ]
        )
        return 0
    for event in events:
        lasted = f" after {event.duration_s:g} s" if event.duration_s is not None else ""
        say(f"{event.id} {clock.iso(event.at)} {event.severity}: "
            f"{describe_event(event.code, event.kind, event.args)}{lasted}")  # fmt: skip
    return 0


def _arguments(words: Sequence[str]) -> dict[str, object]:
    """`name=value` words as arguments."""
    pairs = [word.partition("=") for word in words]
    for name, sign, _ in pairs:
        if not sign:
            raise IStarsError(f"{name!r} is not of the form name=value")
    return {name: value for name, _, value in pairs}


def give_command(options: argparse.Namespace) -> int:
    """`command NAME [name=value ...]`: give it and wait for what comes of it."""
    return order(options.name, _arguments(options.arguments))


def order(name: str, given: Mapping[str, object], patience_s: float = 3 * COMMAND_LIFETIME_S) -> int:
    """Give a command, wait for what comes of it and say it; the exit status."""
    declared = command(name)
    arguments, target = declared.check(given), declared.target
    with LiveTable(paths.live_db()) as live:
        number = live.submit(
            target,
            name,
            arguments,
            asked_by=asker.who(),
            address=asker.whence(),
            lifetime_s=COMMAND_LIFETIME_S,
        )
        answers = wake.Bell(f"cli-{number}")
        wake.nudge(target)
        # A command that was claimed in time ends with the device's own time-outs, a few seconds later at most.
        last = clock.boottime() + patience_s
        while not (state := live.command(number)).ended and clock.boottime() < last:
            answers.wait(0.1)
        answers.close()
    if target == "system":
        asker.note("command", name, f"{state.state}: {state.result}")
    say(f"{state.state}: {state.result}" if state.ended else "no result: the worker does not run")
    return 0 if state.state == "done" else 1


def list_commands(_options: argparse.Namespace) -> int:
    """`commands`: all that the card knows; what a UPS understands depends on its protocol."""
    for declared in COMMANDS.values():
        arguments = " ".join(f"{argument.name}=" for argument in declared.arguments)
        say(f"{declared.name} {arguments}".rstrip() + f": {declared.label}. {declared.effect}")
    return 0


def show_settings(options: argparse.Namespace) -> int:
    """`settings list`, `settings get KEY`: what is in force; of a secret only whether there is one."""
    current = settings.load()
    for key in [options.key] if options.key else FIELDS:
        if key not in FIELDS:
            raise SettingsError(key, "there is no option of this name")
        value = FIELDS[key].format(current[key])
        if FIELDS[key].secret and value:
            value = "(stored)"
        say(value if options.key else f"{key}={value}")
    return 0


def _tell(action: str, changes: Sequence[Change]) -> None:
    """Write down what was changed, and wake the workers it concerns."""
    asker.note_changes(action, changes)
    for worker in {each.applies for each in changes if each.applies}:
        wake.nudge(worker)


def set_setting(options: argparse.Namespace) -> int:
    """`settings set KEY VALUE`: all checked, then saved as a whole."""
    paths.make_dirs()
    _tell("settings changed", change({options.key: options.value}))
    return 0


def export_settings(options: argparse.Namespace) -> int:
    """`settings export`: the file as it is kept on flash, without secrets, or with them encrypted."""
    passphrase = _passphrase(options, twice=True) if options.with_secrets else ""
    text = exchange.export(settings.load(environment={}), passphrase)
    if passphrase:
        asker.note("settings saved with secrets", "system_config.csv")
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
    return 0


def _passphrase(options: argparse.Namespace, *, twice: bool) -> str:
    """The passphrase from the prompt, or the first line of a descriptor; never a word of the command line, which others see."""
    if options.passphrase_fd is not None:
        with open(options.passphrase_fd, encoding="utf-8", closefd=False) as file:
            passphrase = file.readline().removesuffix("\n")
    else:
        passphrase = getpass.getpass("Passphrase: ")
        if twice and getpass.getpass("Again: ") != passphrase:
            raise IStarsError("the two passphrases are not the same")
    if not passphrase:
        raise IStarsError("the passphrase is empty")
    return passphrase


def import_settings(options: argparse.Namespace) -> int:
    """`settings import FILE [--dry-run]`: the difference, or every error by line; all of it or nothing."""
    with sys.stdin.buffer if options.file == "-" else Path(options.file).open("rb") as file:
        content = file.read(csvfile.SIZE_LIMIT + 1)
    if not options.dry_run:
        paths.make_dirs()
    passphrase = _passphrase(options, twice=False) if options.with_secrets else ""
    do = exchange.look if options.dry_run else exchange.take
    found = do(content, passphrase=passphrase)
    if found.sealed:
        say("the encrypted secrets are passed over; --with-secrets takes them")
    for key in found.unknown:
        say(f"{plain(key)}: not known to this firmware, passed over")
    for error in found.errors:
        sys.stderr.write(f"istars: {error}\n")
    for each in found.changes:
        say(f"{each.key}: {each.old!r} becomes {each.new!r}")
    if found.errors:
        sys.stderr.write("istars: nothing was changed\n")
        return 1
    if not options.dry_run:
        _tell("settings imported", found.changes)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="istars", description="The network card for uninterruptible power supplies.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    readings = verbs.add_parser("readings", help="what is known now")
    readings.add_argument("names", nargs="*", metavar="NAME")
    readings.set_defaults(run=show_readings)
    alarms = verbs.add_parser("alarms", help="what is wrong now")
    alarms.set_defaults(run=show_alarms)
    events = verbs.add_parser("events", help="what happened")
    events.add_argument("--since", type=int, default=0, metavar="ID", help="only events after this one")
    events.add_argument("--limit", type=int, default=100)
    events.set_defaults(run=show_events)
    for verb in (readings, alarms, events):
        verb.add_argument("--json", action="store_true", help="for scripts")

    give = verbs.add_parser("command", help="give the UPS a command")
    give.add_argument("name", metavar="NAME")
    give.add_argument("arguments", nargs="*", metavar="name=value")
    give.set_defaults(run=give_command)
    verbs.add_parser("commands", help="all commands").set_defaults(run=list_commands)

    cli_ups.add(verbs, order)
    _add_settings(verbs.add_parser("settings", help="look at and change settings"))
    cli_accounts.add_tokens(verbs.add_parser("token", help="keys for scripts"))
    firmware_cli.add_verbs(verbs.add_parser("firmware", help="look at and update the firmware"))
    cli_accounts.add_users(verbs.add_parser("user", help="who may sign in"))
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="all of them").set_defaults(run=show_settings, key=None)
    get = verbs.add_parser("get", help="one of them")
    get.add_argument("key", metavar="KEY")
    get.set_defaults(run=show_settings)
    change_one = verbs.add_parser("set", help="change one")
    change_one.add_argument("key", metavar="KEY")
    change_one.add_argument("value", metavar="VALUE")
    change_one.set_defaults(run=set_setting)
    export = verbs.add_parser("export", help="as a file")
    export.add_argument(
        "--with-secrets", action="store_true", help="with passwords and keys, encrypted with a passphrase"
    )
    export.set_defaults(run=export_settings)
    bring = verbs.add_parser("import", help="from a file: all of it or nothing")
    bring.add_argument("file", metavar="FILE", help="- is standard input")
    bring.add_argument("--dry-run", action="store_true", help="only show what would change")
    bring.add_argument("--with-secrets", action="store_true", help="with its encrypted secrets too")
    for verb in (export, bring):
        verb.add_argument("--passphrase-fd", type=int, metavar="N", help="read it from this descriptor, ask nobody")
    bring.set_defaults(run=import_settings)


def main(words: Sequence[str]) -> int:
    """Run one verb; answers the exit status."""
    options = _parser().parse_args(words)
    try:
        zone.use(settings.load().text("system.zone"))
        if options.verb in ("token", "user"):
            paths.make_dirs()
        status: int = options.run(options)
    except (IStarsError, OSError) as error:
        sys.stderr.write(f"istars: {error}\n")
        return 1
    return status
