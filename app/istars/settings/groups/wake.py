"""Computers that are woken when mains is back (manual 3.2.2.4)."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

HOSTS = 8

GROUP = Group(
    "wake",
    "Wake on LAN",
    (
        Section(
            "When",
            (
                Field(
                    "wake.charge",
                    Type.WHOLE,
                    30,
                    "Battery charge from which computers are woken",
                    "So that they can shut down again if mains fails soon after. 0 does not wait for the battery.",
                    unit="%",
                    minimum=0,
                    maximum=100,
                ),
                Field(
                    "wake.pause",
                    Type.WHOLE,
                    60,
                    "Again every",
                    "Until the computer answers; a network that has just got power loses the first packets.",
                    unit="s",
                    minimum=5,
                    maximum=3_600,
                ),
                Field("wake.tries", Type.WHOLE, 10, "At most", unit="times", minimum=1, maximum=100),
                Field("wake.port", Type.WHOLE, 9, "Remote port", "UDP; 9 or 7.", minimum=1, maximum=65_535),
            ),
        ),
        *(
            Section(
                f"Computer {number}",
                (
                    Field(
                        f"wake.host.{number}.mac",
                        Type.TEXT,
                        "",
                        f"Computer {number}: MAC address",
                        "For example 00:1a:2b:3c:4d:5e.",
                        pattern=r"([0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5})?",
                    ),
                    Field(f"wake.host.{number}.name", Type.TEXT, "", f"Computer {number}: name", maximum=40),
                    Field(
                        f"wake.host.{number}.on", Type.SWITCH, False, f"Computer {number}: wake it when mains is back"
                    ),
                    Field(
                        f"wake.host.{number}.to",
                        Type.HOST,
                        "",
                        f"Computer {number}: send to",
                        "A broadcast address of another network, or an address. Leave it empty for the network of this card.",
                    ),
                    Field(
                        f"wake.host.{number}.address",
                        Type.HOST,
                        "",
                        f"Computer {number}: answers at",
                        "Address at which the computer answers a ping. Leave it empty if it never does: it is then sent to once.",
                    ),
                ),
                fold=True,
            )
            for number in range(1, HOSTS + 1)
        ),
    ),
    help="Up to eight computers that this card wakes when mains is back. Wake on LAN must be switched on in them.",
)
