"""Every page is listed, every link leads somewhere, every command and option is written down."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from minifactory.cli.main import app
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = sorted([REPOSITORY / "README.md", *DOCS.rglob("*.md"), *(REPOSITORY / "cases").glob("*/README.md")])
_LINK = re.compile(r"\]\(([^)#]+)")


def _commands(command: Any, path: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, item in command.commands.items():
        if hasattr(item, "commands"):
            found += _commands(item, f"{path}{name} ")
        else:
            found.append((f"{path}{name}", item))
    return found


COMMANDS = dict(_commands(get_command(app)))


def test_the_index_lists_every_page() -> None:
    listed = {
        (DOCS / link).resolve() for link in _LINK.findall((DOCS / "index.md").read_text(encoding="utf-8"))
    }
    pages = {page.resolve() for page in DOCS.rglob("*.md")} - {(DOCS / "index.md").resolve()}
    assert pages <= listed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_commands_and_options_are_documented(name: str) -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    group, _, _ = name.rpartition(" ")
    heading = f"### `minifactory {group or name}"
    assert heading in page
    section = page.split(heading, 1)[1].split("\n### ", 1)[0]
    if group:
        assert f"`{name}" in section
    options = {option for item in COMMANDS[name].params for option in item.opts if option.startswith("--")}
    assert {option for option in options - {"--help"} if option not in section} == set()


def test_no_command_is_documented_that_does_not_exist() -> None:
    page = (DOCS / "commands.md").read_text(encoding="utf-8")
    written = set(re.findall(r"^### `minifactory (\w+)", page, flags=re.MULTILINE))
    assert written == {name.split(" ")[0] for name in COMMANDS}
