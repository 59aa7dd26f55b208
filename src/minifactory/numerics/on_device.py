"""The kernels of the engine for a graphics card, from the same source as for the processor.

A kernel is a Python function that Numba compiled for the processor. :func:`on_device` takes its source, hands
everything that it calls through the same mill, and gives a device function of numba-cuda. What means
something else on a card - calling a law by its address, lanes, counting jobs - is replaced by name.

With ``NUMBA_ENABLE_CUDASIM=1`` numba-cuda runs its kernels in Python, which shows that they are right where
there is no card.
"""

# numba-cuda declares no types.
# mypy: disable-error-code="no-untyped-call, untyped-decorator, import-untyped, unused-ignore"
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from minifactory.errors import EnvironmentFault, Finding

_REMEDY = 'Install it with pip install "minifactory[gpu]", or leave device="gpu" out.'


def simulated() -> bool:
    """Whether numba-cuda runs its kernels in Python instead of on a card."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


def load_cuda() -> Any:
    """The module ``numba.cuda``.

    Raises
    ------
    EnvironmentFault
        numba-cuda is not installed, or no card can be used.
    """
    try:
        from numba import cuda
    except ImportError as fault:
        raise EnvironmentFault(
            Finding('device="gpu"', "numba-cuda is not installed", "the extra [gpu]", _REMEDY)
        ) from fault
    if not simulated() and not cuda.is_available():
        raise EnvironmentFault(
            Finding(
                'device="gpu"', "no graphics card that CUDA can use", "a card of NVIDIA and its driver",
                'Run on the processor: leave device="gpu" out.',
            )
        )  # fmt: skip
    return cuda


def on_device(
    cuda: Any, function: Any, replaced: Mapping[str, Any], made: dict[Any, Any] | None = None
) -> Any:
    """`function` and all that it calls as functions of a card.

    Parameters
    ----------
    cuda : module
        ``numba.cuda``.
    function : callable
        A kernel, or a function in the language of kernels.
    replaced : Mapping of str to object
        What stands for the names that mean something else on a card.
    made : dict, optional
        Functions that are made already; shared by those that belong together.
    """
    made = {} if made is None else made
    source = getattr(function, "py_func", function)
    if source not in made:
        made[source] = _compiled(cuda, rebuilt(cuda, source, replaced, made))
    return made[source]


def rebuilt(cuda: Any, source: Any, replaced: Mapping[str, Any], made: dict[Any, Any]) -> FunctionType:
    """A copy of `source` whose names lead to functions of the card."""
    names = dict(source.__globals__)
    for name in source.__code__.co_names:
        value = names.get(name)
        if name in replaced:
            names[name] = replaced[name]
        elif hasattr(value, "py_func"):
            names[name] = on_device(cuda, value, replaced, made)
    return FunctionType(source.__code__, names, source.__name__, source.__defaults__, source.__closure__)


def _compiled(cuda: Any, function: Callable[..., Any]) -> Any:
    # In the simulator everything within a kernel is Python already, but for what asks where it runs.
    plain = simulated() and "cuda" not in function.__code__.co_names
    return function if plain else cuda.jit(device=True)(function)
