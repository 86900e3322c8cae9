from __future__ import annotations

import pytest
from simulators.battery import BOOST_V, FLOAT_V, Battery
from simulators.designs import design_of


@pytest.fixture
def bank() -> Battery:
    return Battery(design_of("megatec").battery)


def test_discharge_gives_what_is_stored_less_losses(bank: Battery) -> None:
    stored_j = bank.energy_j
    lost_j = given_j = 0.0
    while bank.carries(2000.0):
        lost_j += bank.discharge(2000.0, 1.0)
        given_j += 2000.0
    assert given_j + lost_j == pytest.approx(stored_j - bank.energy_j)
    # A fast discharge gets much less out than the 20 hour rate promises, but not nothing.
    assert 0.4 * stored_j < given_j < 0.8 * stored_j


def test_voltage_falls_with_charge_and_with_load(bank: Battery) -> None:
    levels = [bank.under_load(1000.0, charge)[0] for charge in (0.0, 0.1, 0.3, 0.6, 1.0)]
    assert levels == sorted(levels)
    assert bank.under_load(5000.0)[0] < bank.under_load(500.0)[0] < bank.open_circuit_v()


def test_more_load_costs_more_than_its_share(bank: Battery) -> None:
    assert bank.runtime_s(4000.0) < bank.runtime_s(2000.0) / 2.0


def test_runtime_estimate_comes_true(bank: Battery) -> None:
    estimate_s = bank.runtime_s(2000.0)
    lasted_s = 0
    while bank.carries(2000.0):
        bank.discharge(2000.0, 1.0)
        lasted_s += 1
    assert lasted_s == pytest.approx(estimate_s, rel=0.05)


def test_recharge_goes_through_boost_to_float_and_ends_full(bank: Battery) -> None:
    bank.rest()
    bank.set_charge(0.1)
    phases = []
    for _ in range(20 * 60):
        taken_j, lost_j = bank.recharge(60.0)
        assert 0.0 <= lost_j <= taken_j
        assert bank.voltage_v <= BOOST_V * bank.design.cells
        phases.append(bank.phase)
    assert phases == sorted(phases)
    assert set(phases) == {"boost", "float"}
    assert bank.charge == pytest.approx(1.0, abs=0.001)
    assert bank.voltage_v == FLOAT_V * bank.design.cells


def test_worn_bank_sags_and_collapses() -> None:
    bank = Battery(design_of("megatec-interactive").battery)
    fresh_v = bank.under_load(300.0)[0]
    bank.weak = True
    assert bank.under_load(300.0)[0] < fresh_v - 1.0
    assert not bank.carries(900.0)
