"""What is not known for sure: factors with distributions, and seeded samples of them.

A factor is a model parameter with the uncertainty that ``parameters.yaml`` states (a posterior from
calibration, a specification of equipment), or any reference that a study lets vary (feed, operating
tolerances). Sample i of a seed is the same whatever the number of samples, so that studies can be extended.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm

from minifactory.design.candidates import FloatArray
from minifactory.errors import Finding, InputError
from minifactory.plant.parameters import ParameterSet, Uncertainty
from minifactory.units import FRACTION, POSITIVE, Kind, parse

SHAPES = ("normal", "lognormal", "uniform")


@dataclass(frozen=True)
class Factor:
    """Something that varies.

    Parameters
    ----------
    reference : str
    value : float
        SI; where it varies around.
    uncertainty : Uncertainty
        How far.
    lower, upper : float
        SI; draws beyond are moved to them.
    mixed_of : Mapping of str to float
        Its deviate as parts of those of other factors and its own, by reference; empty: its own alone.
    """

    reference: str
    value: float
    uncertainty: Uncertainty
    lower: float = -math.inf
    upper: float = math.inf
    mixed_of: Mapping[str, float] = field(default_factory=dict, hash=False)

    def at(self, normal: FloatArray) -> FloatArray:
        """The values (n,) SI at standard normal deviates (n,): same probability, own distribution."""
        spread, shape = self.uncertainty.spread, self.uncertainty.shape
        if shape == "lognormal":
            drawn = self.value * np.exp(spread * normal)
        else:
            width = spread * (abs(self.value) if self.uncertainty.relative else 1.0)
            part = 2.0 * norm.cdf(normal) - 1.0 if shape == "uniform" else normal
            drawn = self.value + width * part
        return np.asarray(np.clip(drawn, self.lower, self.upper))

    @property
    def text(self) -> str:
        """Its spread as people read it."""
        spread = self.uncertainty.spread
        if self.uncertainty.shape == "lognormal" or not self.uncertainty.relative:
            return f"{self.uncertainty.shape} {spread:.3g}"
        return f"{self.uncertainty.shape} {100.0 * spread:.3g} %"


def factors_of(parameters: ParameterSet) -> tuple[Factor, ...]:
    """Every parameter that states an uncertainty, by path; with its correlations."""
    mixing = parameters.mixing()
    return tuple(
        Factor(path, one.value, one.uncertainty, one.lower, one.upper, mixing.get(path, {}))
        for path, one in sorted(parameters.parameters.items())
        if one.uncertainty is not None and one.uncertainty.spread > 0.0
    )


def parse_spread(text: str, kind: Kind, where: str) -> Uncertainty:
    """The uncertainty in a text: ``normal 3 %``, ``uniform 20 %``, ``normal 0.5 CV``, ``lognormal 0.1``.

    Raises
    ------
    InputError
        Another shape, or a spread that is no quantity of that kind.
    """
    shape, _, spread = text.strip().partition(" ")
    if shape not in SHAPES or not spread:
        raise InputError(
            Finding(
                where, f'"{text}" is not an uncertainty', 'e.g. "normal 3 %", "uniform 20 %", "lognormal 0.1"'
            )
        )
    if shape == "lognormal":
        return Uncertainty(shape, parse(spread, POSITIVE, where=where).value)
    if spread.rstrip().endswith("%") and kind.shown != "%B":
        return Uncertainty(shape, parse(spread, FRACTION, where=where).value, relative=True)
    width = Kind(f"{kind.name} (spread)", kind.si, kind.shown, 0.0, math.inf, kind.bare)
    return Uncertainty(shape, parse(spread, width, where=where).value)


def deviates(count: int, factors: int, seed: int) -> FloatArray:
    """Independent standard normal deviates (count, factors); row i depends on seed and i alone."""
    return np.array(
        [np.random.default_rng([seed, place]).standard_normal(factors) for place in range(count)]
    ).reshape(count, factors)


def candidates_at(factors: Sequence[Factor], normal: FloatArray) -> list[dict[str, float]]:
    """The candidates (SI by reference) at independent standard normal deviates (n, factors)."""
    names = [factor.reference for factor in factors]
    columns = [factor.at(_mixed(factor, names, normal)) for factor in factors]
    return [dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)]


def _mixed(factor: Factor, names: Sequence[str], normal: FloatArray) -> FloatArray:
    """The deviates (n,) of one factor; what it is correlated with but is held still counts as independent."""
    if not factor.mixed_of:
        return normal[:, names.index(factor.reference)]
    parts = {name: part for name, part in factor.mixed_of.items() if name in names}
    total = math.sqrt(math.fsum(part**2 for part in parts.values()))
    return np.asarray(sum(part * normal[:, names.index(name)] for name, part in parts.items()) / total)
