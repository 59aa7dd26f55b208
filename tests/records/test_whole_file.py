"""A text file that is written at once or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.errors import EnvironmentFault
from minifactory.records.whole_file import write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    place = tmp_path / "new" / "page.html"
    assert write_whole(place, "first", "the page") == place
    write_whole(place, "zweites: µ", "the page")
    assert place.read_text(encoding="utf-8") == "zweites: µ"
    assert list(place.parent.iterdir()) == [place]


def test_what_cannot_be_written_is_told_and_what_was_there_stays(tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    place.mkdir()  # a folder in its place cannot be replaced by a file
    (place / "kept").write_text("kept")
    with pytest.raises(EnvironmentFault, match=r"the page cannot be written .* Make room\."):
        write_whole(place, "text", "the page", "Make room.")
    assert [item.name for item in tmp_path.iterdir()] == ["page.html"]
    assert (place / "kept").read_text() == "kept"
