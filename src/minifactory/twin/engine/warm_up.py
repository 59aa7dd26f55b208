"""Compiles every kernel before it is needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minifactory.twin.binding import BindingModel, Langmuir, Linear, StericMassAction
from minifactory.twin.binding.law_kernels import law_address
from minifactory.twin.engine.batch import Variant, simulate_many
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.parallel import LEAST
from minifactory.twin.engine.sections import Section
from minifactory.twin.engine.solution import integrate
from minifactory.twin.engine.specification import Inlet, Link, StirredTank
from minifactory.twin.engine.stepper import Stepper


def warmup(progress: Callable[[str, float], None] | None = None, *, lanes: bool = False) -> None:
    """Compiles and caches all kernels (about a minute the first time, well under a second after that).

    `progress` is called with what is being done and the fraction done. With `lanes` also the kernels that
    batches need, otherwise compiled by the first batch; that takes as long again.
    """

    def tell(what: str, fraction: float) -> None:
        if progress is not None:
            progress(what, fraction)

    models: tuple[BindingModel, ...] = (
        Linear({"x": 1.0}),
        Langmuir({"x": 1.0}, {"x": 1.0}),
        StericMassAction("salt", 1.0, {"x": 1.0}, {"x": 1.0}, {"x": 0.0}),
    )
    for i, model in enumerate(models):
        law = model.compile(("salt", "x")).law
        tell(f"binding: {law.name}", i / (len(models) + 2))
        law_address(law)
    network = Network(("x",), (StirredTank("tank", 1.0),), (Inlet("in"),), (Link("in", "tank"),))
    state = network.initial_state({"x": 0.0})
    flows, feed = np.ones(1), np.ones((1, 1))
    tell("integration through sections", len(models) / (len(models) + 2))
    integrate(network, state, [Section(0.0, 1.0, flows, feed)], np.array([1.0]), ["tank"])
    tell("online integration", (len(models) + 1) / (len(models) + 2))
    Stepper(network, state, 0.0, np.ones(1), ["tank"]).advance(1.0, flows, feed)
    if lanes:
        tell("batches in lanes", 0.9)
        for model in models:
            law_address(model.compile(("salt", "x")).law, lanes=True)
        simulate_many(
            [Variant(network, state, [Section(0.0, 1.0, flows, feed)])] * LEAST, np.array([1.0]), ["tank"]
        )
    tell("ready", 1.0)
