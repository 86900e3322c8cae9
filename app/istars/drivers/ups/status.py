"""The texts of `ups.status` and `ups.alarm`: tokens in a fixed order, so that equal states are equal texts."""

from __future__ import annotations

from collections.abc import Collection

from istars.model.alarms import ALARMS
from istars.model.readings import STATUS_TOKENS, Value


def status_readings(tokens: Collection[str], alarms: Collection[str]) -> dict[str, Value]:
    """`ups.status` and `ups.alarm`. Without any token the status is unknown and left out; with an alarm it holds ALARM."""
    shown = {*tokens, "ALARM"} if alarms else set(tokens)
    values: dict[str, Value] = {"ups.alarm": " ".join(code for code in ALARMS if code in alarms)}
    if tokens:
        values["ups.status"] = " ".join(token for token in STATUS_TOKENS if token in shown)
    return values
