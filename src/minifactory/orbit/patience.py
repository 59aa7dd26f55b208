"""Commands to equipment that may not answer: the scan waits a little, never long.

A command that has no answer in time counts as a fault of the link, although it may still arrive. That is
harmless: set-points can be sent twice, and an instruction keeps its number, which the equipment accepts
once. Until the late answer is there nothing else is sent, so that the order is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from minifactory.errors import EquipmentError, Finding
from minifactory.signals import Reading, SignalBackend, TagTable


class PatientBackend:
    """A backend whose writes and calls return within `patience` s of real time.

    Parameters
    ----------
    backend : SignalBackend
        The equipment, free running: its `read` does not wait.
    patience : float
        Real time in s.
    """

    def __init__(self, backend: SignalBackend, patience: float) -> None:
        self.table: TagTable = backend.table
        self._backend, self._patience = backend, patience
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"commands to {backend.table.skid}")
        self._late: tuple[object, Future[None]] | None = None

    def read(self) -> Mapping[str, Reading]:
        """The newest readings (SI)."""
        return self._backend.read()

    def write(self, values: Mapping[str, float]) -> None:
        """Send set-points (SI); EquipmentError when there is no answer in time."""
        sent = dict(values)
        self._command(("write", sent), lambda: self._backend.write(sent))

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Issue an instruction (SI); EquipmentError when there is no answer in time."""
        self._command(("call", number), lambda: self._backend.call(instruction, arguments, number, owner))

    def advance(self, process_time: float) -> None:
        """Let process time run to `process_time` (s)."""
        self._backend.advance(process_time)

    def now(self) -> float:
        """The clock (s) in which readings are stamped."""
        return self._backend.now()

    def close(self) -> None:
        """Leave the equipment."""
        self._worker.shutdown(wait=False)
        self._backend.close()

    def _command(self, key: object, act: Callable[[], None]) -> None:
        if self._late is not None:
            asked, answer = self._late
            self._wait(answer)
            self._late = None
            if asked == key:
                answer.result()
                return
        answer = self._worker.submit(act)
        self._late = (key, answer)
        self._wait(answer)
        self._late = None
        answer.result()

    def _wait(self, answer: Future[None]) -> None:
        wait([answer], self._patience)
        if not answer.done():
            found = f"a command has had no answer for {self._patience:g} s"
            raise EquipmentError(Finding(f"orbit {self.table.skid}", found))
