"""What the agent leaves to pysnmp: in SNMPv3 whatever is unusual (no signature, contexts, damage), and informs.

pysnmp takes 25 MB and a good part of a second to load, so this module is imported when it is first needed. It brings its
own timers and sockets; here it is given time and octets, and what it wants to send is handed back.

Who comes first, who is not known and who writes is answered by `agent.py`. Every manager begins with a discovery, so each card
would carry pysnmp for ever; and pysnmp 7.1.22 says nothing at all to a message of a level that its user does not have, and sends
reports that ask for reports themselves (RFC 3412, 6.4: they must not). A SET waits here for what the UPS does, where pysnmp
wants its answer at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pysnmp.carrier.asyncio.dgram.udp import DOMAIN_NAME, UdpTransportAddress
from pysnmp.carrier.base import AbstractTransportDispatcher
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.error import PySnmpError
from pysnmp.proto import errind, rfc1905
from pysnmp.proto.secmod.rfc3414.priv import des
from pysnmp.proto.secmod.rfc3826.priv import aes

from istars.platform import clock
from istars.platform.cipher import AES, DES, Cipher
from istars.snmp import pdu
from istars.snmp.access import Access, Known
from istars.snmp.ber import BadEncoding
from istars.snmp.engine import Engine
from istars.snmp.pdu import AUTHORIZATION, SET, Reader

log = logging.getLogger(__name__)

AUTH = {
    "": config.USM_AUTH_NONE,
    "md5": config.USM_AUTH_HMAC96_MD5,
    "sha": config.USM_AUTH_HMAC96_SHA,
    "sha224": config.USM_AUTH_HMAC128_SHA224,
    "sha256": config.USM_AUTH_HMAC192_SHA256,
    "sha384": config.USM_AUTH_HMAC256_SHA384,
    "sha512": config.USM_AUTH_HMAC384_SHA512,
}
PRIV = {
    "": config.USM_PRIV_NONE,
    "des": config.USM_PRIV_CBC56_DES,
    "aes": config.USM_PRIV_CFB128_AES,
    "aes192": config.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "aes256": config.USM_PRIV_CFB256_AES_BLUMENTHAL,
    "aes192c": config.USM_PRIV_CFB192_AES,
    "aes256c": config.USM_PRIV_CFB256_AES,
}
REQUESTS = (rfc1905.GetRequestPDU, rfc1905.GetNextRequestPDU, rfc1905.GetBulkRequestPDU, rfc1905.SetRequestPDU)
V3, USM = 3, 3
LEVELS = {0: 1, 1: 2, 3: 3}
"""Flags of a message to its security level: nothing, signed, signed and encrypted."""
FORGET_TICKS = 1_200
"""Ticks (each at least 0.1 s) after which pysnmp forgets an inform: the longest wait of our settings twice. Who sends it counts
the tries; without an end here each try to reach a dead recipient would be remembered for ever."""


class _Half:
    """One direction of a cipher in the shape that pysnmp expects of the package `cryptography`."""

    def __init__(self, run: Callable[[bytes, bytes], bytes], vector: bytes) -> None:
        self._run, self._vector = run, vector

    def update(self, data: bytes) -> bytes:
        return self._run(self._vector, bytes(data))

    def finalize(self) -> bytes:
        return b""


class _Ciphers:
    """The card's own ciphers in that shape."""

    def __init__(self, kind: str, key: bytes, vector: bytes) -> None:
        self._cipher, self._vector = Cipher(kind, bytes(key)), bytes(vector)

    def encryptor(self) -> _Half:
        return _Half(self._cipher.encrypt, self._vector)

    def decryptor(self) -> _Half:
        return _Half(self._cipher.decrypt, self._vector)


def _lend_ciphers() -> None:
    """Have pysnmp use libcrypto: `cryptography`, which it looks for, is not on the card."""
    for module, kind in ((aes, AES), (des, DES)):
        module.PysnmpCryptoError = False
        module._cryptography_cipher = lambda key, vector, kind=kind: _Ciphers(kind, key, vector)


class _Outbox(AbstractTransportDispatcher):  # type: ignore[misc]
    """A transport that keeps what is to be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[bytes] = []

    def send_message(self, message: bytes, _domain: object, _address: object) -> None:
        """Called by pysnmp."""
        self.messages.append(bytes(message))

    def taken(self) -> list[bytes]:
        """What there is to be sent now."""
        messages, self.messages = self.messages, []
        return messages


class Behind:
    """One engine of pysnmp with our identity, time and users."""

    def __init__(self, engine: Engine, access: Access, reader: Reader) -> None:
        _lend_ciphers()
        self.engine, self.access, self.reader = engine, access, reader
        self._outbox = _Outbox()
        self._snmp = SnmpEngine()
        self._snmp.register_transport_dispatcher(self._outbox)
        symbols = self._snmp.get_mib_builder().import_symbols
        identity, boots, self._time = symbols(
            "__SNMP-FRAMEWORK-MIB", "snmpEngineID", "snmpEngineBoots", "snmpEngineTime"
        )
        identity.syntax = identity.syntax.clone(engine.id)
        self._snmp.snmpEngineID = identity.syntax
        boots.syntax = boots.syntax.clone(engine.boots)
        (self._contexts,) = symbols("__SNMP-TARGET-MIB", "snmpUnknownContexts")
        self._users: set[str] = set()
        for known in access.users.values():
            self._learn(known)
        self._snmp.message_dispatcher.register_context_engine_id(
            b"", [request.tagSet for request in REQUESTS], self._requested
        )

    def _learn(self, known: Known) -> None:
        name = known.user.name.decode()
        if name in self._users:
            return
        self._users.add(name)
        config.add_v3_user(
            self._snmp,
            name,
            AUTH[known.user.auth],
            known.auth_word.encode() or None,
            PRIV[known.user.priv],
            known.priv_word.encode() or None,
        )

    def _set_time(self) -> None:
        """Pysnmp subtracts this from wall time, which may be set at any moment, to get the engine's time."""
        now = int(clock.wall())
        self._time.syntax = self._time.syntax.clone(now - self.engine.time)
        self._outbox.handle_timer_tick(clock.boottime())

    def receive(self, data: bytes, host: str) -> list[bytes]:
        """Answers to a message, usually one report."""
        self._set_time()
        self._process(data, (host, 0))
        return self._outbox.taken()

    def _process(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self._snmp.message_dispatcher.receive_message(self._snmp, DOMAIN_NAME, UdpTransportAddress(address), data)
        except Exception as error:
            log.debug("pysnmp refuses a message: %r", error)

    def _requested(
        self,
        _engine: object,
        model: Any,
        security: Any,
        name: Any,
        level: Any,
        context_engine: Any,
        context: Any,
        version: Any,
        asked: Any,
        room: Any,
        reference: Any,
    ) -> None:
        """A request that pysnmp has taken apart: answered by the same code as all others."""
        status: dict[str, object] = {}
        answer: Any = rfc1905.ResponsePDU()
        known = self.access.users.get(bytes(name))
        if bytes(context):
            answer = asked
            self._contexts.syntax += 1
            status = {"oid": self._contexts.name, "val": self._contexts.syntax}
        elif known is not None:
            try:
                said = pdu.request(encoder.encode(asked), 0)
                if said.tag == SET or int(level) < LEVELS[known.user.flags]:
                    octets = pdu.refused(V3, said, AUTHORIZATION, 0)
                else:
                    octets = self.reader.answer(V3, said, int(room))
                answer = decoder.decode(octets, asn1Spec=answer)[0]
            except (BadEncoding, PyAsn1Error):
                return
        else:
            return
        self._snmp.message_dispatcher.return_response_pdu(
            self._snmp, model, security, name, level, context_engine, context, version, answer, room, reference, status
        )

    def inform(self, known: Known, address: tuple[str, int], octets: bytes, told: Callable[[str], None]) -> list[bytes]:
        """Begin to send the inform `octets` (a PDU); `told` hears "" when it was acknowledged, else why not.

        Answers the messages to send: at first they ask who the recipient is.
        """
        self._learn(known)
        self._set_time()
        asked = decoder.decode(octets, asn1Spec=rfc1905.InformRequestPDU())[0]
        level = {1: "noAuthNoPriv", 2: "authNoPriv", 3: "authPriv"}[LEVELS[known.user.flags]]

        def answered(*arguments: Any) -> None:
            response, status = arguments[8], arguments[9]
            failed = status.get("errorIndication") if status else None
            if isinstance(failed, errind.RequestTimedOut):
                return
            if failed is not None:
                told(str(failed))
            else:
                code = int(rfc1905.ResponsePDU.getComponentByPosition(response, 1)) if response is not None else 0
                told(f"error {code}" if code else "")

        try:
            self._snmp.message_dispatcher.send_pdu(
                self._snmp, DOMAIN_NAME, UdpTransportAddress(address), V3, USM, known.user.name, LEVELS[known.user.flags],
                None, b"", 1, asked, True, FORGET_TICKS, answered, None,
            )  # fmt: skip
        except PySnmpError as error:
            log.error("an inform by SNMPv3 (%s) cannot be made: %s", level, error)
            return []
        return self._outbox.taken()

    def answer(self, data: bytes, address: tuple[str, int]) -> list[bytes]:
        """Something came back from a recipient."""
        self._set_time()
        self._process(data, address)
        return self._outbox.taken()
