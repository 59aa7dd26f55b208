"""Who may claim which level of authority at the desks of this user's controllers, by his certificate.

``authority.yaml`` in the user's folder says so; without it, all on the trust list may claim any level::

    clients:
      urn:minifactory:operator: [operator]
      3f2a9c0d11ab47e5: [peer]          # beginning of a thumbprint, as `minifactory trust orbit` shows it

A certificate that is named counts by its thumbprint, any other by the application that it belongs to.
Reading, and making things stand (hold, pause, stop, abort), is open to all who are trusted.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minifactory.app.home import user_folder
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.opcua.certificates import application_uris, thumbprint
from minifactory.orbit.authority import Level
from minifactory.plant.document import Report, open_document

FILE = "authority.yaml"
SHORTEST = 16
"""Digits of a thumbprint that name a certificate at least."""
LEVELS = tuple(item.word for item in reversed(Level))
OPEN = frozenset({"status", "log", "recipe", "pause", "stop", "abort"})
"""What needs no level; so does a hold that does not end by itself."""
OPERATORS = frozenset({"ack", "shelve", "unshelve", "level", "grant", "hold"})
"""What only an operator may do, whatever level the request names."""


@dataclass(frozen=True)
class Claims:
    """What the file says: client (application URI or beginning of a thumbprint) -> levels; None: no file."""

    file: Path
    clients: Mapping[str, frozenset[str]] | None = None

    def levels(self, certificate: bytes | None) -> frozenset[str]:
        """The levels that the owner of `certificate` (DER) may claim."""
        if self.clients is None:
            return frozenset(LEVELS)
        if certificate is None:
            return frozenset()
        marks = (thumbprint(certificate), hashlib.sha256(certificate).hexdigest())
        named = [levels for who, levels in self.clients.items() if any(m.startswith(who) for m in marks)]
        if not named:
            uris = application_uris(certificate)
            named = [levels for who, levels in self.clients.items() if who in uris]
        return frozenset().union(*named)

    def check(self, certificate: bytes | None, request: Mapping[str, Any], controller: str) -> None:
        """Return when the owner of `certificate` (DER) may ask for `request`.

        Raises
        ------
        InputError
            Tells who asked for what, what is allowed, and what to do.
        """
        word, claimed = str(request.get("do", "")), str(request.get("level", "operator")).lower()
        needed = "operator" if word in OPERATORS else claimed
        allowed = self.levels(certificate)
        if needed in allowed:
            return
        who = "a client without a certificate"
        if certificate is not None:
            who = f"{', '.join(application_uris(certificate))} (certificate {thumbprint(certificate)[:16]})"
        may = (
            ", ".join(level for level in LEVELS if level in allowed)
            or "none: it may read and make things stand"
        )
        mark = "" if certificate is None else thumbprint(certificate)[:16]
        raise InputError(
            Finding(
                f"orbit {controller}",
                f'"{word}" refused: {who} may not claim the level {needed}',
                f"one of its levels ({may})",
                f"Whoever runs this controller can let it: minifactory orbit authority {mark} {needed} "
                f"({self.file}).",
            )
        )


def open_to_all(request: Mapping[str, Any]) -> bool:
    """Whether `request` only reads, or makes things stand."""
    word = str(request.get("do", ""))
    return word in OPEN or (word == "hold" and not request.get("until"))


def claims_file() -> Path:
    """Where it is said."""
    return user_folder() / FILE


def read_claims() -> Claims:
    """What the file says now.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    file = claims_file()
    if not file.is_file():
        return Claims(file)
    report = Report()
    top = open_document(file, report)
    section = top.section("clients", required=True)
    clients: dict[str, frozenset[str]] = {}
    for key in section.keys:
        levels = section.texts(key)
        for level in levels:
            if level not in LEVELS:
                section.fail(f'no level "{level}"', ", ".join(LEVELS), did_you_mean(level, LEVELS), key=key)
        try:
            clients[named(key)] = frozenset(levels)
        except InputError as fault:
            report.add_all(fault.findings)
    section.finish()
    top.finish()
    report.raise_errors()
    return Claims(file, clients)


def named(who: str) -> str:
    """An application URI, or a thumbprint in lower case without colons; InputError when it is neither."""
    digits = who.lower().replace(":", "")
    if re.fullmatch(r"[0-9a-f]+", digits) and not who.lower().startswith("urn:"):
        if not SHORTEST <= len(digits) <= 64:
            raise InputError(
                Finding(FILE, f'"{who}" has {len(digits)} digits', f"{SHORTEST} to 64 of a thumbprint")
            )
        return digits
    if ":" not in who:
        expected = "an application URI (urn:...) or the beginning of a thumbprint"
        raise InputError(Finding(FILE, f'"{who}"', expected, "See minifactory trust orbit."))
    return who


def allow(who: str, levels: Iterable[str]) -> Claims:
    """Let `who` claim exactly `levels` from now on (none: nothing); what the file says then.

    A file that is new also names this user's own command line, as an operator.
    """
    wanted = list(levels)
    for level in wanted:
        if level not in LEVELS:
            raise InputError(
                Finding("authority", f'no level "{level}"', ", ".join(LEVELS), did_you_mean(level, LEVELS))
            )
    known = read_claims()
    clients = dict(known.clients or {"urn:minifactory:operator": frozenset({"operator"})})
    clients[named(who)] = frozenset(wanted)
    lines = [
        f'  "{name}": [{", ".join(item for item in LEVELS if item in may)}]' for name, may in clients.items()
    ]
    fresh = known.file.with_name(f".{FILE}")
    text = "# who may claim which level at the desks of this user's controllers\nclients:\n" + "\n".join(
        lines
    )
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(known.file)
    return Claims(known.file, clients)
