"""SNMP: the agent, who may ask it, who is told (manual 3.2.4.3). Nobody may ask before somebody was entered here."""

from __future__ import annotations

from istars.settings.field import Field, Group, Section, Type

LISTED = 8
WORKER = "snmpd"
NOTICES = ("battery", "test", "critical", "warning", "information", "card")
"""What a recipient may choose: on battery, end of a battery test, alarms by severity, start and refusals of the agent."""
PERMISSIONS = {"none": "None", "read": "Read", "write": "Read and write"}
AUTH = {
    "none": "None",
    "md5": "MD5",
    "sha": "SHA",
    "sha224": "SHA-224",
    "sha256": "SHA-256",
    "sha384": "SHA-384",
    "sha512": "SHA-512",
}
PRIV = {
    "none": "None",
    "aes": "AES-128",
    "aes192": "AES-192",
    "aes256": "AES-256",
    "aes192c": "AES-192 (Cisco)",
    "aes256c": "AES-256 (Cisco)",
    "des": "DES",
}
WORDS = r"|.{8,64}"
WORDS_HELP = "8 to 64 characters."


def _field(key: str, kind: Type, default: str | int | bool, label: str, explanation: str = "", **more: object) -> Field:
    # Managers can switch the load off: who they are is an administrator's to say.
    words = {"applies": WORKER, "administrator": True, **more}
    return Field(f"snmp.{key}", kind, default, label, explanation, **words)  # type: ignore[arg-type]


def _permission(key: str) -> Field:
    return _field(key, Type.CHOICE, "none", "Permission {n}", choices=PERMISSIONS)


GROUP = Group(
    "snmp",
    "SNMP",
    (
        Section(
            "Agent",
            (
                _field("port", Type.WHOLE, 161, "SNMP port", unit="UDP", minimum=1, maximum=65_535),
                _field(
                    "engine",
                    Type.TEXT,
                    "",
                    "Engine ID",
                    "5 to 32 octets as hexadecimal digits. Left empty, the card makes one of its own and keeps it.",
                    pattern=r"|([0-9a-fA-F]{2}){5,32}",
                ),
                _field(
                    "des",
                    Type.SWITCH,
                    False,
                    "Allow DES",
                    "Broken long ago: only for managers that can do nothing better.",
                ),
                _field(
                    "restart",
                    Type.SWITCH,
                    True,
                    "Switch on again when mains returns",
                    "After a switch-off that was asked for by SNMP (upsAutoRestart).",
                ),
                _field(
                    "attached",
                    Type.TEXT,
                    "",
                    "Attached devices",
                    "What this UPS feeds (upsIdentAttachedDevices).",
                    maximum=63,
                ),
            ),
        ),
        Section(
            "Traps and informs",
            (
                _field("trap.port", Type.WHOLE, 162, "Trap port", unit="UDP", minimum=1, maximum=65_535),
                _field("inform.retries", Type.WHOLE, 3, "Retries of an inform", minimum=0, maximum=10),
                _field(
                    "inform.interval",
                    Type.WHOLE,
                    5,
                    "Wait for the answer to an inform",
                    unit="s",
                    minimum=1,
                    maximum=60,
                ),
                _field(
                    "trap.authentication",
                    Type.SWITCH,
                    False,
                    "Tell of refused requests",
                    "The trap authenticationFailure.",
                ),
            ),
        ),
    ),
    help="How management systems reach this card. Nobody may ask before a manager or a user has a permission.",
)

MANAGERS = Group(
    "snmp-managers",
    "SNMP managers",
    (
        Section(
            "Manager {n}",
            (
                _field(
                    "manager.{n}.addresses",
                    Type.ADDRESSES,
                    "",
                    "Addresses {n}",
                    "For example 192.168.1.*, 10.20.0.0/16 or 2001:db8::/32; *.*.*.* is every IPv4 address. "
                    "Others get no answer at all. Left empty, nobody may ask.",
                ),
                _field("manager.{n}.community", Type.SECRET, "", "Community {n}", "SNMP v1 and v2c.", maximum=32),
                _permission("manager.{n}.permission"),
            ),
        ),
    ),
    help="SNMP v1 and v2c send the community readable: allow the addresses of your managers only, and prefer v3 for writing.",
    repeat=LISTED,
)

USERS = Group(
    "snmp-users",
    "SNMPv3 users",
    (
        Section(
            "User {n}",
            (
                _field("user.{n}.name", Type.TEXT, "", "User {n}", maximum=32),
                _permission("user.{n}.permission"),
                _field("user.{n}.auth", Type.CHOICE, "sha256", "Authentication {n}", choices=AUTH),
                _field(
                    "user.{n}.auth.passphrase",
                    Type.SECRET,
                    "",
                    "Authentication passphrase {n}",
                    WORDS_HELP,
                    pattern=WORDS,
                ),
                _field("user.{n}.priv", Type.CHOICE, "aes", "Privacy {n}", choices=PRIV),
                _field(
                    "user.{n}.priv.passphrase",
                    Type.SECRET,
                    "",
                    "Privacy passphrase {n}",
                    WORDS_HELP,
                    pattern=WORDS,
                ),
            ),
        ),
    ),
    help="A user must use the authentication and privacy that stand here; nothing less is answered.",
    repeat=LISTED,
)

RECIPIENTS = Group(
    "snmp-traps",
    "Trap recipients",
    (
        Section(
            "Recipient {n}",
            (
                _field(
                    "trap.{n}.address", Type.ADDRESS, "", "Address {n}", "IPv4 or IPv6. Left empty, nothing is sent."
                ),
                _field(
                    "trap.{n}.port",
                    Type.WHOLE,
                    0,
                    "Port {n}",
                    "0 takes the trap port.",
                    unit="UDP",
                    minimum=0,
                    maximum=65_535,
                ),
                _field(
                    "trap.{n}.version",
                    Type.CHOICE,
                    "v2c",
                    "Version {n}",
                    choices={"v1": "SNMP v1", "v2c": "SNMP v2c", "v3": "SNMP v3"},
                ),
                _field("trap.{n}.community", Type.SECRET, "", "Trap community {n}", "For v1 and v2c.", maximum=32),
                _field("trap.{n}.user", Type.TEXT, "", "Trap user {n}", "For v3: name of an SNMPv3 user.", maximum=32),
                _field(
                    "trap.{n}.type",
                    Type.CHOICE,
                    "trap",
                    "Type {n}",
                    "An inform is repeated until the recipient says that it came. SNMP v1 has none.",
                    choices={"trap": "Trap", "inform": "Inform"},
                ),
                _field(
                    "trap.{n}.events",
                    Type.LIST,
                    ", ".join(NOTICES),
                    "Events {n}",
                    f"Some of {', '.join(NOTICES)}.",
                    maximum=len(NOTICES),
                    pattern="|".join(NOTICES),
                ),
            ),
        ),
    ),
    help="Who is told when something happens, with the notifications of RFC 1628.",
    repeat=LISTED,
)

GROUPS = (GROUP, MANAGERS, USERS, RECIPIENTS)
