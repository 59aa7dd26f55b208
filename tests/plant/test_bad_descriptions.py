"""Every kind of bad description: the fault is named with its place and its remedy, never a traceback."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minifactory.errors import InputError
from minifactory.plant.load import load_plant
from tests.plant.conftest import example

Change = Callable[[str, str, str], Path]

LOOP = """    connections: [T1 > T2 > T1]
    devices:
      T1: {kind: tubing, inner_diameter: 1 mm, length: 1 m}
      T2: {kind: tubing, inner_diameter: 1 mm, length: 1 m}"""

FAULTS = [
    # factory.yaml: units, keys, shapes
    ("value: 25 cm", "value: 25", "25 has no unit"),
    ("value: 25 cm", "value: 25 kg", '"kg" is not a unit of length'),
    ("value: 25 cm", "value: -25 cm", "is out of bounds"),
    ("value: 25 cm", "value: 90 cm", "does not fit in XK 16/40; expected 0 cm to 35 cm"),
    ("value: 25 cm", "value: 0 cm", "a bed without height"),
    ("value: 25 cm", "value: nan cm", "is not a number with a unit"),
    ("bed_height:", "bed_heigth:", 'Did you mean "bed_height"?'),
    ("columns:", "colums:", 'unknown key "colums". Did you mean "columns"?'),
    ("name: cation", "tempreture: 25 degC\nname: cation", 'Did you mean "temperature"?'),
    ("resin: SP Sepharose FF", "resin: SP Sefarose FF", 'Did you mean "SP Sepharose FF"?'),
    ("resin: SP Sepharose FF", "resin:", '"resin" has no value'),
    ("hardware: XK 16/40", "hardware: XK 16/41", 'Did you mean "XK 16/40"?'),
    ("skid: akta1", "skid: akta2", 'Did you mean "akta1"?'),
    ("position: Position2", "position: Position9", "is no place for a column"),
    ("position: Position2", "position: Position1", "is no place for a column"),
    ("bed_model: LRMP", "bed_model: LRPM", "is not a choice here"),
    ("binding: SMA", "binding: sma", 'Did you mean "SMA"?'),
    ("counter_ion: sodium", "counter_ion: chlorine", 'Did you mean "chloride"?'),
    ("    counter_ion: sodium\n", "", '"counter_ion" is missing'),
    # skids
    (
        "system: AKTAexplorer 100",
        "system: AKTAexplorer 100\n    on_failure: {link: halt}",
        "is not a choice here",
    ),
    (
        "system: AKTAexplorer 100",
        "system: AKTAexplorer 100\n    on_failure: {lnik: hold}",
        'Did you mean "link"?',
    ),
    (
        "system: AKTAexplorer 100",
        "system: AKTAexplorer 100\n    on_failure: {tags: {UV1.Signl: hold}}",
        'Did you mean "UV1.Signal"?',
    ),
    ("system: AKTAexplorer 100", "system: AKTAexplorer 1000", 'Did you mean "AKTAexplorer 100"?'),
    ("    system: AKTAexplorer 100\n", "", '"kind" is missing'),
    ("Mixer: {volume: 2 mL}", "Mixer: {volume: 2 mL, colour: red}", 'unknown key "colour"'),
    ("Mixer: {volume: 2 mL}", "Mixr: {volume: 2 mL}", '"kind" is missing'),
    ("Mixer: {volume: 2 mL}", "Mixer: {kind: pump, volume: 2 mL}", '"Mixer" is a mixer'),
    ("Mixer: {volume: 2 mL}", "X: {kind: valve}", "a valve without positions"),
    ("Mixer: {volume: 2 mL}", "X: {kind: valve, positions: {A: in out}}", "joins no two ports"),
    ("Mixer: {volume: 2 mL}", "X: {kind: tubing, length: 1 m}", "tubing without inner_diameter"),
    ("Mixer: {volume: 2 mL}", "X: {kind: tubing, inner_diameter: 1 mm}", "tubing without volume or length"),
    (
        "BufferLineA1: {volume: 10 mL}",
        "BufferLineA1: {volume: 10 mL, length: 1 m}",
        "contradict each other",
    ),
    ("after: LineOutlet", "after: LineOutlt", 'Did you mean "LineOutlet"?'),
    ("after: LineOutlet", "after: OutletValve.F8", "no line leaves"),
    ("    devices:", "    without: [Nose]\n    devices:", 'no device "Nose" with two ports'),
    ("    devices:", "    connections: [UV]\n    devices:", "connects nothing"),
    ("    devices:", "    connections: [UV > Cond]\n    devices:", 'two lines end at port "UV.out"'),
    ("    devices:", "    connections: [Condd > pH]\n    devices:", 'Did you mean "Cond"?'),
    ("    devices:", "    connections: [UV > pH.in > Cond]\n    devices:", "in the middle of a chain"),
    (
        "    devices:",
        LOOP,
        "the connections form a loop: T",
    ),
    # species, materials, vessels
    ("role: product", "role: hero", '"hero" is not a choice here'),
    ("molar_mass: 150 kg/mol, extinction", "extinction", '"molar_mass" is missing'),
    ("280 nm: 1.4", "280 s: 1.4", '"s" is not a unit of length'),
    ("{acetate: 20 mM, sodium: 14 mM}", "{acetat: 20 mM, sodium: 14 mM}", 'Did you mean "acetate"?'),
    ("{acetate: 20 mM, sodium: 14 mM}", "{acetate: 20, sodium: 14 mM}", "20 has no unit"),
    ("{acetate: 20 mM, sodium: 14 mM}", "[acetate]", "a list where a mapping is due"),
    ("{NaOH: 1 M}", "{hydroxide: 1 M}", "it follows from electroneutrality"),
    ("{NaOH: 1 M}", "{NaOH: 40 g/L}", "a compound by mass"),
    ("pH: 5.1", "pH: 51", "is out of bounds"),
    ("{material: caustic,", "{material: costic,", 'Did you mean "caustic"?'),
    ("volume: 0.5 L, purpose: cleaning", "volume: 0.5 L, capacity: 100 mL", "holds more than its capacity"),
    ("{material: caustic, volume", "{volume", "holds a volume of nothing"),
    ("purpose: feed, minimum: 5 mL", "purpose: feed, minimum: 5 L", "starts below its minimum"),
    ("purpose: pool", "purpose: poool", 'Did you mean "pool"?'),
    ("akta1.BufferValveA1.A14", "akta1.BufferValveA1.A11", "is already connected to"),
    ("akta1.BufferValveA1.A14", "akta1.BufferValveA1.A19", 'has no port "A19"'),
    ("akta1.BufferValveA1.A14", "akta1.BufferValve.A14", 'Did you mean "BufferValveA1"?'),
    ("akta1.BufferValveA1.A14", "akta2.BufferValveA1.A14", 'Did you mean "akta1"?'),
    ("akta1.BufferValveA1.A14", "BufferValveA1.A14", "is not a port"),
    ("  caustic: {material", "  Mixer: {material", "is also the name of a device"),
    # names
    ("  C1:\n", "  C.1:\n", '"C.1" is not a name'),
    ("  C1:\n", "  feed:\n", '"feed" also stands under columns'),
    ("  variant: {role", "  proteins: {role", "stands for a group of species"),
]

PARAMETER_FAULTS = [
    ("value: 0.33", "value: 33", "is out of bounds"),
    ("value: 0.33", "value: 0.45", "expected fraction from 0.28 to 0.42"),
    ("bounds: [0.28, 0.42]", "bounds: [0.42, 0.28]", "a lower and an upper value"),
    ("bounds: [0.28, 0.42]", "bounds: 0.28", "a lower and an upper value"),
    ("uncertainty: normal 3 %", "uncertainty: triangular 3 %", "is not an uncertainty"),
    ("uncertainty: uniform 1e-6 m/s", "uncertainty: uniform 1e-6 s", "is not an uncertainty"),
    ("dispersivity: 0.3 mm", "dispersivity: 0.3", "0.3 has no unit"),
    ("dispersivity: 0.3 mm", "dispersivty: 0.3 mm", 'Did you mean "dispersivity"?'),
    ("per: column, ", "", '"per" is missing'),
    ("per: column", "per: pore", '"pore" is not a choice here'),
    ("{value: 0.215 M, per: column, uncertainty: normal 5 %}", "0.2 M", "must say per what volume"),
    ("nu: {value", "nuu: {value", 'Did you mean "nu"?'),
    ("  product:\n", "  produkt:\n", 'no parameter "produkt". Did you mean "product"?'),
    ("C1:\n", "C2:\n", 'no column, skid or material "C2"'),
    ("UV1: {gain", "UV4: {gain", 'Did you mean "UV'),
    ("C1.ionic_capacity: -3 %", "C1.ionic_capcity: -3 %", 'Did you mean "C1.ionic_capacity"?'),
    ("C1.ionic_capacity: -3 %", "C1.total_porosity: -3 %", "has no value to deviate from"),
    ("C1.ionic_capacity: -3 %", "C1.ionic_capacity: 3 mM", "relative deviation"),
    ("akta1.volume_factor: 5 %", "akta1.Cond.offset: 5 %", "a relative deviation changes nothing"),
    ("particle_porosity: {value: 0.85, uncertainty: normal 2 %}", "kozeny_constant: 150", "is not stated"),
]


@pytest.mark.parametrize(("old", "new", "expected"), FAULTS)
def test_a_fault_in_the_factory_is_named(changed: Change, old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_plant(changed("factory.yaml", old, new))
    assert expected in str(caught.value)
    assert "factory.yaml:" in caught.value.findings[0].where


@pytest.mark.parametrize(("old", "new", "expected"), PARAMETER_FAULTS)
def test_a_fault_in_the_parameters_is_named(changed: Change, old: str, new: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_plant(changed("parameters.yaml", old, new))
    assert expected in str(caught.value)
    assert "parameters.yaml:" in caught.value.findings[0].where


def test_the_line_is_that_of_the_fault(changed: Change) -> None:
    folder = changed("factory.yaml", "value: 25 cm", "value: 25")
    lines = (folder / "factory.yaml").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "bed_height" in text)
    with pytest.raises(InputError) as caught:
        load_plant(folder)
    assert caught.value.findings[0].where == f"factory.yaml:{line} columns.C1.bed_height"


def test_findings_of_both_files_come_together(changed: Change) -> None:
    changed("factory.yaml", "value: 25 cm", "value: 25")
    folder = changed("parameters.yaml", "dispersivity: 0.3 mm", "dispersivity: 0.3")
    with pytest.raises(InputError) as caught:
        load_plant(folder)
    assert {finding.where.split(":")[0] for finding in caught.value.findings} == {
        "factory.yaml",
        "parameters.yaml",
    }


@pytest.mark.parametrize("file", ["factory.yaml", "parameters.yaml"])
@pytest.mark.parametrize(
    "content", ["", "- a\n", "a: [", "x" * 3_000_000, "\x00", "name: x\n", "C1:\n  product: 3\n"]
)
def test_a_hollow_file_is_bad_input(case: Path, file: str, content: str) -> None:
    (case / file).write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        load_plant(case)


def test_missing_files_are_both_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_plant(tmp_path)
    assert [finding.where for finding in caught.value.findings] == ["factory.yaml", "parameters.yaml"]


def test_a_missing_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_plant(tmp_path / "nowhere")


def test_more_of_a_kind_than_any_plant_has_is_refused_at_once(case: Path) -> None:
    species = "\n".join(f"  s{number}: {{role: tracer, molar_mass: 1 g/mol}}" for number in range(101))
    (case / "factory.yaml").write_text(f"species:\n{species}\n", encoding="utf-8")
    with pytest.raises(InputError, match="more than 100 species"):
        load_plant(case)


LINES = example("factory.yaml").splitlines()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    place=st.integers(0, len(LINES) - 1),
    keep=st.integers(0, 40),
    text=st.text(alphabet="abA1 :{}[],-\"'\n#&*!%>.", max_size=12),
)
def test_random_damage_never_ends_in_a_traceback(case: Path, place: int, keep: int, text: str) -> None:
    lines = list(LINES)
    lines[place] = lines[place][:keep] + text + lines[place][keep + 1 :]
    (case / "factory.yaml").write_text("\n".join(lines), encoding="utf-8")
    with contextlib.suppress(InputError):
        load_plant(case)
