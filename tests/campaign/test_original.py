"""A measured file on a run's axis: matched blocks begin where their phases begin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minifactory.campaign.report.original import fronts, matches, overlays
from minifactory.records.chromatogram import Block, ChromatogramFile, Curve, Signal, Source
from minifactory.records.formats import read
from minifactory.units import ABSORBANCE, CONDUCTIVITY, PH
from tests.records.synthetic import CV, DELAY, make_run

VOLUME = np.linspace(0.0, 12.0 * CV, 121)


def file(*blocks: Block, volume: np.ndarray | None = VOLUME) -> ChromatogramFile:
    curves = tuple(
        Curve(kind.name, signal, kind, "", 1.0, 0.0, VOLUME / CV, VOLUME * 1e8, volume)
        for kind, signal in ((ABSORBANCE, Signal.UV), (CONDUCTIVITY, Signal.CONDUCTIVITY), (PH, Signal.PH))
    )
    return ChromatogramFile(Source("/somewhere/run.asc", "ab" * 32, 1, "text"), "run", curves, blocks=blocks)


def block(name: str, start: float, end: float, depth: int = 0) -> Block:
    return Block(name, depth, 0.0, 1.0, start * CV, end * CV)


def test_blocks_are_matched_with_phases_by_volume() -> None:
    blocks = (
        block("prepare", 0.0, 2.1),
        block("delay", 2.1, 2.11),
        block("load", 2.1, 4.05),
        block("inner", 2.2, 3.0, depth=1),
        block("wash", 4.05, 6.2),
        block("elute", 6.2, 12.0),
    )
    found = matches(file(*blocks), make_run())
    expected = [(0.0, 0.0), (2.1, 2.0), (4.05, 4.0), (6.2, 6.0)]
    assert [phase.kind for _, phase, _ in found] == ["equilibrate", "load", "wash", "elute"]
    assert [(b.start_m3 / CV, v / CV) for b, _, v in found] == [pytest.approx(pair) for pair in expected]


def test_curves_move_with_their_blocks() -> None:
    laid = overlays(file(block("prepare", 0.0, 2.1), block("load", 2.1, 4.1)), make_run())
    assert [item.kind for item in laid] == [ABSORBANCE, CONDUCTIVITY]
    uv = laid[0]
    assert np.all(np.diff(uv.volume) >= 0.0)
    # The value is the file's own volume in CV: behind the load's start the axis is 0.1 CV lower.
    behind = uv.values > 2.11
    assert uv.volume[behind] / CV == pytest.approx(uv.values[behind] - 0.1)
    assert uv.source == f"run.asc, SHA-256 {'ab' * 32}"


def test_without_blocks_the_file_starts_with_the_run() -> None:
    (uv, _) = overlays(file(), make_run())
    assert np.array_equal(uv.volume, VOLUME)


def test_without_volumes_there_is_nothing_to_lay_over() -> None:
    assert overlays(file(volume=None), make_run()) == ()


def test_the_real_file_gives_its_peak_and_gradient(shared_data: Path) -> None:
    original = read(shared_data / "akta" / "pH5pt1_25pt2CV.asc")
    uv, conductivity = overlays(original, make_run())
    assert uv.values.max() > 0.1  # AU
    assert 10.0 < conductivity.values.max() < 20.0  # S/m: 1 M NaOH
    assert uv.volume.size > 1600


def test_fronts_of_the_file_against_the_prediction() -> None:
    """The file is another run: fronts pass 0.04 CV later, the detector has a gain error of 10 %."""
    predicted, other = make_run(), make_run(delay=DELAY + 0.04)
    cond = other.trends["Cond.Signal"]
    volume = other.volume_axis(cond.time)
    curve = Curve("Cond", Signal.CONDUCTIVITY, CONDUCTIVITY, "S/m", 1.1, 0.0, cond.values, cond.time, volume)
    blocks = (block("prepare", 0.0, 2.0), block("load", 2.0, 4.0), block("wash", 4.0, 6.0))
    original = ChromatogramFile(Source("run.asc", "", 1, "text"), "run", (curve,), blocks=blocks)
    found = fronts(original, predicted)
    assert [item.phase for item in found] == ["p.o.load", "p.o.wash"]
    assert [item.difference for item in found] == [pytest.approx(0.04, abs=1e-3)] * 2
