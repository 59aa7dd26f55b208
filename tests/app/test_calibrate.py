"""A whole calibration on runs of our own: truth found again, a new version that opens, words."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from minifactory.app.calibrate import calibrate_case, gather, learned, trusted, write
from minifactory.app.case import Case, open_case
from minifactory.app.telling_apart import telling_runs
from minifactory.calibration.estimation.calibrated import Calibration
from minifactory.calibration.estimation.data import DataKind, from_run, kind_of
from minifactory.calibration.estimation.experiments import (
    choose,
    decision_slopes,
    planned,
    present_information,
)
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.other_values import with_parameters
from minifactory.calibration.estimation.rivals import AS_IT_IS, Rival
from minifactory.cli.main import app
from minifactory.errors import InputError
from minifactory.records.export import write_parquet
from minifactory.records.run import Run
from minifactory.twin.simulate import simulate
from tests.commands import minifactory

pytestmark = pytest.mark.slow

TRUTH = {"C1.product.k_eq": 7.5e-9, "feed.product.strength": 1.15}
ESTIMATED = ("C1.product.k_eq", "feed.product.strength")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("cases") / "cex"
    shutil.copytree(Path(__file__).parents[2] / "cases" / "cex-polish", folder)
    return open_case(folder)


@pytest.fixture(scope="module")
def run(case: Case) -> Run:
    """The case's recipe on a plant whose truth differs, with noise on its absorbance."""
    made = simulate(case.plant, case.bound, with_parameters(case.plant, TRUTH), tolerance=1e-4)
    uv = made.trends["UV1.Signal"]
    noise = 2e-4 * np.random.default_rng(8).standard_normal(uv.values.size)
    return replace(made, trends={**made.trends, "UV1.Signal": replace(uv, values=uv.values + noise)})


@pytest.fixture(scope="module")
def result(case: Case, run: Run) -> Calibration:
    return calibrate_case(case, [from_run(run)], estimate=ESTIMATED, options=Options(samples=300, starts=1))


def test_the_truth_is_found_again(case: Case, result: Calibration, run: Run) -> None:
    assert kind_of(from_run(run)) is DataKind.GRADIENT
    found = result.estimates
    # What the case states with an uncertainty is free beside them, and only that.
    stated = case.plant.parameters.parameters
    assert set(found) > set(ESTIMATED)
    assert all(stated[path].uncertainty is not None for path in set(found) - set(ESTIMATED))
    for path, truth in TRUTH.items():
        assert found[path].lower < truth < found[path].upper
        assert found[path].method == "posterior"


def test_a_new_version_opens_and_the_old_one_stays(case: Case, result: Calibration) -> None:
    before = (case.folder / "parameters.yaml").read_bytes()
    written = write(case, result)
    assert written.parameters is not None
    assert written.parameters.name == "parameters.2.yaml"
    assert (case.folder / "parameters.yaml").read_bytes() == before
    again = open_case(case.folder, written.parameters)
    assert again.plant.parameters.version == "2"
    for path in ESTIMATED:
        item = result.estimates[path]
        assert again.plant.parameters[path] == pytest.approx(item.value, rel=1e-7)
        stated = again.plant.parameters.parameters[path]
        assert next(iter(result.sources.values()))[:16] in stated.source
        assert stated.uncertainty is not None
    assert "data:image/png" in written.page.read_text()
    # Draws from the new version go together as the posterior does.
    pairs = again.plant.parameters.correlations
    assert pairs == pytest.approx(result.correlations({item.path for item in trusted(result)}), abs=1e-9)
    one, other = max(pairs, key=lambda pair: abs(pairs[pair]))
    assert abs(pairs[one, other]) > 0.5
    drawn = [again.plant.parameters.draw(np.random.default_rng(seed)) for seed in range(400)]
    told = np.corrcoef([[each[one] for each in drawn], [each[other] for each in drawn]])[0, 1]
    # A correlation of 400 draws has a deviation of (1 - r2) / 20.
    assert told == pytest.approx(pairs[one, other], abs=0.15)
    second = write(case, result)
    assert second.parameters is not None
    assert second.parameters.name == "parameters.3.yaml"
    assert learned(case.plant.parameters, result).version == "2"


def test_the_next_run_is_ranked_by_what_it_tells(case: Case, result: Calibration) -> None:
    fit = result.steps[-1].fit
    assert fit is not None
    space, values = fit.problem.space, fit.values
    nominal = simulate(case.plant, case.bound, tolerance=1e-3)
    full = planned("again", nominal, case.plant, "akta1", space, values)
    blind = planned("conductivity only", nominal, case.plant, "akta1", space, values, ("Cond.Signal",))
    slopes = decision_slopes(lambda v: np.array([v["C1.product.k_eq"]]), space, values)
    chosen = choose(present_information(fit), [blind, full], slopes, count=2)
    assert chosen[0].name == "again"
    assert chosen[0].after < chosen[0].before
    assert choose(present_information(fit), [blind, full])[0].gain > 0.0


def test_overload_is_told_from_linear_variants_and_so_is_the_run_that_would_tell(
    case: Case, run: Run
) -> None:
    """The run is of one overloaded protein: two variants of it in the linear range fit worse."""
    linear = Rival("two variants", {"product": 2}, {"C1.product.sigma": 0.0})
    found = calibrate_case(
        case,
        [from_run(run)],
        estimate=ESTIMATED,
        options=Options(samples=0, starts=1, beside=False),
        rivals=[Rival(AS_IT_IS), linear],
    )
    assert found.rivals is not None
    best, other = found.rivals.rivals
    assert (best.rival.name, other.rival.name) == (AS_IT_IS, "two variants")
    assert best.weight > 0.99
    assert {"C1.product_2.k_eq", "feed.product_2.strength"} <= set(other.draws[0])
    assert any("very strongly" in str(finding) for finding in found.findings)
    # At a quarter of the load an overloaded peak turns into another shape; that of variants stays.
    runs = telling_runs(case, found.rivals, shares=(0.25,), lengths=(), draws=0)
    assert {item.name for item in runs} == {"the same run again", "a load of 55.5 mL"}
    assert all(item.evidence > 0.0 for item in runs)


def test_data_that_cannot_be_used_are_refused_in_words(case: Case, run: Run, tmp_path: Path) -> None:
    data = from_run(run)
    with pytest.raises(InputError, match="is the same run as"):
        calibrate_case(case, [data, data], options=Options(samples=0))
    with pytest.raises(InputError, match="Did you mean"):
        calibrate_case(case, [data], estimate=["C1.product.nuu"], options=Options(samples=0))
    still = {
        name: replace(t, values=np.zeros_like(t.values)) if name.endswith(".Signal") else t
        for name, t in run.trends.items()
    }
    with pytest.raises(InputError, match="does not move"):
        calibrate_case(case, [from_run(replace(run, trends=still))], options=Options(samples=0))
    with pytest.raises(InputError, match="on a column of 4"):
        calibrate_case(case, [from_run(replace(run, column_volume=4.657e-6))], options=Options(samples=0))
    with pytest.raises(InputError, match="no-such-run"):
        gather(["no-such-run"], tmp_path)
    nothing = tmp_path / "nothing.csv"
    nothing.write_text("")
    with pytest.raises(InputError):
        gather([str(nothing)])


def test_an_exported_run_is_data_as_well(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "run.parquet"
    write_parquet(run, file)
    (data,) = gather([str(file)])
    assert data.run.trends.keys() == run.trends.keys()
    assert json.dumps(data.sha256)


def test_adopted_on_the_command_line_the_next_prediction_uses_it(
    case: Case, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, file = tmp_path / "own", tmp_path / "run.parquet"
    shutil.copytree(case.folder, folder, ignore=shutil.ignore_patterns("parameters.*.*"))
    write_parquet(run, file)
    old = (folder / "parameters.yaml").read_text()
    monkeypatch.chdir(tmp_path)
    exact = ("interstitial_porosity", "particle_porosity")
    held = [f"C1.{name}" for name in exact] + ["akta1.volume_factor", "akta1.PumpA.gain", "akta1.PumpB.gain"]
    words = ["calibrate", str(folder), str(file), "--samples", "0", "--starts", "1", "--adopt", "--json"]
    words += [part for path in ESTIMATED for part in ("--estimate", path)]
    words += [part for path in held for part in ("--hold", path)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["version"] == "2"
    assert (folder / "parameters.1.yaml").read_text() == old
    assert (folder / "parameters.yaml").read_text() == (folder / "parameters.2.yaml").read_text()
    opened = open_case(folder)
    parameters = opened.plant.parameters
    assert parameters.version == "2"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    for path, truth in TRUTH.items():
        item = parameters.parameters[path]
        assert item.value == pytest.approx(truth, rel=1e-2)
        assert digest in item.source
        assert item.uncertainty is not None
    assert any(set(pair) & set(ESTIMATED) for pair in parameters.correlations)
    amounts = [simulate(c.plant, c.bound, tolerance=1e-3).loaded["product"] for c in (case, opened)]
    assert amounts[1] == pytest.approx(amounts[0] * parameters["feed.product.strength"], rel=1e-6)
    # Adopted again, nothing that was there is lost.
    assert CliRunner().invoke(app, [*words, "--output", str(folder / "parameters.9.yaml")]).exit_code == 0
    assert (folder / "parameters.1.yaml").read_text() == old
    kept = (folder / "parameters.3.yaml").read_text()
    assert kept == (folder / "parameters.2.yaml").read_text()


def test_fractions_analysed_in_a_table_stand_in_for_a_detector(
    case: Case, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No absorbance in the run's file and no amounts: only the table knows how much product was fed."""
    pools = [pool for pool in run.pools if pool.volume > 0.0 and pool.end > pool.start]
    blind = {name: trend for name, trend in run.trends.items() if not name.startswith("UV")}
    file, table = tmp_path / "run.parquet", tmp_path / "assays.csv"
    write_parquet(replace(run, trends=blind, pools=()), file)
    mass = case.plant.species["product"].molar_mass
    rows = [
        f"{pool.start!r},{pool.end!r},{pool.amounts['product'] / pool.volume * mass!r}"
        for pool in pools
        if "product" in pool.amounts
    ]
    table.write_text("\n".join(["from [s],to [s],product [g/L]", *rows]) + "\n")
    monkeypatch.chdir(tmp_path)
    words = ["calibrate", str(case.folder), str(file), "--samples", "0", "--starts", "1", "--json"]
    words += ["--estimate", "feed.product.strength", "--output", str(tmp_path / "new.yaml")]
    told = CliRunner().invoke(app, [*words, "--assays", str(table)])
    assert told.exit_code == 0, told.output
    sources = json.loads(told.stdout)["sources"]
    assert sources["assays.csv"] == hashlib.sha256(table.read_bytes()).hexdigest()
    found = open_case(case.folder, tmp_path / "new.yaml").plant.parameters.parameters["feed.product.strength"]
    assert found.value == pytest.approx(TRUTH["feed.product.strength"], rel=0.05)

    (tmp_path / "new.yaml").unlink()
    table.write_text("from [s],to [s],prodct [g/L]\n" + rows[0] + "\n")
    refused = minifactory(tmp_path / "shell", *words, "--assays", table)
    assert refused.returncode == 2
    said = refused.stdout + refused.stderr
    assert "assays.csv:1" in said
    assert "prodct" in said
    assert "Traceback" not in said
    assert not (tmp_path / "new.yaml").exists()
