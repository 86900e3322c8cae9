"""What the card reads of itself: its links, its modem, its clock."""

from __future__ import annotations

from istars.model.declare import Reading, number, state, text

TRAP_RECIPIENTS = 8

_LINK = (
    state("istars.link.state", "Link to the UPS", {"ok": "Connected", "lost": "Lost"}),
    state(
        "istars.link.reason",
        "Reason",
        {
            "": "",
            "no-answer": "The UPS does not answer",
            "bad-answer": "What the UPS answers is not this protocol",
            "port-missing": "The port does not exist",
            "permission": "The card may not use the port",
            "port-busy": "Another program uses the port",
            "unknown-protocol": "The protocol is not known",
            "refused": "The serial server refuses the connection",
            "borrowed": "The card does not watch the UPS at present",
        },
    ),
    text("istars.link.detail", "Detail"),
    text("istars.link.seen", "Last seen on the wire"),
    text("istars.link.protocol", "Protocol"),
    text("istars.link.device", "Port"),
    number("istars.link.detect.progress", "Search for the protocol", "%", 0, 0, 100),
    # a JSON object of names and titles: who offers a choice of protocols need not load the drivers
    text("istars.link.protocols", "Protocols that the card knows"),
    state(
        "istars.snmp.state",
        "SNMP agent",
        {"open": "Answers", "closed": "Nobody may ask", "failed": "The port cannot be used"},
    ),
    text("istars.snmp.detail", "What SNMP cannot do"),
    text("istars.snmp.engine", "SNMP engine ID"),
    *(
        each
        for count in range(1, TRAP_RECIPIENTS + 1)
        for each in (
            state(
                f"istars.snmp.trap.{count}.state",
                f"Trap recipient {count}",
                {
                    "untold": "Nothing sent yet",
                    "sent": "Sent",
                    "acknowledged": "Acknowledged",
                    "failing": "Not reached",
                },
            ),
            text(f"istars.snmp.trap.{count}.detail", f"Last for trap recipient {count}"),
        )
    ),
    state(
        "istars.accounts.state",
        "User accounts",
        {"good": "Good", "restored": "Restored from the last good copy", "closed": "Damaged; nobody can sign in"},
    ),
    text("istars.mail.trouble", "Why e-mail does not go out"),
    text("istars.webhook.trouble", "Why a webhook is not told"),
    text("istars.syslog.trouble", "Why a syslog server is not told"),
    text("istars.sms.trouble", "Why no short message goes out"),
)

_MODEM = (
    state(
        "istars.modem.state",
        "GSM modem",
        {
            "ready": "Ready",
            "starting": "Starting",
            "searching": "Not registered in a network; it is searching",
            "denied": "The network refuses the SIM card",
            "no-sim": "There is no SIM card",
            "pin-wanted": "The SIM card wants its PIN, which is not set",
            "pin-refused": "The SIM card did not accept the PIN; it is not tried again until it is changed",
            "puk-wanted": "The SIM card is locked; it wants its PUK",
            "sim-failed": "The SIM card cannot be used",
            "no-answer": "The modem does not answer",
            "bad-answer": "What the modem answers is not that of a GSM modem",
            "port-missing": "The port does not exist",
            "permission": "The card may not use the port",
            "port-busy": "Another program uses the port",
            "refused": "The serial server refuses the connection",
            "borrowed": "The card does not watch the UPS at present",
        },
    ),
    text("istars.modem.detail", "Detail"),
    text("istars.modem.model", "Modem"),
    state(
        "istars.modem.registration",
        "Registration",
        {
            "none": "Not registered",
            "home": "Home network",
            "searching": "Searching",
            "denied": "Refused",
            "unknown": "Unknown",
            "roaming": "Roaming",
        },
    ),
    text("istars.modem.operator", "Operator"),
    number("istars.modem.signal", "Signal", "dBm", 0, -113, -51),
)

_SYSTEM = (
    state(
        "istars.clock.state",
        "Clock of the card",
        {
            "synchronised": "Synchronised",
            "searching": "No time server answers yet",
            "stopped": "The time service does not run",
            "manual": "Set by hand",
            "foreign": "Kept by the operating system of this machine",
        },
    ),
    text("istars.clock.server", "Time server"),
    number("istars.clock.offset", "Clock behind the time servers", "ms", 1, -1e15, 1e15),
    text("istars.clock.updated", "Clock last compared"),
    number("istars.clock.reachable", "Time servers that answer", "", 0, 0, 100),
    text("istars.clock.detail", "Detail of the clock"),
    text("istars.restart.next", "Next scheduled restart"),
    state(
        "istars.ssh.state",
        "Command line (SSH)",
        {
            "open": "Open",
            "closed": "Closed",
            "keyless": "Closed; no key is saved that could sign in",
            "failed": "Cannot be opened",
            "foreign": "Belongs to the operating system of this machine",
        },
    ),
    text("istars.ssh.fingerprint", "Fingerprint of the card's key"),
    text("istars.ssh.detail", "Why the command line is not open"),
)

CARD: tuple[tuple[Reading, ...], ...] = (_LINK, _MODEM, _SYSTEM)
"""In the order in which a page lists them."""
