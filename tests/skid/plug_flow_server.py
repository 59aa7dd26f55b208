"""Serves the plug-flow skid of these tests: ``python -m tests.skid.plug_flow_server PKI SPEED``."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from minifactory.skid.server import Options, parse_speed, serve
from minifactory.skid.virtual import VirtualSkid
from tests.skid.plug_flow import PlugFlow, parameters, skid, table

if __name__ == "__main__":
    source = VirtualSkid(table(), skid(), PlugFlow(), parameters(), 1)
    options = Options(parse_speed(sys.argv[2]), Path(sys.argv[1]), parent=os.getppid())
    asyncio.run(serve(source, options))
