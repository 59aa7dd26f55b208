"""The binding models that a description may name under ``binding:``, and what each of them needs: one table.

A :class:`BindingKind` says, for each argument of the model's constructor, which parameters of
``parameters.yaml`` fill it. The digital factory builds the model from it; nothing here knows the equations. A
plug-in under the entry point group ``minifactory.binding`` is named by its entry point. It states its own
:class:`BindingKind` as a class attribute ``description``, or lets it follow from its fields: a mapping is a
number per species, a float a number of the column, a str the name of a species.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points

from minifactory.errors import Finding, InputError
from minifactory.plant.parameter_kinds import COLUMN, COLUMN_SPECIES, ParameterKind
from minifactory.units import CONCENTRATION, NUMBER, POSITIVE, TIME

GROUP = "minifactory.binding"
NEVER_BINDS = -600.0
"""Logarithm of an equilibrium constant that says that a species does not bind."""
PH_SPECIES = "pH"
"""The pseudo-species that carries the pH where a binding model follows it."""


@dataclass(frozen=True)
class Term:
    """An argument of a binding model and the parameters that fill it.

    Parameters
    ----------
    argument : str
        Of the model's constructor.
    parameters : tuple of str
        Of a species (or of the column, in `BindingKind.column`); several make a tuple.
    required : bool
        Whether they must be stated; of several that make one tuple, the first. What is not stated is left out
        (one parameter) or 0 (several).
    open_ended : bool
        Several parameters of which only the stated ones make the tuple: numbers of bound states.
    by_site : bool
        Several parameters: a tuple of mappings, one for each, instead of a mapping to tuples.
    times : bool
        The parameters are rates (1/s), the argument wants times (s).
    kinds : Mapping of str to ParameterKind
        What the parameters are, when the tables of :mod:`minifactory.plant.parameter_kinds` do not say.
    """

    argument: str
    parameters: tuple[str, ...]
    required: bool = True
    open_ended: bool = False
    by_site: bool = False
    times: bool = False
    kinds: Mapping[str, ParameterKind] = dataclasses.field(default_factory=dict)

    @property
    def needed(self) -> tuple[str, ...]:
        """The parameters that must be stated."""
        if not self.required:
            return ()
        one_tuple = len(self.parameters) > 1 and not self.by_site
        return self.parameters[:1] if one_tuple else self.parameters


@dataclass(frozen=True)
class BindingKind:
    """A binding model as a description names it.

    Parameters
    ----------
    name : str
        As written under ``binding:``.
    model : str
        Class in :mod:`minifactory.twin.binding`; empty for a plug-in.
    meaning : str
        One line for people.
    species, column : tuple of Term
        Arguments that hold numbers by species, and numbers of the column. The first parameter of `species` is
        the one whose value 0 says that a species does not bind.
    components : tuple of str
        Arguments that name a species; keys of the column's block in ``factory.yaml``.
    optional : tuple of str
        Those of `components` that may be left out.
    modulators : bool
        Whether the column lists ``modulators``, each with ``reference`` and, per species, ``gamma`` and
        ``beta``.
    ph : str
        Argument that names the component carrying the pH.
    constants : Mapping of str to object
        Arguments with a fixed value.
    """

    name: str
    model: str
    meaning: str
    species: tuple[Term, ...]
    column: tuple[Term, ...] = ()
    components: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    modulators: bool = False
    ph: str = ""
    constants: Mapping[str, object] = dataclasses.field(default_factory=dict)

    @property
    def strength(self) -> str:
        """The species parameter that says whether a species binds."""
        return self.species[0].parameters[0]

    @property
    def of_species(self) -> tuple[str, ...]:
        """Species parameters that a binding species must have."""
        return tuple(name for term in self.species for name in term.needed)

    @property
    def of_column(self) -> tuple[str, ...]:
        """Column parameters that must be stated."""
        return tuple(name for term in self.column if term.required for name in term.parameters)

    @property
    def unbound(self) -> float:
        """The value of :attr:`strength` that says that a species does not bind."""
        return NEVER_BINDS if self.strength.startswith("ln_") else 0.0

    def own_kinds(self) -> Iterator[tuple[bool, str, ParameterKind]]:
        """Parameters that only this model has: whether of a species, name, kind."""
        for of_species, terms, known in ((True, self.species, COLUMN_SPECIES), (False, self.column, COLUMN)):
            for term in terms:
                for name in term.parameters:
                    if name not in known:
                        stated = term.kinds.get(name)
                        yield (
                            of_species,
                            name,
                            stated or ParameterKind(NUMBER, f"of the model {self.name}, SI"),
                        )


def _one(argument: str, parameter: str, required: bool = True) -> Term:
    return Term(argument, (parameter,), required)


_K_KIN = Term("k_kin", ("k_kin",), required=False, times=True)
_CAPACITY = (_one("capacity", "ionic_capacity"), _one("reference", "reference_concentration", False))
_HIC = {
    "species": (_one("k_eq", "k_eq"), _one("ligands", "ligands"), _one("q_max", "q_max"), _K_KIN),
    "components": ("salt",),
}
_HIC_COLUMN = Term("beta", ("hic_beta_0", "hic_beta_1"))
_GIEX = (
    Term("ln_k", ("ln_k", "ln_k_ph", "ln_k_ph2")),
    Term("charge", ("nu", "nu_ph", "nu_ph2")),
    _one("shielding", "sigma"),
    _one("salting", "salting", False),
    _one("crowding", "crowding", False),
    _K_KIN,
)
_CPA = (
    _one("ln_k", "ln_k"),
    _one("repulsion", "repulsion"),
    _one("radius", "hydrodynamic_radius"),
    _K_KIN,
)
_CPA_COLUMN = (
    _one("surface", "surface_area"),
    _one("debye_length", "debye_length"),
    _one("neighbours", "neighbours", False),
)

_BREAKTHROUGH = {
    "load_half": ParameterKind(
        CONCENTRATION, "load at which half of the feed breaks through", 0.0, 1e5, per_volume=True
    ),
    "load_spread": ParameterKind(CONCENTRATION, "standard deviation of it, per column volume", 1e-9, 1e5),
    "release_time": ParameterKind(TIME, "time constant of elution at the release concentration", 1e-3, 1e6),
    "load_residence_time": ParameterKind(TIME, "column volume over flow at which they hold", 1e-3, 1e6),
    "release_concentration": ParameterKind(CONCENTRATION, "salt at which what is bound leaves", 1e-6, 1e5),
    "release_power": ParameterKind(POSITIVE, "power of the salt in the rate of elution", 1.0, 20.0),
}

BUILT_IN: tuple[BindingKind, ...] = (
    BindingKind("linear", "Linear", "a line", (_one("k_eq", "henry"), _K_KIN)),
    BindingKind(
        "langmuir", "Langmuir", "competitive Langmuir",
        (_one("k_eq", "affinity"), _one("q_max", "q_max"), _K_KIN),
    ),
    BindingKind(
        "anti-langmuir", "AntiLangmuir", "Langmuir whose bound molecules may help each other",
        (_one("k_eq", "affinity"), _one("q_max", "q_max"), _one("helps", "helps", False), _K_KIN),
    ),
    BindingKind(
        "bi-langmuir", "BiLangmuir", "two kinds of site",
        (
            Term("k_eq", ("affinity", "affinity_2"), by_site=True),
            Term("q_max", ("q_max", "q_max_2"), by_site=True),
            Term("k_kin", ("k_kin", "k_kin_2"), required=False, by_site=True, times=True),
        ),
    ),
    BindingKind(
        "freundlich", "Freundlich", "a power of the concentration",
        (_one("k_eq", "freundlich_k"), _one("n", "freundlich_n"), _K_KIN),
    ),
    BindingKind(
        "modulated-langmuir", "ModulatedLangmuir", "Langmuir with salt, solvent or several modulators",
        (_one("k_eq", "affinity"), _one("q_max", "q_max"), _K_KIN), modulators=True,
    ),
    BindingKind(
        "HIC", "HydrophobicInteraction", "hydrophobic interaction, constant water activity",
        column=(_HIC_COLUMN, _one("activity", "water_activity", False)), **_HIC,  # type: ignore[arg-type]
    ),
    BindingKind(
        "HIC-bound", "HydrophobicInteraction", "hydrophobic interaction, water activity by the bound protein",
        column=(_HIC_COLUMN,), constants={"activity": None}, **_HIC,  # type: ignore[arg-type]
    ),
    BindingKind(
        "SMA", "StericMassAction", "steric mass action",
        (_one("k_eq", "k_eq"), _one("charge", "nu"), _one("shielding", "sigma"), _K_KIN),
        _CAPACITY, ("counter_ion",),
    ),
    BindingKind(
        "GIEX", "GeneralisedIonExchange", "generalised ion exchange: SMA with salt and protein effects",
        _GIEX, _CAPACITY, ("counter_ion",), constants={"ph": None, "ph_reference": 7.0},
    ),
    BindingKind(
        "GIEX-pH", "GeneralisedIonExchange", "the same, following the pH",
        _GIEX, (*_CAPACITY, _one("ph_reference", "ph_reference")), ("counter_ion",), ph="ph",
    ),
    BindingKind(
        "multi-state-SMA", "MultiStateSMA", "steric mass action with up to three bound states",
        (
            Term("k_eq", ("k_eq", "k_eq_2", "k_eq_3"), open_ended=True),
            Term("charge", ("nu", "nu_2", "nu_3"), open_ended=True),
            Term("shielding", ("sigma", "sigma_2", "sigma_3"), open_ended=True),
            Term("k_kin", ("k_kin", "k_kin_2", "k_kin_3"), open_ended=True, times=True),
            Term("conversion", ("conversion_2", "conversion_3"), required=False, open_ended=True),
        ),
        _CAPACITY, ("counter_ion",),
    ),
    BindingKind(
        "breakthrough", "Breakthrough", "capture known by its breakthrough: an error function of the load",
        (
            Term("half", ("load_half",), kinds=_BREAKTHROUGH),
            Term("spread", ("load_spread",), kinds=_BREAKTHROUGH),
            Term("release", ("release_time",), kinds=_BREAKTHROUGH),
        ),
        (
            Term("residence", ("load_residence_time",), kinds=_BREAKTHROUGH),
            Term("reference", ("release_concentration",), kinds=_BREAKTHROUGH),
            Term("power", ("release_power",), False, kinds=_BREAKTHROUGH),
        ),
        ("salt",),
    ),
    BindingKind(
        "CPA", "Colloidal", "colloidal particle adsorption", _CPA, _CPA_COLUMN, ("salt",), ("salt",),
    ),
    BindingKind(
        "CPA-pH", "Colloidal", "colloidal particle adsorption, following the pH",
        (*_CPA, _one("ln_k_slope", "ln_k_slope", False), _one("repulsion_power", "repulsion_power", False)),
        _CPA_COLUMN, ("salt",), ("salt",), ph="ph",
    ),
)  # fmt: skip
"""Every model that comes with MiniFactory, besides ``none``."""

MODULATOR: tuple[str, ...] = ("gamma", "beta")
"""Parameters of a species and a modulator."""


@lru_cache(maxsize=1)
def _by_name() -> dict[str, BindingKind]:
    return {kind.name.lower(): kind for kind in BUILT_IN}


def binding_names() -> tuple[str, ...]:
    """What may stand under ``binding:``: the models that come with MiniFactory, then plug-ins."""
    own = ["none", *(kind.name for kind in BUILT_IN)]
    return tuple(dict.fromkeys([*own, *sorted(point.name for point in entry_points(group=GROUP))]))


def find_binding(name: str) -> BindingKind | None:
    """The kind of binding called `name`; None for ``none`` and for names that nobody has.

    Raises
    ------
    InputError
        A plug-in that cannot be loaded, or is no binding model.
    """
    known = _by_name().get(name.lower())
    return known or (None if name.lower() == "none" else _plug_in(name))


def plug_in_class(name: str) -> type:
    """The model class that an entry point offers; InputError when it cannot be loaded or is none."""
    for point in entry_points(group=GROUP):
        if point.name == name:
            try:
                model = point.load()
            except Exception as fault:  # a plug-in may fail in any way; the user hears which one and why
                raise InputError(
                    Finding(
                        f"plug-in {name}", f"{point.value} cannot be loaded: {fault}", "a binding model class"
                    )
                ) from fault
            if not isinstance(model, type) or not callable(getattr(model, "compile", None)):
                raise InputError(
                    Finding(
                        f"plug-in {name}", f"{point.value} is {model!r}", "a class with compile(components)"
                    )
                )
            return model
    raise InputError(Finding(f"plug-in {name}", f"no entry point {name} in the group {GROUP}"))


@lru_cache(maxsize=64)
def _described(name: str) -> BindingKind:
    model = plug_in_class(name)
    stated = getattr(model, "description", None)
    return (
        dataclasses.replace(stated, name=name) if isinstance(stated, BindingKind) else _derived(name, model)
    )


def _plug_in(name: str) -> BindingKind | None:
    return _described(name) if any(point.name == name for point in entry_points(group=GROUP)) else None


def _derived(name: str, model: type) -> BindingKind:
    """What a model class needs, from the fields of its dataclass."""
    if not dataclasses.is_dataclass(model):
        raise InputError(
            Finding(
                f"plug-in {name}", f"{model!r} is no dataclass", "a dataclass, or an attribute `description`"
            )
        )
    hints = typing.get_type_hints(model)
    species, column, components = [], [], []
    for field in dataclasses.fields(model):
        kind = hints[field.name]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        kinds = [kind, *typing.get_args(kind)]
        if any(_is_mapping(each) for each in kinds):
            times = field.name == "k_kin"
            species.append(Term(field.name, (field.name,), required and not times, times=times))
        elif float in kinds or int in kinds:
            column.append(Term(field.name, (field.name,), required))
        elif str in kinds:
            components.append((field.name, required))
        elif required:
            raise InputError(
                Finding(f"plug-in {name}", f"field {field.name} is {kind}", "a mapping, a float or a str",
                        "Give it a default, or state an attribute `description`.")
            )  # fmt: skip
    if not species:
        raise InputError(Finding(f"plug-in {name}", "no field with numbers by species", "at least one"))
    return BindingKind(
        name, "", f"plug-in {name}", tuple(species), tuple(column), tuple(each for each, _ in components),
        tuple(each for each, required in components if not required),
    )  # fmt: skip


def _is_mapping(kind: object) -> bool:
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Mapping)
