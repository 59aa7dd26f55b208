"""No binding: every component only enters the pores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minifactory.twin.binding.protocol import Array, BindingLaw, CompiledBinding


def _rate(p: Array, c: Array, q: Array, f: Array) -> None:  # noqa: ARG001
    return


def _jacobian(p: Array, c: Array, q: Array, jc: Array, jq: Array) -> None:  # noqa: ARG001
    return


@dataclass(frozen=True)
class NoBinding:
    """A bed that binds nothing."""

    def compile(self, components: Sequence[str]) -> CompiledBinding:
        """The model laid out for `components`; it has no bound states."""
        n = len(components)
        return CompiledBinding(
            BindingLaw("none", _rate, _jacobian),
            np.zeros(1),
            (),
            np.zeros((n, 0)),
            np.zeros(n),
            np.zeros(n, dtype=np.bool_),
            np.zeros(0, dtype=np.bool_),
            linear=True,
        )
