"""ANDI (AIA) netCDF files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import netcdf_file

from minifactory.errors import FormatError
from minifactory.records.chromatogram import Signal
from minifactory.records.formats import read

VALUES = np.sin(np.arange(400) / 30.0).astype("f4")


def _andi(
    path: Path, unit: str = "mAU", step: float | None = 0.5, retention: str = "seconds", **stored: object
) -> Path:
    with netcdf_file(str(path), "w") as cdf:
        cdf.createDimension("point_number", VALUES.size)
        ordinate = cdf.createVariable("ordinate_values", "f4", ("point_number",))
        ordinate[:] = VALUES
        ordinate.uniform_sampling_flag = "N" if stored else "Y"
        for name, value in (("actual_sampling_interval", step), ("actual_delay_time", 2.0)):
            if value is not None:
                cdf.createVariable(name, "f8", ()).data = np.array(value)
        if "times" in stored:
            times = cdf.createVariable("raw_data_retention", "f4", ("point_number",))
            times[:] = stored["times"]
        cdf.detector_unit = unit
        cdf.detector_name = "UV 280 nm"
        cdf.retention_unit = retention
        cdf.sample_name = "lysozyme"
        cdf.injection_date_time_stamp = "20240131120000+0100"
    return path


def test_every_point_and_the_time_axis(tmp_path: Path) -> None:
    file = read(_andi(tmp_path / "run.bin"))
    (curve,) = file.curves
    assert curve.signal is Signal.UV
    assert curve.values.tolist() == VALUES.astype("f8").tolist()
    assert curve.si == pytest.approx(VALUES * 1e-3)
    assert curve.time_s is not None
    assert curve.time_s == pytest.approx(2.0 + 0.5 * np.arange(400))
    assert curve.wavelength_m == pytest.approx(280e-9)
    assert file.name == "lysozyme"
    assert file.started is not None
    assert file.started.isoformat() == "2024-01-31T12:00:00+01:00"


def test_times_in_minutes_and_points_that_are_not_equidistant(tmp_path: Path) -> None:
    times = np.linspace(0.0, 4.0, 400).astype("f4") ** 2
    (curve,) = read(_andi(tmp_path / "run.cdf", retention="minutes", times=times)).curves
    assert curve.time_s is not None
    assert curve.time_s == pytest.approx(times.astype("f8") * 60.0)


@pytest.mark.parametrize(
    ("step", "unit"), [(0.0, "seconds"), (-1.0, "seconds"), (float("nan"), "seconds"), (1.0, "volts")]
)
def test_time_axes_that_make_no_sense(tmp_path: Path, step: float, unit: str) -> None:
    with pytest.raises(FormatError):
        read(_andi(tmp_path / "run.cdf", step=step, retention=unit))


def test_netcdf_of_another_kind(tmp_path: Path) -> None:
    with netcdf_file(str(tmp_path / "x.nc"), "w") as cdf:
        cdf.createDimension("lat", 3)
        cdf.createVariable("lat", "f8", ("lat",))[:] = [1.0, 2.0, 3.0]
    with pytest.raises(FormatError, match="ordinate_values"):
        read(tmp_path / "x.nc")


def test_netcdf4_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "x.nc"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(FormatError, match="nccopy"):
        read(path)
