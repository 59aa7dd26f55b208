"""Stated probabilities against batches: the comparison on known problems, and real batches by Orbit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minifactory.app.case import Case, open_case
from minifactory.app.designing import Choices, Designed, description_of, design
from minifactory.app.virtual_batches import SEED, VirtualBatches
from minifactory.design.candidates import Evaluation
from minifactory.design.executor import InThisProcess
from minifactory.design.ledger import Ledger
from minifactory.design.robustness import Probability, Robustness, robustness
from minifactory.design.search import Limit
from minifactory.design.uncertainty import Factor, candidates_at, deviates
from minifactory.design.verification import Agreement, Verification, verification
from minifactory.design.whole_case import WholeCase
from minifactory.errors import InputError, TargetError
from minifactory.plant.parameters import Uncertainty
from tests.app.test_run_plant import made as two_skids
from tests.design.parabola import Parabola
from tests.design.short import made

FACTORS = (Factor("x", 0.3, Uncertainty("normal", 0.1)), Factor("y", 0.5, Uncertainty("uniform", 0.2)))
BUFFER, PURITY = Limit("buffer", False, 0.9, confidence=0.9), Limit("purity", True, 0.75)
TRUTHS = deviates(200, 2, 77)


@pytest.fixture(scope="module")
def stated() -> Robustness:
    ledger = Ledger(None, InThisProcess())
    return robustness(Parabola(batch=64), FACTORS, (BUFFER, PURITY), ledger, 1000)


def verified(stated: Robustness, batches: Sequence[Evaluation]) -> Verification:
    same = Parabola().evaluate(candidates_at(FACTORS, TRUTHS))
    return verification(stated, batches, same, TRUTHS)


def executed(shift: float) -> list[Evaluation]:
    """The known problem carried out with a bias of buffer use."""
    found = Parabola().evaluate(candidates_at(FACTORS, TRUTHS))
    return [Evaluation({**one.figures, "buffer": one["buffer"] + shift}) for one in found]


def test_batches_like_the_samples_agree(stated: Robustness) -> None:
    found = verified(stated, executed(0.0))
    assert found.together.agree
    assert found.simulated == found.together.batches
    assert list(found.simulated_each) == [one.batches for one in found.each]
    assert all(one.foreseen for one in found.missed)
    assert len(found.missed) == 200 - found.together.batches.met
    assert [(one.bias, one.largest) for one in found.gaps] == [(0.0, 0.0), (0.0, 0.0)]
    assert not found.unmeasured


def test_batches_that_use_more_do_not(stated: Robustness) -> None:
    found = verified(stated, executed(0.1))
    assert not found.together.agree
    assert str(found.together).startswith("they do not agree: batches meet it less often")
    assert found.each[1].agree  # purity is as it was
    assert found.gaps[0].bias == pytest.approx(0.1)
    assert [item.figure for item, _ in found.short] == ["buffer"]
    surprise = [one for one in found.missed if not one.foreseen]
    assert surprise
    # buffer = x + y: what drives a batch over the limit is high x or high y.
    assert all(deviate > 0.0 for one in surprise for _, deviate in one.drivers)


def test_a_batch_that_fails_has_missed(stated: Robustness) -> None:
    batches = executed(0.0)
    batches[7] = Evaluation({"buffer": 0.1, "purity": 1.0}, "ended in state Aborted: air in the inlet")
    found = verified(stated, batches)
    (failed,) = [one for one in found.missed if one.fault]
    assert failed.number == 8
    assert not failed.missed


def test_what_no_run_tells_is_in_neither_column(stated: Robustness) -> None:
    blind = [Evaluation({"buffer": one["buffer"]}) for one in executed(0.0)]
    found = verified(stated, blind)
    assert [item.figure for item in found.unmeasured] == ["purity"]
    assert found.together.stated == stated.each[0]
    with pytest.raises(TargetError, match="no run tells Buffer used, Purity"):
        verified(stated, [Evaluation({"duration": 1.0})] * 200)


def test_fisher() -> None:
    """Fisher's tea: 3 of 4 against 1 of 4 gives p = 0.4857 (two-sided)."""
    assert Agreement(Probability(3, 4), Probability(1, 4)).chance == pytest.approx(0.4857, abs=1e-4)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A polishing step of 20 min on a short bed, whose recipe asks for something."""
    folder = made(tmp_path_factory.mktemp("verify") / "short")
    return open_case(folder)


@pytest.fixture(scope="module")
def done(short: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[Designed, Path]:
    runs = tmp_path_factory.mktemp("runs")
    return design(short, "verify", Choices(samples=64, batches=4, workers=1), runs), runs


def test_orbit_makes_of_it_what_was_stated(done: tuple[Designed, Path]) -> None:
    found, _ = done
    document = found.as_dict()
    assert document["batches"]["of"] == 4
    assert document["stated"]["of"] == 64
    assert document["agree"]
    assert document["stated"]["value"] == pytest.approx(0.6, abs=0.25)
    assert [one["fault"] for one in document["missed"]] == [""] * len(document["missed"])
    # The same truth, executed and simulated: a scan of the pool's cuts and the detectors' noise apart.
    assert document["figures"]["yield"]["largest"] < 0.02
    assert document["figures"]["pool_volume"]["largest"] < 1e-6
    assert found.report.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_it_goes_on_from_what_is_known(short: Case, done: tuple[Designed, Path]) -> None:
    first, runs = done
    again = design(short, "verify", Choices(samples=64, batches=4, workers=2), runs)
    assert again.simulated == 0
    assert again.page.document == first.page.document
    more = design(short, "verify", Choices(samples=64, batches=5, workers=1), runs)
    assert more.simulated == 1 + 5  # one batch; the simulations of the same truths are one call of the solver
    known = [one for one in more.page.document["missed"] if one["batch"] <= 4]
    assert known == first.page.document["missed"]


def test_what_a_study_recommends_is_verified(short: Case, done: tuple[Designed, Path]) -> None:
    found = design(short, "verify", Choices(samples=16, batches=1, workers=1, of="best"), done[1])
    assert found.case is not None
    moved = open_case(found.case).recipe
    assert description_of(open_case(found.case)).fingerprint != description_of(short).fingerprint
    assert moved.name == "short"
    assert "what the study best recommends" in found.page.lines[0]
    with pytest.raises(InputError, match="recommends nothing"):
        design(short, "verify", Choices(samples=16, batches=1, workers=1, of="robustness"), done[1])
    with pytest.raises(InputError, match="verify --of best"):
        design(short, "best", Choices(of="best"), done[1])


def test_tolerances_of_recipe_and_feed_are_in_the_truth(short: Case, done: tuple[Designed, Path]) -> None:
    """A recipe value that varies is carried out so; a feed that varies is what the skid draws."""
    document = design(short, "tolerances", Choices(workers=1), done[1]).page.document
    assert document["figures"]["yield"]["largest"] < 0.02
    problem = VirtualBatches(description_of(short), scan=2.0)
    ran = problem.evaluate(
        [
            {SEED: 1.0},
            {SEED: 1.0, "materials.feed.composition.product": 0.5 * 0.385, "cex.all.load.flow": 2e-6 / 60.0},
        ]
    )
    assert not ran[0].fault
    assert ran[1]["loaded_mass"] == pytest.approx(0.5 * ran[0]["loaded_mass"], rel=0.02)
    assert ran[1]["duration"] - ran[0]["duration"] == pytest.approx(180.0, abs=5.0)


def test_several_skids_are_run_together(tmp_path: Path) -> None:
    """Two controllers with hand-shakes: the batch is what the simulation of the same truth is."""
    case = open_case(two_skids(tmp_path / "two"), several=True)
    truth = {"C1.product.k_eq": 1.9e-3}
    (simulated,) = WholeCase(description_of(case)).evaluate([truth])
    (found,) = VirtualBatches(description_of(case)).evaluate([{**truth, SEED: 5.0}])
    assert not found.fault
    assert found["pool_mass"] == pytest.approx(simulated["pool_mass"], rel=0.02)
    assert found["duration"] == pytest.approx(simulated["duration"], rel=0.02)


def test_a_batch_that_does_not_end_is_given_up(short: Case) -> None:
    (found,) = VirtualBatches(description_of(short), scan=5.0, longest=300.0).evaluate([{SEED: 1.0}])
    assert found.fault.startswith("orbit: not ended after 5 min: Running in cex.all.")
    assert math.isnan(found["yield"])


def test_declared_mismatch_is_asked_for(short: Case) -> None:
    problem = VirtualBatches(description_of(short), scan=5.0)
    plain, moved = (replace(problem, mismatch=one).evaluate([{SEED: 3.0}])[0] for one in (False, True))
    assert plain["yield"] != moved["yield"]
    assert problem.fingerprint != replace(problem, mismatch=True).fingerprint
    assert np.isfinite(moved["yield"])
