"""Linear driving force in the solid towards an explicit isotherm.

    dq_i/dt = k_i (q*_i(c) - q_i)

q* is the isotherm of another model, k a lumped coefficient of mass transfer in the solid. (With the driving
force in the liquid, k (c - c*), it is the transport-dispersive bed.) Source: E. Glueckauf, J. I. Coates, J.
Chem. Soc. (1947) 1315.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from minifactory.errors import Finding, InputError
from minifactory.numerics.kernels import shared_kernel
from minifactory.twin.binding.protocol import (
    RATE_CAP,
    Array,
    BindingLaw,
    BindingModel,
    CompiledBinding,
    Isotherm,
    numbers,
)


@lru_cache(maxsize=64)
def _law(name: str, isotherm: Isotherm) -> BindingLaw:
    """The law with this isotherm; p: k per state, then the parameters of the isotherm."""
    inner = shared_kernel(isotherm)

    def rate(p: Array, c: Array, q: Array, f: Array) -> None:
        nb = q.shape[0]
        inner(p[nb:], c, f)
        for b in range(nb):
            f[b] = p[b] * (f[b] - q[b])

    def explicit(p: Array, c: Array, q: Array) -> None:
        isotherm(p[len(q) :], c, q)

    return BindingLaw(f"linear driving force to {name}", rate, isotherm=explicit)


@dataclass(frozen=True)
class LinearDrivingForce:
    """Linear driving force in the solid.

    Parameters
    ----------
    isotherm : BindingModel
        With an explicit isotherm, in rapid equilibrium (no k_kin): Linear, Langmuir, AntiLangmuir,
        BiLangmuir, Freundlich, ModulatedLangmuir, or a plug-in whose law brings one.
    coefficient : Mapping of str to float
        k in 1/s, by component; both sites of a bi-Langmuir have the same.
    """

    isotherm: BindingModel
    coefficient: Mapping[str, float]

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`."""
        inner = self.isotherm.compile(components)
        where = f"binding model linear driving force to {inner.law.name}"
        if inner.law.isotherm is None:
            raise InputError(
                Finding(where, "no explicit isotherm", "one of the Langmuir family, Freundlich or linear",
                        "Put the driving force into the liquid: a bed by BedModel.TDM.")
            )  # fmt: skip
        if np.any(inner.kinetic):
            raise InputError(Finding(where, "k_kin beside coefficient", "an isotherm without kinetics"))
        bound = [components[int(np.argmax(column))] for column in inner.stoichiometry.T]
        k = np.minimum(numbers(self.coefficient, bound, "linear driving force", "coefficient"), RATE_CAP)
        return replace(
            inner,
            law=_law(inner.law.name, inner.law.isotherm),
            parameters=np.concatenate((k, inner.parameters)),
            kinetic=np.ones(len(k), dtype=np.bool_),
        )
