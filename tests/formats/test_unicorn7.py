"""UNICORN 6 and 7 results: every point, every event, and what stands beside them."""

from __future__ import annotations

import io
import struct
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import numpy as np
import pytest
from formats_builders import unicorn7

from minifactory.records.chromatogram import LogKind, Signal
from minifactory.records.formats import read

RESULT = "unicorn7_capto_q.zip"


def _decoded(payload: bytes) -> list[float]:
    """Format facts: int32 count at offset 22, little-endian float32 from byte 27, one trailing byte 0x0b."""
    (count,) = struct.unpack_from("<i", payload, 22)
    values = struct.unpack_from(f"<{count}f", payload, 27)
    assert len(payload) == 27 + 4 * count + 1
    assert payload[-1] == 0x0B
    return list(values)


def _inner(content: bytes) -> zipfile.ZipFile:
    """An inner archive without the padding behind its end-of-directory record."""
    return zipfile.ZipFile(io.BytesIO(content[: content.rindex(b"PK\x05\x06") + 22]))


def test_every_point_of_every_curve_is_read(shared_data: Path) -> None:
    path = shared_data / "akta" / RESULT
    file = read(path)
    curves = {curve.name: curve for curve in file.curves}
    with zipfile.ZipFile(path) as outer:
        root = ElementTree.fromstring(outer.read("Chrom.1.Xml"))
        listed = root.findall("Curves/Curve")
        assert len(listed) == len(file.curves) == 19
        for element in listed:
            curve = curves[element.findtext("Name") or ""]
            member = element.findtext("CurvePoints/CurvePoint/BinaryCurvePointsFileName") or ""
            with _inner(outer.read(member)) as inner:
                assert curve.values.tolist() == _decoded(inner.read("CoordinateData.Amplitudes"))
                step = float(element.findtext("DistanceBetweenPoints") or "")
                start = float(element.findtext("DistanceToStartPoint") or "")
                assert curve.volume_m3 is not None
                assert curve.time_s is not None
                along = start + step * np.arange(curve.values.size)
                if "CoordinateData.Volumes" in inner.namelist():
                    volumes = np.array(_decoded(inner.read("CoordinateData.Volumes")))
                    np.testing.assert_allclose(curve.volume_m3, volumes * 1e-6, rtol=1e-14, atol=0)
                    np.testing.assert_allclose(curve.time_s, along * 60, rtol=1e-14, atol=1e-12)
                else:
                    assert element.findtext("IsoChroneType") == "Volume"
                    np.testing.assert_allclose(curve.volume_m3, along * 1e-6, rtol=1e-14, atol=0)
            assert curve.unit == (element.findtext("AmplitudeUnit") or "")
    assert curves["UV 1_280"].values.size == 29791  # readers that cut the header by guess lose 16 of them


def test_every_event_is_read(shared_data: Path) -> None:
    path = shared_data / "akta" / RESULT
    file = read(path)
    with zipfile.ZipFile(path) as outer:
        root = ElementTree.fromstring(outer.read("Chrom.1.Xml"))
    events = {
        c.get("EventCurveType"): c.findall("Events/Event") for c in root.findall("EventCurves/EventCurve")
    }
    assert [f.name for f in file.fractions] == [e.findtext("EventText") for e in events["Fraction"]]
    for fraction, event in zip(file.fractions, events["Fraction"], strict=True):
        assert fraction.start_s == pytest.approx(float(event.findtext("EventTime") or "") * 60, rel=1e-14)
        assert fraction.start_m3 == pytest.approx(
            float(event.findtext("EventVolume") or "") * 1e-6, rel=1e-14
        )
    assert [i.volume_m3 for i in file.injections] == [pytest.approx(9.328822e-6)]
    # Each instruction is reported when issued and again when completed: those pairs are one entry.
    lines = [event.findtext("EventText") or "" for event in events["Logbook"]]
    completions = [line for line in lines if "(Completed)" in line and "(Issued)" not in line]
    processing = [line for line in lines if "(Processing)" in line and "(Issued)" not in line]
    assert len(file.log) == len(lines) - len(completions) - len(processing)
    stamped = [e for e in file.log if e.issued_s is not None]
    assert all(e.completed_s is not None and e.completed_s >= (e.issued_s or 0.0) for e in stamped)


def test_the_stages_of_an_instruction(shared_data: Path) -> None:
    file = read(shared_data / "akta" / RESULT)
    zero = next(e for e in file.log if e.text.startswith("Auto zero UV (Manual)"))
    assert zero.manual
    assert zero.issued_s == pytest.approx(0.3383333 * 60)
    assert zero.processing_s == pytest.approx(0.3383333 * 60)
    assert zero.completed_s == pytest.approx(0.3416667 * 60)
    gradient = next(e for e in file.log if e.text == "Gradient 50.0 {%B} 10.00 {CV}")
    assert gradient.kind is LogKind.INSTRUCTION
    assert not gradient.manual


def test_phases_and_blocks_are_nested(shared_data: Path) -> None:
    file = read(shared_data / "akta" / RESULT)
    phases = [block.name for block in file.blocks if block.depth == 0]
    assert phases == [
        "Method Settings",
        "Equilibration",
        "Sample Application",
        "Column Wash",
        "Elution",
        "Column Wash",
        "Equilibration",
    ]
    linear = next(block for block in file.blocks if block.name == "Linear gradient")
    assert linear.depth == 1
    assert linear.start_m3 is not None
    assert linear.end_m3 is not None
    # 10 CV of a column of 7.7 mm x 10 cm (4.657 mL, rounded); UNICORN switches within a scan or two of 0.2 s.
    programmed = 10 * np.pi / 4 * 0.77**2 * 10.0
    assert (linear.end_m3 - linear.start_m3) * 1e6 == pytest.approx(programmed, abs=0.5 / 60 * 0.4)


def test_column_system_calibration_and_method(shared_data: Path) -> None:
    file = read(shared_data / "akta" / RESULT)
    column, system, method = file.column, file.system, file.method
    assert column is not None
    assert column.name == "HiScreen Capto Q ImpRes"
    assert column.volume_m3 == pytest.approx(4.657e-6)
    assert column.bed_height_m == pytest.approx(0.1)
    assert column.diameter_m == pytest.approx(7.7e-3)
    assert column.total_liquid_m3 == pytest.approx(4.04e-6)
    assert column.particle_diameter_m == pytest.approx(40e-6)
    assert column.max_flow == pytest.approx(2.3e-6 / 60)
    assert column.max_delta_pressure_pa == pytest.approx(0.4e6)
    assert system is not None
    assert (system.name, system.configuration) == ("pure25 2536377", "AKTA pure 25")
    assert system.settings["mixer: Volume"] == "1.4 ml"
    assert "Injection valve" in system.components
    assert "Air E1 PumpA" not in system.components
    sensors = {item.sensor: item for item in file.calibrations}
    assert sensors["pH"].references == ("4.01", "6.86")
    assert sensors["pH"].constants["Calibrated electrode slope; %"] == "96.283"
    assert method is not None
    assert method.variables["Gradient length (Elution)"] == "10.00 base"
    gradient = next(step for step in method.steps if step.text.startswith("Gradient 50.0"))
    assert gradient.parameters == {"Target": "50.0 %B", "Length": "10.00 base"}
    inject = [
        step for step in method.steps if step.parameters.get("breakpoint variable") == "Empty loop with"
    ]
    assert [(step.breakpoint, step.base) for step in inject] == [(10.0, "volume")]
    assert file.source.software == "UNICORN 7.3.0.473"
    assert file.started is not None
    assert file.started.isoformat() == "2024-10-03T12:00:29.648000+09:00"


def test_signals_units_and_path_length(shared_data: Path) -> None:
    file = read(shared_data / "akta" / RESULT)
    assert not file.warnings
    uv = file.find(Signal.UV)
    assert uv is not None
    assert uv.wavelength_m == pytest.approx(280e-9)
    assert uv.path_length_m == pytest.approx(2e-3)
    assert not uv.derived
    conductivity = file.find(Signal.CONDUCTIVITY)
    assert conductivity is not None
    assert conductivity.name == "Cond"
    assert conductivity.si.max() == pytest.approx(conductivity.values.max() * 0.1)
    temperature = file.curve("cond TEMP")
    assert temperature.si == pytest.approx(temperature.values + 273.15)
    assert file.curve("UV 1_280_CUT_TEMP@100,BASEM").derived


def test_junk_around_the_xml_and_padding_behind_the_archives(tmp_path: Path) -> None:
    volumes, values = [0.0, 0.5, 1.25], [1.0, float(np.float32(-2.7)), 3.5]
    log = [
        (0.0, 0.0, "Block A (Issued) (Processing) (Completed)", "Method", "BlockStart"),
        (0.1, 0.5, "System flow 5.0 {ml/min} (Issued) (Processing)", "Method", "Undefined"),
        (0.2, 1.25, "System flow 5.0 {ml/min} (Completed)", "Method", "Undefined"),
        (0.2, 1.25, "End_Block (Issued) (Processing) (Completed)", "Method", "BlockEnd"),
    ]
    path = tmp_path / "result.bin"
    path.write_bytes(unicorn7({"UV 1_280": (volumes, values)}, log, junk=(b"\x00\x81\x02", b"\x0b\x0b\x00")))
    file = read(path)
    curve = file.curves[0]
    assert curve.values.tolist() == values
    assert curve.volume_m3 is not None
    assert curve.volume_m3.tolist() == pytest.approx([v * 1e-6 for v in volumes])
    assert [(e.text, e.issued_s, e.completed_s) for e in file.log][1] == (
        "System flow 5.0 {ml/min}",
        pytest.approx(6.0),
        pytest.approx(12.0),
    )
    assert file.blocks[0].end_m3 == pytest.approx(1.25e-6)
    assert file.column_volumes(curve.volume_m3).tolist() == pytest.approx([0.0, 0.25, 0.625])
    assert file.name == "made up"


def test_a_result_inside_another_archive(tmp_path: Path) -> None:
    from formats_builders import archive

    inner = unicorn7({"UV": ([0.0, 1.0], [1.0, 2.0])})
    path = tmp_path / "sent.zip"
    path.write_bytes(archive({"run.Result": inner}))
    assert read(path).curves[0].values.tolist() == [1.0, 2.0]
