"""A server in a process of its own: started, announced, stopped, and never outliving its parent.

The child prints one JSON line ``{"endpoint": "opc.tcp://..."}`` on standard output when it listens. Its
standard input is a pipe from the parent: when that closes, because the parent asks for it or is dead, the
child ends.
It runs in a process group of its own, so that Ctrl-C in the terminal reaches the controller and not the skid.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO, Any

from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.server import ServerSettings, SkidServer
from minifactory.opcua.source import TagSource

START_TIMEOUT = 120.0  # s; the first start compiles the model's kernels
STOP_TIMEOUT = 3.0  # s
LOG_TAIL = 2000  # characters of the child's standard error that go into an error message


class ServerProcess:
    """A running server process; a context manager that stops it.

    Made by :func:`start_server`.

    Parameters
    ----------
    process : Popen
        The child.
    announced : Mapping
        What it said when it listened: ``endpoint``, or ``endpoints`` by name where it serves several.
    log : file
        What it wrote on standard error.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], announced: Mapping[str, Any], log: IO[bytes]
    ) -> None:
        self._process = process
        self._log = log
        self.endpoints: Mapping[str, str] = dict(announced.get("endpoints", {}))
        self.endpoint = str(announced.get("endpoint", ""))

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def log(self) -> str:
        """The end of what the process wrote on standard error."""
        return "" if self._log.closed else _tail(self._log)

    def stop(self, patience: float = STOP_TIMEOUT) -> None:
        """End the process, by force if it has not ended by itself within `patience` s; idempotent."""
        _end(self._process, patience)
        self._log.close()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_server(
    command: Sequence[str], environment: Mapping[str, str] | None = None, timeout: float = START_TIMEOUT
) -> ServerProcess:
    """A process that runs `command` and has announced its endpoint.

    Parameters
    ----------
    command : sequence of str
        E.g. ``(sys.executable, "-m", "minifactory.skid.server", ...)``; it must call :func:`serve`.
    environment : mapping, optional
        Variables added to this process's own.
    timeout : float
        Longest wait for the announcement, s.

    Raises
    ------
    EquipmentError
        The process ended or said nothing in time; carries the end of its standard error.
    """
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by ServerProcess.stop
    process = None
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environment or {})},
            process_group=0,
        )
        return ServerProcess(process, _announcement(process, log, timeout), log)
    except BaseException as fault:
        if process is not None:
            _end(process)
        log.close()
        if isinstance(fault, OSError):
            raise EquipmentError(
                Finding(f"server {command[0]}", f"cannot be started ({fault.strerror})")
            ) from fault
        raise


def serve(source: TagSource, settings: ServerSettings) -> None:
    """Run a server until the parent closes standard input or asks to terminate; for a process of its own.

    Raises
    ------
    Exception
        Whatever the source raised while it was advanced.
    """
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(source, settings))


async def _serve(source: TagSource, settings: ServerSettings) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with SkidServer(source, settings) as server:
        announce(server.endpoint)
        with _end_of_input(loop, stop):
            await server.run(stop)


def announce(endpoint: str) -> None:
    """Tell the parent where the server listens; afterwards standard output goes to standard error."""
    print(json.dumps({"endpoint": endpoint}), flush=True)  # noqa: T201 - the protocol with the parent
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def announce_all(endpoints: Mapping[str, str]) -> None:
    """The same for a process that serves several, by name."""
    print(json.dumps({"endpoints": dict(endpoints)}), flush=True)  # noqa: T201 - the protocol with the parent
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


@contextlib.contextmanager
def _end_of_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` when standard input ends; a terminal or a file as standard input is left alone."""
    descriptor = sys.stdin.fileno()

    def heard() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stop.set()

    try:
        loop.add_reader(descriptor, heard)
    except (PermissionError, OSError, NotImplementedError):
        yield  # e.g. a regular file: nothing to wait for
        return
    try:
        yield
    finally:
        loop.remove_reader(descriptor)


def _announcement(process: subprocess.Popen[bytes], log: IO[bytes], timeout: float) -> Mapping[str, Any]:
    assert process.stdout is not None
    where = f"server process {process.pid}"
    deadline = time.monotonic() + timeout
    heard = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while b"\n" not in heard:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise EquipmentError(
                    Finding(
                        where, f"it did not announce its endpoint within {timeout:g} s", remedy=_tail(log)
                    )
                )
            part = os.read(process.stdout.fileno(), 4096)
            if not part:
                _end(process)
                found = f"it ended with exit code {process.returncode} before it listened"
                raise EquipmentError(Finding(where, found, remedy=_tail(log)))
            heard += part
    try:
        said = json.loads(heard.split(b"\n", 1)[0])
        return {"endpoints": said["endpoints"]} if "endpoints" in said else {"endpoint": said["endpoint"]}
    except (ValueError, KeyError, TypeError) as fault:
        text = heard[:80].decode(errors="replace")
        raise EquipmentError(Finding(where, f"it said {text!r}", "a JSON line with its endpoint")) from fault


def _end(process: subprocess.Popen[bytes], patience: float = STOP_TIMEOUT) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    for demand in (signal.SIGTERM, signal.SIGKILL):
        process.send_signal(demand)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            break
    if process.stdout is not None:
        process.stdout.close()


def _tail(log: IO[bytes]) -> str:
    end = log.seek(0, os.SEEK_END)
    log.seek(max(0, end - LOG_TAIL))
    return log.read().decode(errors="replace").strip()
