"""What the equipment accepts: set-points and instructions are checked first and refused with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from minifactory.errors import Finding, did_you_mean
from minifactory.signals.backend import InstructionRefused
from minifactory.signals.tags import Tag, TagTable
from minifactory.units import show

FLOW, PERCENT_B, HEARTBEAT = "System.Flow.SP", "Gradient.PercentB.SP", "Heartbeat.SP"
PRESSURE_LIMIT = "Pressure.Limit.SP"


@dataclass(frozen=True)
class Condition:
    """What of the equipment's present condition decides whether it may obey."""

    paused: bool
    alarm: str
    washing: bool


def setpoint_findings(
    table: TagTable, values: Mapping[str, float], max_flow: float, alarm: str
) -> list[Finding]:
    """Every reason why these set-points (SI) are refused; empty when they are taken over.

    `max_flow` is what the pumps can deliver, in m3/s; `alarm` the alarm that stands, or empty.
    """
    found = []
    for name, value in values.items():
        tag = table.tags.get(name)
        where = f"{table.skid} {name}"
        if tag is None:
            found.append(Finding(where, "no such tag", remedy=did_you_mean(name, table.tags)))
        elif not tag.writable:
            found.append(Finding(where, "is read-only", remedy="Write to a tag that ends in .SP."))
        elif not isinstance(value, int | float) or not math.isfinite(value):
            found.append(Finding(where, f"{value!r} is not a finite number"))
        elif tag.choices:
            if value != int(value) or not 0 <= value < len(tag.choices):
                positions = ", ".join(f"{at} {name}" for at, name in enumerate(tag.choices))
                found.append(Finding(where, f"no position {value:g}", positions))
        else:
            found.extend(_range_findings(where, tag, float(value), max_flow, alarm))
    return found


def _range_findings(where: str, tag: Tag, value: float, max_flow: float, alarm: str) -> list[Finding]:
    lower, upper = tag.lower, tag.upper
    if tag.name == FLOW:
        lower, upper = max(lower, 0.0), min(upper, max_flow)
        if alarm and value > 0.0:
            return [Finding(where, f"{show(value, tag.kind)} while {alarm}", remedy="Send ClearAlarm first.")]
    slack = 1e-9 * max((abs(limit) for limit in (lower, upper) if math.isfinite(limit)), default=0.0)
    if lower - slack <= value <= upper + slack:
        return []
    limits = f"{show(lower, tag.kind)} to {show(upper, tag.kind)}"
    return [Finding(where, f"{show(value, tag.kind)} is out of range", limits)]


def instruction_findings(
    table: TagTable, name: str, arguments: Mapping[str, float], condition: Condition
) -> list[Finding]:
    """Every reason why this instruction (arguments in SI) is refused; empty when it is accepted."""
    where = f"{table.skid} {name}"
    known = table.instructions.get(name)
    if known is None:
        return [Finding(where, "no such instruction", remedy=did_you_mean(name, table.instructions))]
    expected = [argument.name for argument in known.arguments]
    found = [
        Finding(where, f'argument "{argument}" is missing', ", ".join(expected))
        for argument in expected
        if argument not in arguments
    ]
    found += [
        Finding(where, f'no argument "{argument}"', remedy=did_you_mean(argument, expected))
        for argument in arguments
        if argument not in expected
    ]
    found += [
        Finding(where, f"{argument} = {value!r} is not a finite number")
        for argument, value in arguments.items()
        if not isinstance(value, int | float) or not math.isfinite(value)
    ]
    return found or _impossible(where, name, arguments, condition)


def _impossible(where: str, name: str, arguments: Mapping[str, float], condition: Condition) -> list[Finding]:
    programme = name in ("Gradient", "PumpWash")
    if condition.alarm and (programme or name == "Continue"):
        return [Finding(where, f"not possible while {condition.alarm}", remedy="Send ClearAlarm first.")]
    if programme and condition.paused:
        return [Finding(where, "not possible while paused", remedy="Send Continue first.")]
    if programme and condition.washing:
        return [Finding(where, "not possible during a pump wash", remedy="Wait for PumpWash.Running = No.")]
    if name == "Gradient":
        percent, volume = arguments["percent_b"], arguments["volume"]
        found = []
        if not 0.0 <= percent <= 100.0:
            found.append(Finding(where, f"percent_b = {percent:g} %B", "0 to 100 %B"))
        if volume <= 0.0:
            remedy = f"For a step write {PERCENT_B}."
            found.append(Finding(where, f"volume = {volume * 1e6:g} mL", "more than 0 mL", remedy))
        return found
    if name == "PumpWash" and arguments["pump"] not in (0.0, 1.0):
        return [Finding(where, f"no pump {arguments['pump']:g}", "0 (pump A) or 1 (pump B)")]
    return []


def refuse(findings: list[Finding]) -> None:
    """Raise InstructionRefused if there are any findings."""
    if findings:
        raise InstructionRefused(findings)
