"""Cases generated from real files: complete, checked, simulated, their fronts where the file has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.app.case import open_case
from minifactory.calibration.generation.case import GeneratedCase, generate
from minifactory.calibration.generation.folder import write_case
from minifactory.campaign.report.original import fronts
from minifactory.errors import InputError
from minifactory.recipe.check import check
from minifactory.records.formats import read
from minifactory.twin.simulate import simulate

FILES = ("unicorn7_capto_q.zip", "pH5pt1_25pt2CV.asc", "unicorn3_prime.res")
TOLERANCE = 0.05
"""CV, as the work order asks."""
_made: dict[str, GeneratedCase] = {}


def generated(shared_data: Path, name: str) -> GeneratedCase:
    """The case of a file; made once."""
    if name not in _made:
        _made[name] = generate(read(shared_data / "akta" / name), f"akta/{name}")
    return _made[name]


@pytest.mark.parametrize("name", FILES)
def test_the_case_passes_the_check_and_repeats_the_run(shared_data: Path, tmp_path: Path, name: str) -> None:
    case = open_case(write_case(generated(shared_data, name).documents, tmp_path / "case"))
    assert check(case.recipe, case.plant, case.bound.skid).passed
    file = read(shared_data / "akta" / name)
    run = simulate(case.plant, case.bound)
    for item in fronts(file, run):
        assert abs(item.difference) <= TOLERANCE, item
    assert all(number.source for number in case.plant.numbers.values())


def test_the_executed_recipe_of_an_explorer(shared_data: Path) -> None:
    made = generated(shared_data, "pH5pt1_25pt2CV.asc")
    recipe = made.documents["recipe.yaml"]
    assert made.system == "AKTAexplorer 100"
    assert made.column == "XK 16/40, SP Sepharose FF, 50.27 mL"
    assert "gradient: {to: 100 %B, over: 25.2 CV}" in recipe
    assert "until: 20.28 CV" in recipe or "until: 1019.4 mL" in recipe
    assert "ended by hand" in recipe
    assert "fractions: 15 mL" in recipe
    assert recipe.count("do: PumpWash(A)") == 3
    assert recipe.count("do: PumpWash(B)") == 1
    assert "until: 30 min" in recipe
    assert "flow: 3.15 mL/min" in recipe
    assert "Next Breakpoint (Manual)" in made.documents["README.md"]


def test_all_fronts_of_the_explorer_are_met_and_predicted_by_the_others(shared_data: Path) -> None:
    made = generated(shared_data, "pH5pt1_25pt2CV.asc")
    assert len(made.fronts) == 8
    for item in made.fronts:
        assert abs(item.difference) <= TOLERANCE * made.column_volume, item
        assert item.left_out is not None
        assert abs(item.left_out) <= TOLERANCE * made.column_volume, item


def test_the_loop_of_a_unicorn_7_result(shared_data: Path) -> None:
    made = generated(shared_data, "unicorn7_capto_q.zip")
    factory, recipe = made.documents["factory.yaml"], made.documents["recipe.yaml"]
    assert made.system == "AKTA pure 25"
    assert "hardware: HiScreen" in factory
    assert "resin: Capto Q ImpRes" in factory
    assert "Loop: feed" in factory
    assert "positions: {InjectionValve: Inject}" in recipe
    assert "gradient: {to: 50 %B, over: 10 CV}" in recipe
    groups = [item.group for item in made.fronts]
    assert groups == ["loop", "loop", "mixer", "mixer", "mixer"]
    for item in made.fronts:
        assert item.left_out is not None
        assert abs(item.left_out) <= TOLERANCE * made.column_volume, item


def test_a_file_with_little_in_it_says_so(shared_data: Path) -> None:
    made = generated(shared_data, "unicorn3_prime.res")
    about = {question.about for question in made.questions}
    assert {"columns.C1", "columns.C1.hardware", "columns.C1.resin", "materials", "temperature"} <= about
    assert made.system == "AKTAprime"
    pulse = next(item for item in made.fronts if item.group == "pulse")
    assert abs(pulse.difference) <= TOLERANCE * made.column_volume
    # Something weaker than either buffer came with buffer B: its front cannot judge the delay.
    assert [item.disturbed for item in made.fronts if item.group == "mixer"] == [True]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="something at this place"):
        write_case({"factory.yaml": "name: x"}, tmp_path)
    assert [item.name for item in tmp_path.iterdir()] == ["mine.txt"]
