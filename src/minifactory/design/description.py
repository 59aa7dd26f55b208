"""What a study may change: every numeric reference of a case's description, and the case with other values.

A reference names a quantity of the recipe (``cex.loading.load.until``), of the parameters
(``C1.product.nu``) or of the factory (``columns.C1.bed_height``, ``materials.elution.composition.chloride``).
The description is kept as the texts of its files: what a study recommends is the same text with other
numbers, comments and all, and loads as a case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from minifactory.design.candidates import Values, content_hash
from minifactory.design.places import with_texts
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.document import Report, open_text
from minifactory.plant.load import FACTORY, PARAMETERS, read_plant
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.recipe.bind import bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.check import check
from minifactory.recipe.expressions import kind_of
from minifactory.recipe.load import parse_recipe
from minifactory.recipe.model import Recipe
from minifactory.recipe.references import references, with_values
from minifactory.units import KINDS, NUMBER, Kind, Quantity, measure, show

RECIPE = "recipe.yaml"
DIGITS = 10
"""Of a number that is written for a value; a value that is read back is this one to a part in 1e9."""


@dataclass(frozen=True)
class Description:
    """The texts of a case, and what is asked of it.

    Parameters
    ----------
    texts : Mapping of str to str
        ``factory.yaml``, ``recipe.yaml`` and ``parameters.yaml``.
    skid : str
        Which the recipe is bound to.
    product, pool : str or None
        As the case's targets name them.
    sums : Mapping of str to tuple of str
        References whose value is the sum of others' (where a level of a gradient begins).
    """

    texts: Mapping[str, str]
    skid: str
    product: str | None = None
    pool: str | None = None
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def plant(self) -> Plant:
        """The plant as described.

        Raises
        ------
        InputError
            With every fault of factory and parameters.
        """
        report = Report()
        factory = open_text(self.texts[FACTORY], FACTORY, report)
        parameters = open_text(self.texts[PARAMETERS], PARAMETERS, report)
        plant = read_plant(factory, parameters, report)
        report.raise_errors()
        return plant

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as described; InputError with every fault."""
        return parse_recipe(self.texts[RECIPE], self.plant)

    @cached_property
    def bound(self) -> BoundRecipe:
        """The recipe for the skid; InputError when it cannot be bound."""
        return bind(self.recipe, self.plant, self.skid)

    @cached_property
    def bounds(self) -> Mapping[str, BoundRecipe]:
        """The recipe for every skid that it runs on."""
        skids = dict.fromkeys([self.skid, *(procedure.skid for procedure in self.recipe.procedure)])
        return {name: bind(self.recipe, self.plant, name) for name in skids}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all of it."""
        return content_hash(dict(self.texts), self.skid, str(self.product), str(self.pool), dict(self.sums))

    @cached_property
    def quantities(self) -> Mapping[str, Quantity]:
        """Every quantity that may be changed, by its reference."""
        found = dict(references(self.recipe))
        for path, parameter in self.plant.parameters.parameters.items():
            text = show(parameter.value, parameter.kind)
            found.setdefault(path, Quantity(parameter.value, parameter.kind, text))
        for path, number in self.plant.numbers.items():
            if number.where.startswith(f"{FACTORY}:") and path not in found:
                kind = _kind_of_text(number.text)
                if kind is not None:
                    found[path] = Quantity(number.value, kind, number.text)
        return found

    def quantity(self, reference: str, where: str = "study") -> Quantity:
        """The quantity at `reference`.

        Raises
        ------
        InputError
            There is none, or it is not stated in the case's own files.
        """
        found = self.quantities.get(reference)
        if found is not None:
            return found
        number = self.plant.numbers.get(reference)
        if number is not None:
            raise InputError(
                Finding(
                    where,
                    f'"{reference}" ({number.text}) comes from the catalogue, not from the case',
                    "a quantity that the case states",
                    f"State it in {FACTORY} to vary it.",
                )
            )
        raise InputError(
            Finding(
                where, f'no quantity "{reference}" in the case', "", did_you_mean(reference, self.quantities)
            )
        )

    def is_parameter(self, reference: str) -> bool:
        """Whether `reference` is a model parameter: what may differ while recipe and factory stay."""
        return reference in self.plant.parameters and reference not in self._of_recipe

    def is_of_recipe(self, reference: str) -> bool:
        """Whether `reference` is a quantity of the recipe."""
        return reference in self._of_recipe

    @cached_property
    def _of_recipe(self) -> frozenset[str]:
        return frozenset(references(self.recipe))

    def parameters(self, values: Values) -> ParameterSet:
        """The parameter set with the values (SI) of parameters among `values`."""
        return self.plant.parameters.with_values(
            {path: value for path, value in values.items() if self.is_parameter(path)}
        )

    def with_values(self, values: Values, remark: str = "") -> Description:
        """The description with other values (SI), in its texts.

        Parameters
        ----------
        values : Mapping of str to float
            SI by reference.
        remark : str
            Becomes the source of numbers that state one, with the value that stood there before.

        Raises
        ------
        InputError
            With every reference that is not known and every value out of its bounds.
        """
        if not values:
            return self
        whole = {**values, **self._summed(values)}
        texts = {path: text_of(value, self.quantity(path).kind) for path, value in whole.items()}
        of_recipe = {path: text for path, text in texts.items() if path in self._of_recipe}
        files = dict(self.texts)
        if of_recipe:
            changed = with_values(self.recipe, of_recipe)
            files[RECIPE] = with_texts(files[RECIPE], RECIPE, _recipe_texts(changed, of_recipe))
        for file, stated in self._of_files(texts).items():
            files[file] = with_texts(files[file], file, stated, remark)
        return replace(self, texts=files)

    def _summed(self, values: Values) -> dict[str, float]:
        """The values (SI) of references that are sums of others, where one of those changes."""
        return {
            path: sum(values.get(part, self.quantity(part).value) for part in parts)
            for path, parts in self.sums.items()
            if any(part in values for part in parts)
        }

    def _of_files(self, texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
        files: dict[str, dict[str, str]] = {}
        for path, text in texts.items():
            if path not in self._of_recipe:
                file = PARAMETERS if self.is_parameter(path) else FACTORY
                files.setdefault(file, {})[path] = text
        return files

    def faults(self) -> tuple[Finding, ...]:
        """What the static check finds wrong with it (errors only), and why it cannot be loaded at all."""
        try:
            found = [item for name in self.bounds for item in check(self.recipe, self.plant, name).findings]
        except InputError as fault:
            return fault.findings
        return tuple(dict.fromkeys(item for item in found if item.severity == "error"))


def text_of(value: float, kind: Kind) -> str:
    """`value` (SI) as a description states it, to :data:`DIGITS` digits."""
    return show(value, kind, digits=DIGITS)


def _kind_of_text(text: str) -> Kind | None:
    """The kind of a quantity that stands in a file; None for a text that is no number with a known unit."""
    number, _, unit = text.strip().partition(" ")
    try:
        float(number)
        dimension = measure(unit.strip())[2] if unit.strip() else ()
    except ValueError:
        return None
    if not unit.strip():
        return NUMBER
    kind = kind_of(dimension)
    if kind is None and not dimension:
        return KINDS["fraction"] if unit.strip() == "%" else NUMBER
    return kind


def _recipe_texts(changed: Recipe, paths: Mapping[str, str]) -> dict[str, str]:
    """YAML path -> text of everything in ``recipe.yaml`` that holds one of `paths`."""
    found: dict[str, str] = {}
    conditions = _conditions(changed)
    for path, text in paths.items():
        head = path
        if head not in conditions and head.rpartition(".")[2].isdigit():
            head = head.rpartition(".")[0]
        if head in conditions:
            found[yaml_path(head)] = conditions[head]
        else:
            found[yaml_path(path)] = text
    return found


def _conditions(recipe: Recipe) -> dict[str, str]:
    """The text of every condition by its path."""
    found = {f"interlocks.{item.name}.when": item.when.text for item in recipe.interlocks}
    for unit in recipe.procedure:
        for operation in unit.operations:
            for phase in operation.phases:
                path = f"{unit.name}.{operation.name}.{phase.name}"
                found[f"{path}.until"] = phase.until.text
                found |= {f"{path}.watch.{item.name}.when": item.when.text for item in phase.watches}
    return found


def yaml_path(path: str) -> str:
    """Where a reference of the recipe stands in its file."""
    parts = path.split(".")
    if parts[0] == "interlocks":
        return path
    if parts[1] in ("start", "safe"):
        return ".".join(["procedure", *parts])
    return ".".join(["procedure", parts[0], "operations", parts[1], "phases", *parts[2:]])
