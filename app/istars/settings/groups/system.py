"""The card itself: its name, where it stands, its time zone, how long a session lasts (manual 3.2.4.2)."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

GROUP = Group(
    "system",
    "System",
    (
        Section(
            "Identity",
            (
                Field(
                    "system.name",
                    Type.TEXT,
                    "UPS",
                    "System name",
                    "Shown at the top of every page and on the sign-in page.",
                    minimum=1,
                    maximum=60,
                ),
                Field(
                    "system.administrator",
                    Type.TEXT,
                    "",
                    "Administrator",
                    "Who looks after this UPS, and how to reach them.",
                    maximum=120,
                ),
                Field("system.location", Type.TEXT, "", "Location", "Where the UPS stands.", maximum=60),
            ),
            "Which UPS this is, for people who look after several.",
        ),
        Section(
            "Time",
            (
                Field(
                    "system.zone",
                    Type.ZONE,
                    "UTC",
                    "Time zone",
                    "Daylight saving is part of the zone. The offset shown is that of today.",
                    minimum=1,
                ),
            ),
            "All times on these pages and in the records are shown in this zone; the records themselves do not change.",
        ),
        Section(
            "Sessions",
            (
                Field(
                    "session.idle",
                    Type.WHOLE,
                    15,
                    "Sign out after",
                    "Without use; a page that only watches does not count as use.",
                    unit="min",
                    minimum=1,
                    maximum=1_440,
                ),
            ),
            "Holds for everybody who is signed in, from the next request on.",
        ),
        Section(
            "Access",
            (
                Field(
                    "web.http",
                    Type.CHOICE,
                    "redirect",
                    "Without encryption (http)",
                    "Whoever can listen on the network reads passwords that are sent over http.",
                    choices={"redirect": "Lead to https", "serve": "Serve the pages too"},
                ),
                Field(
                    "web.hsts",
                    Type.SWITCH,
                    False,
                    "Browsers remember to use https",
                    "For a year (HSTS). Only where the certificate is trusted, and for the whole host name.",
                ),
                Field(
                    "audit.syslog.host",
                    Type.HOST,
                    "",
                    "Syslog server of the audit record",
                    "Each entry is sent there too, over UDP port 514. Leave it empty to send nothing.",
                ),
            ),
        ),
    ),
    help="What this card is called, where it stands, and what time it shows.",
)
