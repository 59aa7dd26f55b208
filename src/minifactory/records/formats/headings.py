"""What stands above the columns of a table: names, units, and which columns are x axes, curves or events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from minifactory import units
from minifactory.records.formats.quantities import scale_of, spelled
from minifactory.records.formats.source import fault
from minifactory.records.formats.text import Cell, Rows, clock, number

HOW = (
    'Give headings such as "time [s]" or "volume [mL]" for the x column and "UV 280 [mAU]" for a curve, '
    "with tabs, semicolons or commas between the columns, or export the result from UNICORN."
)
_HEADER_ROWS = 60
_MOST_COLUMNS = 2000
_LOOKED_AT = 400
_LONGEST_NAME = 300
_X_NAME = re.compile(
    r"((run|elution|elapsed|retention|ret\.?|process|total|cumulative|accumulated|acc\.?|batch|method|system)"
    r"[ _])?"
    r"(time|volumes?|vol\.?|v|t|x|cv|column volumes?)([ _]axis)?"
)
_EVENTS: tuple[tuple[str, str], ...] = (
    (r"fractions?\b", "fractions"),
    (r"inject(ions?)?\b", "injections"),
    (r"logbook|run ?log|set ?marks?", "log"),
)
_AXES = (
    (units.TIME, "time", frozenset(("s", "min", "h", "day", "ms"))),
    (units.VOLUME, "volume", frozenset(("nL", "uL", "mL", "L", "dL", "m^3", "cm^3"))),
    (units.COLUMN_VOLUMES, "cv", frozenset(("CV",))),
)


@dataclass(frozen=True)
class Heading:
    """What stands above one column.

    `axis` is ``time``, ``volume`` or ``cv`` for an x column; `clock` says that its cells are times of day,
    durations such as ``0:01:30`` or dates; `events` is ``log``, ``fractions`` or ``injections`` for a column
    of marks; `axis` and `events` are empty for a curve.
    """

    index: int
    name: str
    unit: str
    axis: str = ""
    events: str = ""
    run: str = ""
    clock: bool = False


@dataclass
class Group:
    """The x columns that belong to some y columns."""

    x: list[Heading] = field(default_factory=list)
    y: list[Heading] = field(default_factory=list)


def layout(rows: Rows, decimal: str, where: str) -> tuple[list[Group], int]:
    """The groups of columns of a table and the index of its first row of data.

    Raises
    ------
    FormatError
        When no x column can be found.
    """
    width = max((len(row) for row in rows[:_HEADER_ROWS]), default=0)
    if width > _MOST_COLUMNS:
        raise fault(where, f"{width} columns", f"at most {_MOST_COLUMNS}", HOW)
    unit_row = _unit_row(rows)
    if unit_row is not None:
        columns, start = _three_rows(rows, unit_row), unit_row + 1
        told = unit_row
    else:
        start = next((i for i, row in enumerate(rows[:_HEADER_ROWS]) if _is_data(row, decimal)), -1)
        if start < 0:
            raise fault(where, "no rows of numbers", "a table of time or volume and values", HOW)
        told = next((i for i in range(start - 1, -1, -1) if any(_text(cell) for cell in rows[i])), -1)
        if told < 0:
            raise fault(
                where, "a table without headings", "a row with names and units above the numbers", HOW
            )
        columns = [_single(index, cell) for index, cell in enumerate(rows[told]) if _text(cell)]
        columns = _with_clocks(columns, rows[start])
    _refuse_overlong(rows, told, start, where)
    if not any(column.axis for column in columns):
        names = ", ".join(f'"{column.name}"' for column in columns[:8])
        raise fault(where, f"columns {names[:200]}", "a time or volume column", HOW)
    return _grouped(columns), start


def _refuse_overlong(rows: Rows, told: int, start: int, where: str) -> None:
    """Raise FormatError when most rows of data have more cells than there are headings.

    This is what decimal commas between commas, or an unquoted delimiter, look like: every number that was
    read would be a wrong one.
    """
    width = len(rows[told])
    data = [
        (at, row) for at, row in enumerate(rows[start : start + _LOOKED_AT], start) if any(map(_text, row))
    ]
    longer = [(at, row) for at, row in data if any(_text(cell) for cell in row[width:])]
    if len(longer) > 0.5 * len(data):
        at, row = longer[0]
        remedy = "Export with tabs or semicolons between the columns, or with a decimal point."
        raise fault(
            f"{where}:{at + 1}",
            f"{len(row)} cells under {width} headings",
            "a heading for each column",
            remedy,
        )


def _with_clocks(columns: list[Heading], first: Sequence[Cell]) -> list[Heading]:
    """The columns, those of times of day, durations and dates being x columns where no other tells time."""
    if any(column.axis == "time" for column in columns):
        return [column for column in columns if clock(_cell(first, column.index)) is None]
    found = []
    for column in columns:
        if not column.axis and clock(_cell(first, column.index)) is not None:
            column = replace(column, axis="time", unit="s", events="", clock=True)
        found.append(column)
    return found


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).strip()


def _cell(row: Sequence[Cell], index: int) -> str:
    return _text(row[index])[:_LONGEST_NAME] if 0 <= index < len(row) else ""


def _axis_of(unit: str) -> str:
    return next((axis for kind, axis, known in _AXES if unit and spelled(unit, kind) in known), "")


def _unit_row(rows: Rows) -> int | None:
    """The row that holds nothing but units, the x columns' among them, below a row of names."""
    for index, row in enumerate(rows[:_HEADER_ROWS]):
        cells = [_text(cell) for cell in row]
        if index and any(_axis_of(cell) for cell in cells) and all(len(cell) <= 30 for cell in cells):
            return index if any(_text(cell) for cell in rows[index - 1]) else None
        if any(_axis_of(cell) for cell in cells):
            return None
    return None


def _is_data(row: Sequence[Cell], decimal: str) -> bool:
    filled = [cell for cell in row if _text(cell)]
    told = sum(number(cell, decimal) is not None or clock(cell) is not None for cell in filled)
    return bool(filled) and told > 0.5 * len(filled)


def _three_rows(rows: Rows, unit_row: int) -> list[Heading]:
    """Headings of an export with rows for run, curve names and units."""
    said = rows[unit_row]
    names = rows[unit_row - 1]
    runs: Sequence[Cell] = rows[unit_row - 2] if unit_row >= 2 else []
    columns: list[Heading] = []
    for index in range(len(said)):
        unit = _cell(said, index)
        axis = (
            _axis_of(unit)
            if not (columns and columns[-1].axis and _is_length_of_time(columns[-1], unit))
            else ""
        )
        above = _cell(names, index)
        if not axis and (not above or number(above) is not None):
            above = _cell(names, index - 1)
        if not unit and not above:
            continue
        run, name = _split_name(above, _cell(runs, index) or _cell(runs, index - 1))
        columns.append(Heading(index, name, unit.strip("()"), axis, "" if axis else _event(name, unit), run))
    return columns


def _is_length_of_time(previous: Heading, unit: str) -> bool:
    """Whether `unit` repeats the axis of the x column beside it, so that it is a curve's unit."""
    return _axis_of(unit) == previous.axis


def _split_name(said: str, run_cell: str) -> tuple[str, str]:
    """Run and curve of a name such as ``Run A001:10_UV1_280nm``."""
    run, _, name = said.rpartition(":")
    if run and run_cell and name.startswith(run_cell + "_"):
        name = name[len(run_cell) + 1 :]
    elif run:
        name = re.sub(r"^\d+_", "", name)
    return run.strip(), name.strip()


def _event(name: str, unit: str) -> str:
    for said in (unit.strip("() ").lower(), name.lower()):
        for pattern, events in _EVENTS:
            if re.fullmatch(rf"(.*[ _])?({pattern})", said):
                return events
    return ""


def _single(index: int, cell: Cell) -> Heading:
    """The heading in one cell: ``time [s]``, ``UV (mAU)``, ``time_sec``, ``ml``."""
    said = _text(cell)[:_LONGEST_NAME]
    if unit := _known_unit(said):
        return Heading(index, said, unit)
    found = re.fullmatch(r"(.*?)\s*(?:\[(.*)\]|\((.*)\)|/\s*([^/]*)|,\s*([^,]*))", said)
    name, unit = said, ""
    if found:
        name, unit = (
            found[1].strip(),
            next((part for part in found.groups()[1:] if part is not None), "").strip(),
        )
    if not unit and (tail := re.fullmatch(r"(time|volume|vol|t|v)[_ ](\w+)", said, re.IGNORECASE)):
        name, unit = tail[1], tail[2]
    axis = _axis_of(unit) if _X_NAME.fullmatch(name.lower()) else ""
    if not unit and not axis:
        axis = _axis_of(said)
        unit = said if axis else ""
    return Heading(index, name or said, unit, axis, "" if axis else _event(name, unit))


def _known_unit(said: str) -> str:
    """`said` when it is nothing but a concentration's unit, as in exports of one curve."""
    kinds = (units.MASS_CONCENTRATION, units.CONCENTRATION, units.ABSORBANCE, units.CONDUCTIVITY)
    return said if any(scale_of(said, kind) is not None for kind in kinds) else ""


def _grouped(columns: Sequence[Heading]) -> list[Group]:
    """Each run of x columns with the y columns that follow; one group of all if a y column comes first.

    Curves before their own x columns (y, x, y, x) are pairs.
    """
    if not columns[0].axis:
        axes = [c for c in columns if c.axis]
        in_turn = all(bool(column.axis) == bool(at % 2) for at, column in enumerate(columns))
        if in_turn and len(axes) > 1 and len(columns) == 2 * len(axes) and len({c.axis for c in axes}) == 1:
            return [Group([x], [y]) for y, x in zip(columns[::2], columns[1::2], strict=True)]
        return [Group(_one_each(axes), [c for c in columns if not c.axis])]
    groups: list[Group] = []
    for column in columns:
        if column.axis:
            if not groups or groups[-1].y:
                groups.append(Group())
            groups[-1].x.append(column)
        else:
            groups[-1].y.append(column)
    last = groups[-1]
    if not last.y and len(groups) == 2:  # a plain table with an x column at the end as well
        groups[0].x += last.x
    return [Group(_one_each(group.x), group.y) for group in groups if group.y]


def _one_each(axes: Sequence[Heading]) -> list[Heading]:
    """The first x column of each sort: others say the same in another unit."""
    first: dict[str, Heading] = {}
    for heading in axes:
        first.setdefault(heading.axis, heading)
    return list(first.values())


def renamed(group: Group, names: set[str]) -> Group:
    """`group` with curve names made unique against `names`, which grows."""
    fresh = []
    for heading in group.y:
        name, count = heading.name or f"column {heading.index + 1}", 2
        while not heading.events and name in names:
            name, count = f"{heading.name or 'column'} ({count})", count + 1
        names.add(name)
        fresh.append(replace(heading, name=name))
    return Group(group.x, fresh)
