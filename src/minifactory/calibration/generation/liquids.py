"""Compositions that have a measured conductivity and pH.

One weak acid carries the pH, a strong acid or base sets it, sodium chloride makes up the conductivity; both
unknowns are found by bisection on :mod:`minifactory.twin.electrolyte`. Conductivity rises with the salt, and
pH with the base, so each root is unique. Which acid, and how much of it, is what the name of the step says,
else assumed from the pH.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from minifactory.plant.catalogue.substances import all_species
from minifactory.twin.electrolyte import electrolyte

BUFFERS: tuple[tuple[float, str], ...] = (
    (5.8, "acetate"),
    (7.6, "phosphate"),
    (9.2, "tris"),
    (11.5, "carbonate"),
)
"""Up to which pH a buffer substance is assumed when nothing names one."""
ALKALINE = 11.5
"""Above this pH the liquid is taken for sodium hydroxide."""
DEFAULT_BUFFER = 20.0
"""mol/m3 of the buffer substance when nothing tells it."""
TRACE_BUFFER = 2.0
"""mol/m3 of the buffer substance in a liquid whose name has none: it only carries the measured pH."""
MOST = 6000.0
"""mol/m3 up to which salt and base are searched."""

_HINT = re.compile(
    r"(?<![\d.])(\d+(?:\.\d+)?)\s*(mM|M)?\s*_?(acetate|phosphate|tris|citrate|hepes|mes|histidine|glycine|nacl|naoh)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Liquid:
    """A liquid with the composition that meets what was measured.

    `composition` in mol/m3; `conductivity` (S/m) and `ph` as measured, None when they were not; `source` says
    where the numbers come from, `basis` which part of the composition was assumed.
    """

    name: str
    description: str
    composition: Mapping[str, float]
    conductivity: float | None = None
    ph: float | None = None
    source: str = ""
    basis: str = ""


@dataclass(frozen=True)
class Hints:
    """Concentrations (mol/m3) by substance that a name states, such as ``Elution_B_20Acetate_167NaCl``."""

    stated: Mapping[str, float] = field(default_factory=dict)

    @property
    def buffer(self) -> tuple[str, float] | None:
        """The buffer substance and its concentration."""
        found = [(name, amount) for name, amount in self.stated.items() if name not in ("nacl", "naoh")]
        return found[0] if found else None


def hints(names: str) -> Hints:
    """What the names of steps say of the liquid; a number without unit counts as mM."""
    found = {}
    for number, unit, substance in _HINT.findall(names.replace("_", " ")):
        found[substance.lower()] = float(number) * (1000.0 if unit == "M" else 1.0)
    return Hints(found)


def compose(conductivity: float, ph: float | None, said: Hints | None = None) -> tuple[dict[str, float], str]:
    """A composition (mol/m3 by species) with this conductivity (S/m) and pH, and what of it was assumed.

    Without a pH it is sodium chloride alone.
    """
    told = said or Hints()
    if ph is None:
        salt = _root(lambda x: _measure({"sodium": x, "chloride": x})[1] - conductivity)
        return {"sodium": salt, "chloride": salt}, "sodium chloride alone: the pH was not measured"
    if ph > ALKALINE and "nacl" not in told.stated:
        base = _root(lambda x: _measure({"sodium": x})[1] - conductivity)
        return {"sodium": base}, "sodium hydroxide, from its pH"
    if told.buffer is not None:
        acid, amount = told.buffer
        basis = f"{amount:g} mM {acid} from the name of the step, sodium chloride from the conductivity"
    else:
        acid = next((name for limit, name in BUFFERS if ph <= limit), BUFFERS[-1][1])
        amount = TRACE_BUFFER if told.stated else DEFAULT_BUFFER
        basis = f"{amount:g} mM {acid} assumed from the pH, sodium chloride from the conductivity"
    if _with_salt(acid, amount, 0.0, ph)[1] > conductivity:
        amount = _root(lambda x: _with_salt(acid, x, 0.0, ph)[1] - conductivity, amount)
        composition = _with_salt(acid, amount, 0.0, ph)[0]
        return composition, f"{acid} buffer without salt, its concentration from the conductivity"
    salt = _root(lambda x: _with_salt(acid, amount, x, ph)[1] - conductivity)
    return _with_salt(acid, amount, salt, ph)[0], basis


def with_more_salt(
    base: Mapping[str, float], other: Mapping[str, float], share: float, conductivity: float
) -> dict[str, float]:
    """`base` with the sodium chloride that gives `conductivity` (S/m) in a mixture with `other`.

    `share` is the part (0 to 1) of the liquid looked for in the mixture; concentrations in mol/m3.
    """

    def mixed(salt: float) -> dict[str, float]:
        return {
            name: share * salted(salt).get(name, 0.0) + (1.0 - share) * other.get(name, 0.0)
            for name in {*salted(salt), *other}
        }

    def salted(salt: float) -> dict[str, float]:
        more = {"sodium": salt, "chloride": salt}
        return {name: base.get(name, 0.0) + more.get(name, 0.0) for name in {**base, **more}}

    return salted(_root(lambda salt: _measure(mixed(salt))[1] - conductivity))


def measure(composition: Mapping[str, float]) -> tuple[float, float]:
    """pH and conductivity (S/m, 25 degC) of a composition (mol/m3 by species)."""
    return _measure(composition)


def _measure(composition: Mapping[str, float]) -> tuple[float, float]:
    known = all_species()
    names = list(composition)
    model = electrolyte([known[name] for name in names])
    ph, conductivity = model.evaluate(np.array([composition[name] for name in names]))
    return float(ph), float(conductivity)


def _with_salt(acid: str, amount: float, salt: float, ph: float) -> tuple[dict[str, float], float]:
    """The composition at this pH with its conductivity (S/m)."""

    def composition(base: float) -> dict[str, float]:
        strong = {"sodium": salt + max(base, 0.0), "chloride": salt + max(-base, 0.0)}
        return {acid: amount, **strong}

    charge = 3.0 * amount + 10.0 + salt
    low, high = -charge, charge
    for _ in range(50):
        middle = 0.5 * (low + high)
        if _measure(composition(middle))[0] < ph:
            low = middle
        else:
            high = middle
    found = composition(0.5 * (low + high))
    return found, _measure(found)[1]


def _root(difference: Callable[[float], float], most: float = MOST) -> float:
    """Where a rising function passes zero between 0 and `most`; an end of the range when it does not."""
    low, high = 0.0, most
    for _ in range(40):
        middle = 0.5 * (low + high)
        if difference(middle) < 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
