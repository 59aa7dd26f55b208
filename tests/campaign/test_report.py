"""The batch record: complete, self-contained, escaped, and honest about runs that were cut short."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from minifactory.campaign.report import BatchRecord, chromatogram, render, write
from minifactory.errors import EnvironmentFault
from minifactory.historian import Verification
from minifactory.records.run import Event, Run
from tests.campaign.records import aborted_record, batch_record
from tests.records.synthetic import make_run

VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """The tags, texts and attributes of a page, and whether its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words = ""
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data + " "


@pytest.fixture(scope="module")
def record() -> BatchRecord:
    return batch_record()


@pytest.fixture(scope="module")
def page(record: BatchRecord) -> Page:
    return Page(render(record))


def test_it_is_a_balanced_page_with_unique_ids(page: Page) -> None:
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_nothing_comes_from_elsewhere(page: Page) -> None:
    tags = {tag for tag, _, _ in page.attributes}
    assert not tags & {"script", "iframe", "object", "embed", "form"}
    for _, name, value in page.attributes:
        if name in ("src", "href", "srcset", "action", "background"):
            assert value.startswith(("data:image/svg+xml;base64,", "#"))
        assert not name.startswith("on")


def test_the_style_loads_nothing(record: BatchRecord) -> None:
    style = re.search(r"<style>(.*?)</style>", render(record), re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_it_tells_the_whole_run(page: Page) -> None:
    for words in (
        "R-2024-001",
        "test-case",
        "Targets missed",
        "State Complete",
        "Purity 94.74 %, required >= 99 %: missed by 4.263 %",
        "p.o.equilibrate",
        "pool_start: UV > 60 mAU",
        "C1.product.nu",
        "± 10.00%",
        "fitted to the salt dip",
        "Feed",
        "product 450 mg, impurity 25 mg",
        "ab" * 32,
        "0f" * 32,
        "1234 entries, intact",
        "01 May 2024, 12:00:00 UTC",
        "MiniFactory 0.1.0",
        "87.15 to 92.85 %",
    ):
        assert words in page.words, words


def test_assumed_parameters_are_marked(record: BatchRecord) -> None:
    row = re.search(r'<tr class="note">\s*<th scope="row">C1.product.nu.*?</tr>', render(record), re.DOTALL)
    assert row is not None
    assert ">assumed<" in row[0]


def test_every_picture_says_what_it_shows(page: Page) -> None:
    texts = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert len(texts) == 2
    assert "phases equilibrate, load, wash, elute" in texts[0]
    assert ("html", "lang", "en-GB") in page.attributes


def test_text_from_outside_is_escaped(record: BatchRecord) -> None:
    evil = "<script>alert(1)</script>"
    run = replace(record.run, events=(Event(1.0, "operator", evil, evil),), provenance={evil: evil})
    text = render(replace(record, case=evil, run=replace(run, identifier=evil)))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_run_cut_short_gives_a_whole_record_with_the_reason_on_top() -> None:
    page = Page(render(aborted_record()))
    top = page.words[: page.words.index("Targets and performance")]
    assert "The run was not completed." in top
    assert "communication with akta1 lost, safe state entered" in top
    assert "Run not complete" in top
    assert "not executed" in page.words
    assert "critical alarm raised: no answer from akta1" in page.words
    assert "met so far" in page.words
    assert sum(1 for tag, name, _ in page.attributes if (tag, name) == ("img", "src")) == 1


@pytest.mark.parametrize(
    "run", [make_run("R", stop_at=4.0), replace(make_run("R", stop_at=4.0), trends={}, phases=())]
)
def test_a_run_that_ended_at_once_still_gives_a_record(run: Run) -> None:
    page = Page(render(batch_record(replace(run, events=(), consumed={}))))
    assert "the record does not say why" in page.words
    assert page.open == []


def test_a_record_with_nothing_but_the_run(record: BatchRecord) -> None:
    bare = BatchRecord("bare", record.run, record.performance, record.verdict)
    assert "Deviations from the prediction" not in Page(render(bare)).words


def test_a_broken_chain_is_told_on_top(record: BatchRecord) -> None:
    broken = Verification("R", False, 4, "cd" * 32, "entry 5 (Alarm at 3 s) was changed")
    words = Page(render(replace(record, audit=broken))).words
    assert "entry 5 (Alarm at 3 s) was changed" in words[: words.index("Targets and performance")]


def test_the_chromatogram_shows_measurement_prediction_band_and_original(record: BatchRecord) -> None:
    picture = chromatogram.overview(record)
    assert picture is not None
    for colour in ("#1f4e9c", "#b4491b", "#a3173f", "#f3d98b"):
        assert colour in picture.svg
    plain = chromatogram.overview(replace(record, prediction=None, overlays=()))
    assert plain is not None
    assert "stroke-dasharray" not in plain.svg
    assert "stroke-dasharray" in picture.svg


def test_a_flow_written_on_change_is_drawn_as_it_was() -> None:
    """Many points in one ramp, none where the flow stands: the ramp must not be smeared over the rest."""
    ramp = np.linspace(100.0, 101.0, 5000)
    x = np.concatenate([[0.0], ramp, [200.0]])
    y = np.concatenate([[1.0], np.linspace(1.0, 2.0, 5000), [2.0]])
    places, values = chromatogram._thin(x, y, 400)
    assert places.size <= 410
    assert np.interp([50.0, 99.9, 101.1, 150.0], places, values) == pytest.approx([1.0, 1.0, 2.0, 2.0])
    assert np.interp(100.5, places, values) == pytest.approx(1.5)


def test_the_same_record_gives_the_same_page(record: BatchRecord) -> None:
    assert render(record) == render(record)


def test_it_is_written_at_once_or_not_at_all(record: BatchRecord, tmp_path: Path) -> None:
    path = write(record, tmp_path / "new" / "record.html")
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [item.name for item in path.parent.iterdir()] == ["record.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        write(record, tmp_path / "file" / "record.html")
