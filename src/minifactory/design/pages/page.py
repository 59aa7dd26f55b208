"""What a report holds, whatever the study: verdict, sentences, tables, pictures; and how it is written."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from minifactory.records.whole_file import write_whole


@dataclass(frozen=True)
class Table:
    """A table: caption, head, rows of texts, and the columns that hold numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A plot as SVG, with its title and what it shows in words."""

    title: str
    svg: str
    description: str

    @property
    def source(self) -> str:
        """As the source of an image."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg.encode()).decode()


@dataclass(frozen=True)
class Page:
    """A report.

    Parameters
    ----------
    title : str
    verdict : str
        The answer in one sentence.
    good : bool
        Whether the study found what was asked for.
    lines : tuple of str
        What a person should read first.
    tables, pictures
    document : Mapping
        The same for programs: JSON types, SI units.
    provenance : Mapping of str to str
    """

    title: str
    verdict: str
    good: bool
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)


def render(page: Page) -> str:
    """The HTML text."""
    return _template().render(page=page)


def write(page: Page, path: Path) -> Path:
    """Write the page to `path` at once or not at all; returns the path.

    Raises
    ------
    EnvironmentFault
        When the file cannot be written.
    """
    remedy = "Make room and run the study again: what was simulated is kept."
    return write_whole(path, render(page), "the report", remedy)


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("minifactory.design", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
