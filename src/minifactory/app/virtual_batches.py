"""Orbit's batches on virtual skids as a problem: what a study calculates, executed instead.

A candidate is a truth: values of parameters, factory and recipe that differ from what the case states, and
the seed of noise and latencies. The case's own recipe runs on the skid made of that truth, in memory and on
virtual time; recipe values that vary are how the recipe is carried out. The figures are those of the record,
with the pool analysed as a laboratory would.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from minifactory.app.case import Case
from minifactory.app.completeness import refuse_incomplete
from minifactory.app.execute import controller, finish_run, levels_of
from minifactory.app.home import DATABASE
from minifactory.app.links import Link, Options, memory_link
from minifactory.app.scan_plant import ended_in, record_plant, recorded_plant
from minifactory.campaign.judge import end_reason
from minifactory.campaign.targets import Targets
from minifactory.design.candidates import Evaluation, Values, content_hash
from minifactory.design.description import Description
from minifactory.design.figures import Prices, figures_of
from minifactory.errors import EnvironmentFault, Finding, MiniFactoryError, TargetError
from minifactory.historian import Store, Writer, load_run
from minifactory.numerics.kernels import sources_hash
from minifactory.orbit.states import ENDED, State
from minifactory.orbit.status import Status
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.plant.tagging import tag_table
from minifactory.recipe.bind import bind
from minifactory.records.appraisal import whole_run
from minifactory.records.run import Run
from minifactory.skid.plant import VirtualPlant
from minifactory.skid.server import made_skid
from minifactory.units import TIME, show

SEED = "virtual skid.seed"
"""Reference, beside those of the description, of the seed of noise and latencies."""
NAME = "batch"
COMPLETE = "Complete"


@dataclass(frozen=True)
class VirtualBatches:
    """A case run by Orbit; implements :class:`minifactory.design.candidates.Problem`.

    Parameters
    ----------
    description : Description
        The case.
    scan : float
        s of process time between two scans of the controllers.
    longest : float
        s of process time after which a batch that has not ended is given up.
    mismatch : bool
        Whether the truth also has the mismatch that ``parameters.yaml`` declares.
    prices : Prices or None
        For figures of cost.
    batch : int
        Batches that are kept together.
    """

    description: Description
    scan: float = 1.0
    longest: float = math.inf
    mismatch: bool = False
    prices: Prices | None = None
    batch: int = 1

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all of it, of the software and of the kernels."""
        return content_hash(
            "virtual batches",
            version("minifactory"),
            sources_hash(),
            self.description.fingerprint,
            self.scan,
            self.longest,
            str(self.mismatch),
            repr(self.prices),
        )

    def evaluate(self, batch: Sequence[Values]) -> list[Evaluation]:
        """The figures of every batch; one that did not end as it should has a fault."""
        return [self._run(dict(values)) for values in batch]

    def _run(self, values: dict[str, float]) -> Evaluation:
        seed = int(values.pop(SEED, 0.0))
        try:
            case, truth = self._made(values)
            with tempfile.TemporaryDirectory(prefix="minifactory-batch-") as place:
                run = self._recorded(case, truth[0], truth[1], seed, Path(place))
        except EnvironmentFault:
            raise  # a full disk says nothing about the design
        except MiniFactoryError as fault:
            return Evaluation({}, str(fault.findings[0]))
        figures = figures_of(
            run, case.plant, self.description.product, self.description.pool, self.prices, None
        )
        cut_short = "" if run.state == COMPLETE else f"ended in state {run.state}: {end_reason(run)}"
        return Evaluation({name: value for name, value in figures.items() if math.isfinite(value)}, cut_short)

    def _made(self, values: Values) -> tuple[Case, tuple[Plant, ParameterSet]]:
        """The case as Orbit has it, and the plant and parameters that are the truth."""
        stated = self.description
        of_recipe = {key: one for key, one in values.items() if stated.is_of_recipe(key)}
        built = {
            key: one for key, one in values.items() if key not in of_recipe and not stated.is_parameter(key)
        }
        carried_out, truth = stated.with_values(of_recipe), stated.parameters(values)
        if self.mismatch:
            truth = stated.plant.parameters.mismatched(truth)
        return case_of(carried_out), (stated.with_values(built).plant, truth)

    def _recorded(self, case: Case, plant: Plant, truth: ParameterSet, seed: int, place: Path) -> Run:
        store = Store(place / DATABASE)
        if len(case.bounds) > 1:
            names = {skid: f"{NAME}-{skid}" for skid in case.bounds}
            options = Options(in_memory=True, scan=self.scan)
            virtual = VirtualPlant(plant, truth, seed, tuple(case.bounds))
            record_plant(case, virtual, options, place, names, lambda states: self._give_up(*states.values()))
            runs = recorded_plant(store, names)
            return replace(whole_run(runs, case.plant, case.targets.pool), state=ended_in(runs))
        link = memory_link(made_skid(plant, case.bound.skid, truth, seed), self.scan)
        with Writer(store, place / "spool") as writer:
            status = self._supervised(case, link, writer)
            finish_run(case, link, writer, store, NAME, status)
        refuse_incomplete(writer, str(place / DATABASE))
        return load_run(store, NAME)

    def _supervised(self, case: Case, link: Link, writer: Writer) -> Status:
        """The last status of a run that nobody attends.

        Raises
        ------
        TargetError
            The start is refused, or the run does not end.
        """
        engine = controller(case, link, writer, False, None, None)
        engine.load(case.bound, NAME, origin=link.origin, provenance={}, levels=levels_of(case))
        reply = engine.command("start", "study")
        while True:
            status = engine.scan()
            if status.state in ENDED:
                engine.leave()
                return status
            if status.state is State.IDLE and reply.accepted is False:
                raise TargetError(Finding("orbit", f"the start was refused: {reply.message}"))
            self._give_up(status)

    def _give_up(self, *states: Status) -> None:
        for status in states:
            if status.time > self.longest and status.state not in ENDED:
                found = f"not ended after {show(self.longest, TIME)}: {status.state.value} in {status.phase}"
                raise TargetError(Finding("orbit", found))


def case_of(description: Description) -> Case:
    """The description as a case that can be run; it lies nowhere, and what it would ask for is as assumed."""
    plant, recipe = description.plant, replace(description.recipe, inputs=())
    bounds = {skid: bind(recipe, plant, skid) for skid in description.bounds}
    return Case(
        folder=Path(),
        plant=plant,
        recipe=recipe,
        bound=bounds[description.skid],
        bounds=bounds,
        targets=Targets((), description.product, description.pool),
        table=tag_table(plant.skids[description.skid]),
    )
