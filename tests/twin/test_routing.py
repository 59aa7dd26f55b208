"""Routes and flows of a small skid, by conservation of volume."""

from __future__ import annotations

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.twin.routing import WASH, Routing, routing

from .small import CONNECTIONS, joined, small_plant

LOADING = {"InletA": "A2", "ColumnValve": "Column", "OutletValve": "F1"}


@pytest.fixture
def routes() -> Routing:
    return routing(small_plant(), "s1")


def flows(routes: Routing, positions: dict[str, str], *pumps: float) -> dict[tuple[str, str], float]:
    through = routes.flow_matrix(positions) @ np.array(pumps)
    return {(r.source, r.target): q for r, q in zip(routes.routes, through, strict=True) if q}


def test_units_come_upstream_first(routes: Routing) -> None:
    assert routes.units == ("LineA", "Mixer", "C1", "UV1")
    assert set(routes.inlets) == {"buffer", "feed", "salt"}
    assert set(routes.outlets) == {"waste", "pool", WASH}


def test_loading_flows_from_the_feed_through_the_column_to_the_outlet(routes: Routing) -> None:
    assert flows(routes, LOADING, 3.0, 0.0, 0.0, 0.0) == {
        ("feed", "LineA"): 3.0,
        ("LineA", "Mixer"): 3.0,
        ("Mixer", "C1"): 3.0,
        ("C1", "UV1"): 3.0,
        ("UV1", "waste"): 3.0,
    }


def test_both_pumps_join_in_the_mixer(routes: Routing) -> None:
    got = flows(routes, LOADING | {"InletA": "A1", "OutletValve": "F2"}, 2.0, 1.0, 0.0, 0.0)
    assert got[("buffer", "LineA")] == 2.0
    assert got[("salt", "Mixer")] == 1.0
    assert got[("Mixer", "C1")] == got[("UV1", "pool")] == 3.0


def test_the_bypass_leaves_the_column_without_flow(routes: Routing) -> None:
    got = flows(routes, LOADING | {"ColumnValve": "Bypass"}, 3.0, 0.0, 0.0, 0.0)
    assert got[("Mixer", "UV1")] == 3.0
    assert ("Mixer", "C1") not in got


def test_a_pump_wash_flushes_the_line_and_nothing_behind_the_pump(routes: Routing) -> None:
    assert flows(routes, LOADING, 0.0, 0.0, 5.0, 0.0) == {("feed", "LineA"): 5.0, ("LineA", WASH): 5.0}


def test_a_dead_head_is_named(routes: Routing) -> None:
    with pytest.raises(InputError, match=r"no open way through Mixer with .*ColumnValve Closed"):
        routes.flow_matrix(LOADING | {"ColumnValve": "Closed"})


def test_a_loop_in_the_connections_has_an_order_and_no_flow_of_its_own() -> None:
    """Connections may lead round where valves decide; in an open circle no flow follows from the pumps."""
    looped = (*CONNECTIONS, *joined("UV1.out - Mixer.a"))
    routes = routing(small_plant(looped), "s1")
    assert set(routes.units) == {"LineA", "Mixer", "C1", "UV1"}
    with pytest.raises(InputError, match="no open way through Mixer"):
        routes.flow_matrix({"InletA": "A1", "ColumnValve": "Column", "OutletValve": "F1"})
