"""A skid over OPC UA with this process as time master: one round trip per scan.

The event loop lives in the calling thread and runs only while a call is under way, so there is no second
thread and nothing happens between two calls: the same run comes out every time.
"""

from __future__ import annotations

import asyncio
import math
import time as computing
from collections.abc import Awaitable, Mapping
from typing import Any

from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.client import SkidClient, connect
from minifactory.opcua.server import LONGEST_STEP
from minifactory.opcua.session import Target
from minifactory.opcua.tag_map import TagMap
from minifactory.signals import InstructionRefused, Reading, TagTable


class LockStepBackend:
    """A :class:`~minifactory.signals.SignalBackend` that moves the skid's process time itself.

    :meth:`advance` brings the image back with it, so :meth:`read` costs nothing. Readings are stamped in
    process time. Once the link has failed, all but :meth:`read` and :meth:`close` raise EquipmentError
    at once: a skid that was cut off in mid-step has no defined time.

    Parameters
    ----------
    target : Target
        The server; its time-out bounds every call.
    table : TagTable
        What must be there.
    tag_map : TagMap, optional
        Where it is.
    others : float
        s of real time for which process time may stand still because other controllers have not granted it
        yet; 0 where this one is the only one.

    Raises
    ------
    EquipmentError
        No secured session, a tag map that does not fit, or a server that runs by itself.
    """

    def __init__(
        self, target: Target, table: TagTable, tag_map: TagMap | None = None, others: float = 0.0
    ) -> None:
        self.table = table
        self._others = others
        self._target = target
        self._lost: EquipmentError | None = None
        self._image: Mapping[str, Reading] = {}
        self._time = -math.inf
        self._loop = asyncio.new_event_loop()
        try:
            self._client: SkidClient = self._loop.run_until_complete(connect(target, table, tag_map))
        except BaseException:
            self._loop.close()
            raise
        try:
            self._time, self._image = self._run(self._client.advance(-math.inf))
        except BaseException:
            self.close()
            raise

    def read(self) -> Mapping[str, Reading]:
        """The image of the last advance, values in SI units."""
        return self._image

    def write(self, values: Mapping[str, float]) -> None:
        """Send set-points (SI units) in one request.

        Raises
        ------
        InstructionRefused
            When the skid refuses a value; none is taken over.
        EquipmentError
            When the link is down.
        """
        self._run(self._client.write(values))

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Issue an instruction (SI units); errors as for :meth:`write`."""
        self._run(self._client.call(instruction, arguments, number, owner))

    def advance(self, process_time: float) -> None:
        """Let the skid's process time run to `process_time` (s) and take its image there.

        Raises
        ------
        EquipmentError
            When the link is down or the skid failed.
        """
        stands_since = computing.monotonic()
        while self._time < process_time:
            step = min(process_time, self._time + LONGEST_STEP)
            before = self._time
            self._time, self._image = self._run(self._client.advance(step))
            if self._time > before:
                stands_since = computing.monotonic()
            elif computing.monotonic() - stands_since >= self._others:
                self._lost = EquipmentError(
                    Finding(
                        f"driver {self._target.url}",
                        f"the skid's process time stands still at {before:g} s",
                        f"{step:g} s",
                    )
                )
                raise self._lost

    def now(self) -> float:
        """The skid's process time in s."""
        return self._time

    def leave(self) -> None:
        """This controller grants no more time; where the process is shared, it goes on with the others."""
        self._time, self._image = self._run(self._client.advance(math.inf))

    def close(self) -> None:
        """End the session; idempotent."""
        if self._loop.is_closed():
            return
        ending = self._client.close() if self._lost is None else self._client.abort()
        self._loop.run_until_complete(ending)
        self._loop.close()

    def _run(self, work: Awaitable[Any]) -> Any:
        if self._lost is not None or self._loop.is_closed():
            getattr(work, "close", lambda: None)()
            closed = Finding(f"driver {self._target.url}", "the connection is closed")
            raise EquipmentError(closed if self._lost is None else self._lost.findings)
        try:
            return self._loop.run_until_complete(work)
        except InstructionRefused:
            raise
        except EquipmentError as fault:
            self._lost = fault
            raise
