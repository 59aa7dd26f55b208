"""Bound states in equilibrium with a liquid."""

from __future__ import annotations

import numpy as np

from minifactory.errors import Finding, SolverError
from minifactory.twin.binding.protocol import Array, CompiledBinding


def equilibrium(binding: CompiledBinding, liquid: Array) -> Array:
    """Bound states (nb,) in mol per m3 of solid in equilibrium with `liquid` (nc,) in mol/m3.

    Laws without an equilibrium of their own are integrated in pseudo-time from an empty solid by implicit
    Euler steps that grow until nothing changes.

    Raises
    ------
    SolverError
        When that does not settle.
    """
    if binding.law.isotherm is not None:
        bound = np.zeros(len(binding.bound))
        binding.law.isotherm(binding.parameters, np.asarray(liquid, dtype=float), bound)
        return bound
    if binding.law.equilibrium is not None:
        return np.asarray(binding.law.equilibrium(binding.parameters, liquid), dtype=float)
    nb = len(binding.bound)
    q, h = np.zeros(nb), 1e-9

    def rate(x: Array) -> Array:
        f = np.zeros(nb)
        binding.law.rate(binding.parameters, liquid, x, f)
        return f

    for _ in range(2000):
        base = rate(q)
        jacobian = np.empty((nb, nb))
        for b in range(nb):
            step = np.zeros(nb)
            step[b] = 1e-7 * max(abs(q[b]), 1e-3)
            jacobian[:, b] = (rate(q + step) - rate(q - step)) / (2.0 * step[b])
        change = np.linalg.solve(np.eye(nb) / h - jacobian, base)
        if not np.all(np.isfinite(change)) or np.any(np.abs(change) > 0.2 * np.abs(q) + 1e-3):
            h *= 0.2
            continue
        q = q + change
        if np.all(np.abs(change) <= 1e-13 * (1e-6 + np.abs(q))) and h > 1e12:
            return q
        h = min(3.0 * h, 1e15)
    raise SolverError(
        Finding(f"binding {binding.law.name}", f"no equilibrium found with liquid {liquid}, reached {q}")
    )
