"""A layout in the manner of a vendor's control software, for tests of drivers, trust and latencies.

Names follow the vocabulary that ÄKTA users know from UNICORN (curves, run control, "Conc B", "DeltaC
pressure", hold, pause, end); the tree itself is ours, for the vendor's own is not published. It differs from
:func:`~minifactory.opcua.layout.own_layout` in everything that a driver must not take for granted: namespace,
names with spaces, set-points beside their readings, single precision, other units, other names of states,
and buttons on the instrument itself.
"""

from __future__ import annotations

import re

from minifactory.opcua.layout import Call, Item, Layout
from minifactory.opcua.wire import Form
from minifactory.signals.tags import Tag, TagTable

NAMESPACE = "urn:unicorn-like:instrument"
CONSOLE = {
    "hold": ("Instrument display", "Hold button"),
    "pause": ("Instrument display", "Pause button"),
    "continue": ("Instrument display", "Continue button"),
    "end": ("Instrument display", "End button"),
}
STATES = {
    "Running": "Run",
    "Paused": "Pause",
    "Held": "Hold",
    "Ended": "End",
    "Safe": "Emergency stop",
}
"""What the vendor's software calls the states of the tag contract, where it has names of its own."""

_PLACES = {
    "System.State": ("System", "System state"),
    "System.ProcessTime": ("System", "Process time"),
    "System.Volume": ("System", "Accumulated volume"),
    "System.Flow": ("Components", "System pump", "System flow"),
    "PumpA.Flow": ("Components", "System pump", "Flow A"),
    "PumpB.Flow": ("Components", "System pump", "Flow B"),
    "Gradient.PercentB": ("Components", "Gradient", "Conc B"),
    "Gradient.Running": ("Components", "Gradient", "Gradient active"),
    "PumpWash.Running": ("Components", "Pump wash", "Pump wash active"),
    "AveragingTime": ("Components", "UV monitor", "Averaging time"),
    "Cond.Signal": ("Curves", "Cond"),
    "Cond.Temperature": ("Curves", "Cond temp"),
    "pH.Signal": ("Curves", "pH"),
    "Pressure.System": ("Curves", "System pressure"),
    "Pressure.Delta": ("Curves", "DeltaC pressure"),
    "Pressure.Limit": ("Alarms", "Pressure limit"),
    "Air.PumpA": ("Components", "Air sensor", "Air pump A"),
    "Air.PumpB": ("Components", "Air sensor", "Air pump B"),
    "Fraction.Number": ("Components", "Fraction collector", "Fraction number"),
    "Alarm.Pressure": ("Alarms", "Pressure alarm"),
    "Instruction.Accepted": ("Instructions", "Instruction issued"),
    "Instruction.Completed": ("Instructions", "Instruction completed"),
    "Heartbeat.Echo": ("Remote control", "Watchdog reply"),
    "Heartbeat": ("Remote control", "Watchdog set"),
}
_CALLS = {
    "Gradient": ("Gradient", ("Target conc B", "Length")),
    "AutoZero": ("Auto zero UV", ()),
    "PumpWash": ("Pump wash", ("Pump",)),
    "FractionNext": ("Next fraction", ()),
    "ClearAlarm": ("Acknowledge alarm", ()),
}
_UNITS = {"s": "min"}


def unicorn_like(table: TagTable) -> Layout:
    """The layout for the tags of `table`."""
    return Layout(
        NAMESPACE,
        "unicorn-like",
        {tag.name: _item(tag) for tag in (*table.readable, *table.writable)},
        {name: _call(table, name) for name in table.instructions},
        ("Instructions", "Last refusal"),
        CONSOLE,
    )


def _item(tag: Tag) -> Item:
    path = _path(tag.name)
    if len(tag.choices) == 2:
        return Item(path, Form.BOOLEAN, "", ("Off", "On") if tag.choices == ("No", "Yes") else tag.choices)
    if tag.choices:
        names = tuple(STATES.get(name, name) for name in tag.choices)
        return Item(path, Form.INT32, "", names if tag.name == "System.State" else tag.choices)
    # Counters must not lose their last digit, nor set-points what they are compared by.
    single = bool(tag.unit) and not tag.writable
    return Item(path, Form.FLOAT if single else Form.DOUBLE, _UNITS.get(tag.unit, tag.unit))


def _path(name: str) -> tuple[str, ...]:
    reading, set_point, _ = name.partition(".SP")
    *folders, leaf = _PLACES.get(reading) or _place(reading)
    if set_point and reading != "Heartbeat":
        leaf += " setpoint"
    return (*folders, leaf)


def _place(name: str) -> tuple[str, ...]:
    """Where a tag is that depends on the skid's devices."""
    if found := re.fullmatch(r"UV(\d+)\.Signal", name):
        return ("Curves", f"UV {found[1]}")
    if found := re.fullmatch(r"UV(\d+)\.Wavelength", name):
        return ("Components", "UV monitor", f"UV {found[1]} wavelength")
    device, _, rest = name.rpartition(".")
    if rest == "Position" or not device:
        return ("Components", _words(device or name), "Position")
    return ("Components", _words(device), _words(rest))


def _words(name: str) -> str:
    """``InjectionValve`` as ``Injection valve``."""
    first, *rest = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d]+", name) or [name]
    return " ".join([first, *(word if word.isupper() else word.lower() for word in rest)])


def _call(table: TagTable, name: str) -> Call:
    title, names = _CALLS.get(name, (_words(name), ()))
    known = table.instructions[name].arguments
    called = names if len(names) == len(known) else tuple(_words(item.name) for item in known)
    arguments = tuple((told, item.unit) for told, item in zip(called, known, strict=True))
    return Call(("Instructions", title), arguments, "Reference", "Client")
