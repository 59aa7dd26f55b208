"""The words of a condition: numbers with their units, names and signs, each with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

MAXIMUM_TOKENS = 400
KEYWORDS = frozenset({"and", "or", "not", "after"})

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TOKEN = re.compile(
    r"(?P<blank>\s+)"
    rf"|(?P<number>{_NUMBER})"
    r"|(?P<name>[^\W\d]\w*(?:\.\w+)*)"
    r"|(?P<sign><=|>=|==|!=|[<>+\-*/(),])"
)
_UNIT_ATOM = re.compile(r"(?:%B|%|°C|[^\W\d]+(?:\^-?\d|[²³])?)")
_UNIT_OVER = re.compile(r"1(?=/)")


@dataclass(frozen=True)
class Token:
    """A word: its sort (``number``, ``name``, ``sign`` or ``end``), its text and where it begins."""

    sort: str
    text: str
    place: int

    def split(self) -> tuple[str, str]:
        """Number and unit of a number."""
        found = re.match(_NUMBER, self.text)
        end = found.end() if found else 0
        return self.text[:end], self.text[end:].strip()


def tokenize(text: str, reserved: Collection[str], fault: Callable[..., Exception]) -> list[Token]:
    """The words of `text`; the last one is of sort ``end``.

    Parameters
    ----------
    text : str
        A condition.
    reserved : collection of str
        Names that are no units, even behind a number.
    fault : callable
        Makes the exception from place, what was found, what was expected and remedy.
    """
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise fault(place, f'"{text[place]}" has no meaning here', "a name, number or sign")
        sort, end = str(found.lastgroup), found.end()
        if sort == "number":
            end = _unit_end(text, end, reserved)
        if sort != "blank":
            tokens.append(Token(sort, text[place:end], place))
        place = end
        if len(tokens) > MAXIMUM_TOKENS:
            raise fault(place, f"more than {MAXIMUM_TOKENS} words and signs", remedy="Split it.")
    tokens.append(Token("end", "", len(text)))
    return tokens


def _unit_end(text: str, place: int, reserved: Collection[str]) -> int:
    """Where the unit that follows a number at `place` ends; `place` itself when there is none."""
    start = place
    while start < len(text) and text[start] == " ":
        start += 1
    found = _UNIT_OVER.match(text, start) if start > place else None
    if found is None:
        found = _unit_atom(text, start, reserved)
    if found is None:
        return place
    end = found.end()
    while end < len(text) and text[end] in "/*·":
        further = _unit_atom(text, end + 1, reserved)
        if further is None:
            break
        end = further.end()
    return end


def _unit_atom(text: str, place: int, reserved: Collection[str]) -> re.Match[str] | None:
    found = _UNIT_ATOM.match(text, place)
    if found is None:
        return None
    word = _TOKEN.match(text, place)
    if word is not None and word.lastgroup == "name" and word["name"] in reserved:
        return None
    return found
