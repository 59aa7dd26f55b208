"""Tables of linearly implicit Rosenbrock methods in the form of Hairer and Wanner.

For M y' = f(t, y), with J = df/dy and step h, six stages solve

    (M / (h gamma) - J) K_i = f(t + c_i h, y + sum_j a_ij K_j) + M sum_j (C_ij / h) K_j + h d_i df/dt

and the new value is y + sum_j m_j K_j with m = (a_5j, 1, 1); K_6 is the embedded error estimate. Both methods
are of order 4(3), L-stable and stiffly accurate, and hold their order for differential-algebraic systems of
index 1.

Sources: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, Springer 1996, sections IV.7 and
VI.4 (RODAS); G. Steinebach, Order-reduction of ROW-methods for DAEs and method of lines applications, TH
Darmstadt 1995 (RODASP).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RosenbrockTable:
    """Coefficients of a six-stage method; see the module's equation.

    Attributes
    ----------
    name : str
        As in the literature.
    gamma : float
        Diagonal coefficient.
    a, c : ndarray (6, 6)
        Lower triangular coefficients of the stage values and of the stage sums.
    time : ndarray (6,)
        Stage times as fractions of the step.
    d : ndarray (6,)
        Factors of the time derivative.
    dense : ndarray (2, 6)
        Continuous extension of order 3:
        y(s) = (1 - s) y0 + s (y1 + (1 - s) (dense[0] . K + s dense[1] . K)).
    """

    name: str
    gamma: float
    a: Array
    c: Array
    time: Array
    d: Array
    dense: Array


def _lower(*rows: tuple[float, ...]) -> Array:
    table = np.zeros((6, 6))
    for i, row in enumerate(rows, start=1):
        table[i, : len(row)] = row
    return table


_A5 = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)
RODAS = RosenbrockTable(
    name="RODAS",
    gamma=0.25,
    a=_lower(
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _A5,
        (*_A5, 1.0),
    ),
    c=_lower(
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    time=np.array([0.0, 0.386, 0.21, 0.63, 1.0, 1.0]),
    d=np.array([0.25, -0.1043, 0.1035, -0.0362, 0.0, 0.0]),
    dense=np.array(
        [
            [
                10.12623508344586,
                -7.487995877610167,
                -34.80091861555747,
                -7.992771707568823,
                1.025137723295662,
                0.0,
            ],
            [
                -0.6762803392801253,
                6.087714651680015,
                16.43084320892478,
                24.76722511418386,
                -6.594389125716872,
                0.0,
            ],
        ]
    ),
)

_P5 = (-7.170454962423024, -4.741636671481785, -16.31002631330971, -1.062004044111401)
RODASP = RosenbrockTable(
    name="RODASP",
    gamma=0.25,
    a=_lower(
        (3.0,),
        (1.831036793486759, 0.4955183967433795),
        (2.304376582692669, -0.05249275245743001, -1.176798761832782),
        _P5,
        (*_P5, 1.0),
    ),
    c=_lower(
        (-12.0,),
        (-8.791795173947035, -2.207865586973518),
        (10.81793056857153, 6.780270611428266, 19.53485944642410),
        (34.19095006749676, 15.49671153725963, 54.74760875964130, 14.16005392148534),
        (34.62605830930532, 15.30084976114473, 56.99955578662667, 18.40807009793095, -5.714285714285717),
    ),
    time=np.array([0.0, 0.75, 0.21, 0.63, 1.0, 1.0]),
    d=np.array([0.25, -0.5, -0.023504, -0.0362, 0.0, 0.0]),
    dense=np.array(
        [
            [25.09876703708589, 11.62013104361867, 28.49148307714626, -5.664021568594133, 0.0, 0.0],
            [
                1.638054557396973,
                -0.7373619806678748,
                8.477918219238990,
                15.99253148779520,
                -1.882352941176471,
                0.0,
            ],
        ]
    ),
)
