"""Lays a checked network out as :class:`Tables`, and its states as one vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minifactory.numerics import nodal
from minifactory.twin.binding.equilibrium import equilibrium
from minifactory.twin.binding.law_kernels import law_address
from minifactory.twin.binding.protocol import CompiledBinding
from minifactory.twin.engine import tables as t
from minifactory.twin.engine.specification import Inlet, Link, NetworkUnit
from minifactory.twin.engine.tables import Array, Sizes, Tables
from minifactory.twin.engine.unit_parts import UnitParts, unit_parts

# "Rapid equilibrium" relaxes within this time (s). Too short to show, it lets a state that a step left
# slightly off its equilibrium find back, where an algebraic constraint would refuse every further step.
EQUILIBRIUM_TIME = 1.0e-6


@dataclass(frozen=True)
class Layout:
    """The tables of a network, the lengths of its work arrays, and what each state is.

    Attributes
    ----------
    held : ndarray (nc, size)
        Amount of each component (mol) per state, for liquid, particles and bound states.
    fixed : ndarray (nc,)
        Amount held at zero state, mol (ionic capacity).
    unit_index : dict
        Unit name to position in order of flow.
    link_index : ndarray (links,)
        Position of the tables' links in the order of the description.
    main_component : ndarray (size,)
        Component whose scale the absolute tolerance of a state follows; -1 for integrals.
    fronts : ndarray of bool (units, nc)
        Components whose fronts may sharpen themselves in a unit.
    monotone : ndarray
        `operators` of the tables with finite volumes in these units.
    """

    tables: Tables
    sizes: Sizes
    names: tuple[str, ...]
    components: tuple[str, ...]
    bindings: tuple[CompiledBinding | None, ...]
    held: Array
    fixed: Array
    unit_index: dict[str, int]
    link_index: t.Integers
    main_component: t.Integers
    fronts: NDArray[np.bool_]
    monotone: Array

    def holding(self) -> Tables:
        """The tables with upwind finite volumes where fronts may sharpen themselves: no undershoot."""
        return self.tables._replace(operators=self.monotone)

    def liquid(self, state: Array, unit: int) -> Array:
        """View of the liquid between particles of a unit, (nodes, nc)."""
        tb = self.tables
        at = tb.unit[unit, t.AT_STATE]
        return state[at : at + tb.unit[unit, t.NODES] * tb.components].reshape(-1, tb.components)

    def particles(self, state: Array, unit: int) -> Array:
        """View of the liquid that the binding sees, (points, nc): of the particle, or of the bed (LRM)."""
        tb = self.tables
        if tb.unit[unit, t.KIND] != t.PORES:
            return self.liquid(state, unit)
        at = tb.unit[unit, t.AT_STATE] + tb.unit[unit, t.NODES] * tb.components
        return state[at : at + tb.unit[unit, t.NODES] * tb.unit[unit, t.RADIAL] * tb.components].reshape(
            -1, tb.components
        )

    def bound(self, state: Array, unit: int) -> Array:
        """View of the bound states of a unit, (points, nb)."""
        tb = self.tables
        count = int(tb.unit[unit, t.NODES] * max(tb.unit[unit, t.RADIAL], 1) * tb.unit[unit, t.BOUND])
        end = tb.unit[unit + 1, t.AT_STATE]
        return state[end - count : end].reshape(-1, max(int(tb.unit[unit, t.BOUND]), 1))

    def volumes(self, state: Array) -> Array:
        """View of the volumes of the units, m3, (units,); liquid between particles in a bed."""
        return state[self.tables.size - self.tables.units :]

    def concentrations(self, state: Array, unit: int) -> Array:
        """Concentrations of the liquid between particles of a unit, mol/m3, (nodes, nc); a copy."""
        values = self.liquid(state, unit).copy()
        if self.tables.unit[unit, t.VESSEL]:
            values /= max(float(self.volumes(state)[unit]), float(self.tables.floor[unit]))
        return values

    def initial_state(
        self, liquid: Mapping[str, Array], bound: Mapping[str, Array], volumes: Mapping[str, float]
    ) -> Array:
        """The state with uniform liquid per unit (nc,) and bound states given or in equilibrium."""
        state = np.zeros(self.tables.size)
        for name, index in self.unit_index.items():
            volume = volumes.get(name, float(self.tables.by_unit[index, t.VOLUME, 0]))
            self.volumes(state)[index] = volume
            self.liquid(state, index)[:] = liquid[name] * (volume if name in volumes else 1.0)
            binding = self.bindings[index]
            if binding is None:
                continue
            self.particles(state, index)[:] = liquid[name]
            if not binding.bound:
                continue
            if name in bound:
                self.bound(state, index)[:] = bound[name]
            else:
                self.bound(state, index)[:] = equilibrium(binding, liquid[name])
        return state

    def amounts(self, state: Array) -> Array:
        """Amount of each component held in the network, mol, (nc,)."""
        return np.asarray(self.held @ state + self.fixed)

    def place(self, index: int) -> str:
        """Where state `index` is, in words."""
        tb = self.tables
        for u, name in enumerate(self.names):
            if index < tb.unit[u + 1, t.AT_STATE]:
                local = index - int(tb.unit[u, t.AT_STATE])
                nc, n, nr = tb.components, int(tb.unit[u, t.NODES]), int(tb.unit[u, t.RADIAL])
                if local < n * nc:
                    return f"unit {name}, node {local // nc + 1} of {n}, liquid {self.components[local % nc]}"
                local -= n * nc
                binding = self.bindings[u]
                if local < n * nr * nc:
                    component = self.components[local % nc]
                    return f"unit {name}, node {local // (nr * nc) + 1} of {n}, pores {component}"
                local -= n * nr * nc
                nb = int(tb.unit[u, t.BOUND])
                state = binding.bound[local % nb] if binding is not None else ""
                return f"unit {name}, node {local // (nb * max(nr, 1)) + 1} of {n}, bound {state}"
        return "mass balance"


def build_layout(
    components: Sequence[str], units: Sequence[NetworkUnit], inlets: Sequence[Inlet], links: Sequence[Link]
) -> Layout:
    """The layout of units that are given in order of flow."""
    nc, nu = len(components), len(units)
    parts = [unit_parts(unit, components) for unit in units]
    index = {unit.name: i for i, unit in enumerate(units)}
    widest = max([1] + [len(p.binding.bound) for p in parts if p.binding])
    unit = np.zeros((nu + 1, t.COLUMNS), dtype=np.int64)
    order = np.zeros((nu, nc), dtype=np.int64)
    by_unit, by_component = np.zeros((nu, t.UNIT_ROWS)), np.zeros((nu, t.COMPONENT_ROWS, nc))
    fronts = np.zeros((nu, nc), dtype=np.bool_)
    stoichiometry, kinetic = np.zeros((nu, nc, widest)), np.zeros((nu, widest))
    before_membranes = {link.source for link in links if parts[index[link.target]].membrane != t.OPEN}
    operators: list[Array] = []
    monotone: list[Array] = []
    parameters: list[Array] = [np.zeros(0)]
    at = {"operators": 0, "work": 0, "scratch": 0, "spare": 0}
    for u, part in enumerate(parts):
        binding = part.binding
        takes_part = binding.takes_part if binding is not None else np.zeros(nc, dtype=np.bool_)
        m, nb = int(takes_part.sum()), len(binding.bound) if binding is not None else 0
        order[u] = np.concatenate((np.flatnonzero(takes_part), np.flatnonzero(~takes_part)))
        by_unit[u] = part.volume, part.phase, part.solid, part.per_flow
        rows = (part.dispersion, part.dispersivity, part.film, part.pore, part.diffusion, part.surface)
        for column, given in enumerate((*rows, part.film, part.film_power)):
            by_component[u, column] = 0.0 if given is None else given
        by_component[u, t.SIEVING] = 1.0 if part.sieving is None else part.sieving
        if part.fronts is not None:
            fronts[u] = part.fronts
        row, after = unit[u], unit[u + 1]
        pieces, upwind = _operators(part)
        n, nr, per = len(part.operators.position), part.radial, part.operators.per
        feeds = units[u].name in before_membranes  # each component is then kept back to another part
        same = bool(np.all(part.dispersion == part.dispersion[0])) and not feeds
        row[: t.AT_OPERATORS] = part.kind, n, nr, nb, m, int(part.kind == t.CELLS and same), n // per, per
        row[t.AT_OPERATORS] = at["operators"]
        row[t.AT_SPHERE] = at["operators"] + len(pieces[0]) + 1
        row[t.VESSEL], row[t.SIZES] = int(part.floor > 0.0), part.sizes
        row[t.MEMBRANE], row[t.FEEDS_MEMBRANE] = part.membrane, int(feeds)
        row[t.FOLLOWS] = int(part.film_power is not None and bool(np.any(part.film_power)))
        operators += pieces
        monotone += upwind
        at["operators"] += sum(len(piece) for piece in pieces)
        after[t.AT_STATE] = row[t.AT_STATE] + n * nc + n * nr * nc + n * max(nr, 1) * nb
        after[t.LAW_AT] = row[t.LAW_AT]
        if binding is not None and nb > 0:
            stoichiometry[u, :, :nb] = binding.stoichiometry
            kinetic[u, :nb] = np.where(binding.kinetic, 1.0, EQUILIBRIUM_TIME)
            row[t.LAW] = law_address(binding.law)
            parameters.append(np.asarray(binding.parameters, dtype=float))
            after[t.LAW_AT] += len(binding.parameters)
        _reserve(row, nc, at)
    size = int(unit[nu, t.AT_STATE]) + nu * nc + 2 * nc + nu
    link_order, link_source, out_links = _links(unit, index, inlets, links)
    link_target = np.array([index[links[k].target] for k in link_order], dtype=np.int64)
    link_end = np.array([links[k].target_end == "outlet" for k in link_order], dtype=np.int64)
    tables = Tables(
        size=size,
        components=nc,
        units=nu,
        unit=unit,
        order=order,
        link_source=link_source,
        link_target=link_target,
        link_end=link_end,
        floor=np.array([part.floor for part in parts]),
        out_links=out_links,
        group=np.zeros(0, dtype=np.int64),
        group_weight=np.zeros(0),
        operators=np.concatenate(operators),
        by_unit=by_unit[..., None],
        by_component=by_component[..., None],
        stoichiometry=stoichiometry[..., None],
        kinetic=kinetic[..., None],
        law_parameters=np.concatenate(parameters)[:, None],
    )
    group, group_weight, main = _groups(tables, parts)
    held, fixed = _held(tables, parts)
    tables = tables._replace(group=group, group_weight=group_weight)
    groups = int(group.max(initial=-1)) + 1
    return Layout(
        tables,
        Sizes(
            at["work"],
            at["scratch"],
            at["spare"],
            groups,
            _torn(link_source, link_target),
        ),
        tuple(unit.name for unit in units),
        tuple(components),
        tuple(part.binding for part in parts),
        held,
        fixed,
        index,
        link_order,
        main,
        fronts,
        np.concatenate(monotone),
    )


def _torn(source: t.Integers, target: t.Integers) -> int:
    """How many streams lead back in the order of the units."""
    return len(set(source[(source >= 0) & (source >= target)].tolist()))


def _operators(part: UnitParts) -> tuple[list[Array], list[Array]]:
    """The pieces of `operators` of a unit, in their order, and the monotone ones."""
    axial, particle = part.operators, part.particle
    inner = [particle.stiffness.ravel(), particle.film_in, particle.film_out]
    pieces = [axial.elements, axial.inlet[:1], *inner]
    if part.fronts is None or not np.any(part.fronts):
        return pieces, pieces
    cells = nodal.subcells(axial)
    return pieces, [cells.elements, cells.inlet[:1], *inner]


def _reserve(row: t.Integers, nc: int, at: dict[str, int]) -> None:
    """Places of a unit's factors in the work array; scratch is shared by all units."""
    _, n, nr, nb, m, shared, elements, per = (int(value) for value in row[: t.AT_OPERATORS])
    sizes = int(row[t.SIZES])
    points, own = n * max(nr, 1), nr // sizes
    rows = own * m
    for column, length in (
        (t.W_FREE, (1 if shared else nc - m) * elements * (per * per + 2 * per)),
        (t.W_BULK, elements * (per * m * per * m + 2 * per * m)),
        (t.W_INVERSE, points * nb * nb),
        (t.W_GAIN, points * nb * m),
        (t.W_SLOPE, points * m * m),
        (t.W_PARTICLE, n * sizes * rows * rows),
        (t.W_FREE_PARTICLE, (nc - m) * sizes * own * own),
        (t.W_JC, points * nb * nc),
        (t.W_JQ, points * nb * nb),
    ):
        row[column] = at["work"]
        at["work"] += length
    at["scratch"] = max(at["scratch"], n * nc, rows)
    at["spare"] = max(at["spare"], 2 * per * m * m, per, max(nr, 1) * nc, nb, m + m * nb)


def _links(
    unit: t.Integers, index: dict[str, int], inlets: Sequence[Inlet], links: Sequence[Link]
) -> tuple[t.Integers, t.Integers, t.Integers]:
    """Order of the links by target, their sources, and the links by source; fills the columns of `unit`."""
    nu = len(unit) - 1
    inlet_index = {inlet.name: i for i, inlet in enumerate(inlets)}
    order = np.array(sorted(range(len(links)), key=lambda k: (index[links[k].target], k)), dtype=np.int64)
    targets = np.array([index[links[k].target] for k in order], dtype=np.int64)
    source = np.array(
        [
            index[links[k].source] if links[k].source in index else -1 - inlet_index[links[k].source]
            for k in order
        ],
        dtype=np.int64,
    )
    leaving = [np.flatnonzero(source == u) for u in range(nu)]
    unit[:, t.LINK_FIRST] = np.searchsorted(targets, np.arange(nu + 1))
    unit[:, t.OUT_FIRST] = np.concatenate(([0], np.cumsum([len(found) for found in leaving])))
    return order, source, np.concatenate([np.zeros(0, dtype=np.int64), *leaving]).astype(np.int64)


def _groups(tables: Tables, parts: Sequence[UnitParts]) -> tuple[t.Integers, Array, t.Integers]:
    """Error groups: liquid, pores and bound states of each unit, each by component or bound state.

    The weights are those of the quadrature along the unit and in its particles, so that a norm is the mean
    over the volume whatever the mesh.
    """
    group, weight = np.full(tables.size, -1, dtype=np.int64), np.zeros(tables.size)
    main = np.full(tables.size, -1, dtype=np.int64)
    count = 0
    nc = tables.components
    for u, part in enumerate(parts):
        at, n, nr, nb = (
            int(tables.unit[u, t.AT_STATE]),
            int(tables.unit[u, t.NODES]),
            int(tables.unit[u, t.RADIAL]),
            int(tables.unit[u, t.BOUND]),
        )
        axial = part.operators.weight
        radial = part.particle.weight if part.kind == t.PORES else np.ones(1)
        inner = np.outer(axial, radial).ravel()
        for length, width, share in ((n, nc, axial), (n * nr, nc, inner), (n * max(nr, 1), nb, inner)):
            block = slice(at, at + length * width)
            group[block] = count + np.tile(np.arange(width), length)
            weight[block] = np.repeat(share[:length], width)
            columns = np.arange(width)
            if (
                part.binding is not None
                and width == nb
                and block.stop == tables.unit[u + 1, t.AT_STATE]
                and nb
            ):
                columns = np.argmax(part.binding.stoichiometry > 0.0, axis=0)
            main[block] = np.tile(columns, length)
            count += width if length else 0
            at += length * width
    return group, weight, main


def _held(tables: Tables, parts: Sequence[UnitParts]) -> tuple[Array, Array]:
    """Amount of each component per state, and the amount held at zero state; mol."""
    nc = tables.components
    held, fixed = np.zeros((nc, tables.size)), np.zeros(nc)
    for u, part in enumerate(parts):
        nr = int(tables.unit[u, t.RADIAL])
        n, nb, at = (int(tables.unit[u, column]) for column in (t.NODES, t.BOUND, t.AT_STATE))
        for i in range(n):
            liquid = part.volume * part.operators.weight[i]
            held[np.arange(nc), at + i * nc + np.arange(nc)] = liquid
            if part.kind == t.CELLS or part.binding is None:
                continue
            radial = part.particle.weight if part.kind == t.PORES else np.ones(1)
            particle = liquid * (part.phase if part.kind == t.PORES else 1.0)
            solid_at = at + n * nc + n * nr * nc
            for r, weight in enumerate(radial):
                point = i * len(radial) + r
                if part.kind == t.PORES and part.pore is not None:
                    first = at + n * nc + point * nc
                    held[np.arange(nc), first + np.arange(nc)] = particle * weight * part.pore
                solid = particle * weight * part.solid
                held[:, solid_at + point * nb : solid_at + (point + 1) * nb] = (
                    solid * part.binding.stoichiometry
                )
                fixed += solid * part.binding.fixed
    return held, fixed
