"""The user-based security model of SNMPv3: keys, and messages made and opened with them (RFC 3414, 3826, 7860).

What a sender is told whose message is not as it should be, stands in `behind.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from functools import lru_cache

from istars.platform.cipher import AES, DES, Cipher
from istars.snmp import ber
from istars.snmp.ber import BadEncoding, expect, read_integer, read_octets, tlv

AUTH = {
    "md5": ("md5", 12),
    "sha": ("sha1", 12),
    "sha224": ("sha224", 16),
    "sha256": ("sha256", 24),
    "sha384": ("sha384", 32),
    "sha512": ("sha512", 48),
}
"""Name of an authentication protocol to its hash function and the length of its digest in a message."""
PRIV = {
    "des": (DES, 8),
    "aes": (AES, 16),
    "aes192": (AES, 24),
    "aes256": (AES, 32),
    "aes192c": (AES, 24),
    "aes256c": (AES, 32),
}
"""Name of a privacy protocol to its cipher and the length of its key. Those with c lengthen keys the way that Cisco does."""
PASSPHRASE_OCTETS = 1_048_576
WINDOW_S = 150
MESSAGE_SIZE = 65_507
"""The largest message that fits into UDP; also what this engine says of itself."""
OUR_SIZE = ber.integer(MESSAGE_SIZE)
AUTHENTIC, PRIVATE, REPORTABLE = 1, 2, 4


@lru_cache(64)
def master_key(function: str, passphrase: bytes) -> bytes:
    """The key that a passphrase stands for on every engine (RFC 3414, A.2)."""
    stretched = passphrase * (PASSPHRASE_OCTETS // len(passphrase) + 1)
    return hashlib.new(function, stretched[:PASSPHRASE_OCTETS]).digest()


def localized(function: str, key: bytes, engine: bytes) -> bytes:
    """What a master key is on one engine."""
    return hashlib.new(function, key + engine + key).digest()


def privacy_key(protocol: str, function: str, passphrase: bytes, engine: bytes) -> bytes:
    """The key for encryption, made longer where the hash is shorter than it: there are two drafts of how, and no standard."""
    key = localized(function, master_key(function, passphrase), engine)
    size = 16 if protocol == "des" else PRIV[protocol][1]
    while len(key) < size:
        if protocol.endswith("c"):
            key += localized(function, master_key(function, key), engine)
        else:
            key += hashlib.new(function, key).digest()
    return key[:size]


def _keyed(function: str, key: bytes, pad: int) -> hashlib._Hash:
    """One half of an HMAC (RFC 2104), begun with its key: copied for each message, twice as fast as the module `hmac`."""
    block = hashlib.new(function).block_size
    return hashlib.new(function, bytes(octet ^ pad for octet in key.ljust(block, b"\0")))


class User:
    """A user with keys for one engine. Without `auth` nothing is signed, without `priv` nothing is encrypted."""

    def __init__(self, name: str, auth: str, auth_word: str, priv: str, priv_word: str, engine: bytes) -> None:
        self.name = name.encode()
        self.auth, self.priv = auth, priv
        self.flags = (AUTHENTIC if auth else 0) | (PRIVATE if priv else 0)
        self.function, self.digest_size = "", 0
        if auth:
            self.function, self.digest_size = AUTH[auth]
            key = localized(self.function, master_key(self.function, auth_word.encode()), engine)
            self._inner, self._outer = _keyed(self.function, key, 0x36), _keyed(self.function, key, 0x5C)
        if priv:
            key = privacy_key(priv, self.function, priv_word.encode(), engine)
            kind, size = PRIV[priv]
            self._cipher = Cipher(kind, key[:size])
            self._whitening = key[8:16] if priv == "des" else b""
        self._salt = int.from_bytes(os.urandom(8), "big")

    @classmethod
    def unknown(cls, name: bytes) -> User:
        """Somebody without keys, to whom only reports are sent."""
        user = cls("", "", "", "", "", b"")
        user.name = name
        return user

    def digest(self, message: bytes) -> bytes:
        """What signs `message`, in which zeros stand in its place."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()[: self.digest_size]

    def encrypt(self, boots: int, time: int, data: bytes) -> tuple[bytes, bytes]:
        """`data` encrypted, and the salt that the receiver needs."""
        if self.priv == "des":
            self._salt = self._salt + 1 & 0xFFFFFFFF
            salt = boots.to_bytes(4, "big") + self._salt.to_bytes(4, "big")
            return self._cipher.encrypt(self._mixed(salt), data + bytes(-len(data) % 8)), salt
        self._salt = self._salt + 1 & 0xFFFFFFFFFFFFFFFF
        salt = self._salt.to_bytes(8, "big")
        return self._cipher.encrypt(boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt, data), salt

    def decrypt(self, boots: int, time: int, salt: bytes, data: bytes) -> bytes:
        """The other way round. Raises BadEncoding for what cannot have been encrypted so."""
        if len(salt) != 8 or (self.priv == "des" and len(data) % 8):
            raise BadEncoding("encryption")
        if self.priv == "des":
            return self._cipher.decrypt(self._mixed(salt), data)
        return self._cipher.decrypt(boots.to_bytes(4, "big") + time.to_bytes(4, "big") + salt, data)

    def _mixed(self, salt: bytes) -> bytes:
        return bytes(left ^ right for left, right in zip(self._whitening, salt, strict=True))


@dataclass(slots=True)
class Message:
    """A message of SNMPv3 as it came; `body` is the scoped PDU, still encrypted where the flags say so.

    `digest_at` is where the digest stands in it. Not frozen: that takes three times as long to make.
    """

    id: int
    size: int
    flags: int
    engine: bytes
    boots: int
    time: int
    user: bytes
    digest: bytes
    digest_at: int
    salt: bytes
    body: bytes


def read(data: bytes, at: int) -> Message:
    """The message whose header begins at `at`, behind its version. Raises BadEncoding."""
    start, end = expect(data, at, ber.SEQUENCE)
    identity, at = read_integer(data, start)
    size, at = read_integer(data, at)
    flags, at = read_octets(data, at)
    model, at = read_integer(data, at)
    if at != end or len(flags) != 1 or model != 3:
        raise BadEncoding("header")
    inner, after = expect(data, end, ber.OCTETS)
    at, _ = expect(data, inner, ber.SEQUENCE)
    engine, at = read_octets(data, at)
    boots, at = read_integer(data, at)
    time, at = read_integer(data, at)
    user, at = read_octets(data, at)
    digest_at, digest_end = expect(data, at, ber.OCTETS)
    salt, _ = read_octets(data, digest_end)
    body = data[after:]
    if flags[0] & PRIVATE:
        body, _ = read_octets(data, after)
    return Message(
        identity, size, flags[0], engine, boots, time, user, data[digest_at:digest_end], digest_at, salt, body
    )


def genuine(user: User, message: Message, data: bytes) -> bool:
    """Whether `user` has signed these octets."""
    size = user.digest_size
    if len(message.digest) != size:
        return False
    unsigned = data[: message.digest_at] + bytes(size) + data[message.digest_at + size :]
    return hmac.compare_digest(user.digest(unsigned), message.digest)


def write(
    user: User, identity: int, engine: bytes, boots: int, time: int, scoped: bytes, flags: int = AUTHENTIC | PRIVATE
) -> bytes:
    """A message that carries the scoped PDU `scoped`, signed and encrypted as the user's are, but no more than `flags` say."""
    salt, flags = b"", flags & user.flags
    digest_size = user.digest_size if flags & AUTHENTIC else 0
    if flags & PRIVATE:
        scoped, salt = user.encrypt(boots, time, scoped)
        scoped = tlv(ber.OCTETS, scoped)
    head = tlv(
        ber.SEQUENCE,
        ber.integer(identity) + OUR_SIZE + bytes((4, 1, flags, ber.INTEGER, 1, 3)),
    )
    named = bytes((ber.OCTETS, len(engine))) + engine + ber.integer(boots) + ber.integer(time)
    signed = bytes((ber.OCTETS, digest_size)) + bytes(digest_size) + bytes((ber.OCTETS, len(salt))) + salt
    secured = tlv(ber.OCTETS, tlv(ber.SEQUENCE, named + tlv(ber.OCTETS, user.name) + signed))
    message = tlv(ber.SEQUENCE, b"\x02\x01\x03" + head + secured + scoped)
    if not digest_size:
        return message
    # the digest ends where the salt begins, which ends where the scoped PDU begins
    at = len(message) - len(scoped) - len(salt) - 2 - digest_size
    return message[:at] + user.digest(message) + message[at + digest_size :]
