"""Small dense and banded linear algebra for the kernels; all in place, no allocation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from minifactory.numerics.kernels import inline_kernel

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@inline_kernel
def invert_dense(a: Array, pivot: Integers) -> bool:
    """Inverse of `a` (n, n) in place, by Gauss-Jordan with partial pivoting; `pivot` (n,) is scratch.

    False if singular. The systems are small and solved six times per factor, so an inverse pays.
    """
    n = a.shape[0]
    for k in range(n):
        best, largest = k, abs(a[k, k])
        for i in range(k + 1, n):
            if abs(a[i, k]) > largest:
                best, largest = i, abs(a[i, k])
        if not largest > 0.0:
            return False
        pivot[k] = best
        top = a[k]
        if best != k:
            other = a[best]
            for j in range(n):
                held = top[j]
                top[j] = other[j]
                other[j] = held
        inverse = 1.0 / top[k]
        top[k] = 1.0
        for j in range(n):
            top[j] *= inverse
        for i in range(n):
            row = a[i]
            factor = row[k]
            if i != k and factor != 0.0:
                row[k] = 0.0
                for j in range(n):
                    row[j] -= factor * top[j]
    for k in range(n - 1, -1, -1):
        swap = pivot[k]
        if swap != k:
            for i in range(n):
                held = a[i, k]
                a[i, k] = a[i, swap]
                a[i, swap] = held
    return True


@inline_kernel
def factor_band(a: Array, lower: int, upper: int) -> bool:
    """LU without pivoting of the band matrix `a` (n, lower + 1 + upper) in place, inverse pivots stored.

    The matrices are M/(gamma h) - J of dissipative operators, whose leading minors do not vanish.
    """
    n, width = a.shape
    flat = a.reshape(n * width)
    for k in range(n):
        # Slices of the flat array let the compiler use whole vectors.
        top = flat[k * width + lower : (k + 1) * width]
        if not abs(top[0]) > 0.0:
            return False
        inverse = 1.0 / top[0]
        top[0] = inverse
        reach = min(upper, n - 1 - k) + 1
        for i in range(k + 1, min(n, k + lower + 1)):
            start = i * width + lower + k - i
            row = flat[start : start + reach]
            if row[0] != 0.0:
                factor = row[0] * inverse
                row[0] = factor
                for j in range(1, reach):
                    row[j] -= factor * top[j]
    return True


@inline_kernel
def solve_band(a: Array, lower: int, upper: int, b: Array) -> None:
    """Overwrites `b` (n,) with the solution; `a` from :func:`factor_band`."""
    n, width = a.shape
    flat = a.reshape(n * width)
    for i in range(1, n):
        reach = min(i, lower)
        row, x = flat[i * width + lower - reach : i * width + lower], b[i - reach : i]
        total = 0.0
        for j in range(reach):
            total += row[j] * x[j]
        b[i] -= total
    for i in range(n - 1, -1, -1):
        reach = min(n - 1 - i, upper)
        pivot = i * width + lower
        row, x = flat[pivot + 1 : pivot + 1 + reach], b[i + 1 : i + 1 + reach]
        total = 0.0
        for j in range(reach):
            total += row[j] * x[j]
        b[i] = (b[i] - total) * flat[pivot]
