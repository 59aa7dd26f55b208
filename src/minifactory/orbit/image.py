"""The read image: what is known of every readable tag in this scan, and how far it can be trusted.

A reading is good only if its source says so, if it is a number, and if it is neither older than the
declared age nor stamped in the future. Everything else is None to conditions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from minifactory.signals import Quality, Reading, TagTable

_GOOD, _BAD = Quality.GOOD, Quality.BAD
FUTURE = 1.0
"""s by which a time stamp may be ahead of the link's clock."""


class Image:
    """Values and qualities of the readable tags, and which of them changed in this scan.

    Parameters
    ----------
    table : TagTable
        The equipment's tags.
    stale_after : float
        Link time in s after which a reading is no longer good; infinite in lock-step.

    Attributes
    ----------
    values : dict of str to float or None
        Tag or alias -> SI value, None when not good; the same dictionary in all scans.
    bad_since : dict of str to float
        Tag -> link time (s) since when it has been bad.
    changed, changed_values, changed_quality : list
        Positions in ``table.readable``, values (SI) and qualities that differ from the scan before.
    """

    def __init__(self, table: TagTable, stale_after: float) -> None:
        self.names = tuple(tag.name for tag in table.readable)
        self.values: dict[str, float | None] = dict.fromkeys(self.names)
        self.bad_since: dict[str, float] = {}
        self.changed: list[int] = []
        self.changed_values: list[float] = []
        self.changed_quality: list[int] = []
        self._stale_after = stale_after
        self._aliases: tuple[tuple[str, str], ...] = ()
        self._readings: list[Reading | None] = [None] * len(self.names)
        self._shown: list[float] = [math.nan] * len(self.names)
        self._quality: list[Quality] = [_BAD] * len(self.names)
        self._places = {name: place for place, name in enumerate(self.names)}

    def use_aliases(self, aliases: Mapping[str, str]) -> None:
        """Let conditions read tags under further names."""
        for alias, _ in self._aliases:
            if alias not in self._places:
                self.values.pop(alias, None)
        self._aliases = tuple((alias, name) for alias, name in aliases.items() if name in self._places)

    @property
    def lost(self) -> bool:
        """Whether not a single tag can be trusted."""
        return len(self.bad_since) == len(self.names) > 0

    def quality(self, name: str) -> Quality:
        """The quality of tag `name` in this scan; BAD for a tag that is not in the table."""
        place = self._places.get(name)
        return _BAD if place is None else self._quality[place]

    def last(self, name: str) -> float | None:
        """The last value (SI) of tag `name` whatever its quality; None if there never was one."""
        place = self._places.get(name)
        if place is None or self._readings[place] is None:
            return None
        return self._shown[place]

    def take(self, readings: Mapping[str, Reading], stamp: float, link: float) -> None:
        """Take over what was read.

        Parameters
        ----------
        readings : Mapping of str to Reading
            The newest readings; a tag that is missing keeps its last one, which ages.
        stamp : float
            Now, in s of the clock in which readings are stamped.
        link : float
            Now, in s of link time.
        """
        oldest, newest = stamp - self._stale_after, stamp + FUTURE
        kept, shown, qualities, values = self._readings, self._shown, self._quality, self.values
        changed: list[int] = []
        for place, name in enumerate(self.names):
            reading = readings.get(name)
            if reading is None:
                reading = kept[place]
                if reading is None:
                    self.bad_since.setdefault(name, link)
                    continue
            else:
                kept[place] = reading
            value, quality = reading.value, reading.quality
            if not oldest <= reading.time <= newest or value - value != 0.0:
                quality = _BAD
            if value != shown[place] or quality is not qualities[place]:
                if value != value and shown[place] != shown[place] and quality is qualities[place]:
                    continue
                changed.append(place)
                shown[place] = value
                values[name] = value if quality is _GOOD else None
                if quality is not qualities[place]:
                    qualities[place] = quality
                if quality is _BAD:
                    self.bad_since.setdefault(name, link)
                else:
                    self.bad_since.pop(name, None)
        for alias, name in self._aliases:
            values[alias] = values[name]
        self.changed = changed
        self.changed_values = [shown[place] for place in changed]
        self.changed_quality = [int(qualities[place]) for place in changed]

    def miss(self, link: float, distrust: bool) -> None:
        """Nothing could be read at `link` (s); with `distrust`, every value is bad until it is read again."""
        self.changed = [
            place for place, quality in enumerate(self._quality) if distrust and quality is not _BAD
        ]
        for place in self.changed:
            self._quality[place] = _BAD
            self.values[self.names[place]] = None
        if distrust:
            for name in self.names:
                self.bad_since.setdefault(name, link)
        for alias, name in self._aliases:
            self.values[alias] = self.values[name]
        self.changed_values = [self._shown[place] for place in self.changed]
        self.changed_quality = [int(_BAD)] * len(self.changed)

    def all(self) -> tuple[list[int], list[float], list[int]]:
        """Positions, values (SI) and qualities of every tag that has ever been read."""
        known = [place for place, reading in enumerate(self._readings) if reading is not None]
        return known, [self._shown[place] for place in known], [int(self._quality[place]) for place in known]
