"""Variables that can be written: what a device says it has, the bytes that set them, what is refused before anything is sent."""

from __future__ import annotations

import pytest
from istars.drivers.engine import Driver, Options, protocols
from istars.drivers.item import Family
from istars.drivers.ups.voltronic_variables import FLAGS, state_of_flag
from istars.errors import CommandRefused
from istars.model.variables import VARIABLES
from simulators.designs import design_of
from simulators.physics import Ups
from simulators.server import device_for
from unit.drivers.loop import LoopTransport, hurried


def driver_of(kind: str, protocol: str = "") -> Driver:
    """The driver of a simulated unit, and the unit at the other end of its loop."""
    device = device_for(Ups(design_of(kind)))
    driver = Driver(hurried(protocols()[protocol or kind]), LoopTransport(device.respond), Options())
    driver.poll()
    return driver


def values(driver: Driver) -> dict[str, object]:
    return {each.name: each.value for each in driver.writable()}


def test_the_flags_of_a_captured_answer() -> None:
    # networkupstools/nut 6c63f774, nutdrv_qx_voltronic.c, table of test answers
    found = {name: state_of_flag(b"EpashcjDbroegfl", letter) for name, letter in FLAGS.items()}
    assert found == {
        "ups.start.auto": "no", "ups.start.battery": "yes", "battery.protection": "yes", "battery.energysave": "no",
        "istars.battery.alarm": "no", "istars.bypass.alarm": "yes", "istars.bypass.forbidden": "no",
        "istars.bypass.whenoff": "no",
    }  # fmt: skip
    assert state_of_flag(b"EpD", "r") is None


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("ups.start.auto", "no", "no"),
        ("battery.energysave", "yes", "yes"),
        ("battery.packs", "4", 4),
        ("input.transfer.eco.high", "250", 250),
        ("input.transfer.bypass.low", 190, 190),
    ],
)
def test_a_variable_is_written_and_read_back(name: str, value: object, shown: object) -> None:
    driver = driver_of("voltronic")
    assert values(driver)[name] != shown
    assert "as the UPS shows" in driver.write(name, value)
    assert values(driver)[name] == shown


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("input.transfer.eco.high", "300", "input.transfer.eco.high must be between 237 and 254 V, not 300"),
        ("battery.packs", "1.5", "battery.packs takes no decimals, not 1.5"),
        ("battery.packs", "many", "battery.packs must be a number, not 'many'"),
        ("battery.packs", "nan", "battery.packs must be a number, not 'nan'"),
        ("ups.start.auto", "perhaps", "ups.start.auto must be one of yes, no, not 'perhaps'"),
        ("ups.id", "x", "the UPS has no such variable that can be written"),
    ],
)
def test_what_is_out_of_limits_is_refused_before_anything_is_sent(name: str, value: object, reason: str) -> None:
    driver = driver_of("voltronic")
    device = driver._transport.peer.__self__  # type: ignore[attr-defined]
    with pytest.raises(CommandRefused, match=reason):
        driver.write(name, value)
    assert device.changes == []


def test_a_register_of_a_map_is_written_and_read_back() -> None:
    driver = driver_of("huawei-ups2000")
    assert values(driver) == {"ups.start.auto": "no"}
    assert driver.write("ups.start.auto", "yes") == "Switch on when mains returns is Yes, as the UPS shows."
    assert values(driver) == {"ups.start.auto": "yes"}


def test_a_unit_that_does_not_know_the_questions_has_no_variables_and_no_outlets() -> None:
    device = device_for(Ups(design_of("voltronic")))
    for asked in ("QFLAG", "QHE", "QBYV", "QBV", "QSK1", "QSK2"):
        del device._queries[asked]  # type: ignore[attr-defined]
    driver = Driver(hurried(protocols()["voltronic"]), LoopTransport(device.respond), Options())
    driver.poll()
    assert driver.writable() == ()
    assert not [name for name in driver.offers() if name.startswith("outlet.")]
    assert driver.offers()["shutdown.return"] == {"delay_s": (12, 5940)}


def test_every_variable_is_declared_and_its_bytes_can_be_made() -> None:
    for protocol in protocols().values():
        for each in protocol.variables:
            declared = VARIABLES[each.name]
            taken = each.choices or tuple(declared.choices)
            assert set(taken) <= set(declared.choices)
            samples = taken or (["7"] if declared.decimals is not None else ["text"])
            assert all(each.write(declared.parse(sample)) for sample in samples), each.name
        assert protocol.family is not Family.NUT or not protocol.variables
