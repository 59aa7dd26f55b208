"""What a study is: its nouns, as :mod:`minifactory.design.reading` makes them from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from minifactory.design.figures import Prices
from minifactory.design.optimisation import Effort
from minifactory.design.search import Limit, Objective, Variable
from minifactory.design.uncertainty import Factor

KINDS = (
    "pool",
    "optimise",
    "robustness",
    "design-space",
    "scale",
    "schedule",
    "experiment",
    "sequence",
    "verify",
)


@dataclass(frozen=True)
class Levels:
    """A gradient that becomes piecewise linear: phase, stretches, bounds (SI) of end and length."""

    phase: str
    count: int
    to: tuple[float, float]
    over: tuple[float, float]


@dataclass(frozen=True)
class Collected:
    """A component to be collected by `pool`: least purity and yield (0 to 1) and concentration (kg/m3)."""

    component: str
    purity: float = 0.0
    recovery: float = 0.0
    concentration: float = 0.0
    weight: float = 1.0
    fractions: int = 1


@dataclass(frozen=True)
class Bed:
    """A column to go to: hardware of the catalogue (empty: as it is), bed height (m; None: as it is)."""

    hardware: str = ""
    bed_height: float | None = None


@dataclass(frozen=True)
class Scaling:
    """To which column `scale` goes: hardware of the catalogue, bed height (m), column, system, and the rule.

    `rule` is ``residence time`` (same CV per time) or ``velocity`` (same linear velocity). `others` are
    further columns of the case by name; vessels and what is extensive follow `column`.
    """

    hardware: str = ""
    bed_height: float | None = None
    column: str = ""
    system: str = ""
    rule: str = "residence time"
    others: Mapping[str, Bed] = field(default_factory=dict)


@dataclass(frozen=True)
class Demand:
    """What `schedule` plans: amount (kg) of product, batches, skids, columns, shifts, analyses.

    Parameters
    ----------
    product : float
        kg to be made; 0: as given by `batches`.
    batches : int
    skids : int
        Identical ones.
    changeover : float
        s between two runs on a skid.
    analyses : int
        Per batch.
    analysis_time : float
        s on the one analyser.
    hours_per_day : float
        s in which runs may be started, per day.
    """

    product: float = 0.0
    batches: int = 10
    skids: int = 1
    changeover: float = 0.0
    analyses: int = 1
    analysis_time: float = 1800.0
    hours_per_day: float = 86_400.0


@dataclass(frozen=True)
class Sequencing:
    """What `sequence` may choose beyond flows, loads and links: hardware by column."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verifying:
    """What `verify` executes.

    Parameters
    ----------
    of : str
        The study whose recommendation is run; empty: the case as it is.
    batches : int
    scan : float
        s of process time between two scans of the controllers.
    mismatch : bool
        Whether truths also have the mismatch that the parameters declare, which no prediction knows.
    """

    of: str = ""
    batches: int = 200
    scan: float = 1.0
    mismatch: bool = False


@dataclass(frozen=True)
class Study:
    """A study of a case.

    Parameters
    ----------
    name, kind : str
        Of the file; one of :data:`KINDS`.
    variables : tuple of Variable
    objectives : tuple of Objective
    limits : tuple of Limit
        The study's constraints, else the case's targets.
    factors : tuple of Factor
        What varies: the parameters' uncertainties and the study's own.
    samples : int
        Monte Carlo samples (per point in a design space).
    indices : int or None
        Base of the Sobol indices; None: as many as cost half the samples.
    seed : int
    effort : Effort
    prices : Prices or None
    levels : Levels or None
    collected : tuple of Collected
    grid : int
        Points per variable of a design space.
    confidence : float
        Probability that a design space asks for.
    scaling : Scaling
    demand : Demand
    sequencing : Sequencing
    verifying : Verifying
    window : tuple of str
        First and last phase from which `pool` may collect; empty: elution.
    """

    name: str
    kind: str
    variables: tuple[Variable, ...] = ()
    objectives: tuple[Objective, ...] = ()
    limits: tuple[Limit, ...] = ()
    factors: tuple[Factor, ...] = ()
    samples: int = 200
    indices: int | None = None
    seed: int = 1
    effort: Effort = field(default_factory=Effort)
    prices: Prices | None = None
    levels: Levels | None = None
    collected: tuple[Collected, ...] = ()
    grid: int = 7
    confidence: float = 0.9
    scaling: Scaling = field(default_factory=Scaling)
    demand: Demand = field(default_factory=Demand)
    sequencing: Sequencing = field(default_factory=Sequencing)
    verifying: Verifying = field(default_factory=Verifying)
