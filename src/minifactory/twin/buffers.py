"""The recipe of a buffer: which volumes of which stocks give the wanted pH and conductivity.

The amount of buffer substance is given by its concentration. Acid or base is added until the charge balance
holds at the wanted pH; salt until the conductivity is right; water fills up. pH rises with every drop of base
and falls with acid, conductivity rises with salt, so that two nested searches in one variable each find the
recipe, or how far the stocks reach.

Chemistry: :mod:`~minifactory.twin.electrolyte`. Volumes are taken as additive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.catalogue.substances import all_compounds, all_species
from minifactory.plant.model import Role, Species
from minifactory.twin.electrolyte import Electrolyte, electrolyte

Composition = Mapping[str, float]


@dataclass(frozen=True)
class Stock:
    """A stock solution: name and composition (species -> mol/m3; H+ and OH- follow from it)."""

    name: str
    composition: Composition


@dataclass(frozen=True)
class Wanted:
    """What a buffer is to be.

    Parameters
    ----------
    buffer : str
        Buffer substance: a weak acid or base by its name in the catalogue.
    concentration : float
        Of all its forms together, mol/m3.
    ph : float
    conductivity : float, optional
        S/m at `temperature`; else as much salt as `salt` says.
    salt : float
        Concentration of the salt, mol/m3; only without `conductivity`.
    temperature : float
        K, at which pH and conductivity are meant.
    volume : float
        m3.
    """

    buffer: str
    concentration: float
    ph: float
    conductivity: float | None = None
    salt: float = 0.0
    temperature: float = 298.15
    volume: float = 1e-3


@dataclass(frozen=True)
class Stocks:
    """The stocks at hand: of the buffer substance, an acid, a base and a salt."""

    buffer: Stock
    acid: Stock
    base: Stock
    salt: Stock


@dataclass(frozen=True)
class BufferRecipe:
    """Volumes of stocks, and what they make.

    Attributes
    ----------
    volumes : Mapping of str to float
        m3 of each stock that is needed, "water" last.
    composition : Mapping of str to float
        mol/m3 by species.
    ph, conductivity : float
        S/m; at the wanted temperature.
    ionic_strength : float
        mol/m3.
    capacity : float
        Strong base per volume and pH unit, mol/m3.
    ph_per_kelvin : float
        How the pH moves with temperature, 1/K.
    """

    volumes: Mapping[str, float]
    composition: Composition
    ph: float
    conductivity: float
    ionic_strength: float
    capacity: float
    ph_per_kelvin: float
    wanted: Wanted = field(repr=False)


def buffer_substances() -> dict[str, Species]:
    """The buffer substances of the catalogue by name."""
    return {name: item for name, item in all_species().items() if item.role is Role.WEAK_ACID}


def compound(name: str, concentration: float) -> Stock:
    """A stock of a compound or species of the catalogue, `concentration` in mol/m3.

    Raises
    ------
    InputError
        Unknown name.
    """
    compounds, species = all_compounds(), all_species()
    if name not in compounds and name not in species:
        raise InputError(
            Finding(
                f"stock {name}",
                "no known compound or species",
                "",
                did_you_mean(name, [*compounds, *species]),
            )
        )
    parts = compounds.get(name, {name: 1.0})
    return Stock(name, {item: number * concentration for item, number in parts.items()})


def usual_stocks(buffer: str) -> Stocks:
    """1 M of the buffer substance as free acid or base, 1 M HCl, 1 M NaOH, 5 M NaCl."""
    return Stocks(
        Stock(f"{buffer}, free", {buffer: 1000.0}), compound("HCl", 1000.0), compound("NaOH", 1000.0),
        compound("NaCl", 5000.0),
    )  # fmt: skip


def buffer_recipe(wanted: Wanted, stocks: Stocks | None = None) -> BufferRecipe:
    """The recipe for a wanted buffer from `stocks` (default: :func:`usual_stocks`).

    Raises
    ------
    InputError
        Unknown substance; a pH that these stocks do not reach; a conductivity below that of the buffer
        without salt, or above what the salt stock gives; stocks too dilute for the volume.
    """
    known = buffer_substances()
    if wanted.buffer not in known:
        raise InputError(
            Finding(
                "buffer", f'"{wanted.buffer}" is no buffer substance', "", did_you_mean(wanted.buffer, known)
            )
        )
    chosen = stocks or usual_stocks(wanted.buffer)
    kitchen = _Kitchen(wanted, chosen)
    shares = kitchen.shares()
    used = [(stock.name, share) for stock, share in zip(kitchen.stocks, shares, strict=True) if share > 0.0]
    water = 1.0 - sum(share for _, share in used)
    if water < -1e-9:
        raise InputError(
            Finding(
                f"buffer {wanted.buffer}", f"the stocks fill {100.0 * (1.0 - water):.1f} % of the volume",
                "at most 100 %", "Take stronger stocks, or ask for less concentration or conductivity.",
            )
        )  # fmt: skip
    volumes = {name: float(share * wanted.volume) for name, share in [*used, ("water", max(water, 0.0))]}
    mixed = kitchen.mixed(shares)
    warmer = float(kitchen.model.ph(mixed, wanted.temperature + 1.0))
    colder = float(kitchen.model.ph(mixed, wanted.temperature - 1.0))
    ph, conductivity = kitchen.measured(shares)
    return BufferRecipe(
        volumes,
        {name: float(value) for name, value in zip(kitchen.names, mixed, strict=True) if value > 0.0},
        ph, conductivity, kitchen.ionic_strength(mixed, ph), kitchen.capacity(mixed), (warmer - colder) / 2.0,
        wanted,
    )  # fmt: skip


class _Kitchen:
    """The stocks as arrays, and the searches."""

    def __init__(self, wanted: Wanted, stocks: Stocks) -> None:
        self.wanted = wanted
        self.stocks = (stocks.buffer, stocks.acid, stocks.base, stocks.salt)
        found = {name for stock in self.stocks for name in stock.composition}
        self.names = tuple(name for name in all_species() if name in found)
        self.species = tuple(all_species()[name] for name in self.names)
        self.model: Electrolyte = electrolyte(self.species)
        rows = [[stock.composition.get(name, 0.0) for name in self.names] for stock in self.stocks]
        self.contents = np.array(rows)
        strength = stocks.buffer.composition.get(wanted.buffer, 0.0)
        if not strength > 0.0:
            raise InputError(
                Finding(f"stock {stocks.buffer.name}", f"holds no {wanted.buffer}", "the buffer substance")
            )
        self.buffer_share = wanted.concentration / strength

    def mixed(self, shares: np.ndarray) -> np.ndarray:
        return np.asarray(shares @ self.contents)

    def measured(self, shares: np.ndarray) -> tuple[float, float]:
        ph, conductivity = self.model.evaluate(self.mixed(shares), self.wanted.temperature)
        return float(ph), float(conductivity)

    def shares(self) -> np.ndarray:
        """Volume shares of buffer, acid, base and salt stock."""
        wanted = self.wanted
        if wanted.conductivity is None:
            strength = float(np.max(self.contents[3], initial=0.0))
            return self.titrated(wanted.salt / strength if wanted.salt > 0.0 else 0.0)
        none, all_salt = self.titrated(0.0), self.titrated(1.0)
        low, high = self.measured(none)[1], self.measured(all_salt)[1]
        if not low <= wanted.conductivity <= high:
            raise InputError(
                Finding(
                    f"buffer {wanted.buffer} at pH {wanted.ph:g}",
                    f"conductivity {10.0 * wanted.conductivity:.4g} mS/cm",
                    f"{10.0 * low:.4g} (no salt) to {10.0 * high:.4g} mS/cm with these stocks",
                    "Ask for another conductivity, less buffer, or another salt stock.",
                )
            )
        aim = wanted.conductivity
        level = _root(lambda salt: self.measured(self.titrated(salt))[1] - aim, 0.0, 1.0)
        return self.titrated(level)

    def titrated(self, salt: float) -> np.ndarray:
        """Shares at this share of salt stock, acid or base added up to the wanted pH."""
        wanted = self.wanted

        def shares(dose: float) -> np.ndarray:
            return np.array([self.buffer_share, max(-dose, 0.0), max(dose, 0.0), salt])

        def off(dose: float) -> float:
            return self.measured(shares(dose))[0] - wanted.ph

        lowest, highest = off(-1.0), off(1.0)
        if lowest > 0.0 or highest < 0.0:
            raise InputError(
                Finding(
                    f"buffer {wanted.buffer}", f"pH {wanted.ph:g}",
                    f"{wanted.ph + lowest:.2f} to {wanted.ph + highest:.2f} with these stocks",
                    "Take stronger acid or base.",
                )
            )  # fmt: skip
        return shares(_root(off, -1.0, 1.0))

    def ionic_strength(self, mixed: np.ndarray, ph: float) -> float:
        """mol/m3 at concentrations `mixed`; H+ and OH- are left out (they matter below pH 3, above 11)."""
        total = 0.0
        shift = (1.0 / self.wanted.temperature - 1.0 / 298.15) / (8.314462618 * np.log(10.0))
        for item, value in zip(self.species, mixed, strict=True):
            charges, shares = [float(item.charge)], np.ones(1)
            if item.role is Role.WEAK_ACID:
                steps = zip(item.pka, item.enthalpy or [0.0] * len(item.pka), strict=True)
                constants = [10.0 ** (ph - pka - heat * shift) for pka, heat in steps]
                shares = np.cumprod([1.0, *constants])
                charges = [item.acid_charge - step for step in range(len(shares))]
            total += 0.5 * value * float(np.dot(shares, np.square(charges)) / shares.sum())
        return total

    def capacity(self, mixed: np.ndarray) -> float:
        """d(strong base)/d(pH), mol/m3, by a small dose of the base's own ions."""
        base = self.contents[2] / max(float(self.contents[2].max(initial=0.0)), 1e-300)
        dose = 1e-3 * max(self.wanted.concentration, 1.0)
        change = self.model.ph(np.array([mixed, mixed + dose * base]), self.wanted.temperature)
        return float(dose / (change[1] - change[0]))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root between two signs, to a millionth of the range."""
    return float(brentq(function, low, high, xtol=1e-9, rtol=1e-12))
