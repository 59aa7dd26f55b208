"""Documents as lines of the run's log: what happened, when, who or what, in words."""

from __future__ import annotations

from collections.abc import Mapping

from minifactory.historian.entries import Entry
from minifactory.records import documents as doc
from minifactory.records.run import Event
from minifactory.signals.shown import ARGUMENTS, duration, said
from minifactory.signals.tags import Tag

_NO_TAGS: Mapping[str, Tag] = {}


def gap_event(entry: Entry) -> Event:
    """The line that says what the record lacks."""
    content = entry.content
    text = (
        f"{content['documents']} documents from {content['first']:g} to {content['last']:g} s missing: "
        f"{content['reason']}"
    )
    return Event(entry.time, "gap", "historian", text)


def event_of(document: doc.Document, tags: Mapping[str, Tag] = _NO_TAGS) -> Event | None:
    """The line of `document`; None for those that say nothing to a reader of the log.

    Values are told as people read them, by the unit and the choices of their tag in `tags`.
    """
    time = document.time
    match document:
        case doc.RunStarted():
            text = f"Run of {document.recipe} {document.version} on {document.skid}"
            return Event(time, "run", document.skid, text)
        case doc.RunResumed():
            text = f"Resumed after a gap of {duration(document.gap)} ({document.policy}): {document.position}"
            return Event(time, "resumed", "orbit", text, {"gap": document.gap})
        case doc.Transition():
            text = f"{document.before} to {document.after} ({document.command}): {document.reason}"
            return Event(time, "transition", document.source, text, {"state": document.after})
        case doc.PhaseStarted():
            return Event(time, "phase", document.path, "started")
        case doc.PhaseEnded():
            return Event(time, "phase", document.path, f"ended: {document.reason}")
        case doc.WatchFired():
            seen = said(document.values, tags)
            text = f"{document.name or 'watch'}: {document.condition}{f' ({seen})' if seen else ''}"
            return Event(time, "watch", document.path, text, dict(document.values))
        case doc.InstructionRecord():
            text = f"{document.name}({said(document.arguments, ARGUMENTS)}) {document.stage.value}"
            text += f": {document.message}" if document.message else ""
            data = {"number": document.number, "latency": document.latency, "stage": document.stage.value}
            return Event(time, "instruction", document.source, text, data)
        case doc.SetpointRecord():
            text = f"{said(document.values, tags)} {document.stage.value}"
            text += f": {document.message}" if document.message else ""
            return Event(time, "set-point", document.source, text, {"latency": document.latency})
        case doc.Alarm():
            return _alarm(document)
        case doc.OperatorAction():
            answer = "accepted" if document.accepted else "refused"
            text = f"{document.command} {answer}{f': {document.message}' if document.message else ''}"
            return Event(time, "operator", document.actor, text, {"accepted": document.accepted})
        case doc.Note():
            return Event(time, document.category, document.source, document.text, dict(document.data))
        case doc.RunStopped():
            text = f"{document.state}: {document.reason}"
            data = {"scans": document.scans, "overruns": document.overruns, "dropped": document.dropped}
            return Event(time, "run", "orbit", text, data)
    return None


def _alarm(alarm: doc.Alarm) -> Event:
    text = f"{alarm.priority.value} alarm {alarm.stage.value}: {alarm.message}"
    if alarm.first_out:
        text += " (first out)"
    if alarm.note:
        text += f" - {alarm.note}"
    data: dict[str, object] = {
        "stage": alarm.stage.value,
        "priority": alarm.priority.value,
        "occurrence": alarm.occurrence,
        "actor": alarm.actor,
    }
    return Event(alarm.time, "alarm", alarm.name, text, data)
