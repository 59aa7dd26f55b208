"""Recipes: procedure > unit procedure > operation > phase, conditions, binding and static checks."""

from minifactory.recipe.bind import bind
from minifactory.recipe.bound import (
    BoundAction,
    BoundInstruction,
    BoundInterlock,
    BoundPhase,
    BoundRecipe,
    BoundWatch,
)
from minifactory.recipe.builder import RecipeBuilder, recipe_of, settings, watch
from minifactory.recipe.check import CheckResult, PhaseSummary, check
from minifactory.recipe.conditions import Evaluator, Expression, Sample, parse_condition
from minifactory.recipe.inputs import answered
from minifactory.recipe.load import load_recipe, parse_recipe
from minifactory.recipe.model import (
    Branch,
    Command,
    Gradient,
    Input,
    Interlock,
    InterlockAction,
    OnTimeout,
    Operation,
    Phase,
    PhaseKind,
    Recipe,
    Repeat,
    Settings,
    UnitProcedure,
    Watch,
)
from minifactory.recipe.outline import Outline, describe
from minifactory.recipe.references import references, with_values
from minifactory.recipe.write import document_of, write_recipe

__all__ = [
    "BoundAction",
    "BoundInstruction",
    "BoundInterlock",
    "BoundPhase",
    "BoundRecipe",
    "BoundWatch",
    "Branch",
    "CheckResult",
    "Command",
    "Evaluator",
    "Expression",
    "Gradient",
    "Input",
    "Interlock",
    "InterlockAction",
    "OnTimeout",
    "Operation",
    "Outline",
    "Phase",
    "PhaseKind",
    "PhaseSummary",
    "Recipe",
    "RecipeBuilder",
    "Repeat",
    "Sample",
    "Settings",
    "UnitProcedure",
    "Watch",
    "answered",
    "bind",
    "check",
    "describe",
    "document_of",
    "load_recipe",
    "parse_condition",
    "parse_recipe",
    "recipe_of",
    "references",
    "settings",
    "watch",
    "with_values",
    "write_recipe",
]
