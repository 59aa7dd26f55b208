"""What conditions remember: windows, extremes and peaks, fed one point per scan in constant time.

A point is a place on an axis (process time in s, or the phase's volume in m3 or CV) and a value in SI; an
unknown value (None) empties a window, because what happened meanwhile is not known. An axis that jumps back
does the same.
"""

from __future__ import annotations

from collections import deque

RESUM = 512
"""Points after which running sums are computed afresh, so that rounding does not accumulate."""


class SlopeWindow:
    """The least-squares slope of the points of the last `width`; None until the window is full."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.points: deque[tuple[float, float]] = deque()
        self.start: float | None = None
        self.fresh()

    def fresh(self) -> None:
        """Sums over the points afresh, with the oldest point as origin."""
        self.origin = self.points[0] if self.points else (0.0, 0.0)
        self.sum_x = self.sum_y = self.sum_xx = self.sum_xy = 0.0
        self.since = 0
        for x, y in self.points:
            self.count(x, y, 1.0)

    def count(self, x: float, y: float, sign: float) -> None:
        """Take one point into the sums (sign 1) or out of them (sign -1)."""
        x, y = x - self.origin[0], y - self.origin[1]
        self.sum_x += sign * x
        self.sum_y += sign * y
        self.sum_xx += sign * x * x
        self.sum_xy += sign * x * y

    def update(self, x: float, y: float | None) -> float | None:
        """The slope (SI per axis unit) with this point included."""
        points = self.points
        if y is None or (points and x < points[-1][0]):
            self.clear()
            if y is None:
                return None
            points = self.points
        if points and x == points[-1][0]:
            self.count(*points.pop(), -1.0)
        if not points:
            self.origin = (x, y)
            self.sum_x = self.sum_y = self.sum_xx = self.sum_xy = 0.0
            self.start = x if self.start is None else self.start
        points.append((x, y))
        self.count(x, y, 1.0)
        oldest = x - self.width * (1.0 + 1e-9)
        while points[0][0] < oldest:
            self.count(*points.popleft(), -1.0)
        self.since += 1
        if self.since >= RESUM:
            self.fresh()
        assert self.start is not None
        count = len(points)
        spread = count * self.sum_xx - self.sum_x * self.sum_x
        if count < 2 or x - self.start < self.width * (1.0 - 1e-9) or spread <= 0.0:
            return None
        return (count * self.sum_xy - self.sum_x * self.sum_y) / spread


class RangeWindow:
    """Largest minus smallest value of the last `width`; None until the window is full."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.rising: deque[tuple[float, float]] = deque()
        self.falling: deque[tuple[float, float]] = deque()
        self.start: float | None = None
        self.last = 0.0

    def update(self, x: float, y: float | None) -> float | None:
        """The range (SI) with this point included."""
        if y is None or (self.start is not None and x < self.last):
            self.clear()
            if y is None:
                return None
        if self.start is None:
            self.start = x
        self.last = x
        while self.rising and self.rising[-1][1] >= y:
            self.rising.pop()
        self.rising.append((x, y))
        while self.falling and self.falling[-1][1] <= y:
            self.falling.pop()
        self.falling.append((x, y))
        oldest = x - self.width * (1.0 + 1e-9)
        while self.rising[0][0] < oldest:
            self.rising.popleft()
        while self.falling[0][0] < oldest:
            self.falling.popleft()
        if x - self.start < self.width * (1.0 - 1e-9):
            return None
        return self.falling[0][1] - self.rising[0][1]


class Held:
    """Whether something has been true without a break for `width`."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.start: float | None = None

    def update(self, x: float, answer: bool | None) -> bool | None:
        """True when the last `width` of the axis was true throughout; None while it is not known."""
        if answer is not True:
            self.start = None
            return answer
        if self.start is None or x < self.start:
            self.start = x
        return x - self.start >= self.width * (1.0 - 1e-9)


class Turn:
    """Whether the value has turned by at least `drop`: down after a rise (peak), up after a fall (valley)."""

    def __init__(self, drop: float) -> None:
        self.drop = drop
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.low: float | None = None
        self.high = 0.0
        self.direction = 0
        self.turned = False

    def update(self, y: float | None, wanted: int) -> bool | None:
        """True while the value has turned into direction `wanted` (-1 down, 1 up) and not turned back."""
        if y is None:
            return None
        if self.low is None:
            self.low = self.high = y
            return False
        self.low, self.high = min(self.low, y), max(self.high, y)
        if self.direction <= 0 and y >= self.low + self.drop and self.low < y:
            self.turned = self.direction < 0
            self.direction, self.high = 1, y
        elif self.direction >= 0 and y <= self.high - self.drop and self.high > y:
            self.turned = self.direction > 0
            self.direction, self.low = -1, y
        return self.turned and self.direction == wanted


class Extreme:
    """The largest (sign 1) or smallest (sign -1) value so far; unknown values are passed over."""

    def __init__(self, sign: float) -> None:
        self.sign = sign
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.value: float | None = None

    def update(self, y: float | None) -> float | None:
        """The extreme (SI) with this value included; None while the value is unknown."""
        if y is None:
            return None
        if self.value is None or self.sign * y > self.sign * self.value:
            self.value = y
        return self.value


class Latch:
    """Yes or no with memory: ``once``, and thresholds with hysteresis (on at one value, off at another)."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.on = False

    def once(self, answer: bool | None) -> bool | None:
        """True from the first True on; None while the answer is unknown."""
        self.on = self.on or answer is True
        return None if answer is None else self.on

    def between(self, y: float | None, on: float, off: float, sign: float) -> bool | None:
        """On when `sign * y` exceeds `sign * on`, off when it falls below `sign * off`; None when unknown."""
        if y is None:
            return None
        if sign * y > sign * on:
            self.on = True
        elif sign * y < sign * off:
            self.on = False
        return self.on
