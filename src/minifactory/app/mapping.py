"""Looks at a server that nobody has seen before: what it has, a proposed tag map, and whether a map fits."""

from __future__ import annotations

import asyncio
from pathlib import Path

from minifactory.app.home import pki_folder
from minifactory.drivers.map_file import read_map
from minifactory.opcua.certificates import own_identity
from minifactory.opcua.proposing import Proposal, propose
from minifactory.opcua.resolving import Resolution, resolve
from minifactory.opcua.session import Target, open_session
from minifactory.opcua.survey import Survey, survey
from minifactory.opcua.tag_map import TagMap
from minifactory.signals import TagTable

TIMEOUT = 5.0
"""s that a server may take for one answer while it is browsed."""


def target_of(url: str, user: str, password: str) -> Target:
    """The server at `url` as Orbit presents itself to it."""
    identity = own_identity(pki_folder("orbit"), "urn:minifactory:orbit")
    return Target(url, identity, timeout=TIMEOUT, user=user, password=password)


def look_at(target: Target) -> Survey:
    """Everything on the server; EquipmentError when it cannot be reached."""
    return asyncio.run(_look_at(target))


def proposed(found: Survey, table: TagTable) -> Proposal:
    """The map that fits `table` best."""
    return propose(found, table)


def checked(file: Path, table: TagTable) -> TagMap:
    """The map in `file`; InputError with all that can be told without a server."""
    return read_map(file, table)


def fitted(target: Target, tag_map: TagMap, table: TagTable) -> Resolution:
    """Where everything is on the server, with all findings; EquipmentError when it cannot be reached."""
    return asyncio.run(_fitted(target, tag_map, table))


async def _look_at(target: Target) -> Survey:
    session = await open_session(target)
    try:
        return await survey(session)
    finally:
        await session.close()


async def _fitted(target: Target, tag_map: TagMap, table: TagTable) -> Resolution:
    session = await open_session(target)
    try:
        return await resolve(session, tag_map.reduced(table), tag_map)
    finally:
        await session.close()
