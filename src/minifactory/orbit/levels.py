"""Level estimators: what every vessel has given and received, from the measured flow and the active ports.

The outlet's vessel is what the recipe last asked for, from the scan in which the valves of that action are
seen in place. The inlets' vessels come from an :class:`Inlets` that knows the plant; without one, only
deliveries are counted. Uncertainty is that of the flow, a declared relative part of what has passed, until
a reading of level or weight corrects it (:mod:`minifactory.orbit.level_filter`). What follows from an empty
or a full vessel is in :mod:`minifactory.orbit.bottles`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from minifactory.orbit.image import Image
from minifactory.orbit.level import PUMPS, Delivery, Inlets, Level
from minifactory.orbit.level_filter import LevelFilter, LevelTag

UNKNOWN = 1.0
"""m6: variance of a vessel that can be read, before its first reading."""
FRESH = 3.0
"""Times the time between two corrections for which a reading counts as known to peers."""


class Levels:
    """Estimated contents of the vessels of one run.

    Parameters
    ----------
    start : Mapping of str to float
        Volume (m3) in each vessel at the start, as far as known.
    minimum : Mapping of str to float
        Volume (m3) below which a vessel counts as empty.
    inlets : Inlets or None
        Who knows which vessels feed the pumps.
    flow_uncertainty : float
        Relative standard deviation of the measured flow.
    capacity : Mapping of str to float
        Volume (m3) that a vessel can hold, as far as known.
    readings : Mapping of str to LevelTag
        Where the content of a vessel can be read, as far as it can.

    Attributes
    ----------
    consumed, received : dict of str to float
        m3 that each vessel has given and got since the start of the run.
    earlier : dict of str to (float, float)
        m3 that each vessel had given and got before that.
    outlet : str or None
        The vessel that receives.
    draw : dict of str to float
        m3/s that leave each vessel now, as measured in this scan.
    delivering : bool
        Whether anything flows to the outlet now.
    """

    def __init__(
        self,
        start: Mapping[str, float] | None = None,
        minimum: Mapping[str, float] | None = None,
        inlets: Inlets | None = None,
        flow_uncertainty: float = 0.02,
        capacity: Mapping[str, float] | None = None,
        readings: Mapping[str, LevelTag] | None = None,
    ) -> None:
        self.consumed: dict[str, float] = {}
        self.received: dict[str, float] = {}
        self.earlier: dict[str, tuple[float, float]] = {}
        self.outlet: str | None = None
        self.draw: dict[str, float] = {}
        self.delivering = False
        self._inflow = 0.0
        self._others: dict[str, Mapping[str, tuple[float, float]]] = {}
        self._told: dict[str, tuple[float, float, float]] = {}
        self._readings = dict(readings or {})
        self._filters = {vessel: LevelFilter(flow_uncertainty, UNKNOWN) for vessel in self._readings}
        self._start, self._minimum = dict(start or {}), dict(minimum or {})
        self._capacity = dict(capacity or {})
        self._inlets, self._flow_uncertainty = inlets, flow_uncertainty
        self._opened, self._delivered = 0.0, 0.0
        self._next: tuple[str, dict[str, float]] | None = None
        self._feeds: tuple[str | None, str | None] = (None, None)
        self._pumps, self._process, self._now = (0.0, 0.0), math.nan, math.nan
        self._sides: Sequence[tuple[str, str | None, str]] | None = None
        self._side_flows: dict[str, float] = {}

    @property
    def start(self) -> Mapping[str, float]:
        """m3 in each vessel at the start of the run, as far as known."""
        return self._start

    def begin(self) -> None:
        """A run starts now: what was drawn and delivered before, by hand or in another, is no part of it."""
        self.earlier = self.ever()
        for vessel, volume in self._start.items():
            self._start[vessel] = volume - self.consumed.get(vessel, 0.0) + self.received.get(vessel, 0.0)
        for vessel, each in self._filters.items():
            each.received -= self.received.get(vessel, 0.0)
            each.consumed -= self.consumed.get(vessel, 0.0)
        self.consumed.clear()
        self.received.clear()

    def tell(self, vessel: str, volume: float) -> None:
        """`vessel` holds `volume` (m3) now: somebody has filled, emptied or changed it."""
        self._start[vessel] = 0.0
        self._filters[vessel] = self._filter(vessel)
        self._start[vessel] = volume - (self.volume(vessel) or 0.0)

    def correct(self, vessel: str, reading: float, deviation: float) -> None:
        """A reading (m3, standard deviation in m3) of what `vessel` holds now corrects the estimate."""
        estimate = self.volume(vessel)
        if estimate is None:
            self.tell(vessel, reading)
            self._filters[vessel] = self._filter(vessel, deviation**2)
            return
        own = self._filters.setdefault(vessel, LevelFilter(self._flow_uncertainty))
        moved = self._moved(vessel)
        unshifted = estimate - own.shift(*moved)
        self._start[vessel] += own.correct(estimate, reading, deviation, *moved) - unshifted

    def _filter(self, vessel: str, variance: float = 0.0) -> LevelFilter:
        """One that begins now."""
        return LevelFilter(self._flow_uncertainty, variance, *self._moved(vessel))

    def hear(
        self,
        skid: str,
        passed: Mapping[str, tuple[float, float]],
        read: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        """Another skid has drawn from and delivered to vessels so much (m3) so far.

        `read` is what it knows by sensors of its own: volume and standard deviation (m3).
        """
        self._others[skid] = passed
        for vessel, (volume, deviation) in (read or {}).items():
            if vessel not in self._readings:
                start = self._start.setdefault(vessel, 0.0)
                self._start[vessel] = start + volume - (self.volume(vessel) or 0.0)
                self._told[vessel] = (deviation, *self._moved(vessel))

    def read(self) -> dict[str, tuple[float, float]]:
        """What is known by fresh readings that agree with the pumps: volume and standard deviation (m3)."""
        found = {}
        for vessel, each in self._readings.items():
            volume, filtered = self.volume(vessel), self._filters[vessel]
            fresh = self._now - filtered.corrected <= FRESH * each.every
            if volume is not None and fresh and not filtered.drifts:
                found[vessel] = (volume, filtered.deviation(*self._moved(vessel)))
        return found

    def ever(self) -> dict[str, tuple[float, float]]:
        """m3 that went from and to every vessel, before the run and in it."""
        found = {}
        for name in {**self.earlier, **self.consumed, **self.received}:
            drawn, delivered = self.earlier.get(name, (0.0, 0.0))
            received, consumed = self._passed(name)
            found[name] = (drawn + consumed, delivered + received)
        return found

    def drifting(self) -> tuple[str, ...]:
        """Vessels whose readings and estimates disagree."""
        return tuple(name for name, each in self._filters.items() if each.drifts)

    def _passed(self, vessel: str) -> tuple[float, float]:
        """m3 that have gone in and out by the pumps of this skid, in the run."""
        return self.received.get(vessel, 0.0), self.consumed.get(vessel, 0.0)

    def _moved(self, vessel: str) -> tuple[float, float]:
        """The same with what peers have said of theirs: all that a vessel has got and given."""
        received, consumed = self._passed(vessel)
        for passed in self._others.values():
            drawn, delivered = passed.get(vessel, (0.0, 0.0))
            received, consumed = received + delivered, consumed + drawn
        return received, consumed

    def _read(self, process: float, image: Image) -> None:
        for vessel, each in self._readings.items():
            own = self._filters[vessel]
            value = image.values.get(each.tag)
            if value is None or process - own.corrected < each.every:
                continue
            self.correct(vessel, each.scale * value - each.offset, each.deviation)
            self._filters[vessel].corrected = process

    @property
    def vessels(self) -> frozenset[str]:
        """Every vessel that anything is known of."""
        return frozenset({*self._start, *self._minimum, *self._capacity, *self.consumed, *self.received})

    def volume(self, vessel: str) -> float | None:
        """m3 in `vessel` now; None when the start is unknown."""
        start = self._start.get(vessel)
        if start is None:
            return None
        received, consumed = self._moved(vessel)
        own = start - consumed + received
        if vessel in self._filters:
            own += self._filters[vessel].shift(received, consumed)
        return own

    def minimum(self, vessel: str) -> float:
        """m3 below which `vessel` counts as empty."""
        return self._minimum.get(vessel, 0.0)

    def capacity(self, vessel: str) -> float:
        """m3 that `vessel` can hold; infinite when unknown."""
        return self._capacity.get(vessel, math.inf)

    def sources(self, image: Image) -> tuple[str | None, ...]:
        """Vessels that the valves connect with the pumps now, whether these run or not."""
        return () if self._inlets is None else self._inlets.sources(image.last)

    def switch(self, vessel: str, seen_by: Mapping[str, float]) -> None:
        """Deliver to `vessel` as soon as the tags in `seen_by` show these values (SI)."""
        self._next = (vessel, dict(seen_by))

    def moved(self, seen_by: Mapping[str, float]) -> None:
        """These valves were told otherwise; a switch that waits for them waits for their new positions."""
        if self._next is not None:
            waits = self._next[1]
            waits.update({name: value for name, value in seen_by.items() if name in waits})

    def elapse(
        self, process: float, volume: float, flow: float, composition: float, image: Image
    ) -> Delivery | None:
        """Account `volume` (m3) up to `process` (s); what was delivered, when the outlet was switched now.

        `flow` in m3/s and `composition` in %B are those of this scan.
        """
        if self.outlet is not None and volume:
            self.received[self.outlet] = self.received.get(self.outlet, 0.0) + volume
            self._delivered += volume
        self.delivering, self._inflow, self._now = flow > 0.0, flow, process
        if self._inlets is not None:
            self._aside(process, image, self._inlets)
            volumes, flows = self._pumped(process, volume, flow, composition, image)
            self.draw = {}
            if any(volumes) or any(flows):
                if image.changed or self._feeds == (None, None):
                    self._feeds = self._inlets.sources(image.last)
                for vessel, drawn, rate in zip(self._feeds, volumes, flows, strict=True):
                    if vessel is not None and vessel == self.outlet:  # what goes round comes back
                        self.received[vessel] = self.received.get(vessel, 0.0) - drawn
                        self._delivered -= drawn
                    elif vessel is not None and (drawn > 0.0 or rate > 0.0):
                        self.consumed[vessel] = self.consumed.get(vessel, 0.0) + drawn
                        self.draw[vessel] = self.draw.get(vessel, 0.0) + rate
        if self._readings:
            self._read(process, image)
        if self._next is None:
            return None
        vessel, seen_by = self._next
        if any(image.values.get(name) != value for name, value in seen_by.items()):
            return None
        self._next = None
        return self._turn(vessel, process)

    def _aside(self, process: float, image: Image, inlets: Inlets) -> None:
        """Account what membranes take out of the stream and make-up lines give, by their own readings."""
        if image.changed or self._sides is None:
            self._sides = inlets.beside(image.last)
        elapsed = process - self._process
        for tag, source, target in self._sides:
            rate = image.last(tag) or 0.0
            before, self._side_flows[tag] = self._side_flows.get(tag, 0.0), rate
            volume = 0.5 * elapsed * (before + rate) if 0.0 < elapsed < math.inf else 0.0
            if volume <= 0.0:
                continue
            self.received[target] = self.received.get(target, 0.0) + volume
            if source is not None:
                self.consumed[source] = self.consumed.get(source, 0.0) + volume
            elif self.outlet is not None:
                self.received[self.outlet] = self.received.get(self.outlet, 0.0) - volume
                self._delivered -= volume

    def _pumped(
        self, process: float, volume: float, flow: float, composition: float, image: Image
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """Volumes (m3) and flows (m3/s) of pumps A and B: their own readings, which show washes, too.

        Equipment that does not tell them apart: the system flow by its composition.
        """
        before, elapsed = self._pumps, process - self._process
        self._process = process
        first, second = (image.last(f"{name}.Flow") for name in PUMPS)
        if first is None or second is None:
            part = composition / 100.0
            return (volume * (1.0 - part), volume * part), (flow * (1.0 - part), flow * part)
        self._pumps = (first, second)
        if not 0.0 < elapsed < math.inf:
            return (0.0, 0.0), self._pumps
        half = 0.5 * elapsed
        return (half * (before[0] + first), half * (before[1] + second)), self._pumps

    @property
    def collecting(self) -> tuple[float, float]:
        """Since when (s of process time) the outlet's vessel receives, and what it has got since (m3)."""
        return self._opened, self._delivered

    @property
    def turning(self) -> tuple[str, dict[str, float]] | None:
        """The vessel that will receive next, and the tags and values (SI) that will show that it does."""
        return None if self._next is None else (self._next[0], dict(self._next[1]))

    def close(self, process: float) -> Delivery | None:
        """The last delivery, at the end of the run (`process` in s)."""
        return self._turn(None, process)

    def take_up(
        self,
        consumed: Mapping[str, float],
        received: Mapping[str, float],
        outlet: str | None,
        volume: float,
        collecting: tuple[float, float],
        turning: tuple[str, Mapping[str, float]] | None = None,
        start: Mapping[str, float] | None = None,
    ) -> None:
        """Go on after a restart with these totals (m3), `volume` (m3) having gone to `outlet` meanwhile.

        `collecting` is since when (s of process time) `outlet` receives and what it had got (m3), `turning`
        the next vessel and what will show that it receives, `start` (m3) what was known of the vessels,
        if that differs from what this object was told.
        """
        self._start.update(start or {})
        self.consumed, self.received = dict(consumed), dict(received)
        self.outlet, (self._opened, self._delivered) = outlet, collecting
        if turning is not None:
            self.switch(*turning)
        if outlet is not None and volume:
            self.received[outlet] = self.received.get(outlet, 0.0) + volume
            self._delivered += volume

    def level(self, vessel: str) -> Level:
        """What is known of `vessel`."""
        consumed, received = self.consumed.get(vessel, 0.0), self.received.get(vessel, 0.0)
        volume, draw = self.volume(vessel), self.draw.get(vessel, 0.0)
        left = float("inf")
        if volume is not None and draw > 0.0:
            left = max(0.0, volume - self._minimum.get(vessel, 0.0)) / draw
        own = self._filters.get(vessel)
        gained = self._inflow if vessel == self.outlet else 0.0
        full = math.inf
        if volume is not None and gained > draw:
            full = max(0.0, self.capacity(vessel) - volume) / (gained - draw)
        if vessel in self._told:
            told, *then = self._told[vessel]
            since = [now - before for now, before in zip(self._moved(vessel), then, strict=True)]
            doubt, drift = math.hypot(told, self._flow_uncertainty * math.hypot(*since)), 0.0
        elif own is None:
            doubt, drift = self._flow_uncertainty * math.hypot(received, consumed), 0.0
        else:
            doubt, drift = own.deviation(*self._moved(vessel)), own.innovation
        return Level(vessel, volume, consumed, received, doubt, left, full, drift)

    def all(self) -> tuple[Level, ...]:
        """Every vessel that is known or has given or received."""
        names = sorted({*self._start, *self.consumed, *self.received})
        return tuple(self.level(name) for name in names)

    def _turn(self, vessel: str | None, process: float) -> Delivery | None:
        delivery = None
        if self.outlet is not None and vessel != self.outlet and self._delivered > 0.0:
            delivery = Delivery(self.outlet, self._opened, process, self._delivered)
        if vessel != self.outlet:
            self.outlet, self._opened, self._delivered = vessel, process, 0.0
        return delivery
