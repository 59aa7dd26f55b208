"""Small dense linear algebra for the kernels, on flat arrays, in place, for numbers and for lanes.

Nothing is pivoted: the matrices are M/(gamma h) - J of dissipative operators, whose leading minors do not
vanish, and lanes could not exchange different rows. A pivot of zero makes infinities, which the step control
sees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minifactory.numerics.kernels import inline_kernel

Array = NDArray[np.float64]


@inline_kernel
def invert(a: Array, at: int, m: int, stride: int) -> None:
    """Inverse of the (m, m) matrix whose rows start at ``at + i * stride``, in place (Gauss-Jordan)."""
    for k in range(m):
        top = at + k * stride
        inverse = 1.0 / a[top + k]
        a[top + k] = 1.0
        for j in range(m):
            a[top + j] *= inverse
        for i in range(m):
            if i != k:
                row = at + i * stride
                factor = a[row + k]
                a[row + k] = 0.0
                for j in range(m):
                    a[row + j] -= factor * a[top + j]


@inline_kernel
def condense(a: Array, at: int, n: int, m: int) -> None:
    """Eliminates the first n - m unknowns of the (n, n) matrix at `at` and inverts what is left for the rest.

    The factors stay below, the eliminated rows (with inverse pivots) above, the inverse of the Schur
    complement in the last m rows and columns.
    """
    inner = n - m
    for k in range(0, inner - 1, 2):
        # Two pivots at once: half of the traffic with memory.
        top, second = at + k * n, at + (k + 1) * n
        inverse = 1.0 / a[top + k]
        a[top + k] = inverse
        factor = a[second + k] * inverse
        a[second + k] = factor
        for j in range(k + 1, n):
            a[second + j] -= factor * a[top + j]
        other = 1.0 / a[second + k + 1]
        a[second + k + 1] = other
        for i in range(k + 2, n):
            row = at + i * n
            first = a[row + k] * inverse
            then = (a[row + k + 1] - first * a[top + k + 1]) * other
            a[row + k], a[row + k + 1] = first, then
            for j in range(k + 2, n):
                a[row + j] -= first * a[top + j] + then * a[second + j]
    if inner % 2 == 1:
        k = inner - 1
        top = at + k * n
        inverse = 1.0 / a[top + k]
        a[top + k] = inverse
        for i in range(k + 1, n):
            row = at + i * n
            factor = a[row + k] * inverse
            a[row + k] = factor
            for j in range(k + 1, n):
                a[row + j] -= factor * a[top + j]
    invert(a, at + inner * n + inner, m, n)


@inline_kernel
def reduce(a: Array, at: int, n: int, m: int, b: Array, first: int) -> None:
    """Right-hand side of the last m unknowns, in place, after elimination of the others; `b` at `first`."""
    inner = n - m
    whole = n - n % 4
    for i in range(0, whole, 4):
        # Four sums at once, since each of them has to wait for itself.
        row, to = at + i * n, first + i
        t0, t1, t2, t3 = b[to], b[to + 1], b[to + 2], b[to + 3]
        for j in range(min(i, inner)):
            x = b[first + j]
            t0 -= a[row + j] * x
            t1 -= a[row + n + j] * x
            t2 -= a[row + 2 * n + j] * x
            t3 -= a[row + 3 * n + j] * x
        if i < inner:
            t1 -= a[row + n + i] * t0
            t2 -= a[row + 2 * n + i] * t0
            t3 -= a[row + 3 * n + i] * t0
        if i + 1 < inner:
            t2 -= a[row + 2 * n + i + 1] * t1
            t3 -= a[row + 3 * n + i + 1] * t1
        if i + 2 < inner:
            t3 -= a[row + 3 * n + i + 2] * t2
        b[to], b[to + 1], b[to + 2], b[to + 3] = t0, t1, t2, t3
    for i in range(whole, n):
        row = at + i * n
        total = b[first + i]
        for j in range(min(i, inner)):
            total -= a[row + j] * b[first + j]
        b[first + i] = total


@inline_kernel
def apply_inverse(a: Array, at: int, n: int, m: int, b: Array, first: int, x: Array, to: int) -> None:
    """The last m unknowns from their reduced right-hand side in `b` (n, at `first`), into `x` at `to`."""
    corner, last = at + (n - m) * n + n - m, first + n - m
    for i in range(m):
        total = a[corner + i * n] * b[last]
        for j in range(1, m):
            total += a[corner + i * n + j] * b[last + j]
        x[to + i] = total


@inline_kernel
def substitute(a: Array, at: int, n: int, m: int, b: Array, first: int) -> None:
    """The first n - m unknowns in place in `b` at `first`, whose last m entries are solved already."""
    inner = n - m
    rest = inner % 4
    for i in range(inner - 4, rest - 1, -4):
        row, to = at + i * n, first + i
        t0, t1, t2, t3 = b[to], b[to + 1], b[to + 2], b[to + 3]
        for j in range(i + 4, n):
            x = b[first + j]
            t0 -= a[row + j] * x
            t1 -= a[row + n + j] * x
            t2 -= a[row + 2 * n + j] * x
            t3 -= a[row + 3 * n + j] * x
        t3 *= a[row + 3 * n + i + 3]
        t2 = (t2 - a[row + 2 * n + i + 3] * t3) * a[row + 2 * n + i + 2]
        t1 = (t1 - a[row + n + i + 2] * t2 - a[row + n + i + 3] * t3) * a[row + n + i + 1]
        t0 = (t0 - a[row + i + 1] * t1 - a[row + i + 2] * t2 - a[row + i + 3] * t3) * a[row + i]
        b[to], b[to + 1], b[to + 2], b[to + 3] = t0, t1, t2, t3
    for i in range(rest - 1, -1, -1):
        row = at + i * n
        total = b[first + i]
        for j in range(i + 1, n):
            total -= a[row + j] * b[first + j]
        b[first + i] = total * a[row + i]
