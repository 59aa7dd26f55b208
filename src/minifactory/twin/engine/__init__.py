"""The simulation engine: a network of units, integrated through sections or online. See docs/engine.md."""

from minifactory.twin.engine.accuracy import ACCURACY, Accurate, integrate_to
from minifactory.twin.engine.batch import Batch, Cancellation, Variant, simulate_many
from minifactory.twin.engine.cyclic import Cycle, SteadyCycle, Way, steady_cycle
from minifactory.twin.engine.levels import LevelEvent, Levels, vessel_levels
from minifactory.twin.engine.network import Network
from minifactory.twin.engine.sections import Section, Tolerance
from minifactory.twin.engine.sensitivity import (
    Sensitivity,
    Steps,
    sensitivities,
    sensitivities_of_each,
    simulate_each,
    with_steps,
)
from minifactory.twin.engine.solution import MassBalance, Solution, integrate
from minifactory.twin.engine.specification import (
    Bed,
    BedModel,
    Inlet,
    Link,
    ParticleSize,
    StirredTank,
    Tube,
    Vessel,
)
from minifactory.twin.engine.stepper import Stepper
from minifactory.twin.engine.warm_up import warmup

__all__ = [
    "ACCURACY",
    "Accurate",
    "Batch",
    "Bed",
    "BedModel",
    "Cancellation",
    "Cycle",
    "Inlet",
    "LevelEvent",
    "Levels",
    "Link",
    "MassBalance",
    "Network",
    "ParticleSize",
    "Section",
    "Sensitivity",
    "Solution",
    "SteadyCycle",
    "Stepper",
    "Steps",
    "StirredTank",
    "Tolerance",
    "Tube",
    "Variant",
    "Vessel",
    "Way",
    "integrate",
    "integrate_to",
    "sensitivities",
    "sensitivities_of_each",
    "simulate_each",
    "simulate_many",
    "steady_cycle",
    "vessel_levels",
    "warmup",
    "with_steps",
]
