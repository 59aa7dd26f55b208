"""Drivers: the ways in which a controller reaches a skid."""

from minifactory.drivers.in_memory import InMemoryBackend
from minifactory.drivers.opcua_free_running import FreeRunningBackend
from minifactory.drivers.opcua_lock_step import LockStepBackend

__all__ = ["FreeRunningBackend", "InMemoryBackend", "LockStepBackend"]
