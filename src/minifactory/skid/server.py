"""The process of a virtual skid: opens a case and serves one of its skids over OPC UA.

    python -m minifactory.skid.server --case cases/cex-polish --seed 1 --speed lockstep --pki FOLDER

When it listens, one JSON line on standard output tells the endpoint; everything else goes to standard error.
It ends cleanly on SIGTERM and SIGINT, and with the process that started it unless told to stay. Who starts it
from a terminal and wants to decide on Ctrl-C itself starts it in a session of its own.
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
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minifactory.errors import Finding, InputError, MiniFactoryError, did_you_mean
from minifactory.opcua.certificates import own_identity, thumbprint
from minifactory.opcua.layout import LayoutOf, own_layout
from minifactory.opcua.server import ServerSettings, SkidServer
from minifactory.opcua.source import TagSource
from minifactory.opcua.unicorn_like import unicorn_like
from minifactory.plant.model import Plant
from minifactory.plant.parameters import ParameterSet
from minifactory.skid.contents import contents
from minifactory.skid.faults import parse_fault
from minifactory.skid.virtual import VirtualSkid

PROFILES: Mapping[str, LayoutOf] = {"minifactory": own_layout, "unicorn": unicorn_like}
"""How a skid may present itself: as our own servers do, or in the manner of a vendor's control software."""
PERIOD = 0.1
"""s between two advances of a free-running skid."""
LONGEST_PERIOD = 1.0
"""s of process time between two samples of a detector at most."""
PARENT_PERIOD = 0.5
"""s between two looks at whether the parent process lives."""


@dataclass(frozen=True)
class Options:
    """What a skid process was asked for.

    Parameters
    ----------
    speed : float or None
        Process seconds per second; None: lock-step with a client as time master.
    pki : Path
        Folder of the skid's certificate and trust list.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    parent : int or None
        Process with which this one ends; None: it stays.
    profile : str
        One of :data:`PROFILES`.
    users : Mapping of str to str
        User name -> digest of the password; empty: a trusted certificate is enough.
    """

    speed: float | None
    pki: Path
    host: str = "127.0.0.1"
    port: int = 0
    parent: int | None = None
    profile: str = "minifactory"
    users: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            found = f'no profile "{self.profile}"'
            raise InputError(Finding("--profile", found, remedy=did_you_mean(self.profile, PROFILES)))
        if self.profile != "minifactory" and self.speed is None:
            raise InputError(
                Finding(
                    f"--profile {self.profile}",
                    "in lock-step, which a vendor's equipment does not know",
                    "--speed real or a factor",
                )
            )
        if self.profile != "minifactory" and not self.users:
            raise InputError(
                Finding(
                    f"--profile {self.profile}",
                    "no user is named",
                    "a user and password as a vendor's server asks for them",
                    "Add --user NAME --password-file FILE.",
                )
            )


def parse_speed(text: str) -> float | None:
    """Process seconds per second; None for ``lockstep``. InputError when `text` is not a speed."""
    if text == "lockstep":
        return None
    try:
        speed = 1.0 if text == "real" else float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed <= 1e4:
        expected = "real, lockstep, or a number above 0 and up to 10000"
        raise InputError(Finding("--speed", f'"{text}" is not a speed', expected))
    return speed


def open_skid(
    case: Path,
    name: str,
    seed: int,
    speed: float | None,
    faults: Sequence[str] = (),
    identical: bool = False,
    noise: int = 0,
) -> VirtualSkid:
    """The virtual skid `name` of the case in folder `case`.

    Parameters
    ----------
    case : Path
        Holds ``factory.yaml`` and ``parameters.yaml``.
    name : str
        Name of the skid; empty when the case has only one.
    seed : int
        Of the truth, latencies and noise.
    speed : float or None
        Process seconds per second of link time, for the heartbeat; None in lock-step.
    faults : sequence of str
        As :func:`minifactory.skid.faults.parse_fault` reads them.
    identical : bool
        True: the truth is the predicting parameter set itself; only for tests of agreement.
    noise : int
        Another number, other latencies and noise with the same truth.

    Raises
    ------
    InputError
        With everything that is wrong with the case, the name or a fault.
    """
    from minifactory.plant.load import load_plant

    plant = load_plant(case)
    if not name and len(plant.skids) == 1:
        name = next(iter(plant.skids))
    if name not in plant.skids:
        raise InputError(Finding(f"{case}", f'no skid "{name}"', remedy=did_you_mean(name, plant.skids)))
    truth = plant.parameters if identical else plant.parameters.truth(seed)
    return made_skid(plant, name, truth, seed if noise == 0 else _mixed(seed, noise), speed, faults)


def made_skid(
    plant: Plant,
    name: str,
    truth: ParameterSet,
    seed: int,
    speed: float | None = None,
    faults: Sequence[str] = (),
) -> VirtualSkid:
    """The virtual skid `name` of `plant` whose truth is `truth`; the other parameters as :func:`open_skid`.

    Raises
    ------
    InputError
        With everything that is wrong with a fault.
    """
    from minifactory.plant.tagging import tag_table
    from minifactory.twin.online import process_model

    skid = plant.skids[name]
    table = tag_table(skid)
    return VirtualSkid(
        table,
        skid,
        process_model(plant, name, truth),
        truth,
        seed,
        period=LONGEST_PERIOD if speed is None else min(LONGEST_PERIOD, PERIOD * speed),
        link_speed=speed,
        faults=[parse_fault(text, table) for text in faults],
    )


def _mixed(seed: int, noise: int) -> int:
    """A seed that depends on both numbers."""
    return int(np.random.SeedSequence([seed, noise]).generate_state(1)[0])


async def serve(source: TagSource, options: Options) -> None:
    """Publish `source` until a signal arrives or the parent ends; the endpoint is announced as JSON line."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch = None if options.parent is None else asyncio.create_task(_watch_parent(options.parent, stop))
    name = source.table.skid
    identity = own_identity(options.pki, f"urn:minifactory:skid:{name}", ("localhost", options.host))
    settings = ServerSettings(
        identity=identity,
        host=options.host,
        port=options.port,
        lock_step=options.speed is None,
        speed=options.speed or 1.0,
        period=PERIOD if options.speed is None else min(PERIOD, LONGEST_PERIOD / options.speed),
        users=options.users,
        layout=PROFILES[options.profile],
    )
    server = SkidServer(source, settings)
    try:
        async with server:
            announced = {
                "endpoint": server.endpoint,
                "skid": name,
                "pid": os.getpid(),
                "thumbprint": thumbprint(identity.certificate),
            }
            print(json.dumps(announced), flush=True)  # noqa: T201
            await server.run(stop)
    finally:
        if watch is not None:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch


async def _watch_parent(parent: int, stop: asyncio.Event) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_PERIOD)
    stop.set()


def main(arguments: Sequence[str] | None = None, users: Mapping[str, str] | None = None) -> int:
    """The exit code of the process: 0 ended as asked, 2 bad input, 3 equipment or environment.

    `users` are those who may log in, with the digests of their passwords (never on the command line).
    """
    parser = argparse.ArgumentParser(
        prog="minifactory.skid.server", description="A virtual skid over OPC UA."
    )
    parser.add_argument("--case", type=Path, required=True, help="folder of the case")
    parser.add_argument("--skid", default="", help="name of the skid; needed when the case has several")
    parser.add_argument("--seed", type=int, default=1, help="of the truth, latencies and noise")
    parser.add_argument("--noise", type=int, default=0, help="other latencies and noise, the same truth")
    parser.add_argument("--speed", default="real", help="real, lockstep, or a number")
    parser.add_argument("--pki", type=Path, required=True, help="folder of certificate and trust list")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--fault", action="append", default=[], help="KIND[:TAG][=VALUE]@START[+DURATION]")
    parser.add_argument("--contents", type=Path, help="file for what the vessels hold at the end")
    parser.add_argument("--identical-truth", action="store_true", help="only for tests of agreement")
    parser.add_argument("--profile", default="minifactory", help=", ".join(PROFILES))
    parser.add_argument("--stay", action="store_true", help="go on when the parent process ends")
    given = parser.parse_args(arguments)
    parent = None if given.stay else os.getppid()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    try:
        speed = parse_speed(given.speed)
        options = Options(speed, given.pki, given.host, given.port, parent, given.profile, dict(users or {}))
        skid = open_skid(
            *(given.case, given.skid, given.seed, speed, given.fault, given.identical_truth, given.noise)
        )
        asyncio.run(serve(skid, options))
        if given.contents is not None:
            given.contents.write_text(json.dumps(contents(skid).to_json()), encoding="utf-8")
    except MiniFactoryError as fault:
        print(fault, file=sys.stderr)  # noqa: T201
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
