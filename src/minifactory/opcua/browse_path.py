"""Paths of browse names, each with the URI of its namespace, and their text.

The text is that of relative paths in OPC 10000-4 Annex A.2 (``/2:System/2:Flow``) with a name in place of the
namespace index, since indices change from one start of a server to the next::

    namespaces: {v: "urn:vendor:skid"}
    path: /v:System/v:Flow

A name without a prefix is in namespace 0. The characters ``/ . < > : # ! &`` inside a name are written with
an ``&`` before them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from minifactory.errors import Finding, InputError, did_you_mean

STANDARD = "http://opcfoundation.org/UA/"
_RESERVED = re.compile(r"([/.<>:#!&])")
_STEP = re.compile(r"/(?:(?P<alias>[A-Za-z_][\w-]*):)?(?P<name>(?:&.|[^/&:])+)")


class BrowseName(NamedTuple):
    """A browse name: URI of its namespace, and the name in it."""

    namespace: str
    name: str


Path = tuple[BrowseName, ...]


def path_of(namespace: str, names: Iterable[str]) -> Path:
    """The path of `names`, all in one namespace."""
    return tuple(BrowseName(namespace, name) for name in names)


def parse_path(text: str, namespaces: Mapping[str, str], where: str) -> Path:
    """The path that `text` says; `namespaces` gives the URI of each prefix.

    Raises
    ------
    InputError
        It is not a path, or has a prefix that is not known.
    """
    steps: list[BrowseName] = []
    place = 0
    while place < len(text):
        found = _STEP.match(text, place)
        if found is None:
            break
        alias = found["alias"]
        if alias is not None and alias not in namespaces:
            remedy = did_you_mean(alias, namespaces)
            raise InputError(Finding(where, f'no namespace "{alias}"', remedy=remedy))
        uri = STANDARD if alias is None else namespaces[alias]
        steps.append(BrowseName(uri, re.sub(r"&(.)", r"\1", found["name"])))
        place = found.end()
    if not steps or place != len(text):
        raise InputError(
            Finding(
                where,
                f'"{text}" is not a path of browse names',
                "e.g. /v:System/v:Flow, with v in namespaces",
            )
        )
    return tuple(steps)


def format_path(path: Path, aliases: Mapping[str, str]) -> str:
    """`path` as text; `aliases` gives the prefix of each namespace URI."""
    parts = []
    for step in path:
        name = _RESERVED.sub(r"&\1", step.name)
        prefix = "" if step.namespace == STANDARD else f"{aliases[step.namespace]}:"
        parts.append(f"/{prefix}{name}")
    return "".join(parts)


def aliases_of(namespaces: Iterable[str]) -> dict[str, str]:
    """A short prefix for each namespace URI, the same for the same URIs: ``v``, ``v2``, ``v3`` ..."""
    unique = dict.fromkeys(uri for uri in namespaces if uri != STANDARD)
    return {uri: f"v{number}" if number > 1 else "v" for number, uri in enumerate(unique, 1)}
