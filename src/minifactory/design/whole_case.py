"""The problem that most studies pose: a case with other values in recipe, factory or parameters.

The recipe runs in closed loop on the generated model, as the gate and the tutorial have it. Where only
parameters differ (uncertainty), runs follow one frozen course in batches
(:mod:`minifactory.design.course`), as long as the recipe lets them; otherwise each runs in closed loop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version

import numpy as np

from minifactory.design.candidates import Evaluation, FloatArray, Values, content_hash
from minifactory.design.course import Course, NotFrozen, freeze
from minifactory.design.description import Description
from minifactory.design.figures import Prices, before_elution, figures_of
from minifactory.design.replay import Followed, replay
from minifactory.errors import InputError, MiniFactoryError, SolverError
from minifactory.numerics.kernels import sources_hash
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.records.appraisal import whole_run
from minifactory.records.run import Run
from minifactory.twin.flowsheet import ELEMENTS
from minifactory.twin.signals import Stretch
from minifactory.twin.simulate import simulate, simulate_plant
from minifactory.units import VOLUME, show

TOLERANCE = 1e-3
"""Relative local error of the time integration."""
BATCH = 32
"""Candidates per batch: a few times the lanes of the solver."""
COURSES = 8
"""Frozen courses that a worker keeps."""


@dataclass(frozen=True)
class WholeCase:
    """A case as a problem; implements :class:`minifactory.design.candidates.Problem`.

    Parameters
    ----------
    description : Description
        The case.
    elements : int
        Mesh elements along each bed.
    tolerance : float
        Of the time integration.
    prices : Prices or None
        For figures of cost.
    frozen : bool
        Whether parameter sets may follow a frozen course.
    checked : bool
        Whether a candidate must pass the static check.
    batch : int
        Candidates per batch.
    """

    description: Description
    elements: int = ELEMENTS
    tolerance: float = TOLERANCE
    prices: Prices | None = None
    frozen: bool = True
    checked: bool = True
    batch: int = BATCH

    @cached_property
    def fingerprint(self) -> str:
        """A hash of description, mesh, prices, software and kernels."""
        return content_hash(
            "whole case",
            version("minifactory"),
            sources_hash(),
            self.description.fingerprint,
            self.elements,
            self.tolerance,
            repr(self.prices),
            str((self.frozen, self.checked)),
        )

    def evaluate(self, batch: Sequence[Values]) -> list[Evaluation]:
        """The figures of every candidate; those that share recipe and factory are simulated together."""
        groups: OrderedDict[tuple[tuple[str, float], ...], list[int]] = OrderedDict()
        for place, values in enumerate(batch):
            design = tuple(
                sorted(
                    (key, value) for key, value in values.items() if not self.description.is_parameter(key)
                )
            )
            groups.setdefault(design, []).append(place)
        found: dict[int, Evaluation] = {}
        for design, places in groups.items():
            results = self._of_design(dict(design), [batch[place] for place in places])
            found |= dict(zip(places, results, strict=True))
        return [found[place] for place in range(len(batch))]

    def _of_design(self, design: Values, batch: Sequence[Values]) -> list[Evaluation]:
        try:
            changed = self.description.with_values(design)
            faults = changed.faults() if self.checked and design else ()
        except InputError as fault:
            faults = fault.findings
        if faults:
            return [Evaluation({}, str(faults[0]))] * len(batch)
        sets = [self.description.parameters(values) for values in batch]
        if len(changed.bounds) > 1:
            return [self._together(changed, one) for one in sets]
        stated = [any(self.description.is_parameter(key) for key in values) for values in batch]
        if self.frozen and any(stated):
            course = self._course(changed)
            if isinstance(course, Course):
                runs = replay(course, sets, tolerance=self.tolerance, elements=self.elements)
                return [self._figures(run, changed.plant) for run in runs]
            if isinstance(course, SolverError):
                return [Evaluation({}, str(course))] * len(batch)
        return [self._closed(changed, one) for one in sets]

    def _closed(self, changed: Description, parameters: ParameterSet) -> Evaluation:
        passed: dict[int, FloatArray] = {}

        def watch(phase: int, stretch: Stretch) -> None:
            passed[phase] = passed.get(phase, 0.0) + stretch.passed[-1, 0]

        try:
            run = simulate(
                changed.plant,
                changed.bound,
                parameters,
                tolerance=self.tolerance,
                elements=self.elements,
                identifier="candidate",
                observer=watch,
            )
        except MiniFactoryError as fault:
            return Evaluation({}, str(fault.findings[0]))
        return self._figures(Followed(run, _lost(run, passed, changed.plant)), changed.plant)

    def _together(self, changed: Description, parameters: ParameterSet) -> Evaluation:
        """Several skids side by side, judged as one run."""
        try:
            runs = simulate_plant(
                changed.plant,
                tuple(changed.bounds.values()),
                parameters,
                tolerance=self.tolerance,
                elements=self.elements,
                identifier="candidate",
            )
            run = whole_run(runs, changed.plant, self.description.pool)
        except MiniFactoryError as fault:
            return Evaluation({}, str(fault.findings[0]))
        return Evaluation(
            figures_of(run, changed.plant, self.description.product, self.description.pool, self.prices)
        )

    def _figures(self, followed: Followed | SolverError, plant: Plant) -> Evaluation:
        if isinstance(followed, SolverError):
            return Evaluation({}, str(followed.findings[0]))
        run = followed.run
        figures = figures_of(
            run, plant, self.description.product, self.description.pool, self.prices, followed.lost
        )
        return Evaluation(figures, overflow(run, plant))

    def _course(self, changed: Description) -> Course | NotFrozen | SolverError:
        key = (changed.fingerprint, self.elements, self.tolerance)
        if key not in _courses:
            while len(_courses) >= COURSES:
                _courses.popitem(last=False)
            try:
                _courses[key] = freeze(
                    changed.plant, changed.bound, tolerance=self.tolerance, elements=self.elements
                )
            except (NotFrozen, SolverError) as reason:
                _courses[key] = reason
        return _courses[key]

    def unfrozen(self) -> str:
        """Why parameter sets cannot follow a frozen course, in words; empty when they can."""
        if len(self.description.bounds) > 1:
            return "several skids"
        course = self._course(self.description)
        return str(course) if isinstance(course, NotFrozen) else ""


# What a worker has simulated once and follows many times; it holds results only.
_courses: OrderedDict[tuple[str, int, float], Course | NotFrozen | SolverError] = OrderedDict()


def _lost(run: Run, passed: Mapping[int, FloatArray], plant: Plant) -> dict[str, float]:
    """mol of each species that passed the first detector from the load to the elution."""
    window = before_elution(run)
    if window is None:
        return {}
    amounts = np.zeros(len(plant.species))
    for place, phase in enumerate(run.phases):
        if window[0] <= phase.start < window[1] and place in passed:
            amounts = amounts + passed[place]
    return dict(zip(plant.species, amounts.tolist(), strict=True))


def overflow(run: Run, plant: Plant) -> str:
    """Which vessel runs over or dry in `run`, in words; empty when none does."""
    received: dict[str, float] = {}
    for pool in run.pools:
        received[pool.vessel] = received.get(pool.vessel, 0.0) + pool.volume
    for name, vessel in plant.vessels.items():
        holds = vessel.volume + received.get(name, 0.0) - run.consumed.get(name, 0.0)
        if holds > vessel.capacity * (1.0 + 1e-9):
            return f"vessel {name} would have to hold {show(holds, VOLUME)}"
        if holds < vessel.minimum - 1e-9 * vessel.volume:
            return f"vessel {name} lacks {show(vessel.minimum - holds, VOLUME)}"
    return ""
