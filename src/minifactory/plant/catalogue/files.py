"""Opens the data files of the catalogue and compares names the way people write them."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from minifactory.plant.document import Reader, Report, open_text


def folder() -> Traversable:
    """The folder of the data files."""
    return files("minifactory.plant.catalogue") / "data"


def plain(name: str) -> str:
    """`name` without case, accents, blanks and punctuation: ``ÄKTA pure 25`` and ``AKTApure25`` are one."""
    letters = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def open_data(path: str) -> tuple[Reader, Report]:
    """The top mapping of the data file `path` (below the data folder), and its report."""
    target = folder()
    for part in path.split("/"):
        target = target / part
    report = Report()
    return open_text(target.read_text(encoding="utf-8"), f"catalogue/{path}", report), report


@lru_cache(maxsize=1)
def system_files() -> tuple[str, ...]:
    """The names of all system files, without suffix."""
    names = (item.name for item in (folder() / "systems").iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))
