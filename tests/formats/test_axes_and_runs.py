"""The x axes that a file does not store, injections, and measured results as runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.records.chromatogram import Signal
from minifactory.records.formats import as_run, read, summarise
from minifactory.records.formats.axes import volume_axis

SECOND = 1.0 / 60.0


def _volume_export(with_flow: bool) -> str:
    """A UNICORN 7 text export over volume: 1 mL/min to 2 mL, then 4 mL/min to 10 mL."""
    columns = {
        "UV 1_280": ("mAU", [(v, 10.0 * v) for v in np.linspace(-1.0, 10.0, 23)]),
        "System flow": ("ml/min", [(-1.0, 1.0), (0.0, 1.0), (2.0, 1.0), (2.0, 4.0), (10.0, 4.0)]),
        "Injection": ("Injection", [(0.0, "1")]),
        "Run Log": (
            "Logbook",
            [
                (-1.0, "Base CV, Vc=2.0 {ml}, HiTrap"),
                (-1.0, "System flow 1.0 {ml/min} (Issued) (Processing) (Completed)"),
                (2.0, "Phase Elution (Issued) (Processing) (Completed)"),
                (2.0, "System flow 4.0 {ml/min} (Issued) (Processing) (Completed)"),
                (10.0, "End Phase (Issued) (Processing) (Completed)"),
            ],
        ),
        "Fraction": ("Fraction", [(2.0, "1.A.1"), (6.0, "Waste")]),
    }
    if not with_flow:
        del columns["System flow"]
    rows: list[list[str]] = [[], [], []]
    for name, (unit, _) in columns.items():
        for row, cells in zip(rows, (("Chrom.1", ""), (name, ""), ("ml", unit)), strict=True):
            row += cells
    for index in range(23):
        cells = [points[index] if index < len(points) else ("", "") for _, points in columns.values()]
        rows.append([str(cell) for pair in cells for cell in pair])
    return "\r\n".join("\t".join(row) for row in rows)


@pytest.mark.parametrize("with_flow", [True, False])
def test_time_from_volume_and_flow(tmp_path: Path, with_flow: bool) -> None:
    path = tmp_path / "export.txt"
    path.write_bytes(_volume_export(with_flow).encode("utf-16"))
    file = read(path)
    uv = file.curve("UV 1_280")
    assert uv.volume_m3 is not None
    assert uv.time_s is not None
    volume = uv.volume_m3 * 1e6
    expected = 60.0 * np.where(volume <= 2.0, volume, 2.0 + (volume - 2.0) / 4.0)
    assert uv.time_s == pytest.approx(expected, abs=1e-9)
    elution = file.blocks[0]
    assert (elution.name, elution.start_s, elution.end_s) == (
        "Elution",
        pytest.approx(120.0),
        pytest.approx(240.0),
    )
    assert (elution.start_m3, elution.end_m3) == (pytest.approx(2e-6), pytest.approx(10e-6))
    assert [f.start_s for f in file.fractions] == pytest.approx([120.0, 180.0])
    assert file.injections[0].time_s == pytest.approx(0.0)
    assert file.column_volumes(uv.volume_m3)[0] == pytest.approx(-0.5)
    assert not file.warnings


def test_without_any_flow_the_time_stays_unknown(tmp_path: Path) -> None:
    path = tmp_path / "export.txt"
    text = _volume_export(False).replace("System flow", "Remark")
    path.write_bytes(text.encode("utf-16"))
    file = read(path)
    assert file.curves[0].time_s is None
    assert any("time axis stays empty" in warning.remedy for warning in file.warnings)
    assert summarise(file).blocks[0].start_s is None
    assert as_run(file).trends == {}


def test_the_integrated_volume_is_the_one_that_unicorn_counted(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "unicorn7_capto_q.zip")
    axis = volume_axis(file.curve("System flow"), ())
    uv = file.curve("UV 1_280")
    assert axis is not None
    assert uv.time_s is not None
    assert uv.volume_m3 is not None
    difference = (axis.at(uv.time_s) - uv.volume_m3) * 1e6
    # The flow is stored every second: each of eight steps of at most 1 mL/min is known to 0.5 s.
    assert np.max(np.abs(difference)) < 8 * 0.5 * SECOND
    assert np.max(np.abs(difference)) / 4.657 < 0.01  # CV


def test_axes_from_an_injection(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "unicorn7_capto_q.zip")
    uv = file.curve("UV 1_280")
    time, volume = file.after_injection(uv)
    assert uv.time_s is not None
    assert uv.volume_m3 is not None
    assert time is not None
    assert volume is not None
    assert time[0] == pytest.approx(0.1 - 9.461667 * 60)
    assert volume[0] == pytest.approx(-9.328822e-6)
    assert np.ptp(volume) == pytest.approx(np.ptp(uv.volume_m3))
    with pytest.raises(InputError, match="no injection 2"):
        file.after_injection(uv, 2)


def test_an_unknown_curve_is_answered_with_the_closest(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "unicorn7_capto_q.zip")
    with pytest.raises(InputError, match='Did you mean "System pressure"'):
        file.curve("Systm pressure")


def test_a_measured_result_is_a_run(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "pH5pt1_25pt2CV.asc")
    run = as_run(file)
    assert set(run.trends) == {"UV1.Signal", "Cond.Signal", "Gradient.PercentB", "pH.Signal", "System.Flow"}
    uv = file.find(Signal.UV)
    assert uv is not None
    assert run.trends["UV1.Signal"].values.tolist() == uv.si.tolist()
    assert run.column_volume == pytest.approx(50.27e-6)
    wash = next(phase for phase in run.phases if phase.path == "Wash_20Acetate")
    assert wash.column_volumes == pytest.approx(3.0, abs=0.005)
    elution = next(phase for phase in run.phases if phase.path.startswith("Elution"))
    assert (elution.reason, wash.reason) == ("advanced by hand", "completed")
    assert sum(pool.vessel == "C7" for pool in run.pools) == 1
    # The run's own volume axis and the reader's agree: both are the trapezoid rule on the flow.
    assert uv.time_s is not None
    assert uv.volume_m3 is not None
    inside = uv.time_s <= run.trends["System.Flow"].time[-1]
    assert run.volume_axis(uv.time_s[inside]) == pytest.approx(uv.volume_m3[inside], abs=1e-12)


def test_a_run_starts_at_zero_whatever_the_files_zero_is(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "Example_AKTA_Data.asc")
    run = as_run(file)
    assert run.events[0].time == 0.0
    assert run.trends["Cond.Signal"].time[0] == pytest.approx(102.05 * 60)
    assert [phase.path for phase in run.phases][:2] == ["Flush_0_1N", "Sani_1_0N"]


def test_the_systems_pressure_and_every_uv_channel_get_their_tags(shared_data: Path) -> None:
    file = read(shared_data / "akta" / "unicorn7_capto_q.zip")
    run = as_run(file)
    assert run.trends["Pressure.System"].values == pytest.approx(file.curve("System pressure").si)
    assert {"UV1.Signal", "UV2.Signal", "UV3.Signal", "PreC pressure", "Sample pressure"} <= set(run.trends)
    assert "UV 1_280_CUT_TEMP@100,BASEM" not in run.trends
