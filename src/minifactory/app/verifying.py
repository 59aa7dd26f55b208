"""The study `verify`: what was stated of a case is executed, batch after batch, by Orbit on virtual skids."""

from __future__ import annotations

import numpy as np

from minifactory.app.designing import Desk, keep
from minifactory.app.virtual_batches import SEED, VirtualBatches
from minifactory.design.candidates import Evaluation
from minifactory.design.pages.page import Page
from minifactory.design.pages.verification import verification_page
from minifactory.design.robustness import robustness
from minifactory.design.uncertainty import candidates_at, deviates
from minifactory.design.verification import verification

PATIENCE = 3.0
"""Times the longest simulated duration after which a batch that has not ended is given up."""


def verified(desk: Desk, what: str) -> Page:
    """The page of what batches make of the description on the desk; `what` it is, in words.

    Raises
    ------
    InputError
        Nothing is uncertain, or nothing asked for.
    TargetError
        The case cannot be simulated at all, or no run tells what is asked for.
    """
    study, asked = desk.study, desk.study.verifying
    problem = desk.problem()
    stated = robustness(
        problem,
        study.factors,
        study.limits,
        desk.ledger,
        study.samples,
        seed=study.seed,
        progress=lambda said, part: desk.progress(said, 0.2 * part),
    )
    normal = deviates(asked.batches, len(study.factors), _seed(study.seed, 0))
    truths = candidates_at(study.factors, normal)
    same = desk.ledger.evaluate(problem, truths)
    executed = VirtualBatches(
        desk.description,
        scan=asked.scan,
        longest=PATIENCE * _longest([stated.nominal, *stated.evaluations, *same]),
        mismatch=asked.mismatch,
        prices=study.prices,
    )
    batches = desk.ledger.evaluate(
        executed,
        [{**truth, SEED: float(_seed(study.seed, at + 1))} for at, truth in enumerate(truths)],
        lambda done, every: desk.progress(f"batch {done} of {every}", 0.2 + 0.8 * done / every),
    )
    keep(desk.folder, truths, batches, "batches")
    notes = []
    if asked.mismatch:
        notes.append("Truths have the mismatch that parameters.yaml declares, which what is stated does not.")
    desk.notes["scan"] = f"{asked.scan:g} s of process time"
    found = verification(stated, batches, same, normal)
    return verification_page(desk.title, what, found, notes, desk.provenance(problem))


def _seed(seed: int, stream: int) -> int:
    """Of the truths (stream 0) and of the noise of each batch; those of the stated samples differ."""
    return int(np.random.SeedSequence([seed, 20161026, stream]).generate_state(1)[0])


def _longest(evaluations: list[Evaluation]) -> float:
    """s; the longest of the simulated runs."""
    return max(one.figures["duration"] for one in evaluations if "duration" in one.figures)
