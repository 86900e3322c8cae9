"""Relatives of Megatec / Q1: the same columns under other questions, or fewer of them.

    name         status  ratings  identity  commands
    megatec      Q1      F        I         silent
    q1           Q1      -        -         silent
    mustek       QS      F        I         silent
    zinto        Q1      F        FW?       silent
    mecer        Q1      F        I         (ACK or (NAK; QPI is answered by (PI98
    megatec-old  D       F        I         silent

Source: networkupstools/nut 6c63f774, the subdrivers of nutdrv_qx with these names; the frames are drawn in `megatec.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from istars.drivers.item import Group, Item, Protocol, Query, Sample, When
from istars.drivers.ups import TEXT_PROTOCOLS, megatec
from istars.drivers.ups.megatec import Q1, F, I

QPI98 = Query(b"QPI", re.compile(rb".*\(PI(?P<protocol>98) *", re.DOTALL), When.ONCE)


def _sample(question: Query, like: Query) -> Sample:
    """The sample of Megatec's question `like` under another question."""
    found = next(sample for sample in megatec.SAMPLES if sample.request == like.send + b"\r")
    return replace(found, request=question.send + b"\r", origin="table of test answers of networkupstools/nut 6c63f774")


def dialect(
    name: str,
    status: bytes = Q1.send,
    identity: bytes = I.send,
    plain: bool = False,
    more: tuple[tuple[Query, Item, Sample], ...] = (),
) -> Protocol:
    """Megatec with other questions; a `plain` one answers only the one for its status."""
    asked = {Q1: replace(Q1, send=status), F: F, I: replace(I, send=identity)}
    items = [
        replace(item, at=Group(asked[item.at.query], item.at.name))
        for item in megatec.ITEMS
        if isinstance(item.at, Group) and not (plain and item.at.query is not Q1)
    ]
    samples = [_sample(asked[one], one) for one in ((Q1,) if plain else (Q1, F, I))]
    signature = (asked[Q1],) if plain else (asked[Q1], asked[F])
    if identity != I.send:
        signature = (asked[Q1], asked[I])
    return replace(
        megatec.PROTOCOL,
        name=name,
        title=TEXT_PROTOCOLS[name].title,
        items=(*items, *(item for _, item, _ in more)),
        samples=(*samples, *(sample for _, _, sample in more)),
        signature=(*signature, *(question for question, _, _ in more)),
        source=f"networkupstools/nut 6c63f774, nutdrv_qx subdriver {name.replace('-', '/')}",
    )


_P98 = (
    QPI98,
    Item(".protocol", Group(QPI98, "protocol"), bytes.decode, When.ONCE),
    Sample(b"QPI\r", b"(PI98\r", {".protocol": "98"}, "networkupstools/nut 6c63f774, nutdrv_qx_mecer.c"),
)

PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        dialect("q1", plain=True),
        dialect("mustek", status=b"QS"),
        dialect("zinto", identity=b"FW?"),
        dialect("mecer", more=(_P98,)),
        dialect("megatec-old", status=b"D"),
    )
}
