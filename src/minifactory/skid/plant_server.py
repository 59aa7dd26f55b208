"""The process of a virtual plant: one process model, and an OPC UA server for each of its skids.

    python -m minifactory.skid.plant_server --case CASE --seed 1 --speed lockstep --pki SKID=FOLDER ...

When all servers listen, one JSON line on standard output tells their ``endpoints`` by skid. In lock-step each
skid's controller grants it time through its own server, and gets its answer when the plant has come so far:
a plant waits for the slowest of its controllers. It ends on SIGTERM, SIGINT, and with its parent.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from minifactory.errors import MiniFactoryError
from minifactory.opcua.certificates import own_identity
from minifactory.opcua.process import announce_all
from minifactory.opcua.server import ServerSettings, SkidServer
from minifactory.opcua.source import Image
from minifactory.signals.tags import TagTable
from minifactory.skid.plant import PlantSkid, VirtualPlant, open_plant
from minifactory.skid.server import LONGEST_PERIOD, PARENT_PERIOD, PERIOD, parse_speed


class Turns:
    """Wakes the controllers of a plant that wait for each other's grants."""

    def __init__(self, plant: VirtualPlant) -> None:
        self._plant = plant
        self._moved = asyncio.Event()

    def release(self, skid: str) -> None:
        """Nobody controls `skid` any more."""
        self._plant.release(skid)
        self._wake()

    async def reach(self, skid: str, time: float, patience: float) -> None:
        """Grant `skid` time up to `time` (s); return when the plant is there, or after `patience` s."""
        plant, before = self._plant, self._plant.time
        plant.grant(skid, time)
        if plant.time > before:
            self._wake()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while plant.time < time - 1e-9:
                    await self._moved.wait()

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


class SharedSkid:
    """A skid of a plant as its server sees it."""

    def __init__(self, skid: PlantSkid, turns: Turns) -> None:
        self._skid, self._turns = skid, turns

    @property
    def table(self) -> TagTable:
        """Its tags and instructions."""
        return self._skid.table

    def image(self) -> Image:
        """The readable tags as they are now."""
        return self._skid.image()

    def set_points(self) -> Sequence[float]:
        """The set-points in force (SI)."""
        return self._skid.set_points()

    def write(self, values: Mapping[str, float]) -> None:
        """Take over set-points (SI)."""
        self._skid.write(values)

    def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Accept an instruction (SI)."""
        self._skid.call(instruction, arguments, number, owner)

    def advance(self, process_time: float) -> None:
        """Grant time up to `process_time` (s)."""
        self._skid.advance(process_time)

    async def reach(self, process_time: float, patience: float) -> None:
        """Grant time, and wait for those who have not."""
        await self._turns.reach(self.table.skid, process_time, patience)

    def release(self) -> None:
        """Nobody controls it any more."""
        self._turns.release(self.table.skid)

    def console(self, action: str) -> None:
        """What a person does at the equipment."""
        self._skid.console(action)


async def serve(
    plant: VirtualPlant, speed: float | None, pki: Mapping[str, Path], parent: int | None, port: int = 0
) -> None:
    """Publish all skids of `plant` until a signal arrives or the process `parent` ends (None: it may).

    The first skid listens on `port`, each further one on the next; 0: on free ones.
    """
    stop, loop, turns = asyncio.Event(), asyncio.get_running_loop(), Turns(plant)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as servers:
        opened: dict[str, SkidServer] = {}
        for place, (name, skid) in enumerate(plant.skids.items()):
            settings = ServerSettings(
                identity=own_identity(pki[name], f"urn:minifactory:skid:{name}", ("localhost", "127.0.0.1")),
                lock_step=speed is None,
                speed=speed or 1.0,
                period=PERIOD if speed is None else min(PERIOD, LONGEST_PERIOD / speed),
                port=port + place if port else 0,
            )
            opened[name] = await servers.enter_async_context(SkidServer(SharedSkid(skid, turns), settings))
        announce_all({name: server.endpoint for name, server in opened.items()})
        waiting = [asyncio.create_task(server.run(stop)) for server in opened.values()]
        if parent is not None:
            waiting.append(asyncio.create_task(_watch_parent(parent, stop)))
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            stop.set()
            await asyncio.gather(*waiting, return_exceptions=True)


async def _watch_parent(parent: int, stop: asyncio.Event) -> None:
    while os.getppid() == parent and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PARENT_PERIOD):
                await stop.wait()
    stop.set()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the process: 0 ended as asked, 2 bad input, 3 equipment or environment."""
    parser = argparse.ArgumentParser(prog="minifactory.skid.plant_server")
    parser.add_argument("--case", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", default="lockstep")
    parser.add_argument(
        "--pki", action="append", default=[], help="SKID=FOLDER of certificate and trust list"
    )
    parser.add_argument(
        "--fault", action="append", default=[], help="SKID:KIND[:TAG][=VALUE]@START[+DURATION]"
    )
    parser.add_argument("--port", type=int, default=0, help="of the first skid; 0 takes free ones")
    parser.add_argument("--stay", action="store_true", help="go on when the parent process ends")
    parser.add_argument("--contents", type=Path, help="file for what the vessels hold at the end")
    parser.add_argument("--identical-truth", action="store_true", help="only for tests of agreement")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    parent = None if given.stay else os.getppid()
    pki = {name: Path(folder) for name, _, folder in (text.partition("=") for text in given.pki)}
    faults: dict[str, list[str]] = {}
    for text in given.fault:
        name, _, fault = text.partition(":")
        faults.setdefault(name, []).append(fault)
    try:
        speed = parse_speed(given.speed)
        plant = open_plant(given.case, given.seed, speed, faults, given.identical_truth, tuple(pki))
        asyncio.run(serve(plant, speed, pki, parent, given.port))
        if given.contents is not None:
            given.contents.write_text(json.dumps(plant.contents().to_json()), encoding="utf-8")
    except MiniFactoryError as fault_found:
        print(fault_found, file=sys.stderr)  # noqa: T201
        return fault_found.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
