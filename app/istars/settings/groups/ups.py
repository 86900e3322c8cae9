"""UPS parameters: how the UPS is reached and what the protocol cannot tell (manual 3.2.2.1)."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

GROUP = Group(
    "ups",
    "Parameters",
    (
        Section(
            "Link",
            (
                Field(
                    "ups.device",
                    Type.TEXT,
                    "/dev/ups",
                    "Port",
                    "A serial device, or tcp:HOST:PORT for a UPS behind a serial server.",
                    pattern=r"/[\w./:-]+|tcp:[\w.\-\[\]:]+:\d{1,5}",
                    applies="upslink",
                ),
                # Which protocols there are is known to the drivers, above this layer; the worker that uses the name checks it.
                Field(
                    "ups.protocol",
                    Type.TEXT,
                    "megatec",
                    "Protocol",
                    "The protocol that the UPS speaks.",
                    pattern=r"[a-z0-9-]{1,40}",
                    applies="upslink",
                ),
                Field(
                    "ups.address",
                    Type.WHOLE,
                    1,
                    "UPS address",
                    "Only protocols with several devices on one line use it.",
                    minimum=1,
                    maximum=247,
                    applies="upslink",
                ),
                Field(
                    "ups.serial.baud",
                    Type.WHOLE,
                    0,
                    "Baud rate",
                    "0 takes that of the protocol.",
                    unit="baud",
                    minimum=0,
                    maximum=115_200,
                    applies="upslink",
                ),
            ),
            "How the card reaches the UPS.",
        ),
        Section(
            "Polling",
            (
                Field(
                    "ups.poll.interval",
                    Type.NUMBER,
                    1.0,
                    "Time between two questions",
                    "How often the UPS is asked for its state.",
                    unit="s",
                    minimum=0.5,
                    maximum=60,
                    applies="upslink",
                ),
                Field(
                    "ups.link.timeout",
                    Type.NUMBER,
                    15.0,
                    "UPS online failure time-out",
                    "After this time without a good answer the alarm is raised.",
                    unit="s",
                    minimum=3,
                    maximum=3_600,
                    applies="core",
                ),
            ),
            "How often the UPS is asked, and when silence is an alarm.",
        ),
        Section(
            "Battery",
            (
                Field(
                    "ups.battery.cells",
                    Type.WHOLE,
                    0,
                    "Battery cells in series",
                    "A 12 V block has 6. With 0, a UPS that reports volts per cell shows no battery voltage.",
                    minimum=0,
                    maximum=1_000,
                    applies="upslink",
                ),
                Field(
                    "ups.battery.packs",
                    Type.WHOLE,
                    1,
                    "Battery packs in parallel",
                    minimum=1,
                    maximum=100,
                    applies="upslink",
                ),
            ),
            "What the protocol cannot tell; the manual of the UPS or its battery cabinet does.",
        ),
    ),
    help="How this card speaks with the UPS.",
)
