"""The batch record of the main job: self-contained, complete, and what it says of its inputs is true."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.system.conftest import CASE, Done

pytestmark = pytest.mark.slow

LOADING = {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "formaction", "background"}


class Links(HTMLParser):
    """Everything that a browser would fetch, and all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.elements: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.fetched += [value for name, value in attrs if name in LOADING and value]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def text(over_opcua: Done) -> str:
    return over_opcua.record.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def links(text: str) -> Links:
    return Links(text)


def test_it_fetches_nothing(text: str, links: Links) -> None:
    outside = [item for item in links.fetched if not item.startswith(("#", "data:"))]
    assert outside == []
    assert "@import" not in text
    assert [
        item
        for item in re.findall(r"url\(([^)]*)\)", text)
        if not item.strip("'\"").startswith(("#", "data:"))
    ] == []
    assert not links.elements & {"iframe", "object", "embed", "link", "base"}


def test_it_shows_prediction_and_measurement_with_phases_and_pool(links: Links) -> None:
    words = " ".join(links.words)
    assert "img" in links.elements or "svg" in links.elements
    for item in ("predicted", "measured", "cex.elution.elute", "pool", "Yield", "Purity", "mS/cm", "mAU"):
        assert item.lower() in words.lower(), item


def test_it_lays_the_original_run_under_ours(links: Links, shared_data: Path) -> None:
    original = shared_data / "akta" / "pH5pt1_25pt2CV.asc"
    words = " ".join(links.words)
    assert original.name in words
    assert hashlib.sha256(original.read_bytes()).hexdigest() in words


def test_its_hashes_are_those_of_the_files(over_opcua: Done, links: Links) -> None:
    words = " ".join(links.words)
    for name in ("factory.yaml", "recipe.yaml", "parameters.yaml", "targets.yaml"):
        expected = hashlib.sha256((CASE / name).read_bytes()).hexdigest()
        assert over_opcua.run.provenance[f"sha256 {name}"] == expected
        assert expected in words


def test_it_states_the_head_of_the_audit_chain(over_opcua: Done, links: Links) -> None:
    verified = over_opcua.store.verify(over_opcua.run.identifier)
    assert verified.intact
    assert verified.head == over_opcua.store.head(over_opcua.run.identifier)
    assert verified.head in " ".join(links.words)


def test_it_tells_materials_and_deviations(links: Links) -> None:
    words = " ".join(links.words)
    for item in ("equilibration", "elution", "feed", "storage"):
        assert item in words, item
    assert "deviation" in words.lower() or "difference" in words.lower()


def test_the_prediction_lies_beside_the_record(over_opcua: Done) -> None:
    assert (over_opcua.record.parent / "prediction.parquet").stat().st_size > 10_000
