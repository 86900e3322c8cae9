"""Short messages through a GSM modem (manual 3.2.2.7)."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type
from istars.settings.groups.alerts import spoken, wishes

RECIPIENTS = 8
WORKER = "modem"

GROUP = Group(
    "sms",
    "SMS",
    (
        Section(
            "Modem",
            (
                Field(
                    "sms.device",
                    Type.TEXT,
                    "",
                    "Port",
                    "/dev/modem on the card, another serial device, or tcp:HOST:PORT for a modem behind a serial server. Empty "
                    "sends no SMS. RS485 sensors have a port of their own: both work at the same time.",
                    pattern=r"(/[\w./:-]+|tcp:[\w.\-\[\]:]+:\d{1,5})?",
                    applies=WORKER,
                ),
                Field(
                    "sms.serial.baud",
                    Type.CHOICE,
                    "115200",
                    "Baud rate",
                    choices={
                        rate: rate for rate in ("9600", "19200", "38400", "57600", "115200", "4800", "2400", "1200")
                    },
                    applies=WORKER,
                ),
                Field("sms.serial.bits", Type.CHOICE, "8", "Data bits", choices={"8": "8", "7": "7"}, applies=WORKER),
                Field(
                    "sms.serial.parity",
                    Type.CHOICE,
                    "N",
                    "Parity",
                    choices={"N": "None", "E": "Even", "O": "Odd"},
                    applies=WORKER,
                ),
                Field("sms.serial.stop", Type.CHOICE, "1", "Stop bits", choices={"1": "1", "2": "2"}, applies=WORKER),
            ),
            "The serial line to the modem. 8 data bits, no parity and 1 stop bit fit nearly all.",
        ),
        Section(
            "SIM card",
            (
                Field(
                    "sms.pin",
                    Type.SECRET,
                    "",
                    "PIN",
                    "4 to 8 digits. It is tried once; one that was refused is not tried again until it is changed.",
                    pattern=r"(\d{4,8})?",
                    applies=WORKER,
                ),
                Field(
                    "sms.centre",
                    Type.TEXT,
                    "",
                    "Message centre",
                    "Number of the network's message centre, with + and country code. Leave it empty to use the one on the SIM.",
                    pattern=r"(\+\d{5,20})?",
                    applies=WORKER,
                ),
            ),
        ),
        Section(
            "Reports",
            (
                Field(
                    "sms.reports",
                    Type.SWITCH,
                    True,
                    "Ask whether it arrived",
                    "The network then says when the telephone has the message; it stands in the SMS record. A few networks "
                    "charge for that.",
                    applies=WORKER,
                ),
            ),
        ),
        Section(
            "Questions",
            (
                Field(
                    "sms.status",
                    Type.SWITCH,
                    False,
                    "Answer STATUS",
                    "An SMS with the word STATUS from one of the numbers below, written with + and country code, is answered "
                    "with the state of the UPS. All that comes in is then deleted from the SIM card; nothing else is obeyed.",
                    applies=WORKER,
                ),
            ),
        ),
        *(
            Section(
                f"Number {number}",
                (
                    Field(
                        f"sms.to.{number}.number",
                        Type.TEXT,
                        "",
                        f"Number {number}",
                        "For example +8613912345678: digits only, best with + and country code.",
                        pattern=r"(\+?\d{3,20})?",
                    ),
                    *wishes(f"sms.to.{number}", f"Number {number}", "critical"),
                    spoken(f"sms.to.{number}", f"Number {number}"),
                ),
                fold=True,
            )
            for number in range(1, RECIPIENTS + 1)
        ),
    ),
    help="How this card sends short messages, and who gets one when something happens.",
)
