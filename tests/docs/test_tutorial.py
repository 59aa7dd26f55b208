"""What the tutorial prints is what a reader gets."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.docs.replay import Command, Reader, agree, save, steps

PAGE = REPOSITORY / "docs" / "tutorial.md"


@pytest.fixture
def reader(tmp_path: Path, cases: Path) -> Iterator[Reader]:
    """A reader in a folder of their own with a copy of the cases."""
    shutil.copytree(cases, tmp_path / "cases", ignore=shutil.ignore_patterns("runs"))
    someone = Reader(tmp_path)
    try:
        yield someone
    finally:
        someone.close()


@pytest.mark.slow
def test_every_command_prints_what_the_tutorial_says(reader: Reader) -> None:
    commands = 0
    for step in steps(PAGE.read_text(encoding="utf-8")):
        if isinstance(step, Command):
            found = reader.run(step)
            assert agree(step.expected, found), "\n".join(
                [f"$ {step.text}", "--- the page:", *step.expected, "--- printed:", *found]
            )
            commands += 1
        else:
            save(reader, *step)
    assert commands >= 10


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        (("yield 93.64 %",), ("yield 93.65 %",), True),
        (("yield 93.64 %",), ("yield 94.64 %",), False),
        (("15 phases",), ("16 phases",), False),
        (("met Yield",), ("MISSED Yield",), False),
        (("a", "...", "d"), ("a", "b", "c", "d"), True),
        (("a", "...", "d"), ("a", "b", "c"), False),
        (("a",), ("a", "b"), False),
        (("a", "..."), ("a",), True),
    ],
)
def test_the_comparison_itself(expected: tuple[str, ...], found: tuple[str, ...], same: bool) -> None:
    assert agree(expected, found) is same
