"""What two skids cost as one process model, compared with the sum of both alone.

    python -m benchmarks.two_skids

The small plants of the tests: a pool between two skids, and a column station through which two streams run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from tests.twin.two_skids import opened

from minifactory.twin.simulate import simulate, simulate_plant

REPEATS = 5


def best_of(work: Callable[[], object]) -> float:
    """Shortest of several times in s, after a first one that compiles."""
    work()
    found = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Print one line per plant and mesh."""
    for name in ("pool", "station"):
        plant, bounds = opened(name)
        for elements in (3, 6):
            both = partial(simulate_plant, plant, list(bounds.values()), elements=elements)
            spent, real = best_of(both), both().duration
            line = f"{name:8s} {elements} elements: {spent:.3f} s, {real / spent:,.0f} x real time"
            if name == "pool":
                alone = sum(
                    best_of(partial(simulate, plant, bound, elements=elements)) for bound in bounds.values()
                )
                line += f"; the sum of both alone {alone:.3f} s, ratio {spent / alone:.2f}"
            print(line)


if __name__ == "__main__":
    main()
