"""A skid over OPC UA that runs by itself: polled by a thread of its own, never blocking the scan.

The thread reads the image at a fixed period and keeps the newest. When the server falls silent, the readings'
time stands still, which is how the controller sees it; the thread reconnects with growing pauses and looks
all tags up again, since a restarted server may have given them other node ids.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from minifactory.clock import monotonic
from minifactory.drivers.liveness import Liveness
from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.client import SkidClient, connect
from minifactory.opcua.session import Target
from minifactory.opcua.tag_map import TagMap
from minifactory.signals import Reading, TagTable

_log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # s between attempts to reconnect
FIRST_PATIENCE = 2.0  # s for each answer in the first attempt to reconnect; it grows up to that of the target
CHECK_PERIOD = 1.0  # s between two looks at namespaces and units
LOOK_UP_PERIOD = 0.5  # s between two attempts to find nodes that have moved
POLITE = 1.0  # s beyond the link's time-out that a hand-over between the threads may take


class FreeRunningBackend:
    """A :class:`~minifactory.signals.SignalBackend` for equipment that keeps its own time.

    Readings are stamped in link time (monotonic, s): the instant of the request less the age that the
    server's time stamps tell.

    Parameters
    ----------
    target : Target
        The server; its time-out bounds every call.
    table : TagTable
        What must be there.
    tag_map : TagMap, optional
        Where it is.
    period : float
        Time between two reads, s.

    Raises
    ------
    EquipmentError
        The first connection failed; later ones are tried again and again.
    """

    def __init__(
        self, target: Target, table: TagTable, tag_map: TagMap | None = None, period: float = 0.1
    ) -> None:
        self.table = table
        self._target = target
        self._tag_map = tag_map or TagMap((table.skid,))
        self._period = period
        self._liveness = Liveness(self._tag_map.clock, self._tag_map.alive)
        self._connections = 0
        self._image: Mapping[str, Reading] = {}
        self._fault: EquipmentError | None = None
        self._client: SkidClient | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._first: Future[None] = Future()
        self._thread = threading.Thread(target=self._live, name=f"opcua {target.url}", daemon=True)
        self._thread.start()
        try:
            self._first.result()
        except BaseException:
            self.close()
            raise

    @property
    def connected(self) -> bool:
        """Whether the link stands, as far as is known."""
        return self._client is not None

    @property
    def fault(self) -> EquipmentError | None:
        """Why the link is down, or what the server does not have as it should; None while all is well."""
        return self._fault

    def read(self) -> Mapping[str, Reading]:
        """The newest image, values in SI units; never waits."""
        return self._image

    def write(self, values: Mapping[str, float]) -> None:
        """Send set-points (SI units) in one request.

        Raises
        ------
        InstructionRefused
            When the skid refuses a value; none is taken over.
        EquipmentError
            When the link is down, within the link's time-out.
        """
        self._hand_over(lambda client: client.write(values))

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Issue an instruction (SI units); errors as for :meth:`write`."""
        self._hand_over(lambda client: client.call(instruction, arguments, number, owner))

    def advance(self, process_time: float) -> None:
        """Nothing: the equipment's process time runs by itself."""

    def now(self) -> float:
        """Link time in s."""
        return monotonic()

    def close(self) -> None:
        """End the session and the thread; idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _hand_over(self, work: Callable[[SkidClient], Awaitable[None]]) -> None:
        client = self._client
        if client is None or not self._thread.is_alive():
            closed = Finding(f"driver {self._target.url}", "the connection is closed")
            raise EquipmentError(closed if self._fault is None else self._fault.findings)
        done: Future[None] = asyncio.run_coroutine_threadsafe(_as_coroutine(work(client)), self._loop)
        try:
            done.result(self._target.timeout + POLITE)
        except TimeoutError:
            done.cancel()
            raise EquipmentError(
                Finding(f"driver {self._target.url}", f"no answer within {self._target.timeout:g} s")
            ) from None

    def _live(self) -> None:
        try:
            self._loop.run_until_complete(self._keep_connected())
        finally:
            self._client = None
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _keep_connected(self) -> None:
        pause, patience = FIRST_PAUSE, FIRST_PATIENCE
        while not self._stop.is_set():
            client = None
            try:
                # Later on, one tag that does not fit must not keep all others from being reached, and an
                # attempt on a dead line must not keep the next one waiting when the line is back.
                again, target = self._connections > 0, self._target
                if again:
                    target = replace(target, opening=min(patience, target.opening))
                    patience *= 1.5
                client = await self._unless_closed(
                    connect(target, self.table, self._tag_map, forgiving=again)
                )
                if client is None:
                    return
                self._connections += 1
                await self._poll(client)
                await client.close()
            except Exception as fault:
                self._client, self._fault = None, self._as_fault(fault)
                if client is not None:
                    await client.abort()
                    pause, patience = FIRST_PAUSE, FIRST_PATIENCE
                if not self._first.done():
                    self._first.set_exception(self._fault)
                    return
                await self._pause(pause)
                pause = min(2.0 * pause, LONGEST_PAUSE)
            except BaseException as fault:
                if client is not None:
                    await client.abort()
                if not self._first.done():
                    self._first.set_exception(fault)
                raise

    def _as_fault(self, fault: Exception) -> EquipmentError:
        """The fault as one of the equipment; what nobody foresaw must not end the polling either."""
        if isinstance(fault, EquipmentError):
            return fault
        _log.exception("link to %s failed", self._target.url)
        found = f"the link failed ({type(fault).__name__}: {fault})"
        return EquipmentError(Finding(f"driver {self._target.url}", found))

    async def _unless_closed(self, connecting: Coroutine[Any, Any, SkidClient]) -> SkidClient | None:
        """The connection; None when the driver was closed before it stood."""
        attempt, closing = asyncio.create_task(connecting), asyncio.create_task(self._stop.wait())
        await asyncio.wait((attempt, closing), return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not attempt.done():
            attempt.cancel()
            await asyncio.wait((attempt,))
        return None if attempt.cancelled() else attempt.result()

    async def _poll(self, client: SkidClient) -> None:
        self._liveness.forget()
        due = check_due = self._loop.time()
        look_up_due = -math.inf
        while not self._stop.is_set():
            now = monotonic()
            self._image = self._liveness.judge(await client.read(now), now)
            self._client, self._fault = client, client.misfit
            if not self._first.done():
                self._first.set_result(None)
            if self._loop.time() >= check_due:
                check_due = self._loop.time() + CHECK_PERIOD
                await client.check()
            if (client.gone or client.misfit is not None) and self._loop.time() >= look_up_due:
                look_up_due = self._loop.time() + LOOK_UP_PERIOD
                await client.look_up(forgiving=True)
                continue
            due = max(due + self._period, self._loop.time() - self._period)
            await self._pause(due - self._loop.time())

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until close."""
        if seconds > 0.0:
            try:
                async with asyncio.timeout(seconds):
                    await self._stop.wait()
            except TimeoutError:
                return


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
