"""What the step control works on, and how it reaches the kernels: bundles of arrays.

The fields of each tuple stand in its bundle in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minifactory.numerics.kernel_arrays import (
    bundle,
    doubles_1,
    doubles_2,
    doubles_3,
    doubles_4,
    integers_1,
    integers_2,
)
from minifactory.numerics.kernels import inline_kernel
from minifactory.twin.engine.flow_course import Course
from minifactory.twin.engine.tables import Array, Integers, Tables
from minifactory.twin.engine.time_step import Inputs, Scratch


class Jobs(NamedTuple):
    """Simulations of one structure: what drives them, their numbers, and their results."""

    first: Integers  # (jobs + 1,) where the sections of a job start
    times: Array  # (sections, 2)
    flows: Array  # (sections, 2, links)
    inlets: Array  # (sections, 2, inlets, nc)
    start: Array  # (jobs, size)
    absolute: Array  # (jobs, size)
    by_unit: Array  # these five as in the tables, (jobs, ...); none where the tables are of the one job
    by_component: Array
    stoichiometry: Array
    kinetic: Array
    law_parameters: Array
    plan: Array  # (jobs, steps) lengths of the steps as fractions of what is left of their section
    out_times: Array
    out_states: Integers
    out: Array  # (jobs, times, states)
    end: Array  # (jobs, size)
    clock: Array  # (jobs, 5)
    counts: Integers  # (jobs, 3)
    status: Integers  # (jobs,)
    queue: Integers  # (1,) next job
    cancel: Integers  # (1,) not zero: stop


class LaneState(NamedTuple):
    """Where the lanes of a thread are; the last axis of every array is the lane."""

    y: Array  # (size,) at the start of the last step
    new: Array  # at its end
    dense: Array  # (2, size)
    absolute: Array
    clock: Array
    counts: Integers
    cursor: Integers
    trial: Array
    inputs: Inputs
    scratch: Scratch


def _arrays(fields: Any) -> Iterator[Any]:
    """The arrays of a tuple of arrays and such tuples; its whole numbers together come first."""
    numbers = [value for value in fields if isinstance(value, int)]
    if numbers:
        yield np.array(numbers, dtype=np.int64)
    for value in fields:
        if isinstance(value, np.ndarray):
            yield value
        elif isinstance(value, tuple):
            yield from _arrays(value)


class Bundle(NamedTuple):
    """The words of a bundle, and its arrays, which must live as long."""

    words: Integers
    arrays: tuple[Any, ...]


def bundle_of(fields: Tables | Jobs | LaneState) -> Bundle:
    """Tables, jobs or lanes as a kernel takes them."""
    arrays = tuple(_arrays(fields))
    return Bundle(bundle(arrays), arrays)


@inline_kernel
def tables_in(b: Integers) -> Tables:
    """The tables of a bundle."""
    n = integers_1(b, 0)
    return Tables(
        n[0], n[1], n[2], integers_2(b, 1), integers_2(b, 2), integers_1(b, 3), integers_1(b, 4),
        integers_1(b, 5), integers_1(b, 6), integers_1(b, 7), doubles_1(b, 8), doubles_1(b, 9),
        doubles_1(b, 10), doubles_3(b, 11), doubles_4(b, 12), doubles_4(b, 13), doubles_3(b, 14),
        doubles_2(b, 15),
    )  # fmt: skip


@inline_kernel
def jobs_in(b: Integers) -> Jobs:
    """The jobs of a bundle."""
    return Jobs(
        integers_1(b, 0), doubles_2(b, 1), doubles_3(b, 2), doubles_4(b, 3), doubles_2(b, 4), doubles_2(b, 5),
        doubles_3(b, 6), doubles_4(b, 7), doubles_4(b, 8), doubles_3(b, 9), doubles_2(b, 10),
        doubles_2(b, 11), doubles_1(b, 12), integers_1(b, 13), doubles_3(b, 14), doubles_2(b, 15),
        doubles_2(b, 16), integers_2(b, 17), integers_1(b, 18), integers_1(b, 19), integers_1(b, 20),
    )  # fmt: skip


@inline_kernel
def lanes_in(b: Integers) -> LaneState:
    """The lanes of a bundle."""
    inputs = Inputs(doubles_2(b, 8), doubles_2(b, 9), doubles_2(b, 10), doubles_3(b, 11), doubles_3(b, 12))
    course = Course(
        integers_1(b, 30), integers_1(b, 31), integers_1(b, 32), integers_1(b, 33), integers_1(b, 34),
        doubles_3(b, 35), doubles_2(b, 36), doubles_2(b, 37),
    )  # fmt: skip
    scratch = Scratch(
        doubles_3(b, 13), doubles_2(b, 14), doubles_2(b, 15), doubles_2(b, 16), doubles_2(b, 17),
        doubles_2(b, 18), doubles_2(b, 19), doubles_2(b, 20), doubles_2(b, 21), doubles_3(b, 22),
        doubles_2(b, 23), doubles_3(b, 24), doubles_2(b, 25), doubles_2(b, 26), doubles_2(b, 27),
        doubles_2(b, 28), integers_1(b, 29), course,
    )  # fmt: skip
    return LaneState(
        doubles_2(b, 0), doubles_2(b, 1), doubles_3(b, 2), doubles_2(b, 3), doubles_2(b, 4), integers_2(b, 5),
        integers_2(b, 6), doubles_2(b, 7), inputs, scratch,
    )  # fmt: skip
