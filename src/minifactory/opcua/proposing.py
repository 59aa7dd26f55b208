"""A tag map proposed for a server that nobody has seen before: by names, units, types, access and choices.

Every tag is compared with every variable (and, for set-points, every method with one value); what cannot be,
because of type, unit or access, scores 0. The pairs with the largest sum of scores are chosen; what scores
too little is left out, and told with its closest candidate. The proposal is for a person to check.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from asyncua import ua
from scipy.optimize import linear_sum_assignment

from minifactory.opcua.browse_path import Path
from minifactory.opcua.coding import Seen, coding_of, plain
from minifactory.opcua.engineering_units import kinds_of, texts_of, understood, unit_in
from minifactory.opcua.likeness import alike
from minifactory.opcua.resolving import MethodArgument
from minifactory.opcua.survey import FoundMethod, FoundVariable, Survey
from minifactory.opcua.tag_map import (
    CLOCK,
    NUMBER,
    OWNER,
    VALUE,
    InstructionPlace,
    Place,
    Source,
    TagMap,
)
from minifactory.signals.tags import Instruction, Tag, TagTable

ENOUGH = 0.55
"""Score from which a pair is proposed."""


@dataclass(frozen=True)
class Candidate:
    """A place that a tag or instruction may have, and how well it fits (0 to 1)."""

    path: Path
    score: float


@dataclass(frozen=True)
class Proposal:
    """A proposed map, the score of each pair, and the closest candidate of what was left out (None: none)."""

    tag_map: TagMap
    scores: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, Candidate | None] = field(default_factory=dict)


def propose(found: Survey, table: TagTable) -> Proposal:
    """The map that fits `table` best on the surveyed server."""
    tags = list(table.tags.values())
    scores: dict[str, float] = {}
    left_out: dict[str, Candidate | None] = {}
    places: dict[str, Place] = {}
    options: list[FoundVariable | FoundMethod] = [*found.variables, *found.methods]
    grid = np.zeros((len(tags), max(1, len(options))))
    for row, tag in enumerate(tags):
        for column, option in enumerate(options):
            grid[row, column] = _score(tag, option)
    for row, column in zip(*linear_sum_assignment(-grid), strict=True):
        tag, score = tags[row], float(grid[row, column])
        if score >= ENOUGH:
            places[tag.name], scores[tag.name] = _place(tag, options[column]), score
    for row, tag in enumerate(tags):
        if tag.name not in places:
            left_out[tag.name] = _closest(options, grid[row])
    calls, call_scores, call_misses = _instructions(found.methods, table, places)
    absent = frozenset({*left_out, *call_misses})
    clock = CLOCK if CLOCK in places and _ours(found) else ""
    proposed = TagMap(
        places=places, instructions=calls, absent=absent, clock=clock, stamps_each_sample=_ours(found)
    )
    return Proposal(proposed, {**scores, **call_scores}, {**left_out, **call_misses})


def _ours(found: Survey) -> bool:
    return any(uri.startswith("urn:minifactory:") for uri in found.namespaces)


def _closest(options: Sequence[FoundVariable | FoundMethod], row: np.ndarray) -> Candidate | None:
    if not options or not row.max() > 0.0:
        return None
    best = int(row.argmax())
    return Candidate(options[best].path, float(row[best]))


def _score(tag: Tag, option: FoundVariable | FoundMethod) -> float:
    names = tuple(step.name for step in option.path)
    if isinstance(option, FoundMethod):
        if not tag.writable or _value_argument(option) is None:
            return 0.0
        return 0.9 * alike(tag.name, names, option.description)
    fit = _fit(tag, option)
    return fit * alike(tag.name, names, option.description) if fit else 0.0


def _fit(tag: Tag, option: FoundVariable) -> float:
    """How well type, unit, access and choices fit: 0 when they exclude each other, at most 1."""
    seen = option.seen
    if seen.variant_type is None or (tag.writable and not seen.writable):
        return 0.0
    fit = 1.0 if tag.writable or not seen.writable else 0.8
    if tag.choices:
        return fit * _choices_fit(tag, seen)
    if seen.variant_type in (ua.VariantType.Boolean, ua.VariantType.String) or seen.choices is not None:
        return 0.0
    texts = texts_of(seen.unit)
    if not tag.kind.si:
        return fit * (0.3 if kinds_of(texts) else 1.0)
    if not texts or not kinds_of(texts):
        return fit * 0.8
    if unit_in(texts, tag.kind) is None:
        return 0.0
    return fit * (
        1.0 if option.high is None or math.isinf(tag.upper) else 0.95 + 0.05 * _overlap(tag, option)
    )


def _choices_fit(tag: Tag, seen: Seen) -> float:
    whole = seen.variant_type not in (ua.VariantType.Float, ua.VariantType.Double)
    if seen.choices is None:
        two = seen.variant_type == ua.VariantType.Boolean
        if two and len(tag.choices) != 2:
            return 0.0
        return (0.9 if two else 0.8) if whole and texts_of(seen.unit) == () else 0.5
    ours, theirs = {plain(item) for item in tag.choices}, {plain(item) for item in seen.choices.values()}
    common = len(ours & theirs) / len(ours | theirs)
    if common == 0.0 and len(theirs) < len(ours):
        return 0.4
    return 0.65 + 0.35 * common


def _overlap(tag: Tag, option: FoundVariable) -> float:
    unit = unit_in(texts_of(option.seen.unit), tag.kind)
    coding, _ = coding_of(tag, Place(option.path, unit), option.seen, "")
    if coding is None or option.low is None or option.high is None:
        return 0.0
    low, high = coding.si(option.low), coding.si(option.high)
    shared = min(high, tag.upper) - max(low, tag.lower)
    whole = max(high, tag.upper) - min(low, tag.lower)
    return max(0.0, shared / whole) if math.isfinite(whole) and whole > 0.0 else 0.0


def _place(tag: Tag, option: FoundVariable | FoundMethod) -> Place:
    if isinstance(option, FoundMethod):
        value = _value_argument(option)
        assert value is not None
        unit = _unit_in_text(value.description, tag) if tag.unit else ""
        arguments = {
            item.name: Source(VALUE, unit or tag.unit) if item is value else _side_source(item)
            for item in option.arguments
        }
        return Place(option.path, unit or None, {}, arguments)
    if tag.choices:
        return Place(option.path, choices=_named_choices(tag, option.seen))
    told = unit_in(texts_of(option.seen.unit), tag.kind)
    return Place(option.path, tag.unit if told is None else told)


_NO, _YES = (
    frozenset({"no", "off", "false", "inactive", "0"}),
    frozenset({"yes", "on", "true", "active", "1"}),
)
"""What servers call the two states of a flag."""


def _flag(tag: Tag, by_name: dict[str, str]) -> dict[str, tuple[float | str, ...]]:
    """Which of two names means No and which Yes; empty when they say neither, or `tag` is no flag."""
    if tuple(plain(choice) for choice in tag.choices) != ("no", "yes"):
        return {}
    no = [name for short, name in by_name.items() if short in _NO]
    yes = [name for short, name in by_name.items() if short in _YES]
    return {tag.choices[0]: tuple(no), tag.choices[1]: tuple(yes)} if no and yes else {}


def _named_choices(tag: Tag, seen: Seen) -> dict[str, tuple[float | str, ...]]:
    """Which of the server's values means which choice, as far as their names tell; empty when all match."""
    if seen.choices is None:
        return {}
    by_name = {plain(name): name for name in seen.choices.values()}
    if {plain(choice) for choice in tag.choices} == set(by_name):
        return {}
    if flag := _flag(tag, by_name):
        return flag
    chosen: dict[str, tuple[float | str, ...]] = {}
    for choice in tag.choices:
        best = max(by_name, key=lambda name: alike(choice, (by_name[name],)), default=None)
        if best is not None and (plain(choice) == best or alike(choice, (by_name[best],)) >= ENOUGH):
            chosen[choice] = (by_name[best],)
    return chosen


def _value_argument(option: FoundMethod) -> MethodArgument | None:
    """The one argument that takes a value, beside number and owner; None when there is not exactly one."""
    rest = [item for item in option.arguments if _side(item) is None]
    return rest[0] if len(rest) == 1 and rest[0].variant_type is not None else None


_NOT_WHOLE = (ua.VariantType.Float, ua.VariantType.Double, ua.VariantType.String, None)


def _side(item: MethodArgument) -> str | None:
    whole = item.variant_type not in (
        ua.VariantType.Float,
        ua.VariantType.Double,
        ua.VariantType.String,
        None,
    )
    if whole and alike("Number", (item.name,)) >= 0.8:
        return NUMBER
    if whole and plain(item.name) in ("reference", "ref", "clientreference", "sequence", "token"):
        return NUMBER
    if item.variant_type == ua.VariantType.String and alike("Owner", (item.name,)) >= 0.8:
        return OWNER
    return None


def _side_source(item: MethodArgument) -> Source:
    return Source(_side(item) or "")


def _unit_in_text(text: str, tag: Tag) -> str:
    """The unit that a description names, e.g. ``flow rate [ml/min]``; empty when none is understood."""
    for part in (text, *text.replace("[", " ").replace("]", " ").replace("(", " ").replace(")", " ").split()):
        unit = understood(part, tag.kind)
        if unit:
            return unit
    return ""


def _instructions(
    methods: Sequence[FoundMethod], table: TagTable, places: dict[str, Place]
) -> tuple[dict[str, InstructionPlace], dict[str, float], dict[str, Candidate | None]]:
    taken = {place.path for place in places.values()}
    free = [item for item in methods if item.path not in taken]
    wanted = list(table.instructions.values())
    grid = np.zeros((len(wanted), max(1, len(free))))
    for row, item in enumerate(wanted):
        for column, method in enumerate(free):
            grid[row, column] = _method_score(item, method)
    calls: dict[str, InstructionPlace] = {}
    scores: dict[str, float] = {}
    for row, column in zip(*linear_sum_assignment(-grid), strict=True):
        if grid[row, column] >= ENOUGH:
            item = wanted[row]
            calls[item.name] = InstructionPlace(free[column].path, _sources(item, free[column]))
            scores[item.name] = float(grid[row, column])
    missing = {
        item.name: _closest(free, grid[row]) for row, item in enumerate(wanted) if item.name not in calls
    }
    return calls, scores, missing


def _method_score(item: Instruction, method: FoundMethod) -> float:
    sources = _sources(item, method)
    given = {source.what for source in sources.values()}
    if any(argument.name not in given for argument in item.arguments):
        return 0.0
    unknown = sum(1 for source in sources.values() if not source.what)
    # The folder says little of what a method does, its name everything.
    names = tuple(step.name for step in method.path)
    likeness = max(alike(item.name, names[-1:], method.description), 0.95 * alike(item.name, names))
    return likeness * 0.8**unknown


def _sources(item: Instruction, method: FoundMethod) -> dict[str, Source]:
    """What goes into each argument of `method`; an argument that nothing fits gets an empty source."""
    left = list(item.arguments)
    sources: dict[str, Source] = {}
    for argument in method.arguments:
        side = _side(argument)
        if side is not None:
            sources[argument.name] = Source(side)
            continue
        best = max(left, key=lambda known: _argument_score(known.name, argument), default=None)
        if best is None:
            sources[argument.name] = Source("")
            continue
        left.remove(best)
        tag = Tag(best.name, best.kind, best.unit)
        unit = _unit_in_text(argument.description, tag) if best.unit else ""
        sources[argument.name] = Source(best.name, unit or best.unit)
    return sources


def _argument_score(name: str, argument: MethodArgument) -> float:
    return alike(name.replace("percent_b", "PercentB target"), (argument.name,), argument.description)
