"""Which vessels feed the pumps, from the valves' positions and the description of the skid."""

from __future__ import annotations

from collections.abc import Callable

from minifactory.errors import InputError
from minifactory.orbit.level import PUMPS
from minifactory.plant.flowpath import flow_path, side_streams
from minifactory.plant.model import DeviceKind, Skid
from minifactory.plant.tagging import metered


class FlowPathInlets:
    """The :class:`~minifactory.orbit.levels.Inlets` of a described skid; remembers the paths it has found."""

    def __init__(self, skid: Skid) -> None:
        self._skid = skid
        valves = skid.of_kind(DeviceKind.VALVE)
        self._valves = tuple(
            (valve.name, f"{valve.name}.Position", tuple(valve.positions)) for valve in valves
        )
        self._metered = bool(metered(skid))
        self._known: dict[tuple[float | None, ...], tuple[str | None, str | None]] = {}

    def sources(self, position: Callable[[str], float | None]) -> tuple[str | None, str | None]:
        """Vessels that feed pump A and pump B; None where the way is closed or a position is unknown."""
        seen = tuple(position(tag) for _, tag, _ in self._valves)
        found = self._known.get(seen)
        if found is None:
            found = self._known[seen] = (self._source(seen, PUMPS[0]), self._source(seen, PUMPS[1]))
        return found

    def beside(self, position: Callable[[str], float | None]) -> tuple[tuple[str, str | None, str], ...]:
        """What membranes and make-up lines move: tag of the flow, from where (None: the stream), to where."""
        if not self._metered:
            return ()
        seen = tuple(position(tag) for _, tag, _ in self._valves)
        found = side_streams(self._skid, self._positions(seen))
        return tuple((f"{item.device}.Flow", item.source, item.target) for item in found)

    def _positions(self, seen: tuple[float | None, ...]) -> dict[str, str]:
        return {
            name: choices[int(value)]
            for (name, _, choices), value in zip(self._valves, seen, strict=True)
            if value is not None and 0 <= int(value) < len(choices)
        }

    def _source(self, seen: tuple[float | None, ...], pump: str) -> str | None:
        positions = self._positions(seen)
        try:
            return flow_path(self._skid, positions, [pump]).branches[pump].vessel
        except (InputError, KeyError):
            return None
