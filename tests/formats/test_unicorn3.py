"""UNICORN 3 to 5 results against a decode by the offsets of the format."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from minifactory.records.chromatogram import Signal
from minifactory.records.formats import read

RESULT = "unicorn3_prime.res"
# Factors as AKTAprime stores them: thousandths of mAU, mS/cm and MPa, hundredths of pH, tenths of degC, %B.
FACTORS = {"UV": 1e-3, "Cond": 1e-3, "pH": 1e-2, "Pressure": 1e-3, "Temp": 1e-1, "Conc": 1e-1}


def _entries(content: bytes) -> dict[str, tuple[int, int, int]]:
    """Directory from byte 688, entries of 344: name at 6; size, allotted, offset, data offset from 302."""
    found = {}
    for place in range(688, 688 + 24 * 344, 344):
        name = content[place + 6 : place + 302].split(b"\0")[0].decode("latin-1")
        size, _, offset, data = struct.unpack_from("<4i", content, place + 302)
        if name:
            found[name.rpartition("_")[2]] = (offset, data, size)
    return found


def test_every_point_of_every_curve_is_read(shared_data: Path) -> None:
    path = shared_data / "akta" / RESULT
    content = path.read_bytes()
    file = read(path)
    entries = _entries(content)
    assert {curve.name for curve in file.curves} == set(FACTORS)
    for curve in file.curves:
        offset, data, size = entries[curve.name]
        pairs = np.frombuffer(content, "<i4", (size - data) // 4, offset + data).reshape(-1, 2)
        assert curve.values.size == len(pairs) == 13307
        np.testing.assert_allclose(curve.values, pairs[:, 1] * FACTORS[curve.name], rtol=1e-12, atol=0)
        assert curve.volume_m3 is not None
        np.testing.assert_allclose(curve.volume_m3, pairs[:, 0] * 1e-8, rtol=1e-12, atol=0)  # 0.01 mL
        assert curve.time_s is not None
        np.testing.assert_allclose(curve.time_s, 4.0 * np.arange(len(pairs)), rtol=1e-12, atol=0)


def test_every_fraction_and_log_line_is_read(shared_data: Path) -> None:
    path = shared_data / "akta" / RESULT
    content = path.read_bytes()
    file = read(path)
    for name, found in (("Logbook", file.log), ("Fractions", file.fractions)):
        offset, data, size = _entries(content)[name]
        rows = [content[place : place + 180] for place in range(offset + data, offset + size, 180)]
        assert len(found) == len(rows)
        for item, row in zip(found, rows, strict=True):
            time, volume = struct.unpack_from("<2d", row)
            text = row[16:92].split(b"\0")[0].decode("latin-1")
            if name == "Logbook":
                assert (item.time_s, item.text) == (pytest.approx(time * 60), text)
                assert item.volume_m3 == pytest.approx(volume * 1e-6)
            else:
                assert (item.start_s, item.name) == (pytest.approx(time * 60), text)
                assert item.start_m3 == pytest.approx(volume * 1e-6)


def test_what_the_result_says_of_the_run(shared_data: Path) -> None:
    file = read(shared_data / "akta" / RESULT)
    assert file.name == "2009Jun16no001"
    assert file.source.software == "UNICORN 3.10"
    assert file.system is not None
    assert file.system.name == "prime"
    assert file.started is not None
    assert file.started.isoformat() == "2009-06-16T19:51:44+00:00"
    assert file.method is not None
    steps = [
        (step.breakpoint, step.parameters["conc"], step.parameters["flow"]) for step in file.method.steps
    ]
    assert steps[0] == (0.0, "0", "1.0")
    assert steps[5] == (350.1, "100", "1.0")
    assert {step.base for step in file.method.steps} == {"volume"}
    assert [injection.volume_m3 for injection in file.injections] == [0.0]
    uv = file.find(Signal.UV)
    assert uv is not None
    assert uv.si == pytest.approx(uv.values * 1e-3)
    assert file.column is None
