"""What is watched in every scan, whatever the method does: link, age of needed tags, equipment, interlocks.

Each guard raises and clears its alarms and returns demands; the engine carries out the strongest.
"""

from __future__ import annotations

from collections.abc import Iterable

from minifactory.orbit.alarms import Alarms
from minifactory.orbit.image import Image
from minifactory.orbit.interlocks import Demand, Interlocks
from minifactory.orbit.policy import Policy, Reaction
from minifactory.orbit.words import Words
from minifactory.recipe.conditions import Sample
from minifactory.records.documents import Priority
from minifactory.signals import TagTable

LINK = "Link"


class LinkGuard:
    """Whether the equipment answers: faults of reading, writing and of the heartbeat's echo."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._faults: dict[str, tuple[float, str]] = {}
        self._reported = False
        self._heard: float | None = None

    def heard(self, link: float) -> None:
        """A good reading is of `link` (s)."""
        self._heard = link

    def silence(self, link: float) -> str:
        """How long ago, at `link` (s), the last good reading was; empty when link time stands still."""
        if self._policy.lock_step:
            return ""
        if self._heard is None:
            return "nothing has ever been read"
        if "read" in self._faults or "age" in self._faults:
            return f"nothing has been read for {link - self._heard:.1f} s"
        return f"last good reading {link - self._heard:.1f} s ago"

    def fault(self, what: str, message: str, link: float) -> None:
        """`what` (read, write, age, echo) does not work since `link` (s) or earlier."""
        self._faults.setdefault(what, (link, message))

    def redate(self, link: float) -> None:
        """Nobody looked until `link` (s): what does not work counts from there."""
        self._faults = {what: (link, message) for what, (_, message) in self._faults.items()}

    def good(self, what: str) -> None:
        """`what` works again."""
        self._faults.pop(what, None)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self._faults

    @property
    def message(self) -> str:
        """``good``, or what is wrong."""
        return "; ".join(message.rstrip(".") for _, message in self._faults.values()) or "good"

    def faulty(self, what: str) -> float | None:
        """Link time (s) since when `what` does not work; None when it does."""
        found = self._faults.get(what)
        return None if found is None else found[0]

    def down(self, link: float) -> bool:
        """Whether the link counts as lost: at once in lock-step, after the declared time otherwise."""
        if not self._faults:
            return False
        if self._policy.lock_step:
            return True
        # Ages have waited for `stale_after` already, the echo for its own time.
        patience = self._policy.alarm_after
        waits = {"age": patience - self._policy.stale_after, "echo": 0.0}
        return any(link - since >= waits.get(what, patience) for what, (since, _) in self._faults.items())

    def look(self, link: float, time: float, alarms: Alarms) -> Demand | None:
        """The demand of a lost link; `time` in s since the start of the run, for the alarm."""
        if self.down(link):
            text = "; ".join(part for part in (self.message, self.silence(link)) if part)
            alarms.set(LINK, Priority.CRITICAL, f"link to the equipment lost: {text}", time)
            fresh, self._reported = not self._reported, True
            return Demand(LINK, self._policy.on_link_loss, f"link lost: {text}", fresh)
        if not self._faults:
            self._reported = False
            alarms.clear(LINK)
        return None


class AgeGuard:
    """Whether the tags that are needed now can be trusted."""

    def __init__(self, policy: Policy, image: Image) -> None:
        self._policy, self._image = policy, image
        self._alarmed: set[str] = set()

    @property
    def quiet(self) -> bool:
        """Whether every tag is good and no alarm of age is raised."""
        return not self._image.bad_since and not self._alarmed

    def look(self, needed: Iterable[str], link: float, time: float, alarms: Alarms) -> list[Demand]:
        """Demands for tags that have been bad for too long."""
        bad = self._image.bad_since
        if not bad:
            for name in self._alarmed:
                alarms.clear(f"Stale {name}")
            self._alarmed.clear()
            return []
        demands: list[Demand] = []
        wanted = set(needed) | set(self._policy.tag_reactions)
        patience = self._policy.alarm_after - self._policy.stale_after
        for name in wanted & bad.keys():
            if link - bad[name] < patience:
                continue
            fresh = alarms.set(f"Stale {name}", Priority.HIGH, f"{name} is bad or stale", time)
            self._alarmed.add(name)
            reaction = self._policy.tag_reactions.get(name, self._policy.on_stale)
            demands.append(Demand(f"Stale {name}", reaction, f"{name} is bad or stale", fresh))
        for name in [name for name in self._alarmed if name not in bad]:
            alarms.clear(f"Stale {name}")
            self._alarmed.discard(name)
        return demands


class EquipmentGuard:
    """Follows the equipment's own state: it is not fought when it holds, pauses, ends or alarms by itself."""

    def __init__(self, table: TagTable, words: Words, image: Image) -> None:
        self._image, self._name = image, words.state
        self._choices = table.tags[words.state].choices if words.state else ()
        self._causes = tuple(tag.name for tag in table.readable if tag.name.startswith("Alarm."))
        self._before: str | None = None

    @property
    def state(self) -> str | None:
        """The equipment's state by name; None when unknown."""
        value = self._image.values.get(self._name) if self._name else None
        if value is None or not 0 <= int(value) < len(self._choices):
            return None
        return self._choices[int(value)]

    def look(self, time: float, alarms: Alarms) -> Demand | None:
        """The demand of a change in the equipment's state."""
        state = self.state
        if state is None or state == self._before:
            return None
        self._before = state
        for name, found in FOLLOWED.items():
            if name != state:
                alarms.clear(found[1])
        if state not in FOLLOWED:
            return None
        reaction, alarm, priority, message = FOLLOWED[state]
        causes = [name for name in self._causes if self._image.values.get(name)]
        if causes:
            message += f" ({', '.join(causes)})"
        alarms.set(alarm, priority, message, time)
        return Demand(alarm, reaction, message, True)


FOLLOWED: dict[str, tuple[Reaction, str, Priority, str]] = {
    "Paused": (
        Reaction.PAUSE,
        "Equipment paused",
        Priority.MEDIUM,
        "the equipment was paused on its own side",
    ),
    "Held": (
        Reaction.HOLD,
        "Equipment held",
        Priority.MEDIUM,
        "the equipment was held on its own side",
    ),
    "Ended": (
        Reaction.STOP,
        "Equipment ended",
        Priority.HIGH,
        "the run was ended on the equipment's own side",
    ),
    "Alarm": (
        Reaction.PAUSE,
        "Equipment alarm",
        Priority.HIGH,
        "the equipment stopped its pumps with an alarm",
    ),
    "Safe": (Reaction.ABORT, "Equipment safe", Priority.CRITICAL, "the equipment went into its safe state"),
}


def _priority(demand: Demand) -> Priority:
    if demand.priority:
        return Priority(demand.priority)
    if demand.reaction is Reaction.ALARM:
        return Priority.MEDIUM
    return Priority.CRITICAL if demand.reaction.rank >= Reaction.STOP.rank else Priority.HIGH


def interlock_demands(interlocks: Interlocks, sample: Sample, time: float, alarms: Alarms) -> list[Demand]:
    """The demands of the interlocks, with their alarms raised and cleared."""
    demands = interlocks.evaluate(sample)
    for demand in demands:
        if demand.fresh:
            priority = _priority(demand)
            alarms.set(f"Interlock {demand.name}", priority, demand.message, time)
    for name in interlocks.cleared:
        alarms.clear(f"Interlock {name}")
    return demands
