"""The path for a graphics card: right in numba-cuda's simulator, refused clearly where it cannot run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minifactory.errors import EnvironmentFault, InputError
from minifactory.twin.binding import (
    BindingModel,
    Freundlich,
    Langmuir,
    Linear,
    StericMassAction,
)
from minifactory.twin.engine import (
    Bed,
    BedModel,
    Inlet,
    Link,
    Network,
    Section,
    StirredTank,
    Tolerance,
    Variant,
    simulate_many,
)

# Numba brings a simulator of its own, numba-cuda (extra [gpu]) another one.
INSTALLED = importlib.util.find_spec("numba.cuda") is not None
BINDINGS: dict[str, BindingModel] = {
    "linear": Linear({"a": 2.0}, {"a": 3.0}),
    "Langmuir": Langmuir({"a": 0.5}, {"a": 10.0}),
    "SMA": StericMassAction("salt", 100.0, {"a": 0.05}, {"a": 3.0}, {"a": 2.0}),
}
TIMES = np.linspace(0.0, 60.0, 7)


def variants(model: BedModel, binding: BindingModel, count: int = 3) -> list[Variant]:
    """A mixer and a tiny bed, loaded with different feeds and eluted by a gradient."""
    made = []
    for i in range(count):
        bed = Bed(
            "bed", 0.01, 1e-4, 0.4 if model.porous else 0.8, model, 0.7, 40e-6, (1.0 + i) * 1e-5, 1e-6,
            binding=binding, elements=2, degree=2, pore_diffusion=8e-11, radial_nodes=2,
        )  # fmt: skip
        network = Network(
            ("salt", "a"), (StirredTank("mixer", 1e-7), bed), (Inlet("in"),),
            (Link("in", "mixer"), Link("mixer", "bed")),
        )  # fmt: skip
        flow = np.full(2, 2e-8)
        sections = [
            Section(0.0, 30.0, flow, np.array([[50.0, 0.5 + 0.5 * i]])),
            Section(30.0, 60.0, flow, np.array([[50.0, 0.0]]), inlets1=np.array([[200.0, 0.0]])),
        ]
        made.append(Variant(network, network.initial_state(np.array([50.0, 0.0])), sections))
    return made


def compare(device: str) -> None:
    """AssertionError where the card (or its simulator) gives other numbers than the processor."""
    # A mesh as coarse as this undershoots; the monotone repetition would hide what the card computed.
    tolerance = Tolerance(3e-3, undershoot=np.inf)
    for model in (BedModel.LRM, BedModel.LRMP, BedModel.GRM):
        for name, binding in BINDINGS.items():
            batch = variants(model, binding)
            there = simulate_many(batch, TIMES, ["bed"], tolerance, device=device)  # type: ignore[arg-type]
            here = simulate_many(batch, TIMES, ["bed"], tolerance, threads=1)
            assert there.faults == here.faults == (None,) * len(batch)
            # Rounding differs, so that a step may: a part of the tolerance.
            np.testing.assert_allclose(
                there.outlet, here.outlet, atol=1e-4 * 200.0, err_msg=f"{model.name} {name}"
            )
            assert max(balance.closure.max() for balance in there.balances if balance) <= 1e-10


@pytest.mark.skipif(not INSTALLED, reason="neither Numba nor numba-cuda brings a simulator")
def test_the_kernel_is_right_in_the_simulator() -> None:
    """One process of its own, since the simulator is chosen when Numba is imported."""
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from tests.engine.test_gpu import compare; compare('gpu')"],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}, cwd=root, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_on_a_card() -> None:
    if not INSTALLED:
        pytest.skip("numba-cuda is not installed (extra [gpu])")
    from numba import cuda

    if not cuda.is_available():
        pytest.skip("no graphics card that CUDA can use")
    compare("gpu")


def test_without_card_or_library_the_error_says_so() -> None:
    if INSTALLED:
        from numba import cuda

        if cuda.is_available():
            pytest.skip("there is a card")
    with pytest.raises(EnvironmentFault, match=r"no graphics card|numba-cuda is not installed"):
        simulate_many(variants(BedModel.LRM, BINDINGS["SMA"]), TIMES, ["bed"], device="gpu")


def test_a_model_that_is_not_offered_is_named() -> None:
    batch = variants(BedModel.LRMP, Freundlich({"a": 1.0}, {"a": 1.5}))
    with pytest.raises(InputError, match=r"unit bed: binding law Freundlich; expected linear, langmuir, "):
        simulate_many(batch, TIMES, ["bed"], device="gpu")
