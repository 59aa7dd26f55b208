"""Rival explanations: variants of a protein in the plant, the criterion, files, predictions."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from minifactory.app.case import Case, open_case
from minifactory.app.predict import predict
from minifactory.app.telling_apart import Telling, finding_of
from minifactory.calibration.estimation.calibrated import Calibration
from minifactory.calibration.estimation.criterion import Criterion, criteria, strength, weights
from minifactory.calibration.estimation.curves import Observed
from minifactory.calibration.estimation.draws import draws
from minifactory.calibration.estimation.least_squares import Fit, fit
from minifactory.calibration.estimation.problem import Problem, by_differences
from minifactory.calibration.estimation.result import Estimate, Step
from minifactory.calibration.estimation.rival_files import chosen, read_rivals, read_weighed, weighed_text
from minifactory.calibration.estimation.rivals import AS_IT_IS, Comparison, Rival, compare, generated
from minifactory.calibration.estimation.space import Free, Scale, Space
from minifactory.calibration.estimation.variants import Split, merged, split
from minifactory.errors import Finding, InputError, SolverError
from minifactory.twin.simulate import simulate
from minifactory.units import ABSORBANCE, NUMBER

CASE = Path(__file__).parents[2] / "cases" / "cex-polish"


@pytest.fixture(scope="module")
def case() -> Case:
    return open_case(CASE)


@dataclass(frozen=True)
class _Bumps:
    """A curve of bumps: their number is what rivals differ in."""

    time: np.ndarray
    count: int

    def predict(self, values: list[dict[str, float]]) -> np.ndarray:
        return np.stack([self._curve(each) for each in values])

    def _curve(self, values: dict[str, float]) -> np.ndarray:
        found = np.zeros(self.time.size)
        for number in range(self.count):
            place, height = values[f"place{number}"], values[f"height{number}"]
            found += height * np.exp(-0.5 * ((self.time - place) / 4.0) ** 2)
        return found

    def sensitivities(
        self, values: dict[str, float], steps: dict[str, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        return by_differences(self, values, steps)


def _fitted(count: int, truth: int, correlated: bool = False) -> Fit:
    """The fit of `count` bumps to data of `truth` bumps with noise."""
    random = np.random.default_rng(5)
    time = np.linspace(0.0, 100.0, 240)
    noise = 0.02 * random.standard_normal(time.size)
    if correlated:
        noise = 3.0 * np.convolve(noise, np.ones(12) / 12.0, "same")
    values = sum(np.exp(-0.5 * ((time - 40.0 - 14.0 * n) / 4.0) ** 2) for n in range(truth)) + noise
    curve = Observed(
        "made", "UV1.Signal", ABSORBANCE, time, values, np.full(time.size, 0.02), np.zeros((time.size, 0)),
        time, np.ones(time.size),
    )  # fmt: skip
    free = []
    for n in range(count):
        free += [
            Free(f"place{n}", NUMBER, 40.5 + 14.0 * n, 10.0, 90.0),
            Free(f"height{n}", NUMBER, 0.8 if n < truth else 0.01, -1.0, 3.0),
        ]
    return fit(Problem(_Bumps(time, count), (curve,), Space(tuple(free))), starts=1)


def test_the_criterion_counts_parameters_and_neighbours() -> None:
    item = Criterion(deviance=-100.0, parameters=4.0, counted=50.0)
    assert item.aicc == pytest.approx(-100.0 + 8.0 + 40.0 / 45.0)
    assert item.bic == pytest.approx(-100.0 + 4.0 * math.log(50.0))
    assert math.isinf(Criterion(-100.0, 4.0, 5.0).aicc)
    # White residuals: each counts. The likelihood ratio then is n ln(RSS1 / RSS2), by hand:
    two, three = _fitted(2, 2), _fitted(3, 2)
    first, second = criteria([two, three])
    rests = [fit.problem.observed - fit.problem.model.predict([fit.values])[0] for fit in (two, three)]
    assert first.counted == 240.0
    assert first.parameters == pytest.approx(4.0 + 1.0, abs=1e-6)
    ratio = 240.0 * math.log(float(rests[0] @ rests[0]) / float(rests[1] @ rests[1]))
    assert first.deviance - second.deviance == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("correlated", [False, True])
def test_the_right_number_of_peaks_is_preferred(correlated: bool) -> None:
    found = criteria([_fitted(count, 2, correlated) for count in (1, 2, 3)])
    assert min(range(3), key=lambda at: found[at].aicc) == 1
    assert min(range(3), key=lambda at: found[at].bic) == 1
    assert found[0].aicc - found[1].aicc > 10.0
    if correlated:
        assert found[0].counted < 100.0


def test_weights_and_words() -> None:
    assert weights([10.0, 10.0, 12.0], [1.0, 1.0, 1.0]) == pytest.approx([0.4223, 0.4223, 0.1554], abs=1e-4)
    assert weights([10.0, 10.0], [3.0, 1.0]) == pytest.approx([0.75, 0.25])
    assert weights([10.0, math.inf], [1.0, 1.0]) == [1.0, 0.0]
    assert [strength(d).split(";")[0] for d in (1.0, 4.0, 8.0, 30.0)] == [
        "hardly", "weakly", "strongly", "very strongly",
    ]  # fmt: skip


def _compared(case: Case) -> Comparison:
    """Two rivals with fits that cost nothing: made bumps in the place of the case's curves."""
    rivals = [Rival("one bump"), Rival("two bumps")]

    def fitted(rival: Rival) -> tuple[Step, Split]:
        found = _fitted(1 + rivals.index(rival), 2)
        return Step("inverse", ("made",), fit=found), Split(case.plant, {}, {})

    return compare(rivals, fitted, {}, 3)


def test_rivals_are_told_in_words_and_in_order(case: Case) -> None:
    found = _compared(case)
    assert [item.rival.name for item in found.rivals] == ["two bumps", "one bump"]
    assert found.rivals[0].weight > 0.99
    text = " ".join(str(finding) for finding in found.findings)
    assert '"two bumps" explains the runs better than "one bump": very strongly' in text
    whole = Calibration((), {}, 0.0, found)
    assert whole.findings == found.findings
    finding = finding_of(found, (Telling("a load of 55 mL", 12.0), Telling("the same run again", 0.4)))
    assert finding is not None
    assert "told apart best by a load of 55 mL: expected evidence 12.0, which decides" in finding.found


def test_a_rival_that_cannot_be_simulated_is_left_out_and_told(case: Case) -> None:
    def fitted(rival: Rival) -> tuple[Step, Split]:
        if rival.name == "broken":
            raise SolverError(Finding("engine", "no steps left", "a run", "Other values."))
        return Step("inverse", ("made",), fit=_fitted(2, 2)), Split(case.plant, {}, {})

    found = compare([Rival("whole"), Rival("broken")], fitted, {})
    assert [item.rival.name for item in found.rivals] == ["whole"]
    assert [str(finding) for finding in found.findings] == [
        'rival "broken": no steps left; expected a run. It is left out.'
    ]
    with pytest.raises(SolverError, match="no steps left"):
        compare([Rival("broken")], fitted, {})


def test_draws_stay_within_bounds_and_follow_the_covariance() -> None:
    found = _fitted(2, 2)
    values = draws(found, 400, 7)
    table = np.array([list(each.values()) for each in values])
    assert len(values) == 400
    assert table.std(axis=0, ddof=1) == pytest.approx(
        [d * f.step for d, f in zip(found.deviations, found.problem.space.free, strict=True)], rel=0.15
    )


def test_a_protein_as_variants_is_the_same_protein(case: Case) -> None:
    made = split(case.plant, {"product": 2})
    assert made.members == {"product": ("product", "product_2")}
    assert made.ties["C1.product_2.nu"] == "C1.product.nu"
    feed, whole = made.plant.materials["feed"].composition, case.plant.materials["feed"].composition
    assert feed["product"] + feed["product_2"] == pytest.approx(whole["product"])
    # Two equal halves are the whole, to the error of the integration, overload and detectors included.
    one = simulate(case.plant, case.bound, tolerance=1e-4, elements=4)
    two = merged(simulate(made.plant, case.bound, tolerance=1e-4, elements=4), made.members)
    size = float(np.ptp(one.trends["UV1.Signal"].values))
    shown = two.trends["UV1.Signal"].at(one.trends["UV1.Signal"].time)
    assert shown == pytest.approx(one.trends["UV1.Signal"].values, abs=2e-3 * size)
    assert two.loaded["product"] == pytest.approx(one.loaded["product"], rel=1e-3)
    for before, after in zip(one.pools, two.pools, strict=True):
        assert "product_2" not in after.amounts
        for name, amount in before.amounts.items():
            assert after.amounts[name] == pytest.approx(amount, rel=2e-3, abs=1e-9)


def test_generated_rivals_split_the_main_protein(case: Case) -> None:
    found = generated(case.plant, case.plant.columns["C1"])
    assert [rival.name for rival in found] == [
        AS_IT_IS, "2 variants of product, linear", "3 variants of product, linear",
        "2 variants of product",
    ]  # fmt: skip
    assert found[3] == Rival("2 variants of product", {"product": 2})
    assert found[1].variants == {"product": 2}
    assert found[1].hold == dict.fromkeys((f"C1.{n}.sigma" for n in ("product", "acidic", "aggregate")), 0.0)
    other = replace(case.plant.columns["C1"], binding_model="langmuir")
    assert generated(case.plant, other)[1].hold == {}


def test_declared_rivals(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "rivals.yaml"
    file.write_text(
        "rivals:\n  overloaded: {}\n  variants:\n    variants: {product: 2}\n"
        "    hold: {C1.product.sigma: 0, C1.product_2.nu: 5, C1.ionic_capacity: 1.2 M}\n    odds: 3\n",
        encoding="utf-8",
    )
    one, two = read_rivals(file, case.plant)
    assert (one, two.odds) == (Rival("overloaded"), 3.0)
    assert two.hold == {
        "C1.product.sigma": 0.0,
        "C1.product_2.nu": 5.0,
        "C1.ionic_capacity": pytest.approx(1200.0),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", "no rivals"),
        ("rivals: {a: {}}", "no rivals"),
        ("rivals: [", "no YAML"),
        ("rivals: {a: {}, b: {variant: {product: 2}}}", 'unknown key "variant"'),
        ("rivals: {a: {}, b: {variants: {product: two}}}", "variants"),
        ("rivals: {a: {}, b: {variants: {water: 2}}}", '"water" is no protein'),
        ("rivals: {a: {}, b: {variants: {product: 99}}}", "99 variants"),
        ("rivals: {a: {}, b: {hold: {C1.product.sgma: 2}}}", 'no parameter "C1.product.sgma"'),
        ("rivals: {a: {}, b: {hold: {C1.dispersivity: 2}}}", "unit"),
        ("rivals: {a: {}, b: {odds: 0}}", "odds"),
        ("rivals: {a: {}, b: 3}", "3"),
    ],
)
def test_rivals_that_cannot_be_used(case: Case, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rivals.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_rivals(file, case.plant)


def _weighed(case: Case, shares: tuple[float, float]) -> str:
    """A file of two rivals: the case as it is, and its product in two variants of other retention."""
    nominal = {"C1.product.k_eq": case.plant.parameters["C1.product.k_eq"]}
    apart = {**nominal, "C1.product_2.k_eq": 3.0 * nominal["C1.product.k_eq"]}
    entries = [
        {"name": name, "weight": weight, "variants": variants, "hold": {}, "paths": list(values),
         "draws": [list(values.values())] * 3}
        for name, weight, variants, values in (
            ("as it is", shares[0], {}, nominal),
            ("variants", shares[1], {"product": 2}, apart),
        )
    ]  # fmt: skip
    return json.dumps({"format": "minifactory rivals 1", "runs": {}, "rivals": entries})


def test_predictions_are_averaged_over_rivals(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "rivals.json"
    file.write_text(_weighed(case, (0.25, 0.75)), encoding="utf-8")
    found = read_weighed(file, case.plant)
    random = np.random.default_rng(1)
    share = np.mean([chosen(found, random).name == "variants" for _ in range(2000)])
    assert share == pytest.approx(0.75, abs=0.04)
    prediction = predict(case, 3, explanations=found)
    assert len(prediction.samples) == 3
    # Variants that elute one after the other make a broader pool than one protein does.
    volumes = [sample.values["pool_volume"] for sample in prediction.samples]
    assert max(volumes) > 1.1 * prediction.performance.values["pool_volume"]
    assert all(sample.values["yield"] < 1.0 for sample in prediction.samples)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "another kind of file"),
        ('{"format": "minifactory rivals 1", "rivals": []}', "no rival with a weight"),
        ('{"format": "minifactory rivals 1", "rivals": [{"name": "a"}]}', "damaged"),
    ],
)
def test_weighed_rivals_that_cannot_be_used(case: Case, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "rivals.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_weighed(file, case.plant)
    file.write_text(
        _weighed(case, (0.5, 0.5)).replace("C1.product.k_eq", "C9.product.k_eq"), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"C9\.product\.k_eq"):
        read_weighed(file, case.plant)


def test_weighed_rivals_survive_their_file(case: Case, tmp_path: Path) -> None:
    values = {"C1.product.nu": 7.0}
    made = Comparison(tuple(replace(item, draws=(values, values)) for item in _compared(case).rivals))
    file = tmp_path / "rivals.json"
    file.write_text(weighed_text(made, {"a.asc": "0" * 64}), encoding="utf-8")
    found = read_weighed(file, case.plant)
    assert [(item.name, item.weight) for item in found] == [(i.rival.name, i.weight) for i in made.rivals]
    assert found[0].parameters(None, np.random.default_rng(0))["C1.product.nu"] == 7.0


def test_correlations_of_nearly_one_parameter_stay_possible(case: Case) -> None:
    """Small correlations must not be dropped beside -0.99999: what remains would contradict itself."""
    free = tuple(
        Free(path, NUMBER, case.plant.parameters[path], 0.0, 1e4)
        for path in ("C1.product.nu", "C1.product.sigma", "C1.acidic.nu")
    )
    found = _fitted(1, 1)
    covariance = np.array([[1.0, 0.99995, 0.0205], [0.99995, 1.0, 0.0195], [0.0205, 0.0195, 1.0]])
    problem = replace(found.problem, space=Space(free))
    step = Step("inverse", (), fit=replace(found, problem=problem, covariance=covariance))
    estimates = tuple(
        Estimate(f.path, f.kind, f.start, 0.0, 1.0, Scale.LINEAR, 1.0, "covariance", "told") for f in free
    )
    pairs = Calibration((replace(step, estimates=estimates),), {}).correlations({f.path for f in free})
    replace(case.plant.parameters, correlations=pairs).mixing()
    assert pairs["C1.product.sigma", "C1.acidic.nu"] == pytest.approx(0.0195)
