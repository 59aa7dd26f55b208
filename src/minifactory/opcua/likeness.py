"""How alike the name of a tag and the names on a server are, by words of the field."""

from __future__ import annotations

import difflib
import re
from functools import lru_cache

_SAME: dict[str, tuple[str, ...]] = {
    "sp": (
        "setpoint",
        "set",
        "target",
        "wanted",
        "demand",
        "demanded",
        "cmd",
        "command",
        "desired",
        "setting",
    ),
    "signal": ("value", "pv", "actual", "act", "measured", "reading", "current", "process"),
    "position": ("pos", "place", "port"),
    "running": ("active", "busy", "on", "run"),
    "flow": ("flowrate", "flow", "rate"),
    "percentb": ("concb", "percentageb", "pctb", "mixb", "gradientb"),
    "cond": ("conductivity", "conduct"),
    "temperature": ("temp",),
    "pressure": ("press", "prs"),
    "uv": ("absorbance", "abs"),
    "wavelength": ("lambda", "wl"),
    "limit": ("max", "alarm", "limit"),
    "valve": ("valve", "vlv"),
    "outlet": ("outlet", "out"),
    "injection": ("inject", "inj", "injection"),
    "heartbeat": ("watchdog", "alive", "keepalive", "life"),
    "echo": ("reply", "answer", "feedback", "return"),
    "fraction": ("fraction", "fractions", "fractionation", "frac"),
    "number": ("no", "nr", "count", "counter", "index", "id"),
    "volume": ("vol", "accumulated", "totaliser", "length"),
    "state": ("status", "mode"),
    "held": ("hold",),
    "paused": ("pause",),
    "ended": ("end",),
    "safe": ("emergency",),
    "time": ("clock", "elapsed"),
    "system": ("sys", "total"),
    "delta": ("deltac", "diff", "differential", "dp"),
    "autozero": ("zero", "zerouv", "uvzero"),
    "continue": ("resume", "proceed"),
    "clearalarm": ("acknowledge", "ackalarm", "resetalarm", "alarmreset", "ack"),
    "next": ("step", "advance"),
    "accepted": ("issued", "received"),
    "completed": ("done", "finished", "executed"),
    "owner": ("user", "source", "client", "by", "application"),
    "averaging": ("average", "avg"),
    "wash": ("wash", "purge", "rinse"),
}
_CANON = {word: canon for canon, words in _SAME.items() for word in (canon, *words)}
_IDLE = frozenset(
    {"of", "the", "a", "an", "in", "and", "to", "is", "value", "data", "monitor", "signals", "objects"}
)


@lru_cache(maxsize=8192)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a name or a description, in the vocabulary that tags are written in."""
    text = text.replace("%B", " PercentB ").replace("% B", " PercentB ").replace("Conc B", " PercentB ")
    text = re.sub(r"[Cc]onc(entration)?[ _.]?B\b", " PercentB ", text)
    text = (
        text.replace("PercentB", "Percentb")
        .replace("AutoZero", "Autozero")
        .replace("ClearAlarm", "Clearalarm")
    )
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", text)
    words: list[str] = []
    for part in parts:
        word = _CANON.get(part.lower(), part.lower())
        if word == "h" and words and words[-1] == "p":
            words[-1] = "ph"
        else:
            words.append(word)
    return tuple(words)


_LIGHT = {"signal": 0.2, "system": 0.5, "valve": 0.5, "position": 0.3, "gradient": 0.5, "1": 0.3}
"""Words that say little: a leaf without a role is a signal, and the first of a kind often has no number."""
_WORTH_A_LOOK = 0.3
"""Score by words below which letters are not compared."""


def alike(tag: str, names: tuple[str, ...], description: str = "") -> float:
    """0 to 1: how well a place called `names` (from the top down) fits the tag's dotted name.

    The last names count most, the description a little; a role (set-point, reading) that only one of them has
    counts against them, and so do words of the last name that the tag does not have.
    """
    wanted, leaf = words_of(tag), words_of(" ".join(names[-1:]))
    near, far, told = (
        (*words_of(" ".join(names[-2:-1])), *leaf),
        words_of(" ".join(names[:-2])),
        words_of(description),
    )
    if not wanted:
        return 0.0
    gained = weight = 0.0
    for word in wanted:
        heavy = _LIGHT.get(word, 1.0)
        weight += heavy
        gained += heavy * max(_found(word, near), 0.85 * _found(word, far), 0.6 * _found(word, told))
    surplus = sum(1 for word in leaf if word not in wanted and word not in _IDLE and word not in _LIGHT)
    score = gained / (weight + 0.25 * surplus)
    if ("sp" in wanted) != ("sp" in near):
        score *= 0.75
    if score < _WORTH_A_LOOK:
        return 0.85 * score
    return min(1.0, 0.85 * score + 0.15 * _letters(_compact(tag), _compact(".".join(names[-2:]))))


@lru_cache(maxsize=65536)
def _letters(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _found(word: str, among: tuple[str, ...]) -> float:
    """1 when `word` is there, less when only something like it is."""
    if word in among:
        return 1.0
    return max((_like(word, other) for other in among), default=0.0)


@lru_cache(maxsize=65536)
def _like(word: str, other: str) -> float:
    if word.isdigit() or other.isdigit() or min(len(word), len(other)) < 3:
        return 0.0
    ratio = _letters(word, other)
    if other.startswith(word) or word.startswith(other):
        ratio = max(ratio, 0.8)
    return 0.9 * ratio if ratio >= 0.75 else 0.0


def _compact(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
