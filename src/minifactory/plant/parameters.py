"""Model parameters: value, unit, source and uncertainty of each, addressed by a dotted path.

Paths follow the description: ``C1.interstitial_porosity``, ``C1.product.nu``, ``akta1.PumpA.bias``. A set is
frozen; :meth:`ParameterSet.with_values` and :meth:`ParameterSet.draw` return new sets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.units import Kind

NEARLY = 1e-9
"""Added to the variances, so that rounded correlations of nearly one and the same stay possible."""


@dataclass(frozen=True)
class Uncertainty:
    """How far the true value may be from the stated one.

    Parameters
    ----------
    shape : str
        ``"normal"`` (standard deviation), ``"lognormal"`` (standard deviation of the natural logarithm) or
        ``"uniform"`` (half width).
    spread : float
        In SI units of the parameter, or relative to its value when `relative`; dimensionless for lognormal.
    relative : bool
        Whether `spread` is a fraction of the value.
    """

    shape: str
    spread: float
    relative: bool = False

    def deviate(self, random: np.random.Generator) -> float:
        """One deviate: uniform within -1 to 1 for a uniform shape, else standard normal."""
        return float(random.uniform(-1.0, 1.0) if self.shape == "uniform" else random.standard_normal())

    def at(self, value: float, deviate: float) -> float:
        """The value (SI) that lies `deviate` of its spreads from `value`."""
        if self.shape == "lognormal":
            return value * math.exp(self.spread * deviate)
        return value + self.spread * (abs(value) if self.relative else 1.0) * deviate


@dataclass(frozen=True)
class Parameter:
    """One model parameter (SI), with bounds, uncertainty, source and place in the file."""

    path: str
    value: float
    kind: Kind
    source: str
    uncertainty: Uncertainty | None = None
    lower: float = -math.inf
    upper: float = math.inf
    where: str = ""


@dataclass(frozen=True)
class ParameterSet(Mapping[str, float]):
    """A frozen mapping of path to SI value that also knows each value's uncertainty and source.

    Parameters
    ----------
    parameters : Mapping of str to Parameter
        All of them.
    mismatch : Mapping of str to float
        Declared relative deviation of the virtual skid's truth from these values (0.05 = 5 % more), by path;
        of a value of 0, the deviation itself.
    version : str
        Which version of ``parameters.yaml`` this is.
    correlations : Mapping of (str, str) to float
        Correlation of the deviates of two parameters of normal or lognormal uncertainty, each pair once.
    """

    parameters: Mapping[str, Parameter]
    mismatch: Mapping[str, float] = field(default_factory=dict)
    version: str = "1"
    correlations: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __getitem__(self, path: str) -> float:
        try:
            return self.parameters[path].value
        except KeyError:
            raise InputError(
                Finding(
                    "parameters.yaml", f'no parameter "{path}"', remedy=did_you_mean(path, self.parameters)
                )
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def __contains__(self, path: object) -> bool:
        return path in self.parameters

    def get_or(self, path: str, default: float) -> float:
        """The value at `path`, or `default` (SI) when the file does not state it."""
        parameter = self.parameters.get(path)
        return default if parameter is None else parameter.value

    def first(self, paths: Iterable[str], default: float) -> float:
        """The value at the first of `paths` that the file states, or `default` (SI)."""
        for path in paths:
            if path in self.parameters:
                return self.parameters[path].value
        return default

    def with_values(self, values: Mapping[str, float]) -> ParameterSet:
        """The same set with other values (SI) at some paths; InputError for an unknown path."""
        changed = dict(self.parameters)
        for path, value in values.items():
            self[path]
            changed[path] = replace(changed[path], value=value)
        return replace(self, parameters=changed)

    def draw(self, random: np.random.Generator) -> ParameterSet:
        """One set drawn from the stated uncertainties, clipped to the bounds; the paths' order fixes it."""
        uncertain = {
            path: (parameter, parameter.uncertainty)
            for path, parameter in sorted(self.parameters.items())
            if parameter.uncertainty is not None
        }
        deviates = {path: spread.deviate(random) for path, (_, spread) in uncertain.items()}
        for path, parts in self.mixing().items():
            if path in uncertain:
                deviates[path] = sum(part * deviates[other] for other, part in parts.items())
        values = {}
        for path, (parameter, spread) in uncertain.items():
            drawn = spread.at(parameter.value, deviates[path])
            values[path] = min(max(drawn, parameter.lower), parameter.upper)
        return self.with_values(values)

    def mixing(self) -> dict[str, dict[str, float]]:
        """How correlated deviates are made of independent ones: for each path its parts of others.

        The order is such that each deviate is mixed of itself and of those that come after it in the mapping.

        Raises
        ------
        InputError
            The correlations contradict each other.
        """
        paths = sorted({path for pair in self.correlations for path in pair})
        if not paths:
            return {}
        matrix = np.eye(len(paths))
        for (one, other), value in self.correlations.items():
            row, column = paths.index(one), paths.index(other)
            matrix[row, column] = matrix[column, row] = value
        try:
            lower = np.linalg.cholesky(matrix + NEARLY * np.eye(len(paths)))
        except np.linalg.LinAlgError:
            raise InputError(
                Finding(
                    "parameters.yaml correlations",
                    f"those of {', '.join(paths)} contradict each other",
                    "a positive definite matrix",
                    "Take over all correlations of one calibration together.",
                )
            ) from None
        rows = [
            {paths[column]: float(lower[row, column]) for column in range(row + 1)}
            for row in range(len(paths))
        ]
        return dict(reversed(list(zip(paths, rows, strict=True))))

    def truth(self, seed: int) -> ParameterSet:
        """The virtual skid's parameters: a seeded draw plus the declared mismatch; never these values.

        The mismatch of a parameter that is stated as 0 (a bias, an offset) is added as it is.
        """
        return self.mismatched(self.draw(np.random.default_rng(seed)))

    def mismatched(self, drawn: ParameterSet) -> ParameterSet:
        """`drawn`, which is a draw from this set, with the declared mismatch."""
        moved = {}
        for path, part in self.mismatch.items():
            scale = 1.0 if self[path] == 0.0 else drawn[path]
            moved[path] = drawn[path] + part * scale
        return drawn.with_values(moved)
