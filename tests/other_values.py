"""For each option a value that it takes and that is not its default, as texts of the file."""

from __future__ import annotations

import re

from istars.settings.field import Field, Type
from istars.settings.groups import FIELDS, GROUPS
from istars.store.audit import AuditRecord, Entry

SPECIAL = {
    "ups.device": "tcp:192.0.2.7:4001",
    "ups.protocol": "invt-hr11",
    "ups.nut.user": "admin",
    "system.name": "=UPS <b>A</b>, “Core” 変電所",
    "system.zone": "Asia/Shanghai",
    # on one day a month: a card of the tests hardly ever meets it
    "restart.schedule": "monthly",
    "restart.time": "04:30",
    "mail.report.time": "05:45",
    "sms.device": "tcp:192.0.2.8:4001",
    "sms.pin": "58203614",
    "sms.centre": "+8613800100500",
    **{f"sms.to.{number}.number": f"+861391234567{number}" for number in range(1, 9)},
    # http of a machine without a certificate would lead away from the page that is tested
    "web.http": "serve",
    "firmware.url": "https://firmware.example.net/istars",
    "firmware.channel": "candidate",
    # all pairs that stand in order, still do
    "limit.charge.empty": "2.5",
    "limit.input.low": "190.5",
    "limit.input.high": "250",
    "limit.output.low": "200",
    "limit.output.high": "245.5",
    "snmp.engine": "80001f880512345678",
}


PATTERNED = {
    "fingerprint": "0123456789abcdef" * 4,
    "quiet": "22:00-07:00",
    "url": "https://hook.example.net/ups",
    "mac": "02:00:5e:10:00:01",
    "codes": "ON_BATTERY, BATTERY_LOW",
}
"""By the last word of the key."""


def another(declared: Field) -> str:
    """Text of an acceptable value that is not the default; all of them together are acceptable too."""
    if declared.key in SPECIAL:
        return SPECIAL[declared.key]
    last = declared.key.rpartition(".")[2]
    if declared.pattern and last in PATTERNED:
        return PATTERNED[last]
    match declared.type:
        case Type.WHOLE | Type.NUMBER:
            assert isinstance(declared.default, int | float)
            assert declared.maximum is not None
            step = 1 if declared.default + 1 <= declared.maximum else -1
            return declared.format(declared.default + step)
        case Type.SWITCH:
            return "off" if declared.default else "on"
        case Type.CHOICE:
            return next(value for value in declared.choices or () if value != declared.default)
        case Type.HOST:
            return "log.example.net"
        case Type.DATE:
            return "2024-02-29"
        case Type.MAIL:
            return "someone@example.net"
        case Type.ADDRESS:
            return "192.0.2.9"
        case Type.ADDRESSES:
            return "192.168.1.*, 2001:db8::/32"
        case Type.KEY:
            return "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D ann@laptop"
        case Type.LIST if declared.pattern:
            return ", ".join(declared.pattern.split("|")[:2])
        case Type.LIST:
            return "192.0.2.1, host.example.net"
        case _:
            return f"another {declared.label[:20]}"


OTHERS = {key: another(declared) for key, declared in FIELDS.items()}
DISTINCT = [key for key in FIELDS if not re.search(r"\.([2-9]|\d\d)\.", key)]
"""Of options that stand in a list only the first: the others are the same declaration."""
GROUP_OF = {field.key: group.name for group in GROUPS for field in group.fields}


def written_down() -> list[Entry]:
    """The audit record, newest first."""
    return list(AuditRecord().every(None, ""))
