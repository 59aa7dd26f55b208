"""Whatever is thrown at the readers, they end in a result or in a finding that says what to do."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest
from formats_builders import archive, compound, floats, string, unicorn7, xls
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minifactory.errors import Finding, FormatError, MiniFactoryError
from minifactory.records.formats import read, summarise, write_csv, write_parquet
from minifactory.records.formats.measured_run import as_run

SAMPLES = (
    "akta/94cm_hr.asc",
    "akta/Example_AKTA_Data.asc",
    "akta/unicorn3_prime.res",
    "akta/unicorn7_capto_q.zip",
    "workshop/tracer_1.xlsx",
)


def _survives(path: Path) -> bool:
    """Whether the file is read; a failure must be ours and say where and what."""
    findings: tuple[Finding, ...] = ()
    try:
        file = read(path)
        summarise(file)
        as_run(file)
    except MiniFactoryError as error:
        findings = error.findings
        if not findings:
            pytest.fail("an error without a finding")
    assert all(finding.where and finding.found for finding in findings)
    return not findings


@pytest.mark.parametrize("name", SAMPLES)
def test_truncated_samples(shared_data: Path, tmp_path: Path, name: str) -> None:
    content = (shared_data / name).read_bytes()
    path = tmp_path / "cut"
    chance = random.Random(name)
    for size in [1, 3, 47, 700, len(content) - 1, *(chance.randrange(len(content)) for _ in range(12))]:
        path.write_bytes(content[:size])
        read_all = _survives(path)
        if not name.endswith(".asc"):  # a text cut at a line's end is a whole, shorter export
            assert not read_all, f"cut at {size} of {len(content)} bytes"


EXTREMES = (b"\xff\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80")


def _damaged(content: bytes, chance: random.Random) -> bytes:
    """`content` with bits flipped, bytes and words replaced, parts cut out, doubled or put in."""
    found = bytearray(content)
    for _ in range(chance.choice([1, 1, 3, 10, 30])):
        if not found:
            break
        reach = min(chance.choice([64, 400, 5000, len(found)]), len(found))
        at = chance.randrange(reach)
        at = at if chance.random() < 0.7 else len(found) - 1 - at
        how = chance.randrange(6)
        if how == 0:
            found[at] ^= 1 << chance.randrange(8)
        elif how == 1:
            found[at] = chance.randrange(256)
        elif how == 2:
            found[at : at + 4] = chance.choice(EXTREMES)
        elif how == 3:
            del found[at : at + chance.choice([1, 4, 100, 5000])]
        elif how == 4:
            found[at:at] = chance.randbytes(chance.choice([1, 2, 4, 30]))
        else:
            found[at:at] = found[at : at + chance.choice([4, 50, 1000])]
    return bytes(found)


@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_samples(shared_data: Path, tmp_path: Path, name: str) -> None:
    content = (shared_data / name).read_bytes()
    chance = random.Random(f"mutate {name}")
    path = tmp_path / "mutated"
    for _ in range(25):
        path.write_bytes(_damaged(content, chance))
        _survives(path)


def _damaged_inside(content: bytes, chance: random.Random, depth: int = 0) -> bytes:
    """An archive, packed anew with one member (or one of the archive that it holds) damaged."""
    out = io.BytesIO()
    end = content.rfind(b"PK\x05\x06") + 22
    with (
        zipfile.ZipFile(io.BytesIO(content[:end])) as packed,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as again,
    ):
        chosen = chance.choice(packed.namelist())
        for name in packed.namelist():
            member = packed.read(name)
            if name == chosen:
                inner = depth == 0 and member.startswith(b"PK\x03\x04") and b"PK\x05\x06" in member
                member = _damaged_inside(member, chance, 1) if inner else _damaged(member, chance)
            again.writestr(name, member)
    return out.getvalue()


LOG = ((0.0, 0.0, "Base CV, 2.0 {ml}, X", "Method", ""), (1.0, 1.0, "Flow 1.0 ml/min", "Method", ""))


@pytest.mark.parametrize("kind", ["UNICORN 7", "xlsx", "xls"])
def test_archives_and_workbooks_with_damaged_members(shared_data: Path, tmp_path: Path, kind: str) -> None:
    whole = {
        "UNICORN 7": unicorn7({"UV": ([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])}, LOG),
        "xlsx": (shared_data / "workshop" / "tracer_1.xlsx").read_bytes(),
        "xls": xls([["Time (min)", "UV (mAU)"], [0.0, 1.0], [1.0, 2.0]]),
    }[kind]
    chance = random.Random(kind)
    path = tmp_path / "damaged"
    for _ in range(60):
        path.write_bytes(_damaged(whole, chance) if kind == "xls" else _damaged_inside(whole, chance))
        _survives(path)


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_mutated_files_of_our_own(shared_data: Path, tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "own"
    write(read(shared_data / "akta" / "Example_AKTA_Data.asc"), path)
    content = path.read_bytes()
    chance = random.Random(5)
    for _ in range(60):
        path.write_bytes(_damaged(content, chance))
        _survives(path)


@settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\x11G\x11G", b"PK\x03\x04", b"CDF\x01", b"PAR1", b"\x09\x08\x08\x00"]),
)
def test_any_bytes(tmp_path: Path, content: bytes, head: bytes) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(head + content)
    _survives(path)


cell = st.one_of(
    st.sampled_from(
        ["min", "ml", "mAU", "s", "(Fractions)", "Logbook", "time [s]", "UV [mAU]", "a:b_c", '"', "CV"]
    ),
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.text(max_size=8),
)


@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.lists(cell, max_size=6), max_size=8), st.sampled_from(["\t", ";", ","]))
def test_any_table(tmp_path: Path, rows: list[list[str]], delimiter: str) -> None:
    path = tmp_path / "table"
    path.write_text("\n".join(delimiter.join(row) for row in rows), encoding="utf-8", errors="replace")
    _survives(path)


event = st.tuples(
    st.one_of(st.floats().map(str), st.text(max_size=4, alphabet="09.eE-+ xN")),
    st.floats().map(str),
    st.sampled_from(
        [
            "Block A",
            "End_Block",
            "Base CV, 0 {ml}, x",
            "Base CV, 1e {ml}",
            "Flow 1.0 ml/min",
            "Pause 99/99/2020 99:99:99",
        ]
    ),
    st.sampled_from(["Method", "Manual", "System", ""]),
    st.sampled_from(["BlockStart", "BlockEnd", "SetMark", ""]),
)


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(event, max_size=8),
    st.lists(st.floats(width=32), max_size=5),
    st.lists(st.floats(width=32), max_size=5),
)
def test_any_unicorn_7_events_and_points(tmp_path: Path, log: list, volumes: list, values: list) -> None:  # type: ignore[type-arg]
    path = tmp_path / "result"
    path.write_bytes(unicorn7({"UV 1_280": (volumes, values)}, log))
    read_all = _survives(path)
    if len(volumes) != len(values):
        assert not read_all


GOOD = {"UV": ([0.0, 1.0, 2.0], [1.0, 2.0, 3.0])}
PAYLOADS = {
    "no payload": b"",
    "no header": floats([1.0, 2.0, 3.0])[1:],
    "fewer than promised": floats([1.0, 2.0, 3.0])[:-5],
    "negative count": floats([])[:22] + b"\xff\xff\xff\xff" + floats([])[26:],
    "huge count": floats([1.0])[:22] + b"\xff\xff\xff\x7f" + floats([1.0])[26:],
    "strings": string("three numbers"),
    "unknown type": floats([1.0])[:26] + b"\x63" + floats([1.0])[27:],
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_damaged_points_are_never_dropped_silently(tmp_path: Path, name: str) -> None:
    members = {"CoordinateData.Volumes": floats([0.0, 1.0, 2.0]), "CoordinateData.Amplitudes": PAYLOADS[name]}
    path = tmp_path / "result.zip"
    path.write_bytes(unicorn7(GOOD, changed={"Chrom.1_1_True": archive(members)}))
    with pytest.raises(FormatError, match=r"Chrom\.1_1_True"):
        read(path)


def test_damage_beside_the_curves_is_a_warning(tmp_path: Path) -> None:
    changed = {
        "MethodData": archive({"Xml": string("<Method><Description>")}),
        "SystemData": b"PK\x03\x04 nothing",
        "ColumnTypeData": archive({"Xml": string("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>")}),
    }
    path = tmp_path / "result.zip"
    path.write_bytes(unicorn7(GOOD, changed=changed))
    file = read(path)
    assert file.curves[0].values.tolist() == [1.0, 2.0, 3.0]
    places = {warning.where.rpartition("/")[2] for warning in file.warnings}
    assert {"MethodData", "SystemData", "ColumnTypeData"} <= places


def test_blocks_that_call_themselves(tmp_path: Path) -> None:
    call = (
        "<BlockInstruction><ReadableName>Block</ReadableName><GenericCommandInstruction><GenericCommandParameter>"
        "<CalledBlockName>Main</CalledBlockName></GenericCommandParameter></GenericCommandInstruction></BlockInstruction>"
    )
    block = f"<Block><BlockName>Main</BlockName><IsMainBlock>true</IsMainBlock><BlockInstructions>{call * 9}"
    xml = f"<Method><Blocks>{block}</BlockInstructions></Block></Blocks></Method>"
    path = tmp_path / "result.zip"
    path.write_bytes(unicorn7(GOOD, changed={"MethodData": archive({"Xml": string(xml)})}))
    method = read(path).method
    assert method is not None
    assert len(method.steps) == 20_000


def _bomb() -> bytes:
    """64 MiB of zeros in 64 KiB, and a directory that promises 4 GiB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        packed.writestr("Chrom.1.Xml", b"<Chromatogram/>")
        packed.writestr("0", bytes(64 * 2**20))
    content = out.getvalue()
    place = content.rindex(b"PK\x01\x02")
    return content[: place + 24] + (2**32 - 2).to_bytes(4, "little") + content[place + 28 :]


def test_a_zip_bomb_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(_bomb())
    with pytest.raises(FormatError, match="unpacks to 4096 MiB"):
        read(path)


def test_a_zip_bomb_that_lies_about_its_size(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("Chrom.1.Xml", b"<Chromatogram>" + b" " * 2**20)
    content = out.getvalue()
    place = content.rindex(b"PK\x01\x02")
    path = tmp_path / "bomb.zip"
    path.write_bytes(content[: place + 24] + (10).to_bytes(4, "little") + content[place + 28 :])
    with pytest.raises(FormatError, match="damaged data"):
        read(path)


def test_a_bomb_inside_the_archive_of_a_curve(tmp_path: Path) -> None:
    path = tmp_path / "result.zip"
    path.write_bytes(unicorn7(GOOD, changed={"Chrom.1_1_True": _bomb()}))
    with pytest.raises(FormatError, match="unpacks to 4096 MiB"):
        read(path)


def test_an_archive_protected_by_a_password(tmp_path: Path) -> None:
    content = bytearray(unicorn7(GOOD))
    place = 0
    while (place := content.find(b"PK\x01\x02", place)) >= 0 and content[place + 46 : place + 50] != b"":
        if content[place + 10] in (0, 8):
            content[place + 8] |= 1
        place += 46
    path = tmp_path / "secret.zip"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="password"):
        read(path)


def test_a_workbook_protected_by_a_password(tmp_path: Path) -> None:
    path = tmp_path / "secret.xlsx"
    path.write_bytes(compound("EncryptedPackage", bytes(5000)))
    with pytest.raises(FormatError, match="password"):
        read(path)


FOREIGN = {
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "a PDF": b"%PDF-1.7\n" + bytes(range(256)) * 10,
    "prose": b"Dear colleague,\nplease find the result attached.\n",
    "an empty archive": archive({}),
    "another archive": archive({"readme.txt": b"hello"}),
    "two results": archive({"a.zip": unicorn7(GOOD), "b.zip": unicorn7(GOOD)}),
    "a workbook without data": xls([]),
    "a result without chromatogram": archive({"Result.xml": b"<Result/>"}),
    "nothing": b"",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    path = tmp_path / "foreign.bin"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(FormatError) as caught:
        read(path)
    for finding in caught.value.findings:
        assert finding.where.startswith(("foreign.bin", str(path)))
        assert finding.expected
        assert finding.remedy


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        read(tmp_path / "missing.zip")
    with pytest.raises(FormatError, match="a folder"):
        read(tmp_path)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.asc"
    with path.open("wb") as sparse:
        sparse.truncate(600 * 2**20)
    with pytest.raises(FormatError, match="600 MiB"):
        read(path)


def test_a_table_of_absurd_width(tmp_path: Path) -> None:
    path = tmp_path / "wide.txt"
    path.write_text("\t".join(["a"] * 50_000) + "\n" + "\t".join(["1"] * 50_000), encoding="utf-8")
    with pytest.raises(FormatError, match="50000 columns"):
        read(path)
