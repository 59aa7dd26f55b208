"""Which vessels feed the pumps, from the valves' positions and the description of the skid."""

from __future__ import annotations

from collections.abc import Callable

from minifactory.errors import InputError
from minifactory.orbit.levels import PUMPS
from minifactory.plant.flowpath import flow_path
from minifactory.plant.model import DeviceKind, Skid


class FlowPathInlets:
    """The :class:`~minifactory.orbit.levels.Inlets` of a described skid; remembers the paths it has found."""

    def __init__(self, skid: Skid) -> None:
        self._skid = skid
        valves = skid.of_kind(DeviceKind.VALVE)
        self._valves = tuple(
            (valve.name, f"{valve.name}.Position", tuple(valve.positions)) for valve in valves
        )
        self._known: dict[tuple[float | None, ...], tuple[str | None, str | None]] = {}

    def sources(self, position: Callable[[str], float | None]) -> tuple[str | None, str | None]:
        """Vessels that feed pump A and pump B; None where the way is closed or a position is unknown."""
        seen = tuple(position(tag) for _, tag, _ in self._valves)
        found = self._known.get(seen)
        if found is None:
            found = self._known[seen] = (self._source(seen, PUMPS[0]), self._source(seen, PUMPS[1]))
        return found

    def _source(self, seen: tuple[float | None, ...], pump: str) -> str | None:
        positions = {
            name: choices[int(value)]
            for (name, _, choices), value in zip(self._valves, seen, strict=True)
            if value is not None and 0 <= int(value) < len(choices)
        }
        try:
            return flow_path(self._skid, positions, [pump]).branches[pump].vessel
        except (InputError, KeyError):
            return None
