"""Rival explanations of the same runs: fitted alike, compared by a criterion, averaged by their weights.

A triangular peak may be one overloaded protein, or several variants of it in the linear range. A rival takes
the case with proteins as variants (:mod:`variants`) and parameters held at other values; it may be declared
in a file or generated:

    rivals:
      overloaded: {}
      two variants: {variants: {product: 2}, hold: {C1.product.sigma: 0}, odds: 1}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from minifactory.calibration.estimation.criterion import Criterion, criteria, strength, weights
from minifactory.calibration.estimation.draws import draws
from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.result import Step
from minifactory.calibration.estimation.variants import Split
from minifactory.errors import Finding, InputError, SolverError
from minifactory.plant.model import Column, Plant

AS_IT_IS = "the case as it is"
GENERATED = (2, 3)
"""Numbers of variants that are tried where no rivals are declared."""
CLOSE = 2.0
"""Difference of a criterion within which rivals are equally good."""
KEPT_DRAWS = 64


@dataclass(frozen=True)
class Rival:
    """One explanation: proteins as variants, values (SI) that are held, and its odds before the data."""

    name: str
    variants: Mapping[str, int] = field(default_factory=dict)
    hold: Mapping[str, float] = field(default_factory=dict)
    odds: float = 1.0


@dataclass(frozen=True, eq=False)
class Weighed:
    """A rival that was fitted.

    `held` are values (SI by path) that were not estimated with it, those of earlier steps among them; `draws`
    are values that it leaves possible, the best first.
    """

    rival: Rival
    split: Split
    step: Step
    fit: Fit
    criterion: Criterion
    weight: float
    held: Mapping[str, float]
    draws: tuple[Mapping[str, float], ...]

    def values(self, draw: int) -> dict[str, float]:
        """All values (SI by path) of one draw, what variants share among them; 0 is the best."""
        found = {**self.held, **self.draws[draw]}
        return found | {path: found[source] for path, source in self.split.ties.items() if source in found}


@dataclass(frozen=True, eq=False)
class Comparison:
    """All rivals, the preferred first; findings on those that could not be fitted."""

    rivals: tuple[Weighed, ...]
    left_out: tuple[Finding, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Which is preferred and how strongly, in words."""
        best, *others = self.rivals
        found = list(self.left_out)
        for other in others:
            aicc, bic = (
                other.criterion.aicc - best.criterion.aicc,
                other.criterion.bic - best.criterion.bic,
            )
            said = f'"{best.rival.name}" explains the runs better than "{other.rival.name}": {strength(aicc)}'
            if aicc < CLOSE:
                said = f'"{best.rival.name}" and "{other.rival.name}" explain the runs equally well'
            found.append(
                Finding(
                    "rivals",
                    f"{said} (AICc {aicc:+.1f}, BIC {bic:+.1f}; weights {best.weight:.2g} and "
                    f"{other.weight:.2g})",
                    severity="warning",
                )
            )
        if best.rival.name != AS_IT_IS and any(item.rival.name == AS_IT_IS for item in others):
            found.append(
                Finding(
                    "rivals",
                    f"the new parameters are those of {AS_IT_IS}, which is not preferred",
                    remedy="Predict with all rivals (simulate --rivals), or describe the preferred one.",
                    severity="warning",
                )
            )
        return tuple(found)

    def document(self) -> dict[str, object]:
        """For JSON, without the draws."""
        return {
            item.rival.name: {
                "weight": item.weight,
                "aicc": item.criterion.aicc,
                "bic": item.criterion.bic,
                "deviance": item.criterion.deviance,
                "parameters": item.criterion.parameters,
                "residuals_that_count": item.criterion.counted,
                "variants": dict(item.rival.variants),
                "hold": dict(item.rival.hold),
                "values": dict(item.draws[0]),
            }
            for item in self.rivals
        }


def generated(plant: Plant, column: Column) -> list[Rival]:
    """The case as it is, its main protein as two or three variants in the linear range, and as two variants
    that overload as well.

    Where the binding law has no shielding to hold at zero, variants only.

    Raises
    ------
    InputError
        No protein is loaded.
    """
    loaded = {
        name: amount * plant.species[name].molar_mass
        for material in plant.materials.values()
        for name, amount in material.composition.items()
        if plant.species[name].role.is_protein and amount > 0.0
    }
    if not loaded:
        raise InputError(Finding("--rivals", "no material of the case holds protein", "a feed with protein"))
    main = max(loaded, key=lambda name: loaded[name])
    linear = column.binding_model.lower() == "sma"
    hold = {f"{column.name}.{name}.sigma": 0.0 for name in loaded} if linear else {}
    variants = [Rival(f"{count} variants of {main}", {main: count}) for count in GENERATED]
    if not linear:
        return [Rival(AS_IT_IS), *variants]
    held = [Rival(f"{item.name}, linear", item.variants, hold) for item in variants]
    return [Rival(AS_IT_IS), *held, variants[0]]


def compare(
    rivals: Sequence[Rival],
    fitted: Callable[[Rival], tuple[Step, Split]],
    known: Mapping[str, float],
    seed: int = 1,
) -> Comparison:
    """`rivals` fitted by `fitted`, weighed by AICc; those that cannot be simulated are left out and told.

    Parameters
    ----------
    fitted : callable
        The last step of a calibration under a rival, and the plant that it was made on.
    known : Mapping of str to float
        Values (SI by path) that earlier steps found.
    """
    steps: list[tuple[Step, Split]] = []
    fits: list[Fit] = []
    kept: list[Rival] = []
    left_out: list[Finding] = []
    for rival in rivals:
        try:
            step, made = fitted(rival)
        except SolverError as fault:
            left_out += [
                Finding(f'rival "{rival.name}"', f.found, f.expected, "It is left out.", "warning")
                for f in fault.findings
            ]
            continue
        assert step.fit is not None
        steps.append((step, made))
        fits.append(step.fit)
        kept.append(rival)
    if not fits:
        raise SolverError(left_out)
    judged = criteria(fits)
    worth = weights([item.aicc for item in judged], [rival.odds for rival in kept])
    found = [
        Weighed(
            rival,
            split,
            step,
            fit,
            criterion,
            weight,
            {**known, **rival.hold},
            (fit.values, *draws(fit, KEPT_DRAWS, seed, step.posterior)),
        )
        for rival, (step, split), fit, criterion, weight in zip(kept, steps, fits, judged, worth, strict=True)
    ]
    return Comparison(tuple(sorted(found, key=lambda item: item.criterion.aicc)), tuple(left_out))
