"""What a binding model is to the engine: a law (two small functions) and numbers bound to components.

A *law* sees one point of the bed: the liquid concentrations c (mol per m3 of liquid) of all components of the
network and the bound states q (mol per m3 of solid). It gives, per bound state, a rate dq/dt in mol/(m3 solid
s), or - for a state in rapid equilibrium - a residual that is zero in equilibrium. Every amount that a bound
state holds is told by the stoichiometry, so exchanged counter-ions need no state of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import Finding, InputError, did_you_mean

Array = NDArray[np.float64]
Rate = Callable[[Array, Array, Array, Array], None]
Jacobian = Callable[[Array, Array, Array, Array, Array], None]
Equilibrium = Callable[[Array, Array], Array]
Isotherm = Callable[[Array, Array, Array], None]

# Kinetics faster than this (1/s) cannot be told from equilibrium; both directions are slowed alike.
RATE_CAP = 1.0e6


@dataclass(frozen=True)
class BindingLaw:
    """The functions of a binding model.

    Parameters
    ----------
    name : str
        Unique; part of the key of the kernel cache.
    rate : callable (p, c, q, f)
        Writes rates or residuals f (nb,) from parameters p, liquid c (nc,) and bound q (nb,).
    jacobian : callable (p, c, q, jc, jq) or None
        Writes df/dc (nb, nc) and df/dq (nb, nb) into zeroed arrays; central differences of `rate` if None.
    equilibrium : callable (p, c) -> q or None
        Bound states in equilibrium with c; found by iteration of `rate` if None.
    isotherm : callable (p, c, q) or None
        Writes the bound states in equilibrium with c into q (nb,), where they have an explicit form; in the
        language of `rate`, smooth through c = 0. Serves as `equilibrium`, and in :class:`LinearDrivingForce`.
    """

    name: str
    rate: Rate
    jacobian: Jacobian | None = None
    equilibrium: Equilibrium | None = None
    isotherm: Isotherm | None = None


@dataclass(frozen=True)
class CompiledBinding:
    """A binding model with its numbers laid out for the components of a network.

    Attributes
    ----------
    law : BindingLaw
    parameters : ndarray
        Flat, as the law reads them.
    bound : tuple of str
        Names of the bound states.
    stoichiometry : ndarray (nc, nb)
        Amount of each component held per amount of bound state.
    fixed : ndarray (nc,)
        Amount held where all bound states are zero, mol per m3 of solid (ionic capacity of the counter-ion).
    takes_part : ndarray of bool (nc,)
        Components whose concentration enters the law.
    kinetic : ndarray of bool (nb,)
        False for states in rapid equilibrium.
    linear : bool
        Whether q is proportional to c, so that no front sharpens itself.
    """

    law: BindingLaw
    parameters: Array
    bound: tuple[str, ...]
    stoichiometry: Array
    fixed: Array
    takes_part: NDArray[np.bool_]
    kinetic: NDArray[np.bool_]
    notes: Mapping[str, str] = field(default_factory=dict)
    linear: bool = False


@runtime_checkable
class BindingModel(Protocol):
    """Numbers of a binding model, by component name."""

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`, in that order."""


def component_index(name: str, components: Sequence[str], model: str) -> int:
    """Position of `name`; InputError naming the model if it is not a component."""
    if name not in components:
        raise InputError(
            Finding(
                f"binding model {model}",
                f'"{name}" is not a component',
                "the name of a component",
                did_you_mean(name, components),
            )
        )
    return list(components).index(name)


def time_constants(k_kin: Mapping[str, float] | None, names: Sequence[str], model: str) -> Array:
    """k_kin in s per bound component, 0 where the state is in rapid equilibrium; shape (nb,)."""
    values = np.array([0.0 if k_kin is None else k_kin.get(name, 0.0) for name in names])
    if np.any(~np.isfinite(values)) or np.any(values < 0.0):
        raise InputError(Finding(f"binding model {model}", f"k_kin is {values}", "times in s, 0 or more"))
    return values


def lay_out(
    law: BindingLaw,
    components: Sequence[str],
    parameters: Array,
    states: Sequence[str],
    tau: Array,
    modifiers: Sequence[str] = (),
    names: Sequence[str] | None = None,
) -> CompiledBinding:
    """A model whose states each hold one component and exchange nothing.

    Parameters
    ----------
    law, components, parameters
        As in :class:`CompiledBinding`.
    states : sequence of str
        The component that each bound state holds.
    tau : ndarray (nb,)
        Time constants in s, 0 for rapid equilibrium.
    modifiers : sequence of str
        Components that act on the law without being bound.
    names : sequence of str, optional
        Names of the states, where a component has several.
    """
    at = [component_index(name, components, law.name) for name in states]
    stoichiometry = np.zeros((len(components), len(states)))
    stoichiometry[at, np.arange(len(states))] = 1.0
    takes_part = np.zeros(len(components), dtype=np.bool_)
    takes_part[at + [component_index(name, components, law.name) for name in modifiers]] = True
    return CompiledBinding(
        law,
        np.asarray(parameters, dtype=float).ravel(),
        tuple(names or states),
        stoichiometry,
        np.zeros(len(components)),
        takes_part,
        np.asarray(tau) > 0.0,
    )


def numbers(
    values: Mapping[str, float], names: Sequence[str], model: str, what: str, lower: float = 0.0
) -> Array:
    """Numbers by name in the order of `names`, (n,); InputError for missing or too small ones."""
    missing = [name for name in names if name not in values]
    array = np.array([float(values.get(name, np.nan)) for name in names])
    if missing:
        raise InputError(
            Finding(f"binding model {model}", f"no {what} for {', '.join(missing)}", "a number each")
        )
    if np.any(~np.isfinite(array)) or np.any(array < lower):
        raise InputError(Finding(f"binding model {model}", f"{what} is {array}", f"{lower:g} or more"))
    return array


def relaxation_speed(tau: Array, forward: Array) -> Array:
    """Factor of a law ``forward * c - q``: the capped rate constant; in equilibrium 1/(1 + forward)."""
    scale = 1.0 + np.abs(forward)
    kinetic = np.minimum(1.0 / np.where(tau > 0.0, tau, 1.0), RATE_CAP / scale)
    return np.asarray(np.where(tau > 0.0, kinetic, 1.0 / scale))
