"""Who is told when something happens: e-mail (manual 3.2.2.6), webhooks, syslog."""

from __future__ import annotations

from istars.model.alarms import ALARMS
from istars.settings.field import Field, Group, Section, Type

MAIL_RECIPIENTS = 8
WEBHOOKS = 4
SYSLOGS = 4
FINGERPRINT = r"(([0-9A-Fa-f]{2}:?){32})?"
HOUR = r"([01]\d|2[0-3]):[0-5]\d"


def wishes(stem: str, events: str) -> tuple[Field, ...]:
    """What a recipient wants to be told; the same for every channel."""
    return (
        Field(
            f"{stem}.events",
            Type.CHOICE,
            events,
            "{n}: is told of",
            choices={
                "none": "Nothing",
                "all": "Everything",
                "warnings": "Warnings and worse",
                "critical": "What is critical",
                "power": "Power and battery",
                "chosen": "The events chosen below",
            },
        ),
        Field(
            f"{stem}.codes",
            Type.LIST,
            "",
            "{n}: chosen events",
            "Codes of events, as in the event record, separated by commas. Only counts where they are to be chosen.",
            maximum=len(ALARMS),
            pattern="|".join(ALARMS),
        ),
        Field(
            f"{stem}.delay",
            Type.WHOLE,
            0,
            "{n}: only if it lasts longer than",
            "What is over sooner is not told.",
            unit="s",
            minimum=0,
            maximum=3_600,
        ),
        Field(
            f"{stem}.repeat",
            Type.WHOLE,
            0,
            "{n}: again every",
            "While it lasts and nobody has acknowledged it. 0 tells it once.",
            unit="min",
            minimum=0,
            maximum=1_440,
        ),
        Field(
            f"{stem}.quiet",
            Type.TEXT,
            "",
            "{n}: quiet hours",
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
    ),
    help="How this card sends e-mail.",
)

MAIL_TO = Group(
    "mail.to",
    "Recipients of events",
    (
        Section(
            "Recipients",
            (
                Field("mail.to.{n}.address", Type.MAIL, "", "{n}: e-mail address", maximum=254),
                *wishes("mail.to.{n}", "warnings"),
            ),
        ),
    ),
    help="Who gets an e-mail when something happens.",
    repeat=MAIL_RECIPIENTS,
)

WEBHOOK = Group(
    "webhook",
    "Webhooks",
    (
        Section(
            "Webhooks",
            (
                Field(
                    "webhook.{n}.url",
                    Type.TEXT,
                    "",
                    "{n}: address",
                    "https://... that takes a POST.",
                    maximum=200,
                    pattern=r"(https?://[^\s/@:]+(:\d{1,5})?(/[^\s]*)?)?",
                ),
                Field(
                    "webhook.{n}.form",
                    Type.CHOICE,
                    "json",
                    "{n}: form",
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
                    "webhook.{n}.secret",
                    Type.SECRET,
                    "",
                    "{n}: key of the signature",
                    "The body is signed with it (HMAC-SHA-256, header X-IStars-Signature).",
                    maximum=120,
                ),
                *wishes("webhook.{n}", "all"),
            ),
        ),
    ),
    help="Programs that are told when something happens.",
    repeat=WEBHOOKS,
)

SYSLOG = Group(
    "syslog",
    "Syslog",
    (
        Section(
            "Syslog servers",
            (
                Field("syslog.{n}.host", Type.HOST, "", "{n}: server"),
                Field(
                    "syslog.{n}.port", Type.WHOLE, 514, "{n}: port", "514, or 6514 with TLS.", minimum=1, maximum=65_535
                ),
                Field(
                    "syslog.{n}.transport",
                    Type.CHOICE,
                    "udp",
                    "{n}: transport",
                    "Over UDP nobody notices what is lost.",
                    choices={"udp": "UDP", "tcp": "TCP", "tls": "TLS"},
                ),
                Field(
                    "syslog.{n}.fingerprint",
                    Type.TEXT,
                    "",
                    "{n}: certificate of the server",
                    "SHA-256 fingerprint in hexadecimal, for a certificate that no known authority has signed.",
                    pattern=FINGERPRINT,
                ),
                *wishes("syslog.{n}", "all"),
            ),
        ),
    ),
    help="Servers that record events (RFC 5424).",
    repeat=SYSLOGS,
)
