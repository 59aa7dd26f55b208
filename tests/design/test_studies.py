"""Studies of the case: what a file says, what is wrong with it, and what comes out as a new case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minifactory.app.case import Case, open_case
from minifactory.app.designing import Choices, description_of, design, limits_of, open_study
from minifactory.app.recommended import scaled_files, write_case
from minifactory.design.candidates import Evaluation
from minifactory.design.description import Description
from minifactory.design.levels import with_levels
from minifactory.design.reading import load_study, read_study, without_varied
from minifactory.design.scaling import Factors, scaled
from minifactory.design.search import Variable
from minifactory.design.study import Bed, Scaling
from minifactory.errors import InputError
from minifactory.plant.document import Report, open_text
from minifactory.recipe.check import check
from minifactory.twin.simulate import simulate
from minifactory.units import FLOW, MASS, MASS_CONCENTRATION, PRESSURE, TIME, VELOCITY, VOLUME, Kind
from tests.design.conftest import CASE

BAD = """\
kind: optimise
vary:
  cex.elution.elute.gradient.ovr: {from: 15 CV, to: 30 CV}
  cex.loading.load.until: {from: 200 mL, to: 100 mL}
  columns.C1.inner_diameter: {from: 1 cm, to: 2 cm}
objectives: [maximise profit, minimise cost_of_goods]
constraints: {purity: [">= 99 %", "<= 95 %"], yield: "85"}
uncertain: {feed.product.strength: about 20 %}
"""


def test_everything_that_is_wrong_is_said_at_once(
    case: Case, description: Description, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(BAD, encoding="utf-8")
    with pytest.raises(InputError) as told:
        load_study(tmp_path / "bad.yaml", description, limits_of(case.targets))
    said = str(told.value)
    for part in (
        'Did you mean "cex.elution.elute.gradient.over"?',
        'from "200 mL" to "100 mL" is empty',
        "comes from the catalogue",
        'unknown figure "profit"',
        "exclude each other",
        '"85" is no limit',
        "is not an uncertainty",
        '"cost_of_goods" needs prices',
    ):
        assert part in said


V = "vary: {cex.loading.load.until: {from: 100 mL, to: 200 mL}}"
OPTIMISE = "kind: optimise\nobjectives: [maximise yield]"
FAULTS = {
    "": "is empty",
    "- a\n- b": "a list where a mapping is due",
    "kind: [optimise": "is not valid YAML",
    "objectives: [maximise yield]": '"kind" is missing',
    "kind: optimize": 'Did you mean "optimise"?',
    "kind: robustness\nsample: 100": 'Did you mean "samples"?',
    "kind: robustness\nsamples: many": '"many" is out of place; expected a whole number from 1',
    "kind: robustness\nsamples: 0": "a whole number from 1",
    "kind: robustness\nsamples: 10.5": "a whole number",
    "kind: robustness\nsamples: nan": "a whole number",
    "kind: robustness\nseed: -1": "s.yaml:2 seed:",
    "kind: robustness\nsamples: 5\nsamples: 6": "stands twice",
    f"kind: robustness\n{V}": "says nothing to a study of kind robustness; expected a study of kind optimise",
    f"kind: scale\nscale: {{hardware: XK 26/40}}\n{V}": '"vary" says nothing',
    f"{OPTIMISE}\n{V}\nsearch: {{population: big}}": "search.population",
    f"kind: design-space\n{V}\ngrid: x": "a whole number from 3 to 41",
    f"{OPTIMISE}\nvary: [cex.loading.load.until]": "vary: a list where a mapping is due",
    f"{OPTIMISE}\nvary: {{}}": "nothing to vary",
    f"{OPTIMISE}\nvary: {{cex.loading.load.until: 150 mL}}": "where a mapping is due",
    f"{OPTIMISE}\nvary: {{cex.loading.load.until: {{from: 1 min, to: 2 min}}}}": "not a unit of volume",
    f"{OPTIMISE}\nvary: {{cex.loading.load.until: {{from: 100, to: 200}}}}": "has no unit",
    f"{OPTIMISE}\nvary: {{cex.loading.load.until: {{from: 9 mL, to: 9 mL}}}}": "is empty",
    f"{OPTIMISE}\nvary: {{cex.loading.load.until: {{from: 1 mL, to: 2 mL, step: 5 mL}}}}": "a step within",
    f"{OPTIMISE}\nvary: {{C1.product.nu: {{from: -3, to: 8}}}}": "out of bounds",
    f"{OPTIMISE}\nvary: {{columns.C1.bed_height: {{choices: [10 cm]}}}}": "fewer than two choices",
    f"{OPTIMISE}\nvary: {{columns.C1.bed_height: {{choices: [9 cm, 8 cm], from: 5 cm}}}}": "either bounds or",
    f"{OPTIMISE}\nvary: {{cex.loading.load.until: {{from: 1 L, to: 2 L, also: [cex.loading.load.flow]}}}}": (
        "cex.loading.load.flow is flow (3.15 mL/min), cex.loading.load.until is volume (222 mL)"
    ),
    f"kind: optimise\n{V}": "there is no objective",
    f"kind: optimise\nobjectives: []\n{V}": "there is no objective",
    f"kind: optimise\nobjectives: [maximize yield]\n{V}": 'Did you mean "maximise yield"?',
    f"kind: optimise\nobjectives: [pool_volume]\n{V}": 'Say "maximise pool_volume" or "minimise pool_volume"',
    f"kind: optimise\nobjectives: [yield, minimise yield]\n{V}": "is an objective twice",
    f"kind: optimise\nobjectives: [minimise buffer.strop]\n{V}": 'Did you mean "strip"?',
    f"kind: optimise\nobjectives: [minimise cost_of_goods]\n{V}\nprices: {{currency: EUR}}": "nothing costs",
    "kind: robustness\nconstraints: [yield]": "a list where a mapping is due",
    "kind: robustness\nconstraints: {share.aggregat: '<= 1 %'}": 'Did you mean "aggregate"?',
    "kind: robustness\nconstraints: {log_reduction.product: '>= 4'}": 'no virus "product" in the case',
    "kind: robustness\nconstraints: {yield: }": '"yield" has no value',
    "kind: robustness\nconstraints: {yield: 85 %}": "is no limit",
    "kind: robustness\nconstraints: {yield: '>= 120 %'}": "out of bounds",
    "kind: robustness\nconstraints: {pool_volume: '<= 400 mM'}": "not a unit of volume",
    "kind: robustness\nconstraints: {yield: ['>= 90 %', '<= 80 %']}": "s.yaml:2 constraints: yield >= 90 %",
    "kind: robustness\nuncertain: {feed.product.strength: normal -3 %}": "out of bounds",
    "kind: robustness\nuncertain: {feed.product.strength: normal 0 %}": "does not spread",
    "kind: robustness\nuncertain: {feed.product.strength: {normal: 3 %}}": "where a single value is due",
    "kind: robustness\nuncertain: [feed.product.strength]": "a list where a mapping is due",
    f"kind: design-space\n{V}\nuncertain: {{cex.loading.load.until: normal 3 %}}": "varied and uncertain",
    "kind: pool\ncollect: {sodium: {purity: 95 %}}": 'no protein "sodium"',
    "kind: pool\ncollect: {product: {fractions: two}}": "a whole number from 1 to 4",
    "kind: scale\nscale: {hardware: XK 999}": "s.yaml:2 scale.hardware",
    "kind: scale\nscale: {hardware: XK 26/40, system: AKTA moon}": "no system of the catalogue",
    "kind: scale\nscale: {columns: {C9: {hardware: XK 26/40}}}": 'no column "C9"',
    "kind: scale\nscale: {columns: {C1: {}}}": "no column to scale to",
    "kind: schedule\ndemand: {batches: 0}": "a whole number from 1",
    f"{OPTIMISE}\nlevels: {{phase: cex.loading.load, count: x, to: [1 %B, 2 %B], over: [1 CV, 2 CV]}}": (
        "s.yaml:3 levels.count"
    ),
    "kind: sequence\nsequence: {columns: {C1: [XK 999]}}": '"XK 999" is no column of the catalogue',
    "kind: verify\nverify: {batches: x}": "a whole number from 1",
    "kind: verify\nverify: {scan: 0 s}": "out of bounds",
    "kind: verify\nverify: {of: throughput}\nconstraints: {yield: '>= 10 %'}": "State it there.",
}
"""What somebody might write, and a part of the answer."""


@pytest.mark.parametrize(("text", "part"), FAULTS.items())
def test_a_faulty_study_is_answered_in_words(
    case: Case, description: Description, tmp_path: Path, text: str, part: str
) -> None:
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as told:
        load_study(tmp_path / "s.yaml", description, limits_of(case.targets))
    said = [str(finding) for finding in told.value.findings]
    assert any(part in one for one in said), said
    assert all(one.startswith("s.yaml") for one in said)
    assert len(said) <= 3  # and nothing that only follows from it


@pytest.mark.parametrize(
    ("study", "choices", "part"),
    [
        ("robustness", Choices(samples=0), "0 for a study of kind robustness"),
        ("robustness", Choices(indices=7), "a power of two"),
        ("robustness", Choices(evaluations=9), "--evaluations: for the study robustness"),
        ("pool", Choices(indices=8), "expected a study of kind robustness"),
        ("verify", Choices(of="nothing", workers=1), "neither a file, nor in"),
        ("Throughput", Choices(), 'Did you mean "throughput"?'),
        ("studies", Choices(), "nor a kind of study"),
    ],
)
def test_what_is_asked_on_the_command_line_is_checked(
    case: Case, tmp_path: Path, study: str, choices: Choices, part: str
) -> None:
    with pytest.raises(InputError) as told:
        design(case, study, choices, tmp_path)
    assert part in str(told.value)


def test_a_column_that_does_not_fit_is_a_fault_of_the_study(description: Description) -> None:
    with pytest.raises(InputError, match="the study: with bed_height 100 cm: 100 cm does not fit"):
        scaled(description, Scaling(bed_height=1.0), "the study")


def test_what_is_adjustable_may_be_uncertain(description: Description) -> None:
    """A robustness varies nothing: an operating tolerance of what the gate may adjust counts."""
    adjustable = (Variable("cex.loading.load.until", 1e-4, 2e-4, VOLUME),)
    text = "kind: robustness\nuncertain: {cex.loading.load.until: normal 3 %}"
    study, _ = read_study(open_text(text, "s", Report()), "s", description, (), adjustable)
    assert study.variables == ()
    assert "cex.loading.load.until" in {one.reference for one in without_varied(study).factors}


def test_other_values_change_the_text_only_where_they_stand(description: Description) -> None:
    values = {
        "cex.elution.elute.watch.pool_end.when.2": 0.05,
        "columns.C1.bed_height": 0.2,
        "materials.elution.composition.chloride": 150.0,
        "C1.product.nu": 7.3,
    }
    changed = description.with_values(values, remark="chosen")
    for path, value in values.items():
        assert changed.quantity(path).value == pytest.approx(value, rel=1e-9)
    assert 'source: "chosen; before: 25 cm (log: column XK16' in changed.texts["factory.yaml"]
    lines = zip(
        description.texts["recipe.yaml"].splitlines(), changed.texts["recipe.yaml"].splitlines(), strict=True
    )
    assert [one for one, two in lines if one != two] == [
        line for line in description.texts["recipe.yaml"].splitlines() if "pool_end" in line
    ]
    assert changed.faults() == ()


def test_levels_begin_as_the_gradient_they_replace(description: Description) -> None:
    """Three equal stretches of one straight line: the same pool to the delay of a scan and an instruction."""
    levelled = with_levels(description, "cex.elution.elute", 3)
    assert levelled.faults() == ()
    straight = simulate(description.plant, description.bound, tolerance=1e-3, elements=3)
    pieces = simulate(levelled.plant, levelled.bound, tolerance=1e-3, elements=3)
    assert pieces.duration == pytest.approx(straight.duration, abs=10.0)
    volumes = [sum(one.volume for one in run.pools if one.vessel == "pool") for run in (straight, pieces)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.01)
    moved = levelled.with_values({"cex.elution.elute.gradient.over": 5.0})
    assert moved.quantity("cex.elution.elute.watch.level_2.when").value == pytest.approx(5.0)
    assert moved.quantity("cex.elution.elute.watch.level_3.when").value == pytest.approx(13.4)


def test_a_pool_study_recommends_a_case_that_passes_the_check(case: Case, tmp_path: Path) -> None:
    done = design(case, "pool", Choices(samples=8, workers=1), tmp_path)
    assert done.case is not None
    recommended = open_case(done.case)
    found = check(recommended.recipe, recommended.plant, recommended.bound.skid)
    assert [one for one in found.findings if one.severity == "error"] == []
    assert done.report.read_text(encoding="utf-8").startswith("<!doctype html>")
    document = json.loads(json.dumps(done.as_dict(), default=str))
    assert document["fractions"][0]["purity"] >= 0.95
    again = design(case, "pool", Choices(samples=8, workers=1), tmp_path)
    assert again.simulated == 0
    assert again.page.verdict == done.page.verdict


TWICE_LIMITED = """\
product: product
pool: pool
targets:
  pool_mass: {limit: ">= 40 mg", source: assumed}
  pool_volume: [">= 60 mL", "<= 400 mL"]
  buffer.strip: "<= 0.3 L"
  share.aggregate: "<= 2 %"
  purity: ">= 95 %"
adjust:
  cex.loading.load.until: {from: 100 mL, to: 235 mL}
  cex.elution.elute.gradient.over: {from: 15 CV, to: 30 CV}
"""


def test_a_scaled_case_is_the_same_process(case: Case, tmp_path: Path) -> None:
    done = design(case, "to-xk26", Choices(workers=1), tmp_path)
    before, after = done.page.document["before"], done.page.document["after"]
    factor = (26.0 / 16.0) ** 2
    assert done.page.document["volume_factor"] == pytest.approx(factor)
    assert after["yield"] == pytest.approx(before["yield"], abs=0.01)
    assert after["productivity"] == pytest.approx(before["productivity"], rel=0.01)
    assert after["max_pressure"] > before["max_pressure"]
    # What the report calls the difference is that to the figure of the lab, or that in proportion to the bed.
    for figure, grows in (("pool_mass", factor), ("pool_volume", factor), ("yield", 1.0)):
        said = done.page.document["differences"][figure]
        assert after[figure] == pytest.approx((1.0 + said) * grows * before[figure])
    assert done.case is not None
    large = open_case(done.case)
    limits, lab = limits_of(large.targets), limits_of(case.targets)
    assert [one.limit / other.limit for one, other in zip(limits, lab, strict=True)] == [
        pytest.approx(factor if one.figure in ("pool_volume", "buffer") else 1.0) for one in lab
    ]
    figures = Evaluation(after)
    assert [one.met(figures) for one in limits] == [one.met(Evaluation(before)) for one in lab]
    assert done.page.good
    assert description_of(large).faults() == ()
    assert not (done.case / "original.yaml").exists()  # measured on the lab's column
    expected = json.loads((done.case / "expected.json").read_text(encoding="utf-8"))["figures"]
    assert expected["pool_volume"]["value"] == f"{166.7 * factor:.10g} mL"
    assert expected["purity"]["value"] == "99.93 %"


def test_there_and_back_again(case: Case, tmp_path: Path) -> None:
    """Lab, large and lab again: every number of the recipe, the vessels and the targets is what it was."""
    lab = tmp_path / "lab"
    write_case(case, description_of(case), lab, "copy", {"targets.yaml": TWICE_LIMITED})
    folders = [lab]
    for hardware in ("XK 26/40", "XK 16/40"):
        opened = open_case(folders[-1])
        found = scaled(description_of(opened), Scaling(hardware))
        place = tmp_path / hardware.replace("/", "-")
        folders.append(write_case(opened, found.description, place, "scale", scaled_files(opened, found)))
    first, large, again = map(open_case, folders)
    assert large.targets.targets[0].text == ">= 105.6 mg"
    assert large.targets.targets[2].text == "<= 1056 mL"
    assert large.targets.targets[3].text == "<= 792.2 mL"
    assert large.targets.adjustables[0].upper == pytest.approx(2.640625 * 235e-6)
    one, other = description_of(first).quantities, description_of(again).quantities
    assert {path: item.value for path, item in other.items()} == pytest.approx(
        {path: item.value for path, item in one.items()}, rel=1e-8
    )
    assert [item.limit for item in again.targets.targets] == pytest.approx(
        [item.limit for item in first.targets.targets], rel=1e-8
    )
    bounds = [(item.reference, item.lower, item.upper) for item in first.targets.adjustables]
    assert [(item.reference, item.lower, item.upper) for item in again.targets.adjustables] == [
        (name, pytest.approx(low), pytest.approx(high)) for name, low, high in bounds
    ]


def test_every_column_of_a_case_scales_by_itself() -> None:
    """Unit procedures follow their column, the rest the first one; a reactor keeps its residence time."""
    sobi = description_of(open_case(CASE.parent / "sobi-batch"))
    large = scaled(sobi, Scaling(others={"DEAE": Bed("HiTrap 5 mL"), "HIC": Bed("XK 26/20", 0.05)}))
    assert large.kept == ()
    capture, polish = large.factors, large.others["HIC"][2]
    assert capture.volume == pytest.approx((16.0 / 7.0) ** 2)
    assert polish.volume == pytest.approx((26.0 / 16.0) ** 2 * 2.0)
    before, after = sobi.quantities, large.description.quantities

    def ratio(path: str) -> float:
        return after[path].value / before[path].value

    assert ratio("capture.bind.load.until") == pytest.approx(capture.volume)
    assert ratio("polish.bind.wash.until") == pytest.approx(polish.volume)
    assert ratio("inactivation.inactivate.fill.flow") == pytest.approx(capture.flow)
    assert ratio("vessels.pool.capacity") == pytest.approx(capture.volume)
    assert ratio("skids.akta.devices.Reactor.inner_diameter") ** 2 == pytest.approx(capture.flow)
    assert after["columns.HIC.bed_height"].text == "5 cm"  # stated though the case did not
    beds = {"DEAE": Bed("HiTrap 1 mL"), "HIC": Bed("HiTrap 5 mL", 0.025)}
    again = scaled(large.description, Scaling(others=beds)).description.quantities
    assert {path: again[path].value for path in before} == pytest.approx(
        {path: item.value for path, item in before.items()}, rel=1e-8
    )
    with pytest.raises(InputError, match="scaled twice"):
        scaled(sobi, Scaling("HiTrap 5 mL", column="HIC", others={"HIC": Bed("XK 26/20")}))


def test_slopes_per_volume_scale_with_it() -> None:
    factors = Factors(2.0, 4.0, 0.5)
    slope = Kind("absorbance per volume", "AU*m^-3", "mAU/mL")
    assert factors.of(slope) == 0.25
    assert [factors.of(kind) for kind in (FLOW, VOLUME, MASS, VELOCITY)] == [2.0, 4.0, 4.0, 0.5]
    assert {factors.of(kind) for kind in (MASS_CONCENTRATION, TIME, PRESSURE)} == {1.0}


def test_a_schedule_adds_up(case: Case, tmp_path: Path) -> None:
    document = design(case, "schedule", Choices(workers=1), tmp_path).as_dict()
    assert document["cycle"] == pytest.approx(document["duration"])
    assert document["per_day"] == pytest.approx(86_400.0 / document["cycle"])
    assert sum(document["shares"].values()) == pytest.approx(1.0)


@pytest.mark.parametrize("path", sorted(CASE.parent.glob("*/studies/*.yaml")), ids=lambda path: path.stem)
def test_every_study_of_a_case_can_be_read(path: Path) -> None:
    case = open_case(path.parents[1])
    study, _ = open_study(case, path.stem)
    assert study.name == path.stem
    assert study.limits


def test_an_unknown_study_names_what_there_is(case: Case, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="robustness"):
        design(case, "robustnes", Choices(), tmp_path)
