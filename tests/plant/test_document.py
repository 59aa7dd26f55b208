"""Reading description files: what is right is read, what is wrong becomes a finding with its line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.plant.document import Reader, Report, open_document, open_text
from minifactory.units import COLUMN_VOLUMES, FLOW, LENGTH, VELOCITY, VOLUME


def read(text: str) -> tuple[Reader, Report]:
    report = Report()
    return open_text(text, "factory.yaml", report), report


def fatal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read(text)
    return str(caught.value)


def test_a_quantity_is_si_and_keeps_text_source_and_place() -> None:
    top, report = read("source: the log\nbed_height: 25 cm\nloop: {value: 2 mL, source: assumed}\n")
    assert top.value("bed_height", LENGTH) == pytest.approx(0.25)
    assert top.value("loop", VOLUME) == pytest.approx(2e-6)
    top.finish()
    report.raise_errors()
    number = report.numbers["bed_height"]
    assert (number.text, number.source, number.where) == ("25 cm", "the log", "factory.yaml:2 bed_height")
    assert report.numbers["loop"].assumed
    assert not number.assumed


def test_a_block_hands_its_source_down() -> None:
    top, report = read("C1:\n  source: data sheet\n  tubing:\n    length: 1 m\n")
    assert top.section("C1").section("tubing").value("length", LENGTH) == 1.0
    assert report.numbers["C1.tubing.length"].source == "data sheet"


def test_the_first_fitting_kind_decides() -> None:
    top, _ = read("flow: 300 cm/h\n")
    quantity = top.quantity("flow", FLOW, VELOCITY)
    assert quantity is not None
    assert quantity.kind is VELOCITY


def test_all_findings_come_at_once_with_line_and_remedy() -> None:
    top, report = read("bed_heigth: 25 cm\nvolume: 10\nflow: 3 kg\nposition: Positon2\n")
    assert math.isnan(top.value("bed_height", LENGTH))
    assert math.isnan(top.value("volume", VOLUME))
    assert math.isnan(top.value("flow", FLOW))
    assert top.reference("position", ("Position1", "Position2"), "position") is None
    top.finish()
    with pytest.raises(InputError) as caught:
        report.raise_errors()
    text = str(caught.value)
    assert 'factory.yaml:1 bed_heigth: unknown key "bed_heigth". Did you mean "bed_height"?' in text
    assert "factory.yaml:2 volume: 10 has no unit" in text
    assert 'factory.yaml:3 flow: "3 kg"' in text
    assert 'Did you mean "Position2"?' in text
    assert '"bed_height" is missing' in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "a list where a mapping is due"),
        ("just words", '"just words" where a mapping is due'),
        ("a: b: c\n", "factory.yaml:1"),
        ("a: [1, 2\nb: 3\n", "is not valid YAML"),
        ("a: 'open\n", "is not valid YAML"),
        ("a:\n\t- b\n", "is not valid YAML"),
        ("a: &x 1\nb: *x\n", 'anchor "&x"'),
        ("a: *x\n", 'alias "*x"'),
        ("a: !!python/object:os.system x\n", "tag"),
        ("a: 1\n---\nb: 2\n", "a second document"),
        ("? [a, b]\n: c\n", "a list or mapping as a key"),
        ("a: " + "[" * 200 + "]" * 200, "levels"),
        ("a: \x00\n", "is not valid YAML"),
    ],
)
def test_text_that_is_no_description_is_refused_with_its_reason(text: str, expected: str) -> None:
    assert expected in fatal(text)


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )
    assert "factory.yaml:1" in fatal(bomb)


def test_too_many_values_are_refused() -> None:
    assert "more than" in fatal("a: [" + "1," * 150_000 + "1]")


def test_a_key_stated_twice_is_a_finding_and_the_first_one_counts() -> None:
    top, report = read("C1: {bed_height: 25 cm}\nC1: {bed_height: 10 cm}\n")
    assert top.section("C1").value("bed_height", LENGTH) == pytest.approx(0.25)
    assert 'key "C1" stands twice (first in line 1)' in str(report.findings[0])
    assert report.findings[0].where == "factory.yaml:2"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "does not exist"),
        (b"\xff\xfe\x00a", "is not UTF-8 text"),
        (b"a: 1\nb: \xe4\n", "factory.yaml:2"),
        (b"x" * 10_000_000, "is too large"),
        (b"\x89PNG\r\n\x1a\n", "is not UTF-8 text"),
        (b"{" * 100_000, "factory.yaml"),
        (b"%" * 100_000, "is not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_finding(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "factory.yaml"
    if content is not None:
        path.write_bytes(content)
    report = Report()
    assert open_document(path, report).keys == ()
    with pytest.raises(InputError, match=expected):
        report.raise_errors()


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "factory.yaml").mkdir()
    report = Report()
    open_document(tmp_path / "factory.yaml", report)
    assert "is a folder" in str(report.findings[0])


def test_a_misspelt_file_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "factroy.yaml").write_text("a: 1")
    report = Report()
    open_document(tmp_path / "factory.yaml", report)
    assert 'Did you mean "factroy.yaml"?' in str(report.findings[0])


def test_a_byte_order_mark_does_not_disturb(tmp_path: Path) -> None:
    path = tmp_path / "factory.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: x\n")
    assert open_document(path, Report()).text("name") == "x"


def test_wrong_shapes_are_named() -> None:
    top, report = read("columns: [a]\nname: {a: 1}\nsteps: 3\nempty:\nflag: maybe\n")
    assert list(top.members("columns")) == []
    assert top.text("name") == ""
    assert list(top.items("steps")) == []
    assert top.text("empty") == ""
    assert top.flag("flag", True)
    texts = [str(finding) for finding in report.findings]
    assert "a list where a mapping is due" in texts[0]
    assert "a mapping where a single value is due" in texts[1]
    assert '"3" where a list is due' in texts[2]
    assert '"empty" has no value' in texts[3]
    assert "neither yes nor no" in texts[4]


def test_lists_and_flags_are_read() -> None:
    top, report = read("a: [x, y]\nb: z\nc: [1 mL, 2 mL]\nd: 3 mL\nyes: no\nitems: [{n: 1 CV}, {n: 2 CV}]\n")
    assert top.texts("a") == ("x", "y")
    assert top.texts("b") == ("z",)
    assert top.values("c", VOLUME) == pytest.approx((1e-6, 2e-6))
    assert top.values("d", VOLUME) == pytest.approx((3e-6,))
    assert not top.flag("yes", True)
    assert [item.value("n", COLUMN_VOLUMES) for item in top.items("items")] == [1.0, 2.0]
    top.finish()
    report.raise_errors()


def test_a_default_holds_only_where_nothing_stands() -> None:
    top, report = read("a: nonsense\n")
    assert top.value("b", VOLUME, default=1e-6) == 1e-6
    assert math.isnan(top.value("a", VOLUME, default=1e-6))
    assert report.failed


def test_narrower_bounds_are_named() -> None:
    top, report = read("bed_height: 90 cm\n")
    top.value("bed_height", LENGTH, lower=0.0, upper=0.35)
    assert "length from 0 cm to 35 cm" in str(report.findings[0])


def test_a_flood_of_findings_is_cut_and_counted() -> None:
    top, report = read("".join(f"key{i}: 1\n" for i in range(5000)))
    top.finish()
    with pytest.raises(InputError) as caught:
        report.raise_errors()
    assert len(caught.value.findings) == 101
    assert "4900 further findings" in str(caught.value.findings[-1])
