"""Where new firmware comes from, and whether the card looks for it by itself (manual 3.2.5.1)."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

GROUP = Group(
    "firmware",
    "Firmware",
    (
        Section(
            "Online update",
            (
                Field(
                    "firmware.online",
                    Type.CHOICE,
                    "off",
                    "Look for updates",
                    "Once a day, at a time of its own. Nothing is ever installed without somebody who starts it.",
                    choices={"off": "Never", "check": "Tell of new ones", "download": "Download new ones"},
                    applies="updater",
                ),
                Field(
                    "firmware.url",
                    Type.TEXT,
                    "",
                    "Address of the channels",
                    "Begins with https://. What is signed by nobody whom this card trusts is refused, whoever sends it.",
                    maximum=200,
                    pattern=r"(https://[A-Za-z0-9.\-\[\]:]{1,100}(/[A-Za-z0-9._~/-]*)?)?",
                    applies="updater",
                ),
                Field(
                    "firmware.channel",
                    Type.TEXT,
                    "stable",
                    "Channel",
                    "Lower-case letters, digits and hyphens, such as stable or candidate.",
                    pattern=r"[a-z0-9-]{1,20}",
                    applies="updater",
                ),
            ),
        ),
    ),
    help="Where new firmware comes from. The card asks nobody unless this is switched on.",
)
