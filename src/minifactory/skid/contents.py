"""What the vessels of a virtual skid truly hold at the end: the analysis that a laboratory would report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from minifactory.skid.virtual import VirtualSkid


@dataclass(frozen=True)
class Contents:
    """Truth about vessels, amounts in mol by species.

    Parameters
    ----------
    time : float
        Process time in s.
    received : Mapping of str to Mapping of str to float
        What each vessel got.
    drawn : Mapping of str to Mapping of str to float
        What was taken out of each vessel, by its true composition.
    held : Mapping of str to Mapping of str to float
        What vessels of changing content (filled by one skid, drawn from by another) hold now.
    """

    time: float
    received: Mapping[str, Mapping[str, float]]
    drawn: Mapping[str, Mapping[str, float]]
    held: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The same as plain objects."""
        return {"time": self.time, "received": self.received, "drawn": self.drawn, "held": self.held}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Contents:
        """The contents that :meth:`to_json` gave; KeyError when it is something else."""
        return cls(document["time"], document["received"], document["drawn"], document.get("held", {}))


def contents(skid: VirtualSkid) -> Contents:
    """What the vessels of `skid` hold now."""
    names = [item.name for item in skid.process.species]
    truth = skid.truth
    return Contents(
        truth.time,
        {
            vessel: dict(zip(names, amounts.tolist(), strict=True))
            for vessel, amounts in truth.received.items()
        },
        {vessel: dict(zip(names, amounts.tolist(), strict=True)) for vessel, amounts in truth.drawn.items()},
    )
