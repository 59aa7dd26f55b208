"""A service as a process of its own: its ledger, its desk over OPC UA, and the loop that keeps it going."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from minifactory.app.discovery import announced
from minifactory.app.home import pki_folder
from minifactory.clock import RealClock
from minifactory.errors import Finding, InputError
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.desk import DeskServer
from minifactory.services.analysis import AnalysisKind, AnalysisService
from minifactory.services.description import FILE, read_services
from minifactory.services.desk import AnalysisDesk
from minifactory.services.ledger import FileLedger

NAME = "analysis"
SCAN = 0.2
"""s of real time between two looks of the service."""


def analysis_kinds(case: Path) -> Mapping[str, AnalysisKind]:
    """The types of analysis in ``services.yaml`` of the case (``analysis: {purity: 30 min}``).

    Raises
    ------
    InputError
        With every fault of the file, or when it says nothing of analyses.
    """
    kinds = read_services(case).analysis
    if not kinds:
        expected = "analysis: {purity: 30 min}"
        raise InputError(Finding(str(case / FILE), "it says nothing of analyses", expected))
    return kinds


@contextmanager
def analysis_service(case: Path, runs: Path) -> Iterator[AnalysisDesk]:
    """The desk of the analysis service of a case, reachable while the block runs; its ledger lies in `runs`.

    Times are those of the wall clock, for the analyser works on while the service is away.

    Raises
    ------
    InputError
        When the case says nothing of analyses, or the ledger is damaged.
    EquipmentError
        When the desk cannot listen.
    """
    kinds = analysis_kinds(case)
    folder = runs / "services"
    folder.mkdir(parents=True, exist_ok=True)
    ledger = FileLedger(folder / f"{case.resolve().name}-{NAME}.ledger")
    try:
        clock = RealClock()
        service = AnalysisService(kinds, lambda order: order.sample, ledger)
        desk = AnalysisDesk(service, lambda: clock.wall().timestamp())
        own = own_identity(pki_folder("orbit"), "urn:minifactory:orbit")
        introduce(own, own_identity(pki_folder("operator"), "urn:minifactory:operator"))
        server = DeskServer(own, NAME, (), desk.shown, desk.decide)
        server.start()
        try:
            with announced(NAME, server.endpoint, NAME, case.resolve().name, runs):
                yield desk
        finally:
            server.close()
    finally:
        ledger.close()


def serve(case: Path, runs: Path, seconds: float, say: Callable[[str], None]) -> int:
    """Serve for `seconds` of real time (infinite: until Ctrl-C); the number of results so far."""
    if not seconds > 0.0:
        raise InputError(Finding("--for", f"{seconds:g} s", "a positive time"))
    clock = RealClock()
    with analysis_service(case, runs) as desk:
        say(f"analysis service of {case.resolve().name} is open; Ctrl-C ends it")
        while clock.now() < seconds:
            desk.tick()
            clock.wait_until(clock.now() + SCAN)
        return desk.tick()
