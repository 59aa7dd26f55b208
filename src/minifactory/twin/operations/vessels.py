"""Operations on the content of a vessel of the network, between two integrations.

A filtration, a hold or a titration happens in a vessel while nothing flows through the network; these
functions read its content, and give the state with another content. The mass balance of a whole process is
then that of its integrations and of its operations, each of which tells what it took and gave.
"""

from __future__ import annotations

from collections.abc import Mapping

from minifactory.errors import Finding, InputError
from minifactory.twin.engine import Network, Vessel
from minifactory.twin.engine.tables import Array


def content(network: Network, state: Array, vessel: str) -> tuple[float, dict[str, float]]:
    """Volume (m3) of the vessel and its concentrations (mol/m3) by component."""
    unit = _vessel(network, vessel)
    values = network.layout.concentrations(state, unit)[0]
    return float(network.layout.volumes(state)[unit]), dict(
        zip(network.components, values.tolist(), strict=True)
    )


def with_content(
    network: Network, state: Array, vessel: str, volume: float, concentrations: Mapping[str, float]
) -> Array:
    """A copy of `state` in which `vessel` holds `volume` (m3) of these concentrations (mol/m3).

    Raises
    ------
    InputError
        No vessel, a component that is unknown, or more than the vessel holds.
    """
    at = _vessel(network, vessel)
    unit = network.unit(vessel)
    if isinstance(unit, Vessel) and not 0.0 <= volume <= unit.capacity:
        raise InputError(Finding(f"vessel {vessel}", f"{volume:g} m3", f"0 to {unit.capacity:g} m3"))
    changed = state.copy()
    network.layout.volumes(changed)[at] = volume
    network.layout.liquid(changed, at)[0] = network.composition(concentrations) * volume
    return changed


def _vessel(network: Network, name: str) -> int:
    if not isinstance(network.unit(name), Vessel):
        raise InputError(Finding(f"unit {name}", "no vessel", "a Vessel, whose content can be exchanged"))
    return network.layout.unit_index[name]
