"""What a run must achieve: ``targets.yaml``, and how far a performance is from it.

product: product                  # species; may be left out when there is only one product
pool: Pool                        # vessel; may be left out: the one filled in elution
confidence: 80 %                  # probability with which the prediction must meet each target
targets:
  yield: ">= 85 %"
  purity: {limit: ">= 95 %", confidence: 90 %, source: assumed}
  max_pressure: "<= 0.3 MPa"
  pool_volume: [">= 60 mL", "<= 150 mL"]
  buffer.A: "<= 2 L"              # drawn from vessel A; plain "buffer" is all but the feed
  share.aggregate: "<= 2 %"       # a quality attribute: mass of a species in the pool per mass of product
  log_reduction.virus: ">= 4"     # decades between the virus loaded and that in the pool
adjust:                           # what the gate may propose to change, and how far
  main.elution.load.volume: {from: 2 CV, to: 5 CV}
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from minifactory.errors import InputError, did_you_mean
from minifactory.plant import nodes
from minifactory.plant.document import Reader, Report, open_document
from minifactory.records.limits import parse_limit
from minifactory.records.performance import (
    BUFFER,
    FAMILIES,
    FIGURES,
    LOG_REDUCTION,
    SHARE,
    Performance,
    figure_named,
)
from minifactory.records.prediction import Prediction
from minifactory.units import FRACTION, KINDS, Kind, show

DEFAULT_CONFIDENCE = 0.5


@dataclass(frozen=True)
class Target:
    """One limit on one figure of performance.

    Parameters
    ----------
    figure : str
        Name in :data:`minifactory.records.performance.FIGURES`, ``buffer.VESSEL``, ``share.SPECIES``
        or ``log_reduction.SPECIES``.
    at_least : bool
        True for a lower limit.
    limit : float
        SI.
    kind : Kind
        Of the figure.
    confidence : float
        Probability (0 to 1) with which a prediction must meet it.
    source, where : str
        Who says so, and where it stands.
    place : str
        The same as a dotted path in the file.
    """

    figure: str
    at_least: bool
    limit: float
    kind: Kind
    confidence: float = DEFAULT_CONFIDENCE
    source: str = ""
    where: str = ""
    place: str = ""

    @property
    def title(self) -> str:
        """What people call the figure."""
        known = figure_named(self.figure)
        return self.figure if known is None else known.title

    @property
    def text(self) -> str:
        """The limit as people read it, e.g. ``>= 85 %``."""
        return f"{'>=' if self.at_least else '<='} {shown(self.limit, self.kind)}"

    def margin(self, value: float) -> float:
        """How far `value` (SI) is on the good side of the limit (SI); negative: missed by so much."""
        return value - self.limit if self.at_least else self.limit - value

    def met(self, value: float) -> bool:
        """Whether `value` (SI) meets it; an unknown value (nan) does not."""
        return self.margin(value) >= -1e-9 * abs(self.limit)

    def value(self, performance: Performance) -> float:
        """The figure (SI) that this target is about; nan when it is not known."""
        family, _, member = self.figure.partition(".")
        members = {
            BUFFER: performance.consumed,
            SHARE: performance.shares,
            LOG_REDUCTION: performance.log_reductions,
        }
        return members[family].get(member, math.nan) if member else performance[self.figure]


@dataclass(frozen=True)
class Adjustable:
    """A reference into the case that may be changed, from `lower` to `upper` (SI)."""

    reference: str
    lower: float
    upper: float
    kind: Kind
    where: str = ""


@dataclass(frozen=True)
class Targets:
    """What a run must achieve, of which product in which pool, and what may be changed for it."""

    targets: tuple[Target, ...]
    product: str | None = None
    pool: str | None = None
    adjustables: tuple[Adjustable, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """One target against one performance.

    Parameters
    ----------
    target : Target
        What was asked.
    value : float
        The figure (SI); nan when it is not known.
    probability : float
        Of meeting it, from the samples of a prediction; nan without samples and for a measured run.
    """

    target: Target
    value: float
    probability: float = math.nan

    @property
    def met(self) -> bool:
        """Whether the value meets the limit, and, with samples, does so with the confidence asked for."""
        unlikely = self.probability < self.target.confidence - 1e-9
        return self.target.met(self.value) and not unlikely

    @property
    def missed_by(self) -> float:
        """How far (SI, >= 0) the value is on the wrong side; 0 when it is not."""
        return max(0.0, -self.target.margin(self.value)) if math.isfinite(self.value) else math.nan

    def __str__(self) -> str:
        target, kind = self.target, self.target.kind
        if not math.isfinite(self.value):
            return f"{target.title}: not known, required {target.text}"
        text = f"{target.title} {shown(self.value, kind)}, required {target.text}"
        if not target.met(self.value):
            text += f": missed by {shown(self.missed_by, kind)}"
        if math.isfinite(self.probability):
            text += f" (met with a probability of {self.probability:.0%}"
            text += f", required {target.confidence:.0%})" if self.probability < target.confidence else ")"
        return text


def assess(
    targets: Targets, performance: Performance, prediction: Prediction | None = None
) -> tuple[Judgement, ...]:
    """The judgement of `performance` by each target, with probabilities when `prediction` has samples."""
    return tuple(
        Judgement(
            target,
            target.value(performance),
            math.nan if prediction is None else prediction.probability(partial(_meets, target)),
        )
        for target in targets.targets
    )


def _meets(target: Target, performance: Performance) -> bool:
    return target.met(target.value(performance))


def shown(value: float, kind: Kind) -> str:
    """`value` (SI) as people read it; fractions in per cent, pressures and so on in their shown unit."""
    if not math.isfinite(value):
        return "not known"
    if kind is FRACTION:
        return f"{100.0 * value:.4g} %"
    return show(value, kind)


def load_targets(
    path: Path,
    *,
    vessels: Iterable[str] | None = None,
    species: Iterable[str] | None = None,
) -> Targets:
    """The targets in the file `path`.

    Parameters
    ----------
    path : Path
        ``targets.yaml``.
    vessels, species : iterable of str or None
        Names that the plant knows; None: not checked.

    Raises
    ------
    InputError
        With every fault of the file at once.
    """
    report = Report()
    targets = read_targets(open_document(path, report), vessels=vessels, species=species)
    report.raise_errors()
    return targets


def read_targets(
    top: Reader,
    *,
    vessels: Iterable[str] | None = None,
    species: Iterable[str] | None = None,
) -> Targets:
    """The targets in the document `top`; faults become findings of its report."""
    known_vessels = None if vessels is None else frozenset(vessels)
    known_species = None if species is None else frozenset(species)
    product, pool = _name(top, "product", known_species), _name(top, "pool", known_vessels)
    confidence = top.value("confidence", FRACTION, DEFAULT_CONFIDENCE, 0.0, 1.0)
    found: list[Target] = []
    inside = top.section("targets", required=True)
    for figure in inside.keys:
        kind = _kind_of(inside, figure, known_vessels, known_species)
        if kind is None:
            inside.text(figure, "")
        else:
            found.extend(_limits(inside, figure, kind, confidence))
    if "targets" in top and not inside.keys:
        top.fail("there are no targets", 'e.g. yield: ">= 85 %"', key="targets")
    inside.finish()
    adjustables = tuple(_adjustables(top))
    top.finish()
    return Targets(tuple(found), product, pool, adjustables)


def _name(top: Reader, key: str, known: Iterable[str] | None) -> str | None:
    if key not in top:
        return None
    if known is None:
        return top.text(key)
    return top.reference(key, frozenset(known), {"pool": "vessel", "product": "species"}[key])


def _kind_of(
    inside: Reader, figure: str, vessels: frozenset[str] | None, species: frozenset[str] | None
) -> Kind | None:
    """The kind of `figure`; None, with a finding, when there is no such figure."""
    family, dot, member = figure.partition(".")
    if dot and family in FAMILIES:
        what, known = ("vessel", vessels) if family == BUFFER else ("species", species)
        if known is not None and member not in known:
            inside.fail(f'"{member}" is not a known {what}', remedy=did_you_mean(member, known), key=figure)
            return None
    found = figure_named(figure)
    if found is None:
        inside.fail(f'unknown target "{figure}"', remedy=did_you_mean(figure, FIGURES), key=figure)
        return None
    return found.kind


def _limits(inside: Reader, figure: str, kind: Kind, confidence: float) -> list[Target]:
    """The one or two limits at `figure`: a text, a list of texts, or a block with limit and confidence."""
    source, reader, key = inside.source, inside, figure
    if isinstance(inside.node.entries.get(figure), nodes.Mapping):
        reader = inside.section(figure)
        key, source = "limit", reader.source
        confidence = reader.value("confidence", FRACTION, confidence, 0.0, 1.0)
    targets = []
    several = isinstance(reader.node.entries.get(key), nodes.Sequence)
    for number, text in enumerate(reader.texts(key, required=True)):
        try:
            at_least, limit = parse_limit(text, kind, reader.where(key))
        except InputError as fault:
            reader.report.add_all(fault.findings)
            continue
        place = f"{reader.path}.{key}" + (f"[{number}]" if several else "")
        targets.append(Target(figure, at_least, limit, kind, confidence, source, reader.where(key), place))
    if reader is not inside:
        reader.finish()
    return targets


def _adjustables(top: Reader) -> Iterable[Adjustable]:
    for reader in top.members("adjust"):
        low = reader.quantity("from", *KINDS.values())
        high = reader.quantity("to", *KINDS.values())
        reader.finish()
        if low is None or high is None:
            continue
        if low.kind is not high.kind:
            reader.fail(f'"{low.text}" and "{high.text}" are different kinds of quantity')
        elif low.value >= high.value:
            reader.fail(f'the range goes from "{low.text}" to "{high.text}"', "an ascending range")
        else:
            reference = reader.path.removeprefix("adjust.")
            yield Adjustable(reference, low.value, high.value, low.kind, reader.where())
