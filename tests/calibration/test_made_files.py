"""Cases from files made for the test: delays, wording of logs, what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from minifactory.calibration.generation.case import generate
from minifactory.calibration.generation.fitting import plant_of
from minifactory.calibration.generation.liquids import compose, hints, measure
from minifactory.errors import InputError
from minifactory.plant.parameters import ParameterSet
from minifactory.twin.online import skid_flowsheet
from tests.calibration.made import CV, HIGH, LOG, LOW, ML, made


@pytest.mark.parametrize("delay", [8.0, 9.0])
def test_the_delay_of_the_fronts_is_put_on_the_bed(delay: float) -> None:
    found = generate(made(delay))
    assert [item.group for item in found.fronts] == ["mixer", "mixer"]
    for item in found.fronts:
        # The file's fronts are at the same delay by construction, resolved to a tenth of a millilitre.
        assert item.measured == pytest.approx(delay * ML, abs=0.05 * ML)
        assert abs(item.difference) <= 0.02 * CV
    # Least squares: what is left has no mean, but for the correction at which the search stops.
    assert sum(item.difference for item in found.fronts) / 2.0 == pytest.approx(0.0, abs=0.002 * CV)


def test_a_longer_delay_gives_a_larger_porosity() -> None:
    values = []
    for delay in (8.0, 9.0):
        found = generate(made(delay)).documents
        parameters = plant_of(found["factory.yaml"], found["parameters.yaml"]).parameters
        values.append(_total(parameters))
    # In plug flow the delay is a sum of volumes: 1 mL more is 1 mL more of liquid in the bed.
    assert (values[1] - values[0]) * CV == pytest.approx(1.0 * ML, rel=0.05)


def _total(parameters: ParameterSet) -> float:
    between = parameters["C1.interstitial_porosity"]
    return between + (1.0 - between) * parameters["C1.particle_porosity"]


def test_liquids_meet_what_was_measured() -> None:
    found = generate(made(8.0)).documents
    plant = plant_of(found["factory.yaml"], found["parameters.yaml"])
    for vessel, level in (("A1", LOW), ("B1", HIGH)):
        ph, conductivity = measure(plant.materials[f"liquid_{vessel}"].composition)
        # Written with four to five digits.
        assert conductivity == pytest.approx(level, rel=1e-3)
        assert ph == pytest.approx(8.05, abs=0.06)


def test_velocities_gradients_fractions_and_watches_are_kept() -> None:
    log = (
        (0.0, "System linear flow 100 {cm/h}"),
        (0.0, "Inlet A A2"),
        (40.0, "Gradient 100.0 {%B} 3.00 {CV}"),
        (40.0, "Fractionation Volume 96 deep well plate 2.00 {ml} Next tube"),
        (60.0, "Auto zero UV"),
        (80.0, "Stop fractionation"),
        (80.0, "Gradient 0.0 %B, 0.00 CV"),
    )
    found = generate(made(8.0, log))
    recipe = found.documents["recipe.yaml"]
    assert "flow: 100 cm/h" in recipe
    assert "inlet_a: A2" in recipe
    # Valves stand at A1 before the run: something must be there, and they need time to turn.
    assert "valves:" in recipe
    assert "standby_a:" in found.documents["factory.yaml"]
    assert "gradient: {to: 100 %B, over: 3 CV}" in recipe
    assert "fractions: 2 mL" in recipe
    assert "when: after 20 mL, do: AutoZero" in recipe
    assert "percent_b: 0 %B" in recipe


def test_without_blocks_the_changes_make_the_steps() -> None:
    found = generate(made(8.0, blocks=()))
    assert "step_3" in found.documents["recipe.yaml"]
    assert len(found.fronts) == 2


def test_everything_that_is_missing_comes_at_once() -> None:
    bare = replace(made(8.0), log=(), blocks=(), curves=())
    with pytest.raises(InputError) as caught:
        generate(bare)
    text = str(caught.value)
    assert "no logbook" in text
    assert "volumes" in text
    assert "conductivity" in text


def test_a_column_volume_can_be_stated() -> None:
    without = replace(made(8.0), column=None)
    with pytest.raises(InputError, match="column volume"):
        generate(without)
    found = generate(without, column_volume=CV)
    assert found.column_volume == CV
    assert any(question.about == "columns.C1.resin" for question in found.questions)


def test_what_no_equipment_can_do_is_a_finding() -> None:
    fast = ((0.0, "Flow 900 ml/min"), *LOG[1:])
    with pytest.raises(InputError, match="cannot do what this file did"):
        generate(made(8.0, fast))


@pytest.mark.parametrize(
    ("conductivity", "ph", "name"),
    [
        (0.18, 5.1, "Equil_20Acetate"),
        (10.6, 5.4, "1MAcetate_1MNaCl"),
        (0.08, 8.7, ""),
        (8.6, 8.3, ""),
        (0.5, 7.2, ""),
        (17.4, 13.0, ""),
    ],
)
def test_compositions_have_the_conductivity_and_ph(conductivity: float, ph: float, name: str) -> None:
    composition, basis = compose(conductivity, ph, hints(name))
    found = measure(composition)
    assert found[1] == pytest.approx(conductivity, rel=1e-6)
    assert basis
    if ph < 11.5:  # sodium hydroxide has the pH of its strength
        assert found[0] == pytest.approx(ph, abs=1e-6)


def test_names_of_steps_state_concentrations() -> None:
    assert hints("Elution_B_20Acetate_167NaCl").stated == {"acetate": 20.0, "nacl": 167.0}
    assert hints("Pre_Equil_1MAcetate_1MNaCl").stated == {"acetate": 1000.0, "nacl": 1000.0}


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_log_gives_a_case_or_findings(seed: int) -> None:
    random = np.random.default_rng(seed)
    whole = made(8.0)
    log = [line for line in whole.log if random.random() > 0.3]
    random.shuffle(log)
    blocks = tuple(block for block in whole.blocks if random.random() > 0.3)
    try:
        found = generate(replace(whole, log=tuple(log), blocks=blocks))
    except InputError:
        return  # what is missing was said; anything else is a fault
    assert found.questions


FACTORY = """
name: loop
skids:
  akta1:
    system: AKTA pure 25
    filled_with: weak
    contents: {Loop: strong, LOOPS: strong}
materials:
  weak: {composition: {NaCl: 1 mM}}
  strong: {composition: {NaCl: 1 M}}
vessels:
  A1: {material: weak, volume: 1 L, connected: akta1.InletA.A1}
  waste: {capacity: 5 L, connected: akta1.OutletValve.Waste}
"""


def test_single_devices_hold_their_own_liquid_at_the_start() -> None:
    with pytest.raises(InputError, match='no device "LOOPS"'):
        plant_of(FACTORY, 'version: "1"')
    plant = plant_of(FACTORY.replace(", LOOPS: strong", ""), 'version: "1"')
    sheet = skid_flowsheet(plant, "akta1")
    held = sheet.network.layout.amounts(sheet.initial_state())
    loop = plant.skids["akta1"].devices["Loop"].volume
    everything = sum(device.volume for device in plant.skids["akta1"].devices.values())
    # Everything at 1 mM, and 999 mM more in the loop. What no vessel can reach is not in the network.
    assert held[0] == pytest.approx(999.0 * loop, abs=1.0 * everything)
    assert held[0] > 999.0 * loop
