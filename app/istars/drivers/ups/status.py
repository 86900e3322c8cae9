"""The texts of `ups.status` and `ups.alarm`: tokens in a fixed order, so that equal states are equal texts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from istars.model.alarms import ALARMS
from istars.model.readings import STATUS_TOKENS, Value


def status_readings(tokens: Collection[str], alarms: Collection[str]) -> dict[str, Value]:
    """`ups.status` and `ups.alarm`. Without any token the status is unknown and left out; with an alarm it holds ALARM."""
    shown = {*tokens, "ALARM"} if alarms else set(tokens)
    values: dict[str, Value] = {"ups.alarm": " ".join(code for code in ALARMS if code in alarms)}
    if tokens:
        values["ups.status"] = " ".join(token for token in STATUS_TOKENS if token in shown)
    return values


def regulation(fields: Mapping[str, Value]) -> set[str]:
    """TRIM, BYPASS or BOOST by the ratio of output to input voltage (limits as NUT has them); nothing where it is implausible."""
    entering, leaving = fields.get("input.voltage", 0), fields.get("output.voltage", 0)
    if isinstance(entering, str) or isinstance(leaving, str):
        return set()
    ratio = leaving / entering if entering else 0.0
    for limit, token in ((0.5, ""), (0.95, "TRIM"), (1.05, "BYPASS"), (1.5, "BOOST")):
        if ratio < limit:
            return {token} if token else set()
    return set()
