"""The virtual skid of a real case: description, generated process and true parameters put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from minifactory.errors import InputError
from minifactory.plant.load import load_plant
from minifactory.skid.server import open_skid
from minifactory.skid.virtual import VirtualSkid


def equilibrate(skid: VirtualSkid) -> list[float]:
    flow = skid.table.tag("System.Flow.SP")
    skid.write({"System.Flow.SP": min(flow.upper, 1e-7), "ColumnPosition.SP": 0.0})
    skid.advance(600.0)
    return list(skid.image().values)


def shown(skid: VirtualSkid) -> dict[str, float]:
    return dict(zip((tag.name for tag in skid.table.readable), skid.image().values, strict=True))


def test_the_same_seed_opens_the_same_skid(cases: Path) -> None:
    one, same, other = (open_skid(cases / "cex-polish", "", seed, None) for seed in (1, 1, 2))
    assert equilibrate(one) == equilibrate(same)
    assert equilibrate(one) != equilibrate(other)


def test_after_equilibration_the_detectors_show_the_buffer(cases: Path) -> None:
    skid = open_skid(cases / "cex-polish", "akta1", 1, None, identical=True)
    equilibrate(skid)
    signals = shown(skid)
    assert signals["System.Flow"] == pytest.approx(1e-7)
    assert signals["Cond.Signal"] == pytest.approx(skid.truth.conductivity, rel=0.05)
    assert signals["pH.Signal"] == pytest.approx(skid.truth.ph, abs=0.1)
    assert signals["UV1.Signal"] == pytest.approx(0.0, abs=0.005)


def test_pumps_of_the_truth_are_not_those_of_the_prediction(cases: Path) -> None:
    stated = load_plant(cases / "cex-polish").parameters
    drawn = stated.truth(1)
    assert any(drawn[path] != stated[path] for path in stated)


def test_an_unknown_skid_is_refused_with_the_closest_name(cases: Path) -> None:
    with pytest.raises(InputError, match='Did you mean "akta1"'):
        open_skid(cases / "cex-polish", "akta2", 1, None)
