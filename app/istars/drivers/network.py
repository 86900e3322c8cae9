"""Devices that are reached through the network by a protocol of their own; loaded only where one is used."""

from __future__ import annotations

from istars.drivers.item import Options, Timing
from istars.drivers.nutlink import NutLink
from istars.drivers.snmplink import SnmpLink, UdpTransport
from istars.drivers.transport import TcpTransport, Transport, host_and_port
from istars.errors import PortError


class SnmpTransport(UdpTransport):
    """`snmp:host:port`."""

    def link(self, timing: Timing, options: Options) -> SnmpLink:
        """See NetworkTransport."""
        return SnmpLink(self, timing, options)


class NutTransport(TcpTransport):
    """`nut:ups@host:port`."""

    def __init__(self, device: str) -> None:
        self._ups, at, server = device.removeprefix("nut:").rpartition("@")
        if not at or not self._ups:
            raise PortError("port-missing", f"{device} is not of the form nut:UPS@HOST:PORT")
        super().__init__(*host_and_port(f"nut:{server}"))
        self.where = device

    def link(self, timing: Timing, options: Options) -> NutLink:
        """See NetworkTransport."""
        return NutLink(self, timing, self._ups, options)


def transport_to(device: str) -> Transport:
    """The transport that `device` names, `snmp:` or `nut:`. Raises PortError."""
    return SnmpTransport(device) if device.startswith("snmp:") else NutTransport(device)
