"""What a short message says: one line, in characters that are cheap to send where that loses nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from istars.model.alarms import describe
from istars.model.readings import Value, reading
from istars.notify.language import ENGLISH, language
from istars.notify.texts import words
from istars.platform import clock
from istars.settings import Settings
from istars.store.live_alarms import LiveAlarm
from istars.store.outbox import Message

STATUS = "STATUS"
"""The one word that is answered, and the code of the answer in the outbox."""
ANSWER = "status"
"""Kind of a message that answers; its text is ready in its body."""

STATED = ("ups.load", "battery.charge", "battery.runtime", "input.voltage", "output.voltage")

# One character beyond the GSM alphabet makes a message more than twice as long.
_PLAINER = str.maketrans(
    {
        "\u2212": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "°": "",
        "…": "...",
    }
)


def text(message: Message, settings: Settings) -> str:
    """`message` as a short message of the card that `settings` name."""
    said = str(message.body.get("text", "")) if message.kind == ANSWER else words(message, settings).subject
    return said.translate(_PLAINER)


def state(readings: Mapping[str, Value], alarms: Sequence[LiveAlarm], settings: Settings, code: str = ENGLISH) -> str:
    """The UPS in one line: `[UPS-A] 14:29 On mains, load 42 %, battery charge 100 %, ... No alarms.`

    `readings` are those that are current, `code` is the language of who asks.
    """
    say = language(code)
    parts = [
        say.value("ups.status", readings["ups.status"]) if "ups.status" in readings else say("No data from the UPS")
    ]
    for name in STATED:
        if name == "battery.runtime" and name in readings:
            parts.append(say.sentence("{minutes} min on battery left", minutes=int(float(readings[name]) // 60)))
        elif name in readings:
            # The label inside a sentence: languages differ in what begins with a capital letter.
            parts.append(f"{say(reading(name).label.lower())} {say.value(name, readings[name])}")
    present = "; ".join(describe(alarm.code, say.arguments(alarm.args), say) for alarm in alarms)
    time = clock.local(clock.wall()).strftime("%H:%M")
    ending = say.sentence("Alarms: {alarms}", alarms=present) if present else say("No alarms")
    return " ".join(f"[{settings.text('system.name')}] {time} {', '.join(parts)}. {ending}.".split())
