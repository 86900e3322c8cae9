"""UPSs that are reached through the network: another network card (SNMP v1 and v2c, RFC 1628) and a server of Network UPS Tools.

Both are devices as the others are: requests come in, answers go out, the physics is that of the UPS behind them. SNMP is decoded
and encoded by pysnmp; the lines of the NUT server are those of RFC 9271.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Final

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pysnmp.proto import api

from .physics import Ups
from .powertrain import PHASE_SHARES
from .upsmib import Row, UpsMib, order

COMMUNITY: Final = "public"
UPS_NAME: Final = "sim"
LONGEST_LINE: Final = 512


class NetworkDevice:
    """What both have in common: nothing of a serial line."""

    baud = 0
    silence_s = 0.0
    thinking_s = 0.0

    def __init__(self, ups: Ups) -> None:
        self.ups = ups
        self.changes: list[bytes] = []


class OtherCard(NetworkDevice):
    """The agent of another network card; one datagram is one request. Its community is `public`, for reading and writing."""

    def __init__(self, ups: Ups) -> None:
        super().__init__(ups)
        self.mib = UpsMib(ups)

    def split(self, buffer: bytes, quiet: bool) -> tuple[list[bytes], bytes]:
        """One datagram, one request."""
        return [buffer], b""

    def respond(self, request: bytes) -> bytes:
        """The answer; silence for what is no SNMP of this community."""
        try:
            version = int(api.decodeMessageVersion(request))
            if version not in api.PROTOCOL_MODULES:
                return b""
            module = api.PROTOCOL_MODULES[version]
            message, _ = decoder.decode(request, asn1Spec=module.Message())
        except (PyAsn1Error, api.error.ProtocolError, ValueError):
            return b""
        if str(module.apiMessage.get_community(message)) != COMMUNITY:
            return b""
        asked = module.apiMessage.get_pdu(message)
        answer = module.apiMessage.get_response(message)
        self._fill(module, version, asked, module.apiMessage.get_pdu(answer), request)
        return bytes(encoder.encode(answer))

    def _fill(self, module: object, version: int, asked: object, reply: object, request: bytes) -> None:
        """Put values, or the error, into the answer."""
        pdu = module.apiPDU  # type: ignore[attr-defined]
        rows = self.mib.rows()
        bound = []
        for place, (name, value) in enumerate(pdu.get_varbinds(asked), start=1):
            oid = f".{name.prettyPrint()}"
            if asked.isSameTypeWith(module.SetRequestPDU()):  # type: ignore[attr-defined]
                self.changes.append(request)
                if not self.mib.write(oid.removeprefix(".1.3.6.1.2.1.33.1."), value.prettyPrint()):
                    pdu.set_error_status(reply, 2 if version == 0 else 17)
                    pdu.set_error_index(reply, place)
                bound.append((name, value))
                continue
            found = oid
            if asked.isSameTypeWith(module.GetNextRequestPDU()):  # type: ignore[attr-defined]
                found = next((each for each in sorted(rows, key=order) if order(each) > order(oid)), "")
            if found in rows:
                bound.append((module.ObjectIdentifier(found[1:]), self._value(module, rows[found])))  # type: ignore[attr-defined]
            elif version == 0:
                pdu.set_error_status(reply, 2)
                pdu.set_error_index(reply, place)
                bound.append((name, module.Null("")))  # type: ignore[attr-defined]
            else:
                bound.append((name, api.v2c.NoSuchInstance("")))
        pdu.set_varbinds(reply, bound)

    @staticmethod
    def _value(module: object, row: Row) -> object:
        kind, text = row
        if kind == "objectid":
            return module.ObjectIdentifier(text.removeprefix("."))  # type: ignore[attr-defined]
        if kind == "string":
            return module.OctetString(text)  # type: ignore[attr-defined]
        number = {"integer": "Integer", "gauge": "Gauge" if module is api.v1 else "Gauge32"}[kind]
        return getattr(module, number)(int(text))


class NutServer(NetworkDevice):
    """A server with one UPS, called `sim`. Commands need a user; any name and password will do."""

    def __init__(self, ups: Ups) -> None:
        super().__init__(ups)
        self.delays = {"ups.delay.shutdown": 20, "ups.delay.start": 30}
        self._user, self._password = "", ""
        self.commands: dict[str, Callable[[], bool]] = {
            "test.battery.start.quick": lambda: ups.start_test("quick"),
            "test.battery.start.deep": lambda: ups.start_test("deep"),
            "test.battery.stop": ups.stop_test,
            "beeper.toggle": lambda: self._beep(not ups.beeper),
            "beeper.enable": lambda: self._beep(True),
            "beeper.disable": lambda: self._beep(False),
            "shutdown.return": lambda: ups.shut_down(self.delays["ups.delay.shutdown"], 0.0),
            "shutdown.stayoff": lambda: ups.shut_down(self.delays["ups.delay.shutdown"], None),
            "shutdown.stop": ups.cancel,
            "load.off": lambda: ups.switch_output(False),
            "load.on": lambda: ups.switch_output(True),
        }

    def _beep(self, on: bool) -> bool:
        self.ups.beeper = on
        return True

    def split(self, buffer: bytes, quiet: bool) -> tuple[list[bytes], bytes]:
        """One line, one request."""
        *lines, rest = buffer.split(b"\n")
        return lines, rest[-LONGEST_LINE:]

    def respond(self, request: bytes) -> bytes:
        """The answer, one or more lines."""
        try:
            words = shlex.split(request.decode())
        except (ValueError, UnicodeDecodeError):
            return b"ERR INVALID-ARGUMENT\n"
        return (self._answer(words) + "\n").encode()

    def _answer(self, words: list[str]) -> str:
        match words:
            case ["VER"]:
                return "Simulated NUT server"
            case ["USERNAME", name]:
                self._user = name
                return "OK"
            case ["PASSWORD", secret]:
                self._password = secret
                return "OK"
            case ["LOGOUT"]:
                return "OK Goodbye"
            case ["LIST", "UPS"]:
                return f'BEGIN LIST UPS\nUPS {UPS_NAME} "{self.ups.design.model}"\nEND LIST UPS'
            case ["LIST" | "GET" | "INSTCMD" | "SET", *_] if UPS_NAME not in words[1:3]:
                return "ERR UNKNOWN-UPS"
            case ["LIST", "VAR", _]:
                lines = [f'VAR {UPS_NAME} {name} "{value}"' for name, value in sorted(self.variables().items())]
                return "\n".join([f"BEGIN LIST VAR {UPS_NAME}", *lines, f"END LIST VAR {UPS_NAME}"])
            case ["LIST", "CMD", _]:
                lines = [f"CMD {UPS_NAME} {name}" for name in self.commands]
                return "\n".join([f"BEGIN LIST CMD {UPS_NAME}", *lines, f"END LIST CMD {UPS_NAME}"])
            case ["GET", "VAR", _, name]:
                known = self.variables()
                return f'VAR {UPS_NAME} {name} "{known[name]}"' if name in known else "ERR VAR-NOT-SUPPORTED"
            case ["INSTCMD" | "SET", *_] if not (self._user and self._password):
                return "ERR ACCESS-DENIED"
            case ["SET", "VAR", _, name, value]:
                if name not in self.delays or not re.fullmatch(r"\d{1,6}", value):
                    return "ERR READONLY" if name in self.variables() else "ERR VAR-NOT-SUPPORTED"
                self.delays[name] = int(value)
                return "OK"
            case ["INSTCMD", _, name]:
                if name not in self.commands:
                    return "ERR CMD-NOT-SUPPORTED"
                self.changes.append(name.encode())
                return "OK" if self.commands[name]() else "ERR INSTCMD-FAILED"
        return "ERR UNKNOWN-COMMAND"

    def variables(self) -> dict[str, str | float | int]:
        """What the server knows of the UPS."""
        ups, design = self.ups, self.ups.design
        battery = ups.battery
        values: dict[str, str | float | int] = {
            "ups.status": " ".join(self.status()), "ups.mfr": design.maker, "ups.model": design.model,
            "ups.load": round(ups.shown_load_percent), "ups.temperature": round(ups.temperature_c),
            "ups.beeper.status": "enabled" if ups.beeper else "disabled", "ups.power.nominal": round(design.rated_va),
            "ups.test.result": {"passed": "Done and passed", "failed": "Done and error", "running": "In progress"}.get(
                ups.test_result, "No test initiated"
            ),
            "battery.charge": round(100 * battery.charge), "battery.runtime": round(ups.runtime_s),
            "battery.voltage": round(battery.voltage_v, 1), "input.voltage": round(ups.phase_input_v(0), 1),
            "input.frequency": round(ups.input_hz, 1), "output.voltage": round(ups.phase_output_v(0), 1),
            "output.frequency": round(ups.output_hz, 1), "ups.realpower": round(ups.load_w * sum(PHASE_SHARES[1])),
            **self.delays,
        }  # fmt: skip
        if ups.pending is not None:
            values["ups.timer.shutdown"] = max(round(ups.pending.at - ups.time_s), 0)
        return values

    def status(self) -> list[str]:
        """The tokens of `ups.status`."""
        ups = self.ups
        present = (
            ("OB", ups.utility_fail), ("OL", not ups.utility_fail), ("LB", ups.battery.low),
            ("BYPASS", ups.source == "bypass"), ("CAL", ups.test is not None), ("OFF", ups.source == "none"),
            ("OVER", ups.overload), ("RB", ups.test_result == "failed"), ("FSD", ups.pending is not None),
        )  # fmt: skip
        return [token for token, there in present if there]
