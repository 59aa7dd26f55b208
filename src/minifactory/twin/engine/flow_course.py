"""The way of the liquid through a network: the order in which units are solved, torn streams, turned units.

Units are solved one after another in the direction of flow. Where streams lead round in a loop, one stream of
the loop is torn: its source is solved after its target. Which streams flow changes from section to section,
so the order is found anew when they do; a network is torn only while liquid really goes round.

A unit that flows backwards is turned round: its nodes are stored in the reverse order, so that its last node
is its outlet whatever the direction.
"""

from __future__ import annotations

from typing import NamedTuple

from minifactory.numerics.kernels import inline_kernel, kernel
from minifactory.twin.engine.tables import (
    AT_STATE,
    BOUND,
    NODES,
    RADIAL,
    Array,
    Integers,
    Tables,
)


class Course(NamedTuple):
    """How the liquid goes now; one per thread."""

    sequence: Integers  # units in the order of solution
    rank: Integers  # [u] place in `sequence`
    torn: Integers  # sources of the torn streams, `tears[0]` of them
    tears: Integers  # (1,)
    turned: Integers  # [u] 1: the nodes are stored in reverse
    # these three with a last axis for lanes
    response: Array  # [torn * nc, state] what a unit concentration in a torn stream does to the solution
    closure: Array  # [torn * nc * torn * nc] (I - response at the torn sources)^-1
    torn_values: Array  # [torn * nc]


@inline_kernel
def _waits(source: Integers, target: Integers, active: Integers, rank: Integers, u: int) -> int:
    """How many active links into unit u come from units that have no place yet."""
    count = 0
    for k in range(source.shape[0]):
        if active[k] == 1 and target[k] == u and source[k] >= 0 and rank[source[k]] < 0:
            count += 1
    return count


@inline_kernel
def _first_source(source: Integers, target: Integers, active: Integers, rank: Integers, u: int) -> int:
    """A unit without a place that feeds u."""
    for k in range(source.shape[0]):
        if active[k] == 1 and target[k] == u and source[k] >= 0 and rank[source[k]] < 0:
            return int(source[k])
    return -1


@kernel
def flow_sequence(
    source: Integers, target: Integers, active: Integers, sequence: Integers, rank: Integers
) -> None:
    """Order of the units along the active links; where they go round, at the unit that tears fewest streams.

    Links lead from unit ``source[k]`` (negative: an inlet) to ``target[k]``; unplaced units are searched
    upstream until one comes twice, so that only units of a loop are torn.
    """
    units = sequence.shape[0]
    placed = 0
    for u in range(units):
        rank[u] = -1
    while placed < units:
        before = placed
        for u in range(units):
            if rank[u] < 0 and _waits(source, target, active, rank, u) == 0:
                rank[u] = placed
                sequence[placed] = u
                placed += 1
        if placed > before:
            continue
        u = 0
        while rank[u] >= 0:
            u += 1
        for _ in range(units):
            u = _first_source(source, target, active, rank, u)
        chosen, fewest = u, _waits(source, target, active, rank, u)
        around = _first_source(source, target, active, rank, u)
        while around != u:
            streams = _waits(source, target, active, rank, around)
            if streams < fewest:
                chosen, fewest = around, streams
            around = _first_source(source, target, active, rank, around)
        rank[chosen] = placed
        sequence[placed] = chosen
        placed += 1


@inline_kernel
def torn_sources(source: Integers, target: Integers, active: Integers, rank: Integers, torn: Integers) -> int:
    """How many units feed a unit solved before them; the first of them into `torn`, as far as it reaches."""
    count = 0
    for k in range(source.shape[0]):
        if active[k] == 1 and source[k] >= 0 and rank[source[k]] >= rank[target[k]]:
            known = False
            for j in range(min(count, torn.shape[0])):
                known = known or torn[j] == source[k]
            if not known:
                if count < torn.shape[0]:
                    torn[count] = source[k]
                count += 1
    return count


@inline_kernel
def _turn(tb: Tables, u: int, y: Array, lane: int) -> None:
    """Reverses the order of the nodes of unit u in a lane of the state `y` (size, lanes)."""
    nc, n, nr, nb = tb.components, tb.unit[u, NODES], tb.unit[u, RADIAL], tb.unit[u, BOUND]
    at = tb.unit[u, AT_STATE]
    for part in range(3):
        width = nc if part == 0 else (nr * nc if part == 1 else max(nr, 1) * nb)
        for i in range(n // 2):
            for j in range(width):
                first, last = at + i * width + j, at + (n - 1 - i) * width + j
                held = y[first, lane]
                y[first, lane] = y[last, lane]
                y[last, lane] = held
        at += n * width


@inline_kernel
def set_course(tb: Tables, flows: Array, y: Array, lane: int, course: Course, active: Integers) -> None:
    """The course for flows (2, links) at both ends of a section; turns units in `y` that change direction."""
    links = tb.link_source.shape[0]
    loops = course.torn.shape[0] > 0
    for k in range(links):
        active[k] = 1 if flows[0, k] != 0.0 or flows[1, k] != 0.0 else 0
        u = tb.link_target[k]
        if active[k] == 1 and tb.link_end[k] != course.turned[u]:
            _turn(tb, u, y, lane)
            course.turned[u] = tb.link_end[k]
    if not loops:
        return
    flow_sequence(tb.link_source, tb.link_target, active, course.sequence, course.rank)
    course.tears[0] = torn_sources(tb.link_source, tb.link_target, active, course.rank, course.torn)
    if course.tears[0] > course.torn.shape[0]:
        # The order of the layout never tears more than there is room for.
        for u in range(tb.units):
            course.sequence[u] = u
            course.rank[u] = u
        course.tears[0] = torn_sources(tb.link_source, tb.link_target, active, course.rank, course.torn)


def turned_back(tb: Tables, y: Array, turned: Integers) -> Array:
    """`y` with all units the right way round; the same array when none is turned."""
    if not turned.any():
        return y
    straight = y.copy()
    for u in turned.nonzero()[0]:
        nc, n, nr, nb = tb.components, *(int(tb.unit[u, c]) for c in (NODES, RADIAL, BOUND))
        at = int(tb.unit[u, AT_STATE])
        for width in (nc, nr * nc, max(nr, 1) * nb):
            block = y[at : at + n * width].reshape(n, width)
            straight[at : at + n * width] = block[::-1].reshape(-1)
            at += n * width
    return straight
