"""What drives a network: sections of time with linear flows and inlet concentrations, and the tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.specification import Bed, Tube, Vessel
from minifactory.twin.engine.tables import Array


@dataclass(frozen=True)
class Section:
    """A stretch of time in which every flow and inlet concentration is linear.

    Parameters
    ----------
    t0, t1 : float
        s.
    flows0, flows1 : ndarray (links,)
        m3/s at both ends, in the order of ``network.links``; `flows1` None: constant.
    inlets0, inlets1 : ndarray (inlets, nc)
        mol/m3 at both ends; `inlets1` None: constant.
    """

    t0: float
    t1: float
    flows0: Array
    inlets0: Array
    flows1: Array | None = None
    inlets1: Array | None = None


# Part of a tolerance that the norm of a step may use. The norm is a mean over the volume against the largest
# value of a band, which sees less than the largest error of a node; with this part an outlet is as exact as
# the tolerance has always meant, in fewer steps.
STEP_PART = 0.6


@dataclass(frozen=True)
class Tolerance:
    """Accuracy of the time integration.

    Parameters
    ----------
    relative : float
        Local error per step relative to each value.
    scales : ndarray (nc,) or None
        Concentration of each component (mol/m3) whose `relative` part is the absolute error allowed;
        None: the largest at any inlet or in the initial state.
    absolute : float
        The absolute error allowed, as a multiple of ``relative * scales``.
    max_steps : int
        Bound on steps of one integration (or of one online call); then SolverError.
    undershoot : float
        Largest negative value of a bound component at an outlet that is accepted, as a part of its scale or
        of its peak. When a front too sharp for the mesh exceeds it, or stops the integration, that is
        repeated with a monotone scheme of first order, and the solution says so. Infinite: never.
    """

    relative: float = 1e-4
    scales: Array | None = None
    absolute: float = 1.0
    max_steps: int = 200_000
    undershoot: float = 0.01

    @property
    def of_step(self) -> float:
        """The relative tolerance of the norm of a step."""
        return STEP_PART * self.relative


def section_arrays(network: Network, sections: Sequence[Section]) -> tuple[Array, Array, Array]:
    """Times (n, 2), flows (n, 2, links) in the tables' order and inlets (n, 2, inlets, nc).

    Raises
    ------
    InputError
        Gaps in time, wrong shapes, values that are not finite, negative flows, or more leaving a unit than
        enters.
    """
    if not sections:
        raise InputError(Finding("sections", "none given", "at least one"))
    links, inlets, nc = len(network.links), len(network.inlets), len(network.components)
    times = np.array([(s.t0, s.t1) for s in sections], dtype=float)
    if np.any(~np.isfinite(times)) or np.any(times[:, 1] < times[:, 0]):
        raise InputError(Finding("sections", f"times {times.tolist()}", "finite t0 <= t1"))
    gaps = np.abs(times[1:, 0] - times[:-1, 1]) > 1e-9 * np.maximum(1.0, np.abs(times[1:, 0]))
    if np.any(gaps):
        at = int(np.argmax(gaps))
        raise InputError(
            Finding(
                f"section {at + 1}", f"starts at {times[at + 1, 0]} s", f"{times[at, 1]} s, the end before it"
            )
        )
    times[1:, 0] = times[:-1, 1]
    flows, feeds = np.empty((len(sections), 2, links)), np.empty((len(sections), 2, inlets, nc))
    for i, s in enumerate(sections):
        for end, (flow, feed) in enumerate(((s.flows0, s.inlets0), (s.flows1, s.inlets1))):
            flow, feed = (s.flows0 if flow is None else flow), (s.inlets0 if feed is None else feed)
            try:
                flows[i, end] = np.asarray(flow, dtype=float).reshape(links)
                feeds[i, end] = np.asarray(feed, dtype=float).reshape(inlets, nc)
            except ValueError as fault:
                raise InputError(
                    Finding(
                        f"section {i}",
                        f"flows {np.shape(flow)}, inlets {np.shape(feed)}",
                        f"shapes ({links},) and ({inlets}, {nc})",
                    )
                ) from fault
    check_flows(network, flows.reshape(-1, links), "section")
    if not np.all(np.isfinite(feeds)):
        raise InputError(Finding("sections", "inlet concentrations are not finite", "mol/m3"))
    return times, np.ascontiguousarray(flows[:, :, network.layout.link_index]), feeds


def forward_if_possible(network: Network, sections: Sequence[Section]) -> tuple[Network, Sequence[Section]]:
    """`network` and `sections` without the links that run units backwards, when nothing flows in them.

    What only could run backwards then costs nothing, and goes in lanes.
    """
    if network.forward is network:
        return network, sections
    backward = np.array([link.backward for link in network.links])
    flows = [s.flows0 for s in sections] + [s.flows1 for s in sections if s.flows1 is not None]
    if any(np.size(each) != len(backward) or np.any(np.ravel(each)[backward]) for each in flows):
        return network, sections

    def kept(flow: Array | None) -> Array | None:
        return None if flow is None else np.ravel(flow)[~backward]

    trimmed = [replace(s, flows0=np.ravel(s.flows0)[~backward], flows1=kept(s.flows1)) for s in sections]
    return network.forward, trimmed


def check_flows(network: Network, flows: Array, where: str) -> None:
    """InputError when flows (n, links) are not possible.

    That is: negative, not finite, more leaving a unit than enters it (a vessel gives what it holds), or both
    ends of a tube or bed used as its inlet.
    """
    bad = ~np.isfinite(flows) | (flows < 0.0)
    if np.any(bad):
        row, k = np.argwhere(bad)[0]
        link = network.links[k]
        raise InputError(
            Finding(
                f"{where}: link {link.source} -> {link.target}", f"flow {flows[row, k]} m3/s", "0 or more"
            )
        )
    surplus = flows @ network.gains
    _check_directions(network, flows, where)
    worst = surplus < -1e-9 * np.maximum(flows.max(axis=1, initial=0.0), 1e-30)[:, None]
    if np.any(worst):
        row, u = np.argwhere(worst)[0]
        raise InputError(
            Finding(
                f"{where}: unit {network.units[u].name}",
                f"{-surplus[row, u]:.4g} m3/s more leaves than enters",
                "at most the flow that enters",
            )
        )


def _check_directions(network: Network, flows: Array, where: str) -> None:
    """InputError when liquid enters a tube or bed at both ends, or leaves it where it enters."""
    if network.ends is None:
        return
    top, bottom, out_top, out_bottom = (flows > 0.0).astype(float) @ network.ends > 0.0
    if not np.any((top & bottom) | (top & out_top) | (bottom & out_bottom)):
        return
    for unit in network.units:
        if not isinstance(unit, Tube | Bed):
            continue
        for row in flows:
            enters = {
                n.target_end for k, n in enumerate(network.links) if n.target == unit.name and row[k] > 0.0
            }
            leaves = {
                n.source_end for k, n in enumerate(network.links) if n.source == unit.name and row[k] > 0.0
            }
            if len(enters) > 1 or enters & leaves:
                raise InputError(
                    Finding(
                        f"{where}: unit {unit.name}",
                        f"liquid enters at its {' and its '.join(sorted(enters))} end and leaves at its "
                        f"{' and its '.join(sorted(leaves)) or 'other'} end",
                        "in at one end, out at the other",
                        "Check source_end and target_end of the links that flow at the same time.",
                    )
                )


def absolute_tolerances(
    network: Network, tolerance: Tolerance, scales: Array, volumes: Mapping[str, float] | None = None
) -> Array:
    """Absolute tolerance of every state, (size,); `scales` (nc,) mol/m3, `volumes` of vessels in m3."""
    largest = float(np.max(scales, initial=0.0))
    # A component that is nowhere still needs a scale, and a trace of a trace none of its own.
    floor = np.where(scales > 1e-12 * largest, scales, largest if largest > 0.0 else 1.0)
    main = network.layout.main_component
    values = np.ones(len(main))
    values[main >= 0] = floor[main[main >= 0]]
    for unit in network.units:
        if isinstance(unit, Vessel):
            amounts = network.layout.liquid(values, network.layout.unit_index[unit.name])
            amounts *= (volumes or {}).get(unit.name, 0.0) or 0.1 * unit.capacity
    return np.asarray(values * tolerance.of_step * tolerance.absolute)
