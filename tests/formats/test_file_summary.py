"""What `import` shows: the summary and the picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from minifactory.errors import EnvironmentFault
from minifactory.records.formats import plot, read, summarise

FILES = (
    "akta/pH5pt1_25pt2CV.asc",
    "akta/unicorn7_capto_q.zip",
    "akta/unicorn3_prime.res",
    "workshop/15cv_gradient.xlsx",
)


def test_the_summary_of_a_run(shared_data: Path) -> None:
    summary = summarise(read(shared_data / "akta" / "pH5pt1_25pt2CV.asc"))
    assert summary.column == "XK16_SP_Seph_FF_16/25"
    assert summary.column_volume_m3 == pytest.approx(50.27e-6)
    assert summary.method == "Betass"
    assert [curve.points for curve in summary.curves] == [1651, 1761, 1761, 1761, 1761]
    uv = summary.curves[0]
    assert (uv.unit, uv.lowest, uv.highest) == ("mAU", -9.915, 200.688)
    wash = next(block for block in summary.blocks if block.name == "Wash_20Acetate")
    assert wash.column_volumes == pytest.approx(3.0, abs=0.005)
    # Tubes A1 to D12 and E1 to E8, and the outlets F2 to F5.
    assert summary.fractions == 4 * 12 + 8 + 4
    assert summary.collected_m3 is not None
    assert "OutletValve WasteF1  (Manual)" in summary.manual
    assert json.loads(json.dumps(summary.as_dict()))["name"] == summary.name


def test_the_summary_of_a_unicorn_7_result(shared_data: Path) -> None:
    summary = summarise(read(shared_data / "akta" / "unicorn7_capto_q.zip"))
    assert summary.system == "pure25 2536377 · AKTA pure 25"
    assert summary.duration_s == pytest.approx(198.6 * 60, abs=3.0)
    assert summary.calibrations == ("System pressure", "Sample pressure", "pH")
    assert summary.method_steps == 125
    elution = next(block for block in summary.blocks if block.name == "Linear gradient")
    assert elution.column_volumes == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize("name", FILES)
def test_the_picture_shows_the_run(shared_data: Path, tmp_path: Path, name: str) -> None:
    file = read(shared_data / name)
    plot(file, tmp_path / "x.png")
    pixels = image.imread(tmp_path / "x.png")[..., :3]
    assert pixels.shape == (880, 1430, 3)
    inked = np.mean(pixels.min(axis=2) < 0.9, axis=1)  # share of ink in each row
    filled = np.flatnonzero(inked > 0.002)
    # The two panels fill the picture: a collapsed layout leaves most rows blank.
    assert filled.size > 0.8 * pixels.shape[0]
    if "akta" in name:
        blue = np.all(np.abs(pixels - np.array([0x1F, 0x4E, 0x8C]) / 255.0) < 0.1, axis=2)
        rows = np.flatnonzero(blue[:, 70:1180].any(axis=1))
        assert np.ptp(rows) > 150  # the UV peak uses the height of its panel


def test_a_picture_of_an_unknown_kind(shared_data: Path, tmp_path: Path) -> None:
    file = read(shared_data / "workshop" / "tracer_1.xlsx")
    with pytest.raises(EnvironmentFault, match="picture cannot be written"):
        plot(file, tmp_path / "x.doc")


def test_awkward_numbers_and_names_do_not_spoil_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    rows = [
        "time [min],UV 280 [mAU],溶出 $x_ [mM]",
        "0,1,1",
        "1,nan,2",
        "2,1e300,3",
        "3,-inf,4",
        "4,2,-1e308",
        "5,3,6",
    ]
    path.write_text("\n".join(rows), encoding="utf-8")
    plot(read(path), tmp_path / "x.png")
    assert image.imread(tmp_path / "x.png").shape[:2] == (880, 1430)
