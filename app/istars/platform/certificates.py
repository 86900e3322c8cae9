"""What a certificate says, and whether a chain and a key of somebody else's making can serve."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from istars.errors import IStarsError
from istars.platform import clock, openssl
from istars.platform.openssl import OpensslFailed

SHORTEST_RSA_BITS = 2_048
LONGEST_CHAIN = 8
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----[^-]*-----END \1-----")
_SHOWN = "no_header,no_version,no_serial,no_signame,no_validity,no_subject,no_issuer,no_extensions,no_sigdump,no_aux"


class CertificateRefused(IStarsError):
    """A certificate or key cannot be used; the text is the reason, for the person who brought it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. Times are epoch seconds; `names` are host names and addresses; `key` its kind, such as `EC 256`."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: float
    ends: float
    serial: str
    fingerprint: str
    key: str
    serves: bool

    @property
    def self_signed(self) -> bool:
        """Whether nobody else vouches for it."""
        return self.subject == self.issuer


def describe(pem: bytes) -> Certificate:
    """What the first certificate in `pem` says. Raises OpensslFailed."""
    said = openssl.run(
        "x509", "-in", pem, "-noout", "-subject", "-issuer", "-dates", "-dateopt", "iso_8601", "-serial", "-fingerprint",
        "-sha256", "-nameopt", "RFC2253,-esc_msb,utf8", "-ext", "subjectAltName",
    )  # fmt: skip
    facts = dict(line.split("=", 1) for line in said.splitlines() if re.match(r"[\w ]+=", line))
    names = re.findall(r"(?:DNS|IP Address):([^,\s]+)", said)
    # apart from the above: `-ext` makes `-purpose` forget the other extensions
    text = openssl.run("x509", "-in", pem, "-noout", "-text", "-certopt", _SHOWN, "-purpose")
    kind = re.search(r"Public Key Algorithm: (\S+)", text)
    bits = re.search(r"Public-Key: \((\d+) bit", text)
    words = {"id-ecPublicKey": "EC", "rsaEncryption": "RSA"}
    return Certificate(
        subject=facts.get("subject", "").strip(),
        issuer=facts.get("issuer", "").strip(),
        names=tuple(_short(name) for name in names),
        begins=_epoch(facts.get("notBefore", "")),
        ends=_epoch(facts.get("notAfter", "")),
        serial=facts.get("serial", ""),
        fingerprint=facts.get("sha256 Fingerprint", ""),
        key=f"{words.get(kind[1], kind[1]) if kind else '?'} {bits[1] if bits else ''}".strip(),
        serves=re.search(r"^SSL server : Yes", text, re.MULTILINE) is not None,
    )


def _short(name: str) -> str:
    """A name as it is; an address as people write it."""
    try:
        return str(ip_address(name))
    except ValueError:
        return name


def _epoch(text: str) -> float:
    return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def blocks(pem: bytes, kind: str) -> list[bytes]:
    """The PEM blocks in a file whose name ends with `kind`."""
    return [match[0] + b"\n" for match in _BLOCK.finditer(pem) if match[1].decode().endswith(kind)]


def public_key(key: bytes) -> str:
    """The public half of a private key. Raises OpensslFailed."""
    return openssl.run("pkey", "-in", key, "-passin", "pass:", "-pubout")


def read_chain(content: bytes) -> list[bytes]:
    """The certificates of an upload, in its order. Raises CertificateRefused."""
    found = blocks(content, "CERTIFICATE")
    if found:
        if len(found) > LONGEST_CHAIN:
            raise CertificateRefused(f"The file holds {len(found)} certificates; at most {LONGEST_CHAIN} make a chain.")
        return found
    if content[:1] == b"\x30":
        raise CertificateRefused(
            "The file is in a binary form (DER or PKCS#12). Convert it to PEM, which is text that begins with -----BEGIN."
        )
    raise CertificateRefused(
        "The file holds no certificate in PEM form (text that begins with -----BEGIN CERTIFICATE)."
    )


def read_key(content: bytes) -> bytes | None:
    """The private key of an upload, None where it holds none. Raises CertificateRefused."""
    found = blocks(content, "PRIVATE KEY")
    if not found:
        return None
    if len(found) > 1:
        raise CertificateRefused(f"There are {len(found)} private keys; one is needed.")
    if b"ENCRYPTED" in found[0]:
        raise CertificateRefused(
            "The private key is protected by a passphrase. Remove it: openssl pkey -in KEY -out PLAIN"
        )
    try:
        public_key(found[0])
    except OpensslFailed:
        raise CertificateRefused("The private key cannot be read: it is damaged or of an unknown kind.") from None
    return found[0]


def check_chain(chain: list[bytes]) -> list[Certificate]:
    """What each certificate of a chain says, if the chain can serve now. Raises CertificateRefused."""
    described = []
    for number, pem in enumerate(chain, 1):
        try:
            described.append(describe(pem))
        except (OpensslFailed, ValueError):
            raise CertificateRefused(f"Certificate {number} of the file cannot be read: it is damaged.") from None
    for certificate in described:
        _check_one(certificate)
    if not described[0].serves:
        raise CertificateRefused(f"The certificate of {described[0].subject} is not for servers.")
    for number in range(len(chain) - 1):
        _check_order(described, chain, number)
    return described


def _check_one(certificate: Certificate) -> None:
    now = clock.wall()
    if now < certificate.begins:
        since = clock.iso(certificate.begins)
        raise CertificateRefused(
            f"The certificate of {certificate.subject} is valid only from {since}; the card's clock says {clock.iso(now)}."
        )
    if now >= certificate.ends:
        raise CertificateRefused(
            f"The certificate of {certificate.subject} has expired on {clock.iso(certificate.ends)}; "
            f"the card's clock says {clock.iso(now)}."
        )
    kind, _, bits = certificate.key.partition(" ")
    if kind == "RSA" and bits.isdigit() and int(bits) < SHORTEST_RSA_BITS:
        raise CertificateRefused(f"The key of {certificate.subject} is too weak: RSA {bits} bit.")


def _check_order(described: list[Certificate], chain: list[bytes], number: int) -> None:
    """Certificate `number` must be signed by the one after it."""
    mine, after = described[number], described[number + 1]
    if mine.issuer != after.subject:
        known = any(mine.issuer == other.subject for other in described)
        reason = "the order is wrong" if known else "a certificate between them is missing"
        raise CertificateRefused(
            f"The chain is broken after {mine.subject}: it was signed by {mine.issuer}, but {after.subject} follows; {reason}."
        )
    try:
        openssl.run("verify", "-partial_chain", "-no_check_time", "-trusted", chain[number + 1], chain[number])
    except OpensslFailed:
        raise CertificateRefused(
            f"The signature on {mine.subject} was not made by {after.subject} that follows, though the name fits."
        ) from None
