"""Object identifiers of this agent, each once."""

from __future__ import annotations

from istars.snmp.ber import Oid

MIB2: Oid = (1, 3, 6, 1, 2, 1)
SYSTEM: Oid = (*MIB2, 1)
INTERFACES: Oid = (*MIB2, 2)
SNMP: Oid = (*MIB2, 11)
UPS_MIB: Oid = (*MIB2, 33)
UPS: Oid = (*UPS_MIB, 1)
UPS_TRAPS: Oid = (*UPS_MIB, 2)
WELL_KNOWN_ALARMS: Oid = (*UPS, 6, 3)
WELL_KNOWN_TESTS: Oid = (*UPS, 7, 7)
FRAMEWORK: Oid = (1, 3, 6, 1, 6, 3, 10)
USM_STATS: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1)
TRAPS: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5)
TRAP_OID: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
UPTIME: Oid = (*SYSTEM, 3, 0)

PLAYGROUND: Oid = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999)
"""netSnmpPlaypen of NET-SNMP-MIB, which its owner gives to everybody for experiments. iStars has no number of its own yet."""
ISTARS: Oid = (*PLAYGROUND, 1628)
OBJECTS: Oid = (*ISTARS, 1)
NOTIFICATIONS: Oid = (*ISTARS, 2, 0)
ALARM_CONDITIONS: Oid = (*ISTARS, 3)

SYSTEM_ID: Oid = UPS_MIB
"""sysObjectID: the identity by which management systems, Network UPS Tools among them, know that RFC 1628 is spoken here."""
