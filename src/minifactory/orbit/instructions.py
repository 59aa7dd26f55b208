"""One-shot instructions: numbered, issued once, followed until the equipment has carried them out.

The number makes an instruction resolvable: the equipment ignores a number that it has accepted before, so
that sending one again after a fault of the link does no harm, and after a crash the read-back tells what
was done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from minifactory.orbit.image import Image
from minifactory.orbit.policy import Policy
from minifactory.orbit.words import Words, running_tag
from minifactory.records.documents import Stage
from minifactory.signals import InstructionRefused, SignalBackend, TagTable


@dataclass
class Issued:
    """An instruction on its way: number, arguments (SI), who asked, and what has been seen of it.

    `again`: it was completed before a restart, and the record may know.
    """

    number: int
    name: str
    arguments: Mapping[str, float]
    source: str
    process: float
    link: float
    sent: bool = False
    processing: bool = False
    seen_running: bool = False
    again: bool = False

    def latency(self, process: float) -> float:
        """Process time in s since it was asked for."""
        return process - self.process


CLOSED_FOR, MOST_CLOSED = 0.5, 8
"""s of link time for which a completed instruction stays in the journal, and how many of them at most."""
Step = tuple[Issued, Stage, str]
"""An instruction, the stage that it reached, and a message."""


class Instructions:
    """The instructions of one skid, from the wish to the end.

    Parameters
    ----------
    journalled : callable or None
        Asked before an instruction is sent: whether its intent is safe on disk. None: no journal.
    """

    def __init__(
        self,
        table: TagTable,
        words: Words,
        policy: Policy,
        owner: str,
        journalled: Callable[[Issued], bool] | None = None,
    ) -> None:
        self.number = 0
        self._table, self._words, self._policy, self._owner = table, words, policy, owner
        self._journalled = journalled
        self._queue: deque[Issued] = deque()
        self._open: list[Issued] = []
        self._closed: deque[tuple[Issued, float]] = deque(maxlen=MOST_CLOSED)

    def continue_after(self, number: int) -> None:
        """Use only numbers above `number`, which the equipment has accepted before."""
        self.number = max(self.number, number)

    def ask(
        self, name: str, arguments: Mapping[str, float], source: str, process: float, link: float
    ) -> Issued:
        """Put an instruction in line for this scan; it has its number from here on."""
        self.number += 1
        issued = Issued(self.number, name, dict(arguments), source, process, link)
        self._queue.append(issued)
        return issued

    @property
    def blocking(self) -> bool:
        """Whether an instruction is under way during which the method stands still."""
        if not self._queue and not self._open:
            return False
        blocking = self._words.blocking
        return any(item.name in blocking for item in (*self._queue, *self._open))

    @property
    def open(self) -> tuple[Issued, ...]:
        """Instructions that are waiting or under way."""
        return (*self._queue, *self._open)

    def closed(self, link: float) -> tuple[Issued, ...]:
        """Instructions that were completed so lately that the record of it may not be stored yet."""
        if self._policy.lock_step:
            return ()  # nothing is granted before the record is safe
        return tuple(item for item, at in self._closed if link - at < CLOSED_FOR)

    @property
    def waiting(self) -> tuple[Issued, ...]:
        """Instructions that have not been sent."""
        return tuple(self._queue)

    def drop(self) -> list[Issued]:
        """Forget everything that waits or is followed (the safe state needs none of it); what was dropped."""
        dropped = [*self._queue, *self._open]
        self._queue.clear()
        self._open.clear()
        return dropped

    def take_up(
        self,
        number: int,
        name: str,
        arguments: Mapping[str, float],
        source: str,
        accepted: bool,
        process: float,
        link: float,
        again: bool = False,
    ) -> None:
        """Go on with an instruction of the time before a restart: follow it, or send it with its number.

        `again`: its completion had been seen, and may not be in the record.
        """
        issued = Issued(number, name, dict(arguments), source, process, link, sent=accepted, again=again)
        (self._open if accepted else self._queue).append(issued)

    def redate(self, link: float) -> None:
        """Nobody looked until `link` (s): what is under way has time from now on."""
        for item in self._open:
            item.link = link

    def drop_waiting(self, name: str) -> None:
        """Do not send those called `name` that wait."""
        self._queue = deque(item for item in self._queue if item.name != name)

    def flush(self, backend: SignalBackend, link: float) -> list[Step]:
        """Send what waits, in order; the steps that were taken.

        Raises
        ------
        EquipmentError
            When the link is down; the instruction keeps its number and is sent again in the next scan.
        """
        steps: list[Step] = []
        while self._queue:
            issued = self._queue[0]
            if any(item.name in self._words.blocking for item in self._open):
                break  # the equipment takes nothing else on while it washes its pumps
            if self._journalled is not None and not self._journalled(issued):
                break
            try:
                backend.call(issued.name, issued.arguments, issued.number, self._owner)
            except InstructionRefused as refusal:
                self._queue.popleft()
                steps.append((issued, Stage.REFUSED, str(refusal)))
                continue
            self._queue.popleft()
            issued.sent, issued.link = True, link
            self._open.append(issued)
            steps.append((issued, Stage.ISSUED, ""))
        return steps

    def follow(self, image: Image, process: float, link: float) -> list[Step]:
        """What the read-back says of the instructions under way."""
        if not self._open:
            return []
        accepted = self._seen(image, self._words.accepted)
        completed = self._seen(image, self._words.completed)
        steps: list[Step] = []
        left: list[Issued] = []
        for issued in self._open:
            stage = self._stage(issued, accepted, completed, image, process, link)
            if stage is not None:
                steps.append((issued, stage, ""))
            if stage is Stage.PROCESSING:
                issued.processing = True
            if stage not in (Stage.COMPLETED, Stage.OVERDUE):
                left.append(issued)
            elif stage is Stage.COMPLETED:
                self._closed.append((issued, link))
        self._open = left
        return steps

    def _stage(
        self,
        issued: Issued,
        accepted: float | None,
        completed: float | None,
        image: Image,
        process: float,
        link: float,
    ) -> Stage | None:
        running = self._runs(issued, image)
        issued.seen_running = issued.seen_running or running is True
        if completed is not None and completed >= issued.number and running is not True:
            # A later number may have overtaken this one: if a tag tells that it runs, wait to have seen it.
            own = completed == issued.number or running is None or issued.seen_running
            if own or self._late(issued, process, link):
                return Stage.COMPLETED
        if issued.seen_running and running is False:
            return Stage.COMPLETED
        if not issued.processing:
            if running or (accepted is not None and accepted >= issued.number):
                return Stage.PROCESSING
            if self._words.accepted is None:
                return Stage.COMPLETED
            if self._late(issued, process, link):
                return Stage.OVERDUE
        return None

    def _late(self, issued: Issued, process: float, link: float) -> bool:
        return (
            process - issued.process >= self._policy.readback_process
            and link - issued.link >= self._policy.readback_link
        )

    def _runs(self, issued: Issued, image: Image) -> bool | None:
        name = running_tag(self._table, issued.name)
        if name is None:
            return None
        value = image.values.get(name)
        return None if value is None else value != 0.0

    @staticmethod
    def _seen(image: Image, name: str | None) -> float | None:
        return None if name is None else image.values.get(name)
