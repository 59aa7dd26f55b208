"""A network of units, checked and laid out once as flat arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.twin.binding.protocol import CompiledBinding
from minifactory.twin.engine.flow_course import flow_sequence
from minifactory.twin.engine.layout import Layout, build_layout
from minifactory.twin.engine.specification import Bed, Inlet, Link, NetworkUnit, StirredTank, Tube, Vessel
from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class Network:
    """Units and how they are connected; streams may lead round in loops.

    Parameters
    ----------
    components : tuple of str
        Every concentration array has them in this order on its last axis.
    units : tuple of StirredTank, Vessel, Tube, Bed
    inlets : tuple of Inlet
        Boundaries with given concentrations; inlet arrays have them in this order.
    links : tuple of Link
        Flow arrays have them in this order.

    Raises
    ------
    InputError
        All faults at once: unknown or repeated names, numbers out of bounds.
    """

    components: tuple[str, ...]
    units: tuple[NetworkUnit, ...]
    inlets: tuple[Inlet, ...]
    links: tuple[Link, ...]
    _order: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("components", "units", "inlets", "links"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        findings = list(_name_findings(self)) + [f for unit in self.units for f in _unit_findings(unit)]
        if findings:
            raise InputError(findings)
        object.__setattr__(self, "_order", _flow_order(self))

    @cached_property
    def layout(self) -> Layout:
        """The flat arrays; built on first use (compiles the laws of the bindings)."""
        return build_layout(self.components, [self.units[i] for i in self._order], self.inlets, self.links)

    @cached_property
    def gains(self) -> Array:
        """What a unit gains from a link, (links, units): 1 into it, -1 out of it; 0 for a vessel."""
        names = [unit.name for unit in self.units]
        matrix = np.zeros((len(self.links), len(names)))
        for k, link in enumerate(self.links):
            matrix[k, names.index(link.target)] += 1.0
            if link.source in names:
                matrix[k, names.index(link.source)] -= 1.0
        matrix[:, [isinstance(unit, Vessel) for unit in self.units]] = 0.0
        return matrix

    @cached_property
    def forward(self) -> Network:
        """The network without the links by which units run backwards; itself when there are none.

        Its states are those of the network.
        """
        kept = tuple(link for link in self.links if not link.backward)
        return (
            self if len(kept) == len(self.links) else Network(self.components, self.units, self.inlets, kept)
        )

    @cached_property
    def ends(self) -> Array | None:
        """Which links enter a tube or bed at its inlet, at its outlet, and leave it there, (4, links, units).

        None when none of them runs backwards.
        """
        if not any(link.backward for link in self.links):
            return None
        found = np.zeros((4, len(self.links), len(self.units)))
        place = {unit.name: at for at, unit in enumerate(self.units) if isinstance(unit, Tube | Bed)}
        for k, link in enumerate(self.links):
            if link.target in place:
                found[int(link.target_end == "outlet"), k, place[link.target]] = 1.0
            if link.source in place:
                found[2 + int(link.source_end == "outlet"), k, place[link.source]] = 1.0
        return found

    def unit(self, name: str) -> NetworkUnit:
        """The unit called `name`."""
        for unit in self.units:
            if unit.name == name:
                return unit
        raise InputError(
            Finding("network", f'no unit "{name}"', "", did_you_mean(name, [u.name for u in self.units]))
        )

    def composition(self, concentrations: Mapping[str, float]) -> Array:
        """Concentrations (mol/m3) by name as an array (nc,); components that are not named are 0."""
        unknown = [name for name in concentrations if name not in self.components]
        if unknown:
            raise InputError(
                [
                    Finding("composition", f'"{n}" is not a component', "", did_you_mean(n, self.components))
                    for n in unknown
                ]
            )
        return np.array([float(concentrations.get(name, 0.0)) for name in self.components])

    def initial_state(
        self,
        concentrations: Array | Mapping[str, float] | Mapping[str, Array],
        bound: Mapping[str, Array] | None = None,
        volumes: Mapping[str, float] | None = None,
    ) -> Array:
        """The state vector with uniform liquid in each unit, bound states in equilibrium with it.

        Parameters
        ----------
        concentrations : ndarray (nc,), Mapping of component to mol/m3, or Mapping of unit to ndarray (nc,)
            The same everywhere, or per unit (every unit named).
        bound : Mapping of bed name to ndarray (nb,) or (points, nb), optional
            Given bound states, mol per m3 of solid, instead of equilibrium.
        volumes : Mapping of vessel name to float, optional
            Volumes of vessels, m3, instead of those of their description.
        """
        held = {unit.name: unit.filled for unit in self.units if isinstance(unit, Vessel)}
        for name, volume in (volumes or {}).items():
            unit = self.unit(name)
            if not isinstance(unit, Vessel) or not 0.0 <= volume <= unit.capacity:
                raise InputError(
                    Finding(f"initial volume of {name}", f"{volume:g} m3", "0 to a vessel's capacity")
                )
            held[name] = float(volume)
        return self.forward.layout.initial_state(_per_unit(self, concentrations), dict(bound or {}), held)


def _per_unit(network: Network, given: Array | Mapping[str, float] | Mapping[str, Array]) -> dict[str, Array]:
    names = [unit.name for unit in network.units]
    if isinstance(given, Mapping):
        if given and all(isinstance(value, np.ndarray) for value in given.values()):
            missing = [name for name in names if name not in given]
            if missing:
                raise InputError(Finding("initial state", f"no concentrations for {', '.join(missing)}"))
            return {name: _checked(network, np.asarray(given[name], dtype=float)) for name in names}
        uniform = network.composition(given)  # type: ignore[arg-type]
    else:
        uniform = _checked(network, np.asarray(given, dtype=float))
    return dict.fromkeys(names, uniform)


def _checked(network: Network, values: Array) -> Array:
    if values.shape != (len(network.components),) or not np.all(np.isfinite(values)):
        raise InputError(
            Finding(
                "initial state", f"{values}", f"{len(network.components)} finite concentrations in mol/m3"
            )
        )
    return values


def _name_findings(network: Network) -> Sequence[Finding]:
    findings = []
    units = [unit.name for unit in network.units]
    nodes = units + [inlet.name for inlet in network.inlets]
    if not network.components or not network.units:
        findings.append(Finding("network", "no components or no units", "at least one of each"))
    for names, what in ((network.components, "component"), (nodes, "unit or inlet")):
        findings += [
            Finding("network", f'{what} "{name}" appears {names.count(name)} times', "unique names")
            for name in dict.fromkeys(names)
            if names.count(name) > 1
        ]
    for link in network.links:
        where = f"network link {link.source} -> {link.target}"
        if link.source not in nodes:
            findings.append(Finding(where, "unknown source", "", did_you_mean(link.source, nodes)))
        if link.target not in units:
            findings.append(Finding(where, "unknown target", "a unit", did_you_mean(link.target, units)))
    return findings + _membrane_findings(network)


def _membrane_findings(network: Network) -> list[Finding]:
    """A membrane stands between stirred tanks."""
    tanks = {unit.name: unit for unit in network.units if isinstance(unit, StirredTank)}
    findings = [
        Finding(f"network unit {unit.name}", f'sieving of "{name}" is {part:g}', "a component, 0 to 1")
        for unit in tanks.values()
        for name, part in unit.sieving.items()
        if name not in network.components or not 0.0 <= part <= 1.0
    ]
    for link in network.links:
        if link.target in tanks and tanks[link.target].sieving and link.source not in tanks:
            where = f"network link {link.source} -> {link.target}"
            findings.append(Finding(where, "a membrane behind what is no stirred tank", "a stirred tank"))
    return findings


def _unit_findings(unit: NetworkUnit) -> Sequence[Finding]:
    where = f"network unit {unit.name}"
    bounds: dict[str, tuple[float, bool]] = {}
    if isinstance(unit, Vessel):
        bounds["capacity"] = (unit.capacity, unit.capacity > 0.0)
        bounds["filled"] = (unit.filled, 0.0 <= unit.filled <= unit.capacity)
    if isinstance(unit, StirredTank | Tube):
        bounds["volume"] = (unit.volume, unit.volume > 0.0)
    if isinstance(unit, Tube):
        given = [unit.stages is not None, unit.peclet is not None, unit.dispersion is not None]
        if sum(given) != 1 or (unit.dispersion is not None) != (unit.length is not None):
            return [Finding(where, f"{unit}", "one of: stages; peclet; length and dispersion")]
    if isinstance(unit, Bed):
        bounds["length"] = (unit.length, unit.length > 0.0)
        bounds["area"] = (unit.area, unit.area > 0.0)
        bounds["interstitial_porosity"] = (unit.interstitial_porosity, 0.0 < unit.interstitial_porosity < 1.0)
        if unit.model.porous:
            bounds["particle_porosity"] = (unit.particle_porosity, 0.0 < unit.particle_porosity <= 1.0)
            bounds["particle_radius"] = (unit.mean_radius, unit.mean_radius > 0.0)
            for at, size in enumerate(unit.particle_sizes, start=1):
                bounds[f"radius of particle size {at}"] = (size.radius, size.radius > 0.0)
                bounds[f"fraction of particle size {at}"] = (size.fraction, 0.0 < size.fraction <= 1.0)
                film = 1.0 if size.film is None else size.film
                bounds[f"film of particle size {at}"] = (film, film > 0.0)
        if unit.particle_sizes:
            total = sum(size.fraction for size in unit.particle_sizes)
            bounds["sum of the fractions of the particle sizes"] = (total, abs(total - 1.0) < 1e-6)
            radius = unit.particle_radius
            bounds["particle_radius beside particle_sizes"] = (radius, radius == 0.0)
        if unit.particle_sizes and not unit.model.porous:
            return [Finding(where, f"particle sizes in a bed by {unit.model.name}", "LRMP or GRM")]
        bounds["elements"] = (unit.elements, unit.elements >= 1)
        bounds["degree"] = (unit.degree, 1 <= unit.degree <= 10)
    return [
        Finding(where, f"{name} is {value:g}", "a value in its physical range")
        for name, (value, good) in bounds.items()
        if not good or not np.isfinite(value)
    ]


def _flow_order(network: Network) -> tuple[int, ...]:
    """Positions of the units in the direction of forward flow; somewhere in a loop, the order leads back."""
    index = {unit.name: i for i, unit in enumerate(network.units)}
    links = [link for link in network.links if not link.backward]
    source = np.array([index.get(link.source, -1) for link in links], dtype=np.int64)
    target = np.array([index[link.target] for link in links], dtype=np.int64)
    sequence, rank = (np.zeros(len(index), dtype=np.int64) for _ in range(2))
    flow_sequence(source, target, np.ones(len(source), dtype=np.int64), sequence, rank)
    return tuple(int(u) for u in sequence)


def binding_of(unit: NetworkUnit, components: Sequence[str]) -> CompiledBinding | None:
    """The compiled binding of a bed; None for other units."""
    return unit.binding.compile(components) if isinstance(unit, Bed) else None
