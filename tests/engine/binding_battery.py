"""One of every binding model, with the components of its test network; the battery runs over all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minifactory.twin.binding import (
    AntiLangmuir,
    BiLangmuir,
    BindingModel,
    Breakthrough,
    Colloidal,
    Freundlich,
    GeneralisedIonExchange,
    HydrophobicInteraction,
    Langmuir,
    Linear,
    LinearDrivingForce,
    ModulatedLangmuir,
    MultiStateSMA,
    StericMassAction,
)

COMPONENTS = ("salt", "a", "b", "pH")
Kinetics = dict[str, float] | None


@dataclass(frozen=True)
class Specimen:
    """A model in rapid equilibrium and the same model kinetic (None: it has no such form)."""

    name: str
    rapid: BindingModel | None
    kinetic: BindingModel


def _specimens() -> list[Specimen]:
    k_eq, q_max, tau = {"a": 0.8, "b": 0.3}, {"a": 12.0, "b": 15.0}, {"a": 5.0, "b": 20.0}
    nu, sigma = {"a": 4.7, "b": 3.7}, {"a": 11.8, "b": 10.0}
    sma = {"a": 3.5e-2, "b": 7.7e-3}

    def pair(name: str, make: object) -> Specimen:
        return Specimen(name, make(None), make(tau))  # type: ignore[operator]

    return [
        pair("linear", lambda t: Linear(k_eq, t)),
        pair("Langmuir", lambda t: Langmuir(k_eq, q_max, t)),
        pair("anti-Langmuir", lambda t: AntiLangmuir({"a": 0.1, "b": 0.05}, q_max, ("a",), t)),
        pair(
            "bi-Langmuir",
            lambda t: BiLangmuir((k_eq, {"a": 3.0, "b": 1.0}), (q_max, {"a": 2.0, "b": 1.0}), t and (t, t)),
        ),
        pair("Freundlich", lambda t: Freundlich({"a": 3.0, "b": 2.0}, {"a": 2.0, "b": 1.3}, t)),
        pair(
            "modulated Langmuir",
            lambda t: ModulatedLangmuir(
                k_eq, q_max, {"salt": 100.0}, {("a", "salt"): -2e-3}, {("b", "salt"): 1.5}, t
            ),
        ),
        pair(
            "hydrophobic interaction",
            lambda t: HydrophobicInteraction(
                "salt", (0.05, 2e-3), {"a": 4.0, "b": 2.0}, {"a": 2.0, "b": 1.5}, q_max, t
            ),
        ),
        pair("SMA", lambda t: StericMassAction("salt", 1200.0, sma, nu, sigma, t, 150.0)),
        pair(
            "generalised ion exchange",
            lambda t: GeneralisedIonExchange(
                "salt", "pH", 1200.0, 7.0, {"a": (-3.4, -0.8, 0.0), "b": (-4.9, -0.5, 0.1)},
                {"a": (4.7, -0.6, 0.0), "b": (3.7, -0.3, 0.05)}, sigma, t, 150.0,
            ),
        ),
        Specimen(
            "breakthrough",
            None,
            Breakthrough(
                {"a": 3.0, "b": 2.0}, {"a": 0.8, "b": 0.5}, {"a": 40.0, "b": 60.0}, "salt", 200.0, 250.0
            ),
        ),
        Specimen(
            "multi-state SMA",
            None,
            MultiStateSMA(
                "salt", 1200.0, {"a": (2e-2, 1e-3), "b": (7e-3,)}, {"a": (3.7, 5.0), "b": (3.7,)},
                {"a": (10.0, 14.0), "b": (10.0,)}, {"a": (5.0, 20.0), "b": (20.0,)}, {"a": (0.05,), "b": ()},
                150.0,
            ),
        ),
        pair(
            "colloidal",
            lambda t: Colloidal(
                5.9e8, 4e-9, {"a": 20.0, "b": 18.0}, {"a": 12.0, "b": 10.0}, {"a": 4.5e-9, "b": 3.5e-9},
                k_kin=t
            ),
        ),
        pair(
            "colloidal with pH",
            lambda t: Colloidal(
                5.9e8, 4e-9, {"a": 20.0, "b": 18.0}, {"a": 6.0, "b": 5.0}, {"a": 4.5e-9, "b": 3.5e-9},
                k_kin=t, ph="pH", ln_k_slope={"a": -28.0, "b": -20.0},
                repulsion_power={"a": -0.1, "b": -0.05},
            ),
        ),
        pair(
            "colloidal with salt",
            lambda t: Colloidal(
                5.9e8, 0.0, {"a": 20.0, "b": 18.0}, {"a": 12.0, "b": 10.0}, {"a": 4.5e-9, "b": 3.5e-9},
                k_kin=t, salt="salt",
            ),
        ),
        pair(
            "hydrophobic interaction with bound protein",
            lambda t: HydrophobicInteraction(
                "salt", (0.05, 1e-3), {"a": 4.0, "b": 2.0}, {"a": 2.0, "b": 1.5}, q_max, t, None
            ),
        ),
        pair(
            "generalised ion exchange with salting and crowding",
            lambda t: GeneralisedIonExchange(
                "salt", None, 1200.0, 7.0, {"a": (-3.4, 0.0, 0.0), "b": (-4.9, 0.0, 0.0)},
                {"a": (4.7, 0.0, 0.0), "b": (3.7, 0.0, 0.0)}, sigma, t, 150.0, {"a": 1e-3, "b": -1e-3},
                {"a": 0.05, "b": 0.1},
            ),
        ),
        Specimen(
            "linear driving force", None, LinearDrivingForce(Langmuir(k_eq, q_max), {"a": 0.2, "b": 0.05})
        ),
        Specimen(
            "linear driving force, two sites", None,
            LinearDrivingForce(
                BiLangmuir((k_eq, {"a": 3.0, "b": 1.0}), (q_max, {"a": 2.0, "b": 1.0})),
                {"a": 0.2, "b": 0.05},
            ),
        ),
    ]  # fmt: skip


SPECIMENS = _specimens()
LIQUIDS = (
    np.array([150.0, 1.0, 0.5, 7.0]),
    np.array([60.0, 0.02, 3.0, 6.5]),
    np.array([800.0, 2.0, 0.0, 7.5]),
    np.array([150.0, 0.0, 0.0, 7.0]),
)
