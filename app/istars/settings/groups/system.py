"""The card itself: its name, where it stands, its time zone, how long a session lasts (manual 3.2.4.2)."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

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
                Field(
                    "time.ntp.servers",
                    Type.LIST,
                    "0.pool.ntp.org, 1.pool.ntp.org, 2.pool.ntp.org",
                    "Time servers (NTP)",
                    "At most four host names or addresses, with commas between them. "
                    "Leave it empty where there is none, and set the clock by hand.",
                    maximum=4,
                    of=Type.HOST,
                    applies="system",
                ),
                Field(
                    "time.ntp.interval",
                    Type.CHOICE,
                    "1024",
                    "Ask them at least every",
                    "The card asks more often while its clock is not yet steady.",
                    choices={"64": "minute", "1024": "17 minutes", "16384": "4.5 hours", "65536": "18 hours"},
                    applies="system",
                ),
            ),
            "All times on these pages and in the records are shown in this zone; the records themselves do not change.",
        ),
        Section(
            "Scheduled restart",
            (
                Field(
                    "restart.schedule",
                    Type.CHOICE,
                    "off",
                    "Restart the card",
                    "",
                    choices={"off": "Never", "daily": "Every day", "weekly": "Every week", "monthly": "Every month"},
                    applies="system",
                    administrator=True,
                ),
                Field(
                    "restart.time",
                    Type.TEXT,
                    "03:00",
                    "Time of day",
                    "Hours and minutes in the card's time zone, such as 03:00.",
                    pattern="([01][0-9]|2[0-3]):[0-5][0-9]",
                    applies="system",
                    administrator=True,
                ),
                Field(
                    "restart.weekday",
                    Type.CHOICE,
                    "sunday",
                    "Day of the week",
                    "For a weekly restart.",
                    choices={day: day.capitalize() for day in WEEKDAYS},
                    applies="system",
                    administrator=True,
                ),
                Field(
                    "restart.day",
                    Type.WHOLE,
                    1,
                    "Day of the month",
                    "For a monthly restart.",
                    minimum=1,
                    maximum=28,
                    applies="system",
                    administrator=True,
                ),
            ),
            "The UPS goes on supplying its load meanwhile. A restart that was missed while the card was off is not made up.",
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
                    administrator=True,
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
                    administrator=True,
                ),
                Field(
                    "web.hsts",
                    Type.SWITCH,
                    False,
                    "Browsers remember to use https",
                    "For a year (HSTS). Only where the certificate is trusted, and for the whole host name.",
                    administrator=True,
                ),
                Field(
                    "audit.syslog.host",
                    Type.HOST,
                    "",
                    "Syslog server of the audit record",
                    "Each entry is sent there too, over UDP port 514. Leave it empty to send nothing.",
                    administrator=True,
                ),
            ),
        ),
    ),
    help="What this card is called, where it stands, and what time it shows.",
)
