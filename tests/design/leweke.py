"""The step of Leweke and von Lieres (Comput. Chem. Eng. 113 (2018) 274): cytochrome c out of three proteins.

The column and isotherm are those of the GRM SMA reference of ``shared/verification`` (tests/engine), rapid
equilibrium; elution from 90 s with a bilinear salt gradient to 6000 s.
"""

from __future__ import annotations

from minifactory.design.pooling import Wanted
from minifactory.design.search import Space, Variable
from minifactory.design.step import ColumnStep, Period
from minifactory.twin.engine import Bed
from tests.engine import verification

TARGET = "cytochrome"
PUBLISHED_CUTS = (3349.54310141146, 3759.18310763293)
START, SLOPE, LENGTH = 84.5398519767975, 0.00230614840064746, 3153.77736306280

SHAPE = Space(
    (
        Variable("elute.start.salt", 50.0, 200.0),
        Variable("elute.end.salt", 60.0, 300.0),
        Variable("elute.duration", 600.0, 5500.0),
    )
)
"""The bilinear gradient, from scratch."""


def step(mesh: tuple[int, int, int] = (4, 3, 3), tolerance: float = 1e-3, purity: float = 0.95) -> ColumnStep:
    """The step with the published gradient; `mesh` as in the verification cases."""
    case = verification.sma_grm(mesh)
    bed = case.network.units[0]
    assert isinstance(bed, Bed)
    proteins = verification.PROTEINS
    return ColumnStep(
        components=case.network.components,
        bed=bed,
        flow=float(case.sections[0].flows0[0]),
        periods=(
            Period("load", 10.0, {"salt": 50.0, **dict.fromkeys(proteins, 1.0)}),
            Period("wash", 80.0, dict.fromkeys(proteins, 0.0)),
            Period("elute", LENGTH, {"salt": START}, {"salt": START + SLOPE * LENGTH}),
            Period("strip", None, {}, {"salt": 1000.0}),
        ),
        filled={"salt": 50.0},
        wanted=(Wanted(TARGET, 0.0, purity=purity),),
        counted=proteins,
        collect_from=90.0,
        total=6000.0,
        tolerance=tolerance,
    )


def published() -> dict[str, float]:
    """The published cuts as values of the step."""
    return {f"cut.{TARGET}.start": PUBLISHED_CUTS[0], f"cut.{TARGET}.end": PUBLISHED_CUTS[1]}
