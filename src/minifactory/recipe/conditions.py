"""Conditions: parsed expressions over tags and the phase's own time, volume and CV; never code.

    UV < 60 mAU and falling(UV, 20 s)        5 CV        Gradient.PercentB >= 80.5 %B or after 25 CV
    slope(UV, 30 s) > 0.1 mAU/s              for(pH < 5.3, 10 s)        stable(Cond, 0.1 mS/cm, 2 min)

:func:`parse_condition` reads and checks the text (grammar in :mod:`minifactory.recipe.grammar`), an
:class:`Expression` is its frozen syntax tree, and an :class:`Evaluator` answers it scan by scan with a
:class:`Sample`. Bad or stale values are unknown, and only what is certainly true fires.
"""

from minifactory.recipe.evaluation import Evaluator, Sample
from minifactory.recipe.expressions import PHASE_VARIABLES, Expression, Literal, Variable
from minifactory.recipe.grammar import SIGNATURES, Names, parse_condition

__all__ = [
    "PHASE_VARIABLES",
    "SIGNATURES",
    "Evaluator",
    "Expression",
    "Literal",
    "Names",
    "Sample",
    "Variable",
    "parse_condition",
]
