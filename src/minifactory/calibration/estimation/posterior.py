"""The posterior by Markov chain Monte Carlo, and whether it has more than one mode.

Affine-invariant ensemble sampling (J. Goodman, J. Weare, Comm. Appl. Math. Comp. Sci. 5 (2010) 65; emcee, D.
Foreman-Mackey et al., PASP 125 (2013) 306). Walkers start around the best fit and, where other optima fit
nearly
as well, around those too. The chain's length is judged by its own autocorrelation time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import emcee  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from minifactory.calibration.estimation.profile import Judged
from minifactory.errors import Finding

Array = NDArray[np.float64]

ENOUGH = 200.0
"""Effective samples below which the intervals are called rough."""
VALLEY = 0.6
"""Depth of the valley between two maxima of a marginal, over the lower one, from which they are two modes."""
LIGHTEST = 0.03
"""Share of the samples that a mode holds at least."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """Samples (n, p) of the coordinates, how many of them are worth one each, and the modes by path."""

    paths: tuple[str, ...]
    samples: Array
    effective: float
    acceptance: float
    modes: dict[str, tuple[float, ...]]
    findings: tuple[Finding, ...] = ()

    def interval(self, at: int, level: float = 0.95) -> tuple[float, float]:
        """Quantiles (coordinates) of parameter `at`."""
        tail = 0.5 * (1.0 - level)
        low, high = np.quantile(self.samples[:, at], [tail, 1.0 - tail])
        return float(low), float(high)


def sample(
    problem: Judged,
    best: Array,
    covariance: Array,
    rivals: Sequence[Array] = (),
    *,
    steps: int = 1500,
    seed: int = 3,
    progress: Callable[[str, float], None] | None = None,
) -> Posterior:
    """The posterior of `problem` around `best` (p,) and its `rivals`."""
    random = np.random.default_rng(seed)
    space, (lower, upper) = problem.space, problem.space.bounds
    count = best.size
    walkers = 2 * max(count + 2, 12)
    start = space.straight(_start(best, covariance, rivals, walkers, lower, upper, random))

    def log_probability(straight: Array) -> Array:
        points = space.plain(straight)
        inside = np.all((points >= lower) & (points <= upper), axis=1)
        out = np.full(len(points), -np.inf)
        if np.any(inside):
            out[inside] = -0.5 * (problem.residual_many(points[inside]) ** 2).sum(axis=1)
        return out

    sampler = emcee.EnsembleSampler(walkers, count, log_probability, vectorize=True)
    sampler.random_state = np.random.RandomState(seed).get_state()
    for number, _ in enumerate(sampler.sample(start, iterations=steps, skip_initial_state_check=True)):
        if progress is not None and number % 50 == 0:
            progress("sampling the posterior", number / steps)
    chain = space.plain(sampler.get_chain(discard=steps // 3))
    times = emcee.autocorr.integrated_time(chain, tol=0, quiet=True)
    slowest = float(np.nanmax(np.where(np.isfinite(times), times, steps)))
    flat = chain.reshape(-1, count)
    effective = flat.shape[0] / max(slowest, 1.0)
    modes = {
        path: found for i, path in enumerate(problem.space.paths) if len(found := modes_of(flat[:, i])) > 1
    }
    findings = []
    if effective < ENOUGH:
        findings.append(
            Finding(
                "posterior",
                f"{effective:.0f} effective samples",
                f"{ENOUGH:.0f} for smooth intervals",
                "Give more steps with --samples.",
                severity="warning",
            )
        )
    for path, found in modes.items():
        free = problem.space.free[problem.space.paths.index(path)]
        shown = " and ".join(f"{free.back(value):.4g}" for value in found)
        findings.append(
            Finding(
                "posterior",
                f"{path} has {len(found)} modes, near {shown} ({free.kind.si or 'plain'})",
                "one",
                "The data allow several explanations: add an experiment in which they differ.",
                severity="warning",
            )
        )
    return Posterior(
        problem.space.paths,
        flat[:: max(1, flat.shape[0] // 20_000)],
        effective,
        float(np.mean(sampler.acceptance_fraction)),
        modes,
        tuple(findings),
    )


def _start(
    best: Array,
    covariance: Array,
    rivals: Sequence[Array],
    walkers: int,
    lower: Array,
    upper: Array,
    random: np.random.Generator,
) -> Array:
    values, vectors = np.linalg.eigh(covariance)
    widest = 0.25 * float(np.max(upper - lower))
    root = vectors * np.minimum(np.sqrt(np.maximum(values, 1e-20)), widest)
    centres = [best, *rivals]
    points = np.stack([centres[i % len(centres)] for i in range(walkers)])
    points = points + random.standard_normal(points.shape) @ root.T
    margin = 1e-6 * (upper - lower)
    jitter = random.uniform(1.0, 2.0, points.shape) * margin
    return np.asarray(np.clip(points, lower + jitter, upper - jitter))


def modes_of(samples: Array, bins: int = 80) -> tuple[float, ...]:
    """Places of the modes of a marginal (n,): maxima of its smoothed histogram with a valley between them."""
    low, high = np.quantile(samples, [0.001, 0.999])
    if not high > low:
        return (float(low),)
    margin = 0.15 * float(high - low)  # a mode at the edge is a maximum, too
    counts, edges = np.histogram(samples, bins=bins, range=(float(low) - margin, float(high) + margin))
    smooth = gaussian_filter1d(counts.astype(float), 3.5, mode="constant")
    inner = np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:])) + 1
    tops = [int(i) for i in inner]
    separated = True
    while separated and len(tops) > 1:
        separated = False
        for a, b in pairwise(tops):
            valley = float(smooth[a : b + 1].min())
            if valley > VALLEY * min(smooth[a], smooth[b]):
                tops.remove(a if smooth[a] < smooth[b] else b)
                separated = True
                break
    middles = 0.5 * (edges[1:] + edges[:-1])
    borders = [
        0,
        *(int(a + np.argmin(smooth[a : b + 1])) for a, b in pairwise(tops)),
        bins,
    ]
    shares = [counts[i:j].sum() / max(counts.sum(), 1) for i, j in pairwise(borders)]
    return tuple(float(middles[t]) for t, share in zip(tops, shares, strict=False) if share >= LIGHTEST)
