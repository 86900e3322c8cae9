"""Who is told when something happens: e-mail (manual 3.2.2.6), webhooks, syslog."""

from __future__ import annotations

from istars.model.alarms import ALARMS
from istars.settings.field import Field, Group, Section, Type

MAIL_RECIPIENTS = 8
WEBHOOKS = 4
SYSLOGS = 4
REPORTS = 4
FINGERPRINT = r"(([0-9A-Fa-f]{2}:?){32})?"
URL = r"(https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(/[!-~]*)?)?"
HOUR = r"([01]\d|2[0-3]):[0-5]\d"


LANGUAGES = {"en": "English", "de": "Deutsch"}
"""Languages in which the card writes to people; `locale/` has their texts."""


def spoken(stem: str, who: str) -> Field:
    """The language in which `who` is told."""
    return Field(f"{stem}.language", Type.CHOICE, "en", f"{who}: language", choices=LANGUAGES)


def wishes(stem: str, who: str, events: str) -> tuple[Field, ...]:
    """What recipient `who` wants to be told; the same for every channel."""
    return (
        Field(
            f"{stem}.events",
            Type.CHOICE,
            events,
            f"{who} is told of",
            choices={
                "none": "Nothing",
                "all": "Everything",
                "warnings": "Warnings and worse",
                "critical": "What is critical",
                "power": "Power and battery",
                "chosen": "Own choice",
            },
        ),
        Field(
            f"{stem}.codes",
            Type.LIST,
            "",
            f"{who}: chosen events",
            "Codes, separated by commas; easier under “Events for each recipient”. Counts only with an own choice.",
            maximum=len(ALARMS),
            pattern="|".join(ALARMS),
        ),
        Field(
            f"{stem}.delay",
            Type.WHOLE,
            0,
            f"{who}: only if it lasts longer than",
            "What is over sooner is not told.",
            unit="s",
            minimum=0,
            maximum=3_600,
        ),
        Field(
            f"{stem}.repeat",
            Type.WHOLE,
            0,
            f"{who}: again every",
            "While it lasts and nobody has acknowledged it. 0 tells it once.",
            unit="min",
            minimum=0,
            maximum=1_440,
        ),
        Field(
            f"{stem}.quiet",
            Type.TEXT,
            "",
            f"{who}: quiet hours",
            "For example 22:00-07:00. What is not critical is told when they are over.",
            pattern=f"({HOUR}-{HOUR})?",
        ),
    )


MAIL = Group(
    "mail",
    "E-mail",
    (
        Section(
            "Server",
            (
                Field("mail.server", Type.HOST, "", "E-mail server", "Leave it empty to send no e-mail."),
                Field(
                    "mail.port",
                    Type.WHOLE,
                    587,
                    "Port",
                    "587 with STARTTLS, 465 with TLS, 25 without.",
                    minimum=1,
                    maximum=65_535,
                ),
                Field(
                    "mail.security",
                    Type.CHOICE,
                    "starttls",
                    "Encryption",
                    "The certificate of the server is checked.",
                    choices={"starttls": "STARTTLS", "tls": "TLS", "none": "None: others can read it"},
                ),
                Field(
                    "mail.fingerprint",
                    Type.TEXT,
                    "",
                    "Certificate of the server",
                    "SHA-256 fingerprint, for a server whose certificate no known authority has signed: only this one is "
                    "accepted then.",
                    pattern=FINGERPRINT,
                ),
                Field("mail.sender", Type.MAIL, "", "Sender", "Leave it empty to use the account.", maximum=254),
                Field(
                    "mail.account",
                    Type.TEXT,
                    "",
                    "Account",
                    "Leave it empty where the server asks for none.",
                    maximum=120,
                ),
                Field("mail.password", Type.SECRET, "", "Password", "Never sent without encryption.", maximum=120),
            ),
        ),
        Section(
            "Proxy",
            (
                Field("mail.proxy", Type.HOST, "", "SOCKS5 proxy", "Leave it empty to reach the server directly."),
                Field("mail.proxy.port", Type.WHOLE, 1080, "Port of the proxy", minimum=1, maximum=65_535),
                Field("mail.proxy.account", Type.TEXT, "", "Account at the proxy", maximum=120),
                Field("mail.proxy.password", Type.SECRET, "", "Password at the proxy", maximum=120),
            ),
        ),
        *(
            Section(
                f"Recipient {number}",
                (
                    Field(f"mail.to.{number}.address", Type.MAIL, "", f"Recipient {number}", maximum=254),
                    *wishes(f"mail.to.{number}", f"Recipient {number}", "warnings"),
                    spoken(f"mail.to.{number}", f"Recipient {number}"),
                ),
                fold=True,
            )
            for number in range(1, MAIL_RECIPIENTS + 1)
        ),
        Section(
            "Daily report",
            (
                Field(
                    "mail.report.time",
                    Type.TEXT,
                    "07:30",
                    "Delivery time",
                    "The report is about the 24 hours before. One that the card has missed follows when it is on again.",
                    pattern=HOUR,
                ),
                *(
                    field
                    for number in range(1, REPORTS + 1)
                    for field in (
                        Field(
                            f"mail.report.{number}.address", Type.MAIL, "", f"Report recipient {number}", maximum=254
                        ),
                        spoken(f"mail.report.{number}", f"Report recipient {number}"),
                    )
                ),
            ),
            "The day's curves, lowest and highest readings, energy, events and the state of the battery. Without a recipient "
            "none is sent.",
        ),
    ),
    help="How this card sends e-mail, and who gets one when something happens.",
)

WEBHOOK = Group(
    "webhook",
    "Webhooks",
    (
        *(
            Section(
                f"Webhook {number}",
                (
                    Field(
                        f"webhook.{number}.url",
                        Type.TEXT,
                        "",
                        f"Webhook {number}: address",
                        "https://... that takes a POST. Keep it secret: who knows it may write there. Records show its host.",
                        maximum=200,
                        pattern=URL,
                    ),
                    Field(
                        f"webhook.{number}.form",
                        Type.CHOICE,
                        "json",
                        f"Webhook {number}: form",
                        "The body that is sent.",
                        choices={
                            "json": "JSON of iStars",
                            "slack": "Slack, Mattermost, Rocket.Chat",
                            "teams": "Microsoft Teams",
                            "discord": "Discord",
                            "ntfy": "ntfy",
                        },
                    ),
                    Field(
                        f"webhook.{number}.secret",
                        Type.SECRET,
                        "",
                        f"Webhook {number}: key of the signature",
                        "The body is signed with it (HMAC-SHA-256, header X-IStars-Signature).",
                        maximum=120,
                    ),
                    *wishes(f"webhook.{number}", f"Webhook {number}", "all"),
                    spoken(f"webhook.{number}", f"Webhook {number}"),
                ),
                fold=True,
            )
            for number in range(1, WEBHOOKS + 1)
        ),
    ),
    help="Programs and chats that are told when something happens.",
)

SYSLOG = Group(
    "syslog",
    "Syslog",
    (
        *(
            Section(
                f"Server {number}",
                (
                    Field(f"syslog.{number}.host", Type.HOST, "", f"Server {number}: server"),
                    Field(
                        f"syslog.{number}.port",
                        Type.WHOLE,
                        514,
                        f"Server {number}: port",
                        "514, or 6514 with TLS.",
                        minimum=1,
                        maximum=65_535,
                    ),
                    Field(
                        f"syslog.{number}.transport",
                        Type.CHOICE,
                        "udp",
                        f"Server {number}: transport",
                        "Over UDP nobody notices what is lost.",
                        choices={"udp": "UDP", "tcp": "TCP", "tls": "TLS"},
                    ),
                    Field(
                        f"syslog.{number}.fingerprint",
                        Type.TEXT,
                        "",
                        f"Server {number}: certificate of the server",
                        "SHA-256 fingerprint in hexadecimal, for a certificate that no known authority has signed.",
                        pattern=FINGERPRINT,
                    ),
                    *wishes(f"syslog.{number}", f"Server {number}", "all"),
                ),
                fold=True,
            )
            for number in range(1, SYSLOGS + 1)
        ),
    ),
    help="Servers that record events (RFC 5424).",
)
