"""Whatever is wrong with what a user gives: findings with file and line, exit code 2, never a traceback."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Said, Speaks

FILES = ("factory.yaml", "recipe.yaml", "parameters.yaml", "targets.yaml")


def refused(said: Said, *expected: str) -> None:
    assert said.code == 2, said
    assert said.output == ""
    assert "Traceback" not in said.errors
    for text in expected:
        assert text in said.errors, said.errors[:2000]


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{old!r} is not in {file.name}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(case: Path, says: Speaks, name: str) -> None:
    (case / name).unlink()
    refused(says("check", case), f"{name}", "missing")


@pytest.mark.parametrize("name", [*FILES, "original.yaml"])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a: [1, 2\nb: }", r":\d+"),
        (b"key: value\nkey: again\n", r":2"),
        (b"- just\n- a list\n", r""),
        (b"", r""),
        (b"\xff\xfe\x00\x01binary\x00\x80\x81", r""),
        (b"\x00" * 1000, r""),
        (b"a: &x [*x]\n", r""),
        (b"!!python/object/apply:os.system ['true']\n", r""),
        (b"a: " + b"[" * 5000, r""),
    ],
    ids=["malformed", "twice", "list", "empty", "binary", "zeros", "recursive", "tagged", "deep"],
)
def test_a_damaged_file_is_named_with_the_line(
    case: Path, says: Speaks, name: str, content: bytes, line: str
) -> None:
    (case / name).write_bytes(content)
    said = says("check", case)
    refused(said)
    assert re.search(re.escape(name) + line, said.errors), said.errors


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "nonsense",
    [b"nonsense " * 1_150_000, b"a: b\n" * 2_000_000, b"x" * 10_000_000],
    ids=["words", "pairs", "one word"],
)
def test_ten_megabytes_of_nonsense_are_refused_at_once(
    case: Path, says: Speaks, name: str, nonsense: bytes
) -> None:
    (case / name).write_bytes(nonsense)
    said = says("check", case)
    refused(said, name)
    assert len(said.errors) < 10_000


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_place_of_a_file_is_named(case: Path, says: Speaks, name: str) -> None:
    (case / name).unlink()
    (case / name).mkdir()
    refused(says("check", case), name)


def test_a_file_in_place_of_the_case_is_refused(case: Path, says: Speaks) -> None:
    refused(says("check", case / "factory.yaml"), "factory.yaml")


def test_a_case_that_does_not_exist_is_answered_with_the_nearest(case: Path, says: Speaks) -> None:
    refused(says("run", case.parent / "cex-polsh"), 'Did you mean "cex-polish"')


FAULTS: list[tuple[str, str, str, str, str]] = [
    ("factory.yaml", "volume: {value: 2 L,", "volume: {value: 2 min,", r"factory\.yaml:\d+", "2 min"),
    ("factory.yaml", "volume: {value: 2 L,", "volume: {value: 2,", r"factory\.yaml:\d+", "unit"),
    ("factory.yaml", "volume: {value: 2 L,", "volume: {value: -2 L,", r"factory\.yaml:\d+", "-2 L"),
    ("factory.yaml", "volume: {value: 2 L,", "volume: {value: .nan,", r"factory\.yaml:\d+", "unit"),
    (
        "factory.yaml",
        "bed_height: {value: 25 cm",
        "bed_heigth: {value: 25 cm",
        r"factory\.yaml:\d+",
        "bed_height",
    ),
    ("factory.yaml", "material: feed", "material: fed", r"factory\.yaml:\d+", "feed"),
    (
        "factory.yaml",
        "system: AKTAexplorer 100",
        "system: AKTAexplorer 10O",
        r"factory\.yaml:\d+",
        "AKTAexplorer",
    ),
    (
        "factory.yaml",
        "resin: SP Sepharose FF",
        "resin: SP Sepharos FF",
        r"factory\.yaml:\d+",
        "SP Sepharose FF",
    ),
    (
        "factory.yaml",
        "connected: akta1.PumpAInlet.A2",
        "connected: akta1.PumpAInlet.A12",
        r"factory\.yaml:\d+",
        "A12",
    ),
    ("recipe.yaml", "flow: 6.43 mL/min", "flow: 6.43", r"recipe\.yaml:\d+", "unit"),
    ("recipe.yaml", "flow: 6.43 mL/min", "flow: 6.43 mM", r"recipe\.yaml:\d+", "6.43 mM"),
    ("recipe.yaml", "inlet_a: feed", "inlet_a: fead", r"recipe\.yaml:\d+", "feed"),
    ("recipe.yaml", "kind: load", "kind: lode", r"recipe\.yaml:\d+", "load"),
    ("recipe.yaml", "skid: akta1", "skid: akta2", r"recipe\.yaml:\d+", "akta1"),
    ("recipe.yaml", "UV > 60 mAU and", "UV > 60 mAU annd", r"recipe\.yaml:\d+", "annd"),
    ("recipe.yaml", "UV > 60 mAU and", "UW > 60 mAU and", r"recipe\.yaml:\d+", "UV"),
    ("recipe.yaml", "UV > 60 mAU and", "UV > 60 mL and", r"recipe\.yaml:\d+", "60 mL"),
    ("recipe.yaml", "UV > 60 mAU and", "__import__('os') and", r"recipe\.yaml:\d+", "__import__"),
    (
        "parameters.yaml",
        "dispersivity: {value: 0.35 mm",
        "dispersivity: {value: 0.35 mM",
        r"parameters\.yaml:\d+",
        "mM",
    ),
    ("parameters.yaml", "normal 4 %", "normall 4 %", r"parameters\.yaml:\d+", "normal"),
    ("parameters.yaml", "    nu: {value", "    nuu: {value", r"parameters\.yaml", "nu"),
    ("targets.yaml", 'purity: ">= 95 %"', 'purety: ">= 95 %"', r"targets\.yaml:\d+", "purity"),
    ("targets.yaml", '">= 95 %"', '">= 95 mL"', r"targets\.yaml:\d+", "95 mL"),
    ("targets.yaml", "pool: pool", "pool: pol", r"targets\.yaml:\d+", "pool"),
    ("targets.yaml", "cex.loading.load.until", "cex.loading.laod.until", r"targets\.yaml:\d+", "load.until"),
]


@pytest.mark.parametrize(("name", "old", "new", "where", "what"), FAULTS, ids=[item[2] for item in FAULTS])
def test_a_fault_is_told_with_file_line_and_what_was_expected(
    case: Path, says: Speaks, name: str, old: str, new: str, where: str, what: str
) -> None:
    replace(case / name, old, new)
    said = says("check", case)
    refused(said, what)
    assert re.search(where, said.errors), said.errors


def test_connections_that_form_a_loop_are_refused(case: Path, says: Speaks) -> None:
    replace(
        case / "factory.yaml",
        "    devices:\n",
        "    connections: [T1 > T2 > T1]\n    devices:\n"
        "      T1: {kind: tubing, inner_diameter: 1 mm, length: 1 m}\n"
        "      T2: {kind: tubing, inner_diameter: 1 mm, length: 1 m}\n",
    )
    said = says("check", case)
    refused(said, "loop")
    assert re.search(r"factory\.yaml:\d+", said.errors)


def test_all_faults_of_all_files_come_at_once(case: Path, says: Speaks) -> None:
    replace(case / "recipe.yaml", "flow: 6.43 mL/min", "flow: 6.43")
    replace(case / "recipe.yaml", "inlet_a: feed", "inlet_a: fead")
    replace(case / "targets.yaml", '">= 95 %"', '">= 95"')
    said = says("check", case)
    refused(said)
    lines = [line for line in said.errors.splitlines() if re.match(r"\S*\.yaml:\d+", line)]
    assert sum("recipe.yaml" in line for line in lines) >= 2
    assert sum("targets.yaml" in line for line in lines) >= 1


def test_with_json_an_error_is_one_document(case: Path, says: Speaks) -> None:
    replace(case / "recipe.yaml", "flow: 6.43 mL/min", "flow: 6.43")
    said = says("run", case, "--json")
    assert said.code == 2
    document = json.loads(said.output)
    assert document["error"] == "InputError"
    (finding,) = document["findings"]
    assert re.match(r".*recipe\.yaml:\d+", finding["where"])


@pytest.mark.parametrize(
    "words",
    [
        ("dance",),
        ("chek", "CASE"),
        ("run",),
        ("run", "CASE", "--sped", "20"),
        ("run", "CASE", "--speed", "fast"),
        ("run", "CASE", "--speed", "-1"),
        ("run", "CASE", "--speed", "nan"),
        ("run", "CASE", "--speed", "20", "--in-memory"),
        ("run", "CASE", "--samples", "many"),
        ("run", "CASE", "--samples", "-1"),
        ("run", "CASE", "--seed", "1.5"),
        ("run", "CASE", "--connect", "opc.tcp://127.0.0.1:4840", "--virtual"),
        ("run", "CASE", "--connect", "opc.tcp://127.0.0.1:4840", "--fault", "freeze@1 s"),
        ("runs", "shw"),
        ("runs", "show"),
        ("runs", "show", "x", "--runs", "nowhere"),
        ("runs", "list"),
        ("simulate", "CASE", "extra"),
        ("skid", "CASE", "--port", "99999"),
        ("skid", "CASE", "--speed", "max"),
        ("skid", "CASE", "--name", "akta2"),
        ("import", "nothing.zip"),
        ("import", "."),
        ("trust", "orbit", "--certificate", "nothing.der"),
        ("trust", "orbit", "--certificate", "CASE/factory.yaml"),
        ("trust", "../../etc"),
        ("trust", "orbit", "abcdef"),
        ("runs", "export", "x", "file.docx"),
    ],
    ids=" ".join,
)
def test_wrong_words_are_refused(case: Path, says: Speaks, words: tuple[str, ...]) -> None:
    said = says(*(word.replace("CASE", str(case)) for word in words))
    refused(said)
    assert said.errors.strip()


@pytest.mark.parametrize(
    "fault",
    [
        "explode@1 s",
        "freeze",
        "freeze:UV9.Signal@1 s",
        "nan:pH.Signal@1",
        "pressure@1 s",
        "pressure=3 mL@1 s",
    ],
)
def test_faults_that_cannot_be_shown_are_refused_before_anything_runs(
    case: Path, says: Speaks, fault: str
) -> None:
    said = says("run", case, "--in-memory", "--fault", fault)
    refused(said, "UV9.Signal" if "UV9" in fault else fault)
    assert "predicting" not in said.errors


@pytest.mark.parametrize("suffix", [".asc", ".zip", ".res", ".csv", ".xlsx", ".cdf", ".xyz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff" * 500, b"nonsense " * 1000, b"PK\x03\x04" + b"\x00" * 64],
    ids=["empty", "binary", "words", "zip"],
)
def test_nonsense_is_no_chromatography_file(
    tmp_path: Path, says: Speaks, suffix: str, content: bytes
) -> None:
    file = tmp_path / f"file{suffix}"
    file.write_bytes(content)
    refused(says("import", file), file.name)


def test_plots_and_exports_of_unknown_formats_are_refused(
    case: Path, says: Speaks, shared_data: Path
) -> None:
    file = shared_data / "akta" / "Example_AKTA_Data.asc"
    refused(says("import", file, "--export", case / "x.docx"), "x.docx")
    refused(says("simulate", case, "--export", case / "x.docx"), "x.docx")
    refused(says("simulate", case, "--plot", case / "x.docx"), "x.docx")


def test_the_users_files_are_left_alone(case: Path, says: Speaks, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in case.iterdir()}
    (case / "recipe.yaml").write_text("procedure: [", encoding="utf-8")
    says("run", case)
    shutil.copy(Path(case / "recipe.yaml"), tmp_path / "broken.yaml")
    (case / "recipe.yaml").write_bytes(before["recipe.yaml"])
    assert {file.name: file.read_bytes() for file in case.iterdir()} == before
