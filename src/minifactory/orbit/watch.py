"""All guards of the scan together: what each sees wrong now, and what it demands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.bottles import BottleGuard
from minifactory.orbit.guards import AgeGuard, EquipmentGuard, LinkGuard, interlock_demands
from minifactory.orbit.image import Image
from minifactory.orbit.interlocks import Demand, Interlocks
from minifactory.orbit.levels import Levels
from minifactory.orbit.outputs import Outputs
from minifactory.orbit.policy import Policy
from minifactory.orbit.stuck import StuckGuard
from minifactory.orbit.timing import Now
from minifactory.orbit.ways import DeadEndGuard, Ways
from minifactory.orbit.words import Words
from minifactory.recipe.bound import BoundInterlock
from minifactory.recipe.conditions import Sample
from minifactory.signals.tags import TagTable


class Watch:
    """The guards of one controller.

    Parameters
    ----------
    table, words, policy, image, outputs
        Of the controller.
    standing : sequence of BoundInterlock
        Interlocks that act whatever recipe is loaded, and when none is.
    ways : Ways or None
        Who knows where the liquid can go.

    Attributes
    ----------
    link, equipment, dead_end, interlocks
        The guards that others ask, too.
    measured : list of Demand
        What the interlocks demand in this scan, which nobody can talk them out of.
    """

    def __init__(
        self,
        table: TagTable,
        words: Words,
        policy: Policy,
        image: Image,
        outputs: Outputs,
        standing: Sequence[BoundInterlock],
        ways: Ways | None,
    ) -> None:
        self.link = LinkGuard(policy)
        self.equipment = EquipmentGuard(table, words, image)
        self.dead_end = DeadEndGuard(policy, words, ways)
        self.interlocks = Interlocks(standing, policy)
        self._standing = tuple(standing)
        self._image, self._outputs = image, outputs
        self._age, self._stuck = AgeGuard(policy, image), StuckGuard(table, policy)
        self._bottles = BottleGuard(policy)
        self.measured: list[Demand] = []
        self._link_was_down = False

    def use(self, interlocks: Iterable[BoundInterlock]) -> None:
        """Let those of a recipe act beside the standing ones."""
        self.interlocks.replace((*interlocks, *self._standing))

    def look(
        self,
        now: Now,
        time: float,
        sample: Sample,
        alarms: Alarms,
        *,
        needed: Callable[[], Iterable[str]],
        under_way: bool,
        washing: bool,
        levels: Levels | None,
        left: float,
        watched: Callable[[], frozenset[str]],
    ) -> list[Demand]:
        """The demands of this scan, with their alarms raised and cleared.

        `time` in s since the start of the run, `needed` tells the tags that are read now, `left` the volume
        (m3) that the run will still pump, as far as planned, `watched` vessels whose level the phase reads.
        """
        demands: list[Demand] = []
        lost = self.link.look(now.link, time, alarms)
        if lost is not None:
            self._link_was_down = True
            if under_way:
                demands.append(lost)
        elif self._link_was_down and self.link.healthy:
            self._link_was_down = False
            self._outputs.reassert()
        if lost is None and not self._age.quiet:
            demands += self._age.look(needed(), now.link, time, alarms)
        demands += self._stuck.look(self._image, time, alarms)
        equipment = self.equipment.look(time, alarms)
        if equipment is not None and under_way:
            demands.append(equipment)
        self.measured = interlock_demands(self.interlocks, sample, time, alarms)
        demands += self.measured
        dead_end = self.dead_end.look(self._image, self._outputs, now.process, time, alarms, washing)
        if dead_end is not None:
            demands.append(dead_end)
        if levels is not None:
            demands += self._bottles.look(levels, self._image, time, alarms, left, watched)
        return demands
