"""What a run needs to know: which tags must be good now, and what forbids a start."""

from __future__ import annotations

from minifactory.errors import Finding
from minifactory.orbit.guards import FOLLOWED, EquipmentGuard, LinkGuard
from minifactory.orbit.image import Image
from minifactory.orbit.interlocks import Demand
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Reaction
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.ways import DeadEndGuard
from minifactory.orbit.words import Words
from minifactory.recipe.bound import BoundAction


class Readiness:
    """Whether the equipment, the link and the readings allow a start.

    Attributes
    ----------
    always : frozenset of str
        Tags and aliases that the interlocks read.
    aliases : dict of str to str
        Short names of the loaded recipe.
    demands : list of Demand
        What the guards demand in this scan.
    """

    def __init__(
        self,
        skid: str,
        words: Words,
        image: Image,
        link: LinkGuard,
        equipment: EquipmentGuard,
        sequencer: Sequencer,
        dead_end: DeadEndGuard,
        outputs: Outputs,
    ) -> None:
        self._dead_end, self._outputs = dead_end, outputs
        self.always: frozenset[str] = frozenset()
        self.aliases: dict[str, str] = {}
        self.demands: list[Demand] = []
        self._skid, self._words, self._image = skid, words, image
        self._link, self._equipment, self._sequencer = link, equipment, sequencer

    def needs(self) -> set[str]:
        """Tags that must be good now: for the interlocks, the phase's conditions and the flow of a run."""
        needed = set(self.always)
        current = self._sequencer.current
        if current is not None and current.ended is None:
            needed |= current.procedure.needs()
            if self._words.flow is not None:
                needed.add(self._words.flow)
        return {self.aliases.get(name, name) for name in needed}

    def missing(self) -> list[str]:
        """Needed tags that are not good."""
        return sorted(self.needs() & self._image.bad_since.keys())

    @property
    def complete(self) -> bool:
        """Whether the link stands and everything that is needed is good."""
        return self._link.healthy and not self.missing()

    def forbids(self, action: BoundAction) -> list[Finding]:
        """Why `action` must not be done by hand now."""
        found = self._dead_end.forbids(self._image, self._outputs, action.setpoints)
        if not found:
            return []
        remedy = "Open a way first, or stop the flow in the same command."
        return [Finding(f"orbit {self._skid}", f"pumps against a closed way: {found}", remedy=remedy)]

    def forbids_start(self) -> list[Finding]:
        """Everything that forbids a start now."""
        where = f"orbit {self._skid}"
        current = self._sequencer.current
        findings: list[Finding] = []
        if current is None or current.started is not None:
            findings.append(Finding(where, "start: no recipe is loaded", remedy="Load one first."))
        if not self._link.healthy:
            findings.append(Finding(where, f"start: {self._link.message}", remedy="Restore the link first."))
        if self._equipment.state in FOLLOWED:
            found = f"start: the equipment is in its state {self._equipment.state}"
            remedy = "Send ClearAlarm or Continue first."
            findings.append(Finding(where, found, "Ready or Running", remedy))
        for demand in self.demands:
            if demand.reaction.rank >= Reaction.HOLD.rank:
                findings.append(Finding(where, f"start: {demand.message}", remedy="Remove the cause first."))
        for name in self.missing():
            findings.append(Finding(where, f"start: {name} has no good reading", remedy="See to it first."))
        return findings
