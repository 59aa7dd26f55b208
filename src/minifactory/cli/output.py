"""How commands speak: results on stdout, everything else on stderr, errors as findings, exit codes.

With ``--json`` a command prints exactly one JSON document on stdout, an error included.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from minifactory.errors import EnvironmentFault, Finding, InputError, MiniFactoryError

stderr = Console(stderr=True, highlight=False, soft_wrap=True)
stdout = Console(highlight=False, soft_wrap=True)


def wide(width: int) -> Console:
    """A console for stdout with lines of at least `width` characters, whatever the terminal's width."""
    return Console(highlight=False, width=max(width, stdout.width))


def print_table(table: Table) -> None:
    """Print `table` on stdout with nothing cut off: names in it are for use in other commands."""
    wide(stdout.measure(table, options=stdout.options.update(width=100_000)).maximum).print(table)


PICTURES = (".png", ".svg", ".pdf")


class Exit(Exception):
    """Ends the command with an exit code after everything has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout; numbers that JSON has not (NaN, infinity) become null."""
    sys.stdout.write(json.dumps(_plain(document), indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_finding(finding: Finding) -> None:
    """Print one finding on stderr: the place in bold, the rest after it."""
    colour = "yellow" if finding.severity == "warning" else "red"
    text = str(finding)
    place = finding.where
    stderr.print(f"[bold {colour}]{_escaped(place)}[/]{_escaped(text[len(place) :])}")


def check_picture(file: Path) -> None:
    """Raise InputError when `file` is not named as a picture that can be drawn."""
    if file.suffix.lower() not in PICTURES:
        raise InputError(Finding(str(file), f'no picture format "{file.suffix}"', ", ".join(PICTURES)))


@contextmanager
def told(as_json: bool) -> Iterator[None]:
    """Turn errors into findings on stderr (or one JSON document) and the exit code of their kind."""
    try:
        yield
    except MiniFactoryError as error:
        _tell(error, as_json)
        raise Exit(error.exit_code) from None
    except BrokenPipeError:
        raise Exit(0) from None
    except KeyboardInterrupt:
        stderr.print("Interrupted.")
        if as_json:
            print_json({"error": "Interrupted", "findings": []})
        raise Exit(3) from None
    except OSError as error:
        place = str(error.filename) if error.filename else "system"
        fault = EnvironmentFault(Finding(place, error.strerror or str(error)))
        _tell(fault, as_json)
        raise Exit(fault.exit_code) from None


def _tell(error: MiniFactoryError, as_json: bool) -> None:
    for finding in error.findings:
        print_finding(finding)
    if as_json:
        kind = type(error).__name__
        print_json({"error": kind, "findings": [asdict(finding) for finding in error.findings]})


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # of numpy, which is not loaded for this
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
