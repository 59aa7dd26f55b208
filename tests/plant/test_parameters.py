"""Parameter sets: draws, truth and mismatch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minifactory.errors import InputError
from minifactory.plant.load import load_plant
from minifactory.plant.model import Plant
from minifactory.plant.parameters import Parameter, ParameterSet, Uncertainty
from minifactory.units import POSITIVE


def single(shape: str, spread: float, relative: bool = False, value: float = 2.0) -> ParameterSet:
    uncertainty = Uncertainty(shape, spread, relative)
    return ParameterSet({"x": Parameter("x", value, POSITIVE, "test", uncertainty)})


@pytest.mark.parametrize(
    ("parameters", "deviation"),
    [
        (single("normal", 0.1), 0.1),
        (single("normal", 0.05, relative=True), 0.1),
        (single("uniform", 0.3), 0.3 / math.sqrt(3.0)),
        (single("lognormal", 0.05), 2.0 * 0.05),
    ],
)
def test_draws_have_the_stated_spread(parameters: ParameterSet, deviation: float) -> None:
    random = np.random.default_rng(1)
    drawn = np.array([parameters.draw(random)["x"] for _ in range(4000)])
    # standard error of a standard deviation: s / sqrt(2 n) = 1.1 %, of the mean s / sqrt(n); four of each
    assert np.std(drawn) == pytest.approx(deviation, rel=0.05)
    assert np.mean(drawn) == pytest.approx(2.0, abs=4 * deviation / math.sqrt(4000) + 0.5 * deviation**2)


def test_the_same_seed_gives_the_same_truth(plant: Plant) -> None:
    assert plant.parameters.truth(7) == plant.parameters.truth(7)
    assert plant.parameters.truth(7) != plant.parameters.truth(8)
    assert plant.parameters.truth(7) != plant.parameters


def test_the_truth_holds_the_declared_mismatch(plant: Plant) -> None:
    parameters = plant.parameters
    drawn, truth = parameters.draw(np.random.default_rng(3)), parameters.truth(3)
    assert truth["C1.ionic_capacity"] == pytest.approx(0.97 * drawn["C1.ionic_capacity"])
    assert truth["akta1.volume_factor"] == pytest.approx(1.05)
    assert truth["akta1.PumpB.gain"] == pytest.approx(1.005)
    assert truth["C1.product.nu"] == drawn["C1.product.nu"]


def test_the_mismatch_of_zero_is_added() -> None:
    parameter = Parameter("x", 0.0, POSITIVE, "test")
    assert ParameterSet({"x": parameter}, {"x": 0.2}).truth(1)["x"] == pytest.approx(0.2)


def test_a_percentage_of_zero_is_absolute(changed: Callable[[str, str, str], Path]) -> None:
    folder = changed(
        "parameters.yaml", "mismatch:", "  pH: {offset: {value: 0, uncertainty: normal 1 %}}\nmismatch:"
    )
    uncertainty = load_plant(folder).parameters.parameters["akta1.pH.offset"].uncertainty
    assert uncertainty == Uncertainty("normal", 0.01, relative=False)


def test_the_strength_of_a_species_does_not_hide_that_of_its_material(plant: Plant) -> None:
    assert "buffer_b.strength" in plant.parameters
    assert "buffer_b.sodium.strength" not in plant.parameters


@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32))
def test_draws_stay_in_their_bounds(plant: Plant, seed: int) -> None:
    drawn = plant.parameters.draw(np.random.default_rng(seed))
    for path, parameter in plant.parameters.parameters.items():
        assert parameter.lower <= drawn[path] <= parameter.upper


def test_unknown_paths_are_answered_with_the_closest(plant: Plant) -> None:
    with pytest.raises(InputError, match=r'Did you mean "C1\.product\.nu"'):
        plant.parameters["C1.product.nuu"]
    with pytest.raises(InputError, match="no parameter"):
        plant.parameters.with_values({"C1.x": 1.0})


def test_absolute_spreads_of_capacities_follow_the_conversion(plant: Plant) -> None:
    capacity = plant.parameters.parameters["C1.ionic_capacity"]
    assert capacity.uncertainty == Uncertainty("normal", 0.05, relative=True)
    assert capacity.lower == 0.0


def test_a_uv_cell_may_stand_for_its_wavelengths(changed: Callable[[str, str, str], Path]) -> None:
    folder = changed("parameters.yaml", "UV1: {gain", "UV: {gain")
    parameters = load_plant(folder).parameters
    assert "akta1.UV.gain" in parameters
    assert "akta1.UV1.gain" not in parameters, "a default would hide what is stated for the cell"
    assert parameters["akta1.UV1.offset"] == 0.0


def test_a_capacity_per_column_needs_the_porosities_of_the_bed_model(
    changed: Callable[[str, str, str], Path],
) -> None:
    folder = changed("parameters.yaml", "particle_porosity: {value: 0.85", "total_porosity: {value: 0.85")
    with pytest.raises(InputError) as caught:
        load_plant(folder)
    said = [str(finding) for finding in caught.value.findings if "per column volume" in str(finding)]
    assert len(said) == 1
    assert said[0].endswith("is per column volume, but C1.particle_porosity is not stated. State it.")
    assert re.match(r"parameters\.yaml:\d+ C1\.ionic_capacity:", said[0])
    text = (folder / "parameters.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines(keepends=True) if "interstitial_porosity" not in line]
    (folder / "parameters.yaml").write_text("".join(lines), encoding="utf-8")
    assert load_plant(folder).parameters["C1.ionic_capacity"] == pytest.approx(215.0 / (1.0 - 0.85))


CORRELATED = "correlations: {C1.product.nu: {C1.product.k_eq: -0.9, C1.ionic_capacity: 0.3}}\nmismatch:"


def test_correlated_parameters_are_drawn_together(changed: Callable[[str, str, str], Path]) -> None:
    alone = load_plant(changed("parameters.yaml", "mismatch:", "mismatch:")).parameters
    together = load_plant(changed("parameters.yaml", "mismatch:", CORRELATED)).parameters
    paths = ("C1.product.nu", "C1.product.k_eq", "C1.ionic_capacity")
    for path in paths:
        assert together.parameters[path].uncertainty is not None
    draws = [together.draw(np.random.default_rng(seed)) for seed in range(2000)]
    table = np.log([[drawn[path] for path in paths] for drawn in draws])
    found = np.corrcoef(table.T)
    # standard error of a correlation: (1 - r2) / sqrt(n) = 0.4 % and 2.2 %
    assert found[0, 1] == pytest.approx(-0.9, abs=0.02)
    assert found[0, 2] == pytest.approx(0.3, abs=0.08)
    one, other = alone.draw(np.random.default_rng(3)), together.draw(np.random.default_rng(3))
    assert {path for path in one if one[path] != other[path]} <= set(paths)


CONTRADICTION = (
    "{C1.product.nu: {C1.product.k_eq: 0.9, C1.ionic_capacity: 0.9}, "
    "C1.product.k_eq: {C1.ionic_capacity: -0.9}}"
)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("{C1.product.nuu: {C1.product.k_eq: 0.1}}", 'no parameter "C1.product.nuu"'),
        ("{C1.product.nu: {C1.product.nu: 1}}", "with itself"),
        ("{C1.product.nu: {C1.product.k_eq: 0.1}, C1.product.k_eq: {C1.product.nu: 0.1}}", "twice"),
        ("{C1.product.nu: {C1.product.k_eq: 1.5}}", "1.5"),
        ("{C1.product.nu: {C1.product.pore_accessibility: 0.5}}", "states no uncertainty"),
        (
            CONTRADICTION,
            "contradict each other",
        ),
    ],
)
def test_correlations_that_cannot_be_are_refused(
    changed: Callable[[str, str, str], Path], block: str, said: str
) -> None:
    folder = changed("parameters.yaml", "mismatch:", f"correlations: {block}\nmismatch:")
    with pytest.raises(InputError, match=said):
        load_plant(folder)
