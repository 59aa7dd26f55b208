"""Runs of several skids side by side, and what only the plant as a whole can tell: levels, and who was busy.

These are the facts that a schedule needs: when a vessel runs empty or full, when each skid works or waits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from minifactory.records.run import Event, Run, Trend

BUSY, WAITING = "busy", "waiting"
PRESSURE = "Pressure.System"
EMPTY, FULL = "runs empty", "runs full"


@dataclass(frozen=True)
class Span:
    """From `start` to `end` (s since the start) a skid was `what`: busy or waiting.

    `phase` is the path of the phase that ran, or of the one to come.
    """

    start: float
    end: float
    what: str
    phase: str

    @property
    def duration(self) -> float:
        """s."""
        return self.end - self.start


@dataclass(frozen=True)
class PlantRun:
    """What the skids of a plant did together.

    Parameters
    ----------
    runs : Mapping of str to Run
        By skid.
    levels : Mapping of str to Trend
        m3 in every vessel over time.
    level_events : tuple of Event
        When a vessel ran empty (to its minimum) or full; category ``vessel``, the vessel as source.
    spans : Mapping of str to tuple of Span
        What each skid did, in order of time.
    contents : Mapping of str to Mapping of str to float
        mol of each species that vessels of changing content held at the end.
    balance : Mapping of str to float
        Relative closure of the mass balance over the whole plant and the whole time, by species.
    provenance : Mapping of str to str
        How far the numbers can be trusted.
    """

    runs: Mapping[str, Run]
    levels: Mapping[str, Trend]
    level_events: tuple[Event, ...] = ()
    spans: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    contents: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    balance: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def duration(self) -> float:
        """s from the start to the end of the last skid."""
        return max((run.duration for run in self.runs.values()), default=0.0)

    def waits(self) -> dict[str, dict[str, float]]:
        """For how long (s) each skid waited before which of its phases, by skid and path."""
        return {
            skid: {span.phase: span.duration for span in spans if span.what == WAITING}
            for skid, spans in self.spans.items()
        }

    def whole(self, collects: str, shared: Collection[str]) -> Run:
        """All skids as one run, to be judged by the targets of the plant.

        Parameters
        ----------
        collects : str
            The skid that fills the pool; its trends are those of the whole, but for the highest pressure.
        shared : collection of str
            Vessels that are filled and drawn from: what goes through them is neither loaded nor used.
        """
        last, runs = self.runs[collects], list(self.runs.values())
        entering = [run for run in runs if not set(shared) & {name for name, v in run.consumed.items() if v}]
        loaded: dict[str, float] = {}
        consumed: dict[str, float] = {}
        for run in entering:
            for name, amount in run.loaded.items():
                loaded[name] = loaded.get(name, 0.0) + amount
        for run in runs:
            for name, volume in run.consumed.items():
                if name not in shared:
                    consumed[name] = consumed.get(name, 0.0) + volume
        pressures = [run.trends[PRESSURE] for run in runs if PRESSURE in run.trends]
        highest = max(pressures, key=lambda trend: trend.values.max(initial=0.0), default=None)
        return replace(
            last,
            trends={**last.trends, **({} if highest is None else {PRESSURE: highest})},
            phases=tuple(sorted((item for run in runs for item in run.phases), key=lambda item: item.start)),
            pools=tuple(sorted((item for run in runs for item in run.pools), key=lambda item: item.start)),
            events=tuple(sorted((item for run in runs for item in run.events), key=lambda item: item.time)),
            loaded=loaded,
            consumed=consumed,
            column_volume=sum(run.column_volume for run in runs),
            provenance={**last.provenance, **self.provenance},
        )

    def time_spent(self, skid: str, what: str) -> float:
        """s that `skid` was :data:`BUSY` or :data:`WAITING`."""
        return sum(span.duration for span in self.spans.get(skid, ()) if span.what == what)

    def first(self, vessel: str, what: str) -> float | None:
        """s after which `vessel` first ran :data:`EMPTY` or :data:`FULL`; None: it never did."""
        found = (event.time for event in self.level_events if (event.source, event.text) == (vessel, what))
        return next(found, None)
