"""All groups of options; one file a page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from istars.settings.field import Field, Group
from istars.settings.groups import alerts, firmware, limits, radius, sms, snmp, ssh, system, ups, wake

GROUPS: tuple[Group, ...] = (
    ups.GROUP,
    limits.GROUP,
    system.GROUP,
    radius.GROUP,
    ssh.GROUP,
    *snmp.GROUPS,
    alerts.MAIL,
    alerts.WEBHOOK,
    alerts.SYSLOG,
    sms.GROUP,
    wake.GROUP,
    firmware.GROUP,
)

FIELDS: Mapping[str, Field] = MappingProxyType({field.key: field for group in GROUPS for field in group.fields})
"""Key to declaration, in the order of the pages."""

RENAMES: Mapping[str, str] = MappingProxyType({})
"""Key of an earlier firmware to the key of today: files keep their old names for ever."""
