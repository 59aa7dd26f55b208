"""Signals: readings with quality and time, tags, and the protocol of all that can be read and written."""

from minifactory.signals.backend import InstructionRefused, SignalBackend
from minifactory.signals.reading import Quality, Reading
from minifactory.signals.tags import Argument, Instruction, Tag, TagTable

__all__ = [
    "Argument",
    "Instruction",
    "InstructionRefused",
    "Quality",
    "Reading",
    "SignalBackend",
    "Tag",
    "TagTable",
]
