"""Runs the commands that a page of the documentation prints, and compares what they print.

In a page, a fence ``console`` holds commands after ``$`` and under each what it prints, on both streams. A
fence ``python`` whose first line is ``# NAME.py`` is a file that the reader saves. A command that ends with
``&`` goes on in the background until the page ends.

Parts that differ every time stand in angle brackets (``<port>``) and may be used in later commands; a line
``...`` stands for any number of lines. All else must agree: words exactly, numbers to the tolerance below.

``python -m tests.docs.replay docs/tutorial.md`` prints the page with today's outputs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RELATIVE, LAST_DIGIT = 2e-3, 1.01
"""The prediction integrates with an adaptive step at a relative tolerance of 1e-3 and prints four digits.
Another processor rounds otherwise and may choose other steps: 2e-3, or one unit of the last digit."""

_VOLATILE = (
    (re.compile(r"cex-polish-(\d{8}-\d{6}-[0-9a-f]{4})"), "<date-time-code>"),
    (re.compile(r"127\.0\.0\.1:(\d+)"), "<port>"),
    (re.compile(r'"pid": (\d+)'), "<pid>"),
    (re.compile(r"\b([0-9A-Fa-f]{40}|[0-9A-Fa-f]{16})\b"), "<thumbprint>"),
    (re.compile(r"(\d{4}-\d{2}-\d{2}T[\d:.]+\+00:00)"), "<time>"),
    (re.compile(r"(\d{4}-\d{2}-\d{2})$", re.MULTILINE), "<date>"),
    (re.compile(r"(\d{4}-\d{2}-\d{2})(?=  )"), "<date>"),
    (re.compile(r"head ([0-9a-f]{64})"), "<hash>"),
    (re.compile(r"(\d+) entries intact"), "<number>"),
)
_LOADING = re.compile(r"^\w+ the simulation kernels .*\n", re.MULTILINE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Command:
    """A command of a page and what the page says that it prints."""

    text: str
    expected: tuple[str, ...]


@dataclass
class Reader:
    """Somebody who types what the page says, in `folder`."""

    folder: Path
    known: dict[str, str] = field(default_factory=dict)
    status: int = 0
    background: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, command: Command) -> tuple[str, ...]:
        """The lines that `command` prints, volatile parts in angle brackets."""
        text = command.text
        for name, value in self.known.items():
            text = text.replace(name, value)
        if text.endswith("&"):
            return self._normal(self._started(text.removesuffix("&"), len(command.expected)))
        done = subprocess.run(
            ["bash", "-c", f"(exit {self.status}); {text}"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        self.status = done.returncode
        return self._normal(done.stdout)

    def close(self) -> None:
        """End what still runs in the background."""
        for process in self.background:
            process.terminate()
            process.wait(300)
            if process.stdout is not None:
                process.stdout.close()

    def _started(self, text: str, lines: int) -> str:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.background.append(process)
        assert process.stdout is not None
        printed = ""
        while len(_LOADING.sub("", printed).splitlines()) < max(lines, 1):
            line = process.stdout.readline()
            if not line:
                break
            printed += line
        return printed

    def _environment(self) -> dict[str, str]:
        programs = Path(sys.executable).parent
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("MINIFACTORY_")},
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "MINIFACTORY_HOME": str(self.folder / "home"),
            "COLUMNS": "160",
        }

    def _normal(self, printed: str) -> tuple[str, ...]:
        printed = _LOADING.sub("", printed)
        for pattern, name in _VOLATILE:
            for match in pattern.finditer(printed):
                self.known[name] = match.group(1)
            for value in {match.group(1) for match in pattern.finditer(printed)}:
                printed = printed.replace(value, name)
        return tuple(line.rstrip() for line in printed.splitlines())


def steps(page: str) -> Iterator[Command | tuple[str, str]]:
    """The commands of a page, and the files (name, content) that its reader saves, in order."""
    for kind, body in _FENCE.findall(page):
        if kind == "python" and (match := re.match(r"# (\w+\.py)\n", body)):
            yield match.group(1), body
        if kind == "console":
            yield from _commands(body)


def _commands(body: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        text, *expected = part.rstrip("\n").split("\n")
        yield Command(text, tuple(line.rstrip() for line in expected))


def agree(expected: tuple[str, ...], found: tuple[str, ...]) -> bool:
    """Whether `found` is what a page expects; ``...`` stands for any number of lines."""
    if "..." in expected:
        at = expected.index("...")
        head, tail = expected[:at], expected[at + 1 :]
        rest = found[at:]
        starts = range(len(rest) + 1) if tail else [len(rest)]
        return _alike(head, found[:at]) and any(agree(tail, rest[start:]) for start in starts)
    return _alike(expected, found)


def _alike(expected: tuple[str, ...], found: tuple[str, ...]) -> bool:
    return len(expected) == len(found) and all(map(_same_line, expected, found))


def _same_line(expected: str, found: str) -> bool:
    words = re.split(r"\s+", _NUMBER.sub("#", expected)) == re.split(r"\s+", _NUMBER.sub("#", found))
    return words and all(map(_same_number, _NUMBER.findall(expected), _NUMBER.findall(found)))


def _same_number(expected: str, found: str) -> bool:
    if expected == found:
        return True
    decimals = len(expected.partition(".")[2])
    allowed = max(RELATIVE * abs(float(expected)), LAST_DIGIT * 10.0**-decimals if decimals else 0.0)
    return abs(float(expected) - float(found)) <= allowed


def save(reader: Reader, name: str, content: str) -> None:
    """Save a file as the reader of the page would."""
    (reader.folder / name).write_text(content, encoding="utf-8")


def renewed(page: str, reader: Reader) -> str:
    """`page` with what its commands print today, where that differs."""
    done, rest = "", page
    for step in steps(page):
        if isinstance(step, tuple):
            save(reader, *step)
            continue
        started = time.monotonic()
        found = reader.run(step)
        sys.stderr.write(f"{time.monotonic() - started:6.1f} s  {step.text}\n")
        old = "".join(f"{line}\n" for line in (f"$ {step.text}", *step.expected))
        before, _, rest = rest.partition(old)
        printed = step.expected if agree(step.expected, found) else found
        done += before + "".join(f"{line}\n" for line in (f"$ {step.text}", *printed))
    return done + rest


if __name__ == "__main__":
    import shutil
    import tempfile

    source = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        someone = Reader(Path(scratch))
        shutil.copytree(source.parent.parent / "cases", someone.folder / "cases")
        try:
            sys.stdout.write(renewed(source.read_text(encoding="utf-8"), someone))
        finally:
            someone.close()
