"""Draws from what a fit leaves possible, for predictions."""

from __future__ import annotations

import numpy as np

from minifactory.calibration.estimation.least_squares import Fit
from minifactory.calibration.estimation.posterior import Posterior


def draws(fit: Fit, count: int, seed: int = 11, posterior: Posterior | None = None) -> list[dict[str, float]]:
    """`count` sets of values (SI by path): of the posterior, else normal in straight coordinates.

    In straight coordinates (retention instead of k_eq) every draw stays near the data; in k_eq and nu a
    normal distribution leaves their curved valley.
    """
    random = np.random.default_rng(seed)
    space = fit.problem.space
    if posterior is not None:
        chosen = random.integers(0, len(posterior.samples), count)
        return [space.values(posterior.samples[at]) for at in chosen]
    centre = space.straight(fit.coordinates)
    turned = np.linalg.inv(space.stretch(centre))
    size, vectors = np.linalg.eigh(turned @ fit.covariance @ turned.T)
    root = vectors * np.sqrt(np.maximum(size, 0.0))
    lower, upper = space.bounds
    found: list[dict[str, float]] = []
    for _ in range(_ROUNDS):
        points = space.plain(centre + random.standard_normal((count, centre.size)) @ root.T)
        inside = np.all((points >= lower) & (points <= upper), axis=1)
        found += [space.values(row) for row in points[inside]]
        if len(found) >= count:
            return found[:count]
    # What nothing tells is drawn far beyond its bounds: there the draw lies on them.
    kept = np.clip(points, lower, upper)
    return (found + [space.values(row) for row in kept])[:count]


_ROUNDS = 8
