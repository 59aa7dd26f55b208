"""Preparing the simulation kernels before they are needed."""

from __future__ import annotations

import time

from minifactory.cli.progress import bar
from minifactory.twin.engine import warmup

QUICK = 1.0
"""s after which loading the kernels is worth a word."""


def warm_up() -> None:
    """Compile or load the kernels, saying so when it takes time."""
    begun = time.monotonic()
    with bar() as progress:

        def tell(_what: str, fraction: float) -> None:
            if time.monotonic() - begun > QUICK:
                progress("preparing the simulation kernels (compiled once, about a minute)", fraction)

        warmup(tell)
