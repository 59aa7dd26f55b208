"""The desk of a controller that runs: what operators and other programs ask in words becomes its requests.

Texts with units come in and go out; what a request means is decided by the controller in its scan. An answer
or an edit is read, bound and checked here, outside the scan, kept on disk, and then taken over in one scan.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from minifactory.app.case import Case
from minifactory.app.claims import open_to_all, read_claims
from minifactory.app.discovery import announced
from minifactory.app.home import pki_folder
from minifactory.app.versions import forget, keep
from minifactory.errors import Finding, InputError, MiniFactoryError, did_you_mean
from minifactory.opcua.admission import PEER
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.desk import DeskServer
from minifactory.orbit.authority import Level
from minifactory.orbit.current import version_after
from minifactory.orbit.desk import Reply
from minifactory.orbit.engine import Engine
from minifactory.orbit.hold_until import Then
from minifactory.orbit.runlog import RunLog, summary
from minifactory.orbit.states import Command, State, allowed
from minifactory.orbit.status import Status
from minifactory.recipe.bind import bind
from minifactory.recipe.bound import BoundRecipe
from minifactory.recipe.check import check
from minifactory.recipe.conditions import parse_condition
from minifactory.recipe.difference import difference
from minifactory.recipe.inputs import answered
from minifactory.recipe.load import parse_recipe
from minifactory.recipe.model import Recipe
from minifactory.recipe.names import condition_names
from minifactory.recipe.outline import describe
from minifactory.recipe.write import write_recipe
from minifactory.signals.shown import shown
from minifactory.units import NUMBER, TIME, VOLUME, parse

COMMANDS = ("start", "pause", "resume", "hold", "restart", "stop", "abort", "reset")
"""The ISA-88 commands; each has a method of its own on the desk's server."""
PATIENCE = 10.0
"""s of real time in which a scan must decide a request."""
LOOK_EVERY = 0.1
"""s of real time between two looks at whether the desk may open."""
STANDING = frozenset({State.HELD, State.PAUSED})
Said = tuple[bool, str, dict[str, Any]]


class Desk:
    """Understands the requests to one engine.

    Parameters
    ----------
    engine : Engine
        Whose scan decides.
    case : Case
        What it runs.
    folder : Path or None
        Where edited recipes are kept (the folder of the run); None: nowhere.
    """

    def __init__(self, engine: Engine, case: Case, folder: Path | None = None) -> None:
        self._engine, self._case, self._folder = engine, case, folder
        self._offered: dict[str, Recipe] = {}  # by the version that they would be, or are
        self._undecided: Reply | None = None
        self._changing = threading.Lock()  # one change after the other: each is made from the one before
        self._asked_to_stand = self._made = False
        self.log = RunLog(case.table)
        engine.subscribe(self.log)
        self._kinds: Mapping[str, Callable[[str, Level, Mapping[str, Any]], Said]] = {
            "status": self._status,
            "log": self._log,
            "recipe": self._outline,
            "ack": self._acknowledge,
            "shelve": self._shelve,
            "unshelve": self._unshelve,
            "set": self._set,
            "inject": self._inject,
            "instruct": self._instruct,
            "level": self._level,
            "skip": self._skip,
            "force": self._force,
            "cancel": self._cancel,
            "edit": self._edit,
            "answer": self._answer,
            "take": self._take,
            "release": self._release,
            "grant": self._grant,
        }

    def use(self, case: Case) -> None:
        """The controller runs what `case` says, which a service has made: nobody edits it."""
        self._case, self._made = case, True

    def attended(self, status: Status) -> bool:
        """Whether the run stands because somebody at the desk wanted it to, or because it asks something."""
        if status.state not in STANDING:
            if status.state not in (State.HOLDING, State.PAUSING):
                self._asked_to_stand = False
            return False
        return self._asked_to_stand or bool(status.asks)

    def shown(self) -> Mapping[str, str]:
        """The texts that the server shows as variables."""
        status = self._engine.status
        return {
            "State": status.state.value,
            "Reason": status.reason,
            "Run": status.run,
            "Phase": status.phase,
            "Status": json.dumps(self.document(status)),
        }

    def decide(self, owner: str, request: Mapping[str, Any]) -> Said:
        """Accepted or not, why, and what there is to know; never raises for what a client may have sent."""
        try:
            word = str(request.get("do", ""))
            level = Level.of(str(request.get("level", "operator")))
            actor = owner.strip() or "unnamed client"
            if word in COMMANDS:
                return self._command(word, actor, level, request)
            if word not in self._kinds:
                known = [*COMMANDS, *self._kinds]
                raise InputError(Finding("desk", f'no request "{word}"', remedy=did_you_mean(word, known)))
            return self._kinds[word](actor, level, request)
        except MiniFactoryError as fault:
            return False, str(fault), {"findings": [asdict(item) for item in fault.findings]}
        except (KeyError, TypeError, ValueError, AttributeError) as fault:
            return False, f"desk: the request is not understood ({type(fault).__name__}: {fault})", {}

    def admit(self, owner: str, request: Mapping[str, Any]) -> Said:
        """As :meth:`decide`, for a client whose certificate may ask for it; else refused and recorded."""
        try:
            if not open_to_all(request):
                read_claims().check(PEER.get(), request, self._case.table.skid)
        except InputError as fault:
            word = str(request.get("do", ""))
            said = self._told(self._engine.live.refuse(word, owner.strip() or "unnamed client", fault))
            return False, said[1], {"findings": [asdict(item) for item in fault.findings]}
        return self.decide(owner, request)

    # What is told

    def document(self, status: Status) -> dict[str, Any]:
        """The status for JSON: texts with units beside SI values."""
        tags = self._case.table.tags
        found = {
            name: getattr(status, name)
            for name in status.__dataclass_fields__
            if name not in ("state", "values", "alarms", "shelved", "asks", "transfers", "peers")
        }
        found["state"] = status.state.value
        found["allowed"] = [item.value for item in allowed(status.state)]
        found["values"] = {
            name: {"value": value, "text": "bad or stale" if value is None else shown(tags[name], value)}
            for name, value in status.values.items()
            if name in tags
        }
        for name in ("transfers", "peers"):
            found[name] = [item.as_dict() for item in getattr(status, name)]
        for name in ("alarms", "shelved"):
            found[name] = [
                {**asdict(item), "priority": item.priority.value} for item in getattr(status, name)
            ]
        known = {item.name: item for item in self._case.bound.inputs}
        found["asks"] = [
            {
                "name": name,
                "question": question,
                "assumed": known[name].assumed if name in known else "",
                "bounds": known[name].bounds if name in known else "",
            }
            for name, question in status.asks
        ]
        found["levels"] = [
            {
                **asdict(item),
                "empty_in": item.empty_in if item.empty_in < 1e12 else None,
                "full_in": item.full_in if item.full_in < 1e12 else None,
            }
            for item in self._engine.levels()
        ]
        return found

    def _status(self, _actor: str, _level: Level, _request: Mapping[str, Any]) -> Said:
        return True, "", self.document(self._engine.status)

    def _log(self, _actor: str, _level: Level, request: Mapping[str, Any]) -> Said:
        lines = self.log.lines(int(request.get("last", 50)), str(request.get("kind", "")))
        return True, "", {"lines": [line.as_dict() for line in lines], "summary": dict(summary(lines))}

    def _outline(self, _actor: str, _level: Level, _request: Mapping[str, Any]) -> Said:
        status = self._engine.status
        return (
            True,
            "",
            {
                "recipe": write_recipe(self._recipe),
                "outline": str(describe(self._recipe)),
                "phase": status.phase,
                "version": status.version,
            },
        )

    # What is asked

    def _command(self, word: str, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        if word == "hold" and request.get("until"):
            names = condition_names(self._case.table)
            until = parse_condition(str(request["until"]), names, "--until").renamed(self._case.bound.aliases)
            limit = request.get("timeout")
            timeout = parse(str(limit), TIME, where="--timeout").value if limit else float("inf")
            reply = self._engine.live.hold_until(
                until, actor, timeout, _then(str(request.get("then", "hold")))
            )
        else:
            reply = self._engine.command(Command(word), actor, level)
        said = self._told(reply)
        if said[0] and word in ("hold", "pause"):
            self._asked_to_stand = True
        return said

    def _told(self, reply: Reply, result: dict[str, Any] | None = None) -> Said:
        accepted = reply.wait(PATIENCE)
        if reply.accepted is None:
            return False, "no scan has decided this in time; it is still in line", {}
        return accepted, reply.message, {"state": self._engine.state.value, **(result or {})}

    def _acknowledge(self, actor: str, _level: Level, request: Mapping[str, Any]) -> Said:
        note, name = str(request.get("note", "")), str(request.get("alarm", ""))
        if name:
            return self._told(self._engine.acknowledge(name, actor, note))
        open_ones = [item.name for item in self._engine.status.alarms if not item.acknowledged]
        if not open_ones:
            return True, "no alarm is open", {}
        said = [self._told(self._engine.acknowledge(item, actor, note)) for item in open_ones]
        return all(item[0] for item in said), f"acknowledged: {', '.join(open_ones)}", said[-1][2]

    def _shelve(self, actor: str, _level: Level, request: Mapping[str, Any]) -> Said:
        time = parse(str(request["duration"]), TIME, where="duration").value
        alarm, note = str(request["alarm"]), str(request.get("note", ""))
        return self._told(self._engine.shelve(alarm, time, actor, note))

    def _unshelve(self, actor: str, _level: Level, request: Mapping[str, Any]) -> Said:
        return self._told(self._engine.unshelve(str(request["alarm"]), actor, str(request.get("note", ""))))

    def _set(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        values = {}
        findings: list[Finding] = []
        for name, text in dict(request["values"]).items():
            try:
                tag, value = self._value(str(name), str(text))
                values[tag] = value
            except InputError as fault:
                findings += fault.findings
        if findings:
            raise InputError(findings)
        return self._told(self._engine.set_points(values, actor, level, bool(request.get("take", False))))

    def _value(self, name: str, text: str) -> tuple[str, float]:
        """Tag and SI value of a set-point in words, e.g. ``System.Flow`` and ``2 mL/min``."""
        known = {tag.name.removesuffix(".SP"): tag for tag in self._case.table.writable}
        tag = known.get(name.removesuffix(".SP").removesuffix(".Position"))
        if tag is None:
            found = f'no set-point "{name}"'
            raise InputError(Finding(f"orbit {self._case.table.skid}", found, "", did_you_mean(name, known)))
        if tag.choices:
            if text not in tag.choices:
                remedy = did_you_mean(text, tag.choices)
                raise InputError(Finding(name, f'no position "{text}"', ", ".join(tag.choices), remedy))
            return tag.name, float(tag.choices.index(text))
        return tag.name, parse(text, tag.kind, where=name).value

    def _inject(self, actor: str, level: Level, _request: Mapping[str, Any]) -> Said:
        for tag in self._case.table.writable:
            if "inject" in tag.name.lower() and tag.choices:
                place = next((at for at, item in enumerate(tag.choices) if item.lower() == "inject"), None)
                if place is not None:
                    return self._told(self._engine.set_points({tag.name: float(place)}, actor, level))
        found = f'{self._case.table.skid} has no injection valve with a position "Inject"'
        raise InputError(Finding("orbit", found, remedy='Use "set" with the valve that you mean.'))

    def _instruct(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        name = str(request["instruction"])
        known = self._case.table.instructions.get(name)
        if known is None:
            remedy = did_you_mean(name, self._case.table.instructions)
            raise InputError(Finding("orbit", f'no instruction "{name}"', remedy=remedy))
        values: dict[str, float] = {}
        for item in known.arguments:
            text = str(dict(request.get("arguments", {})).get(item.name, ""))
            if item.name == "pump" and text in ("A", "B"):
                values[item.name] = float("AB".index(text))
            else:
                kinds = (item.kind,) if item.kind is not NUMBER else (NUMBER,)
                values[item.name] = parse(text, *kinds, where=f"{name} {item.name}").value
        return self._told(self._engine.instruct(name, values, actor, level))

    def _level(self, actor: str, _level: Level, request: Mapping[str, Any]) -> Said:
        volume = parse(str(request["volume"]), VOLUME, where="volume").value
        return self._told(self._engine.tell_level(str(request["vessel"]), volume, actor))

    def _skip(self, actor: str, level: Level, _request: Mapping[str, Any]) -> Said:
        return self._told(self._engine.live.skip(actor, level))

    def _force(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        return self._told(self._engine.live.force(str(request.get("name", "")), actor, level))

    def _cancel(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        return self._told(self._engine.live.cancel(str(request["name"]), actor, level))

    def _take(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        return self._told(self._engine.take([str(item) for item in request["things"]], actor, level))

    def _release(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        return self._told(
            self._engine.release([str(item) for item in request.get("things", ())], actor, level)
        )

    def _grant(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        if level is not Level.OPERATOR:
            raise InputError(Finding("orbit", f'"grant" refused to a {level.word}', "an operator"))
        things, to = [str(item) for item in request["things"]], Level.of(str(request.get("to", "model")))
        return self._told(self._engine.grant(things, to, str(request["name"]), actor))

    # What changes the recipe

    def _answer(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        name, text = str(request["name"]), str(request["text"])
        live = self._engine.live
        with self._changing:
            changed = answered(self._recipe, {name: text})
            bound, warnings = self._bound(changed)
            if changed == self._recipe:
                said = self._told(live.answer(name, text, actor, None, level))
            else:
                said = self._offer(changed, lambda: live.answer(name, text, actor, bound, level))
        return said[0], said[1], {**said[2], **warnings}

    def _edit(self, actor: str, level: Level, request: Mapping[str, Any]) -> Said:
        if self._made:
            remedy = "Stop it: the service makes another."
            raise InputError(Finding("desk", "what runs was made by a service", "a recipe of a case", remedy))
        changed = parse_recipe(str(request["recipe"]), self._case.plant, "edited recipe")
        bound, warnings = self._bound(changed)
        if request.get("dry_run"):
            present = bind(self._recipe, self._case.plant, self._case.bound.skid)
            return True, difference(present, bound, self._case.table) or "nothing differs", warnings
        note = str(request.get("note", ""))
        with self._changing:
            said = self._offer(changed, lambda: self._engine.live.edit(bound, actor, note, level))
        return said[0], said[1], {**said[2], **warnings}

    def _bound(self, recipe: Recipe) -> tuple[BoundRecipe, dict[str, Any]]:
        """The bound recipe, free of static faults, and the warnings; InputError with all findings."""
        found = check(recipe, self._case.plant, self._case.bound.skid)
        if not found.passed:
            raise InputError(found.findings)
        return found.bound, {"warnings": [str(item) for item in found.findings]}

    @property
    def _recipe(self) -> Recipe:
        """The recipe that is in force."""
        return self._offered.get(self._engine.live.version, self._case.recipe)

    def _offer(self, recipe: Recipe, ask: Callable[[], Reply]) -> Said:
        """What the scan says to a change to `recipe`, which by then is on disk for a restart."""
        if self._undecided is not None and self._undecided.accepted is None:
            remedy = "Wait until the run log tells what became of it."
            raise InputError(Finding("desk", "a change before this one has not been decided", "", remedy))
        version = version_after(self._engine.live.version)
        if self._folder is not None:
            keep(self._folder, version, recipe)
        self._offered[version] = recipe
        self._undecided = reply = ask()
        said = self._told(reply)
        if reply.accepted is not None and self._engine.live.version != version and self._folder is not None:
            forget(self._folder, version)
        return said


def _then(word: str) -> Then:
    try:
        return Then(word)
    except ValueError:
        known = ", ".join(item.value for item in Then)
        raise InputError(Finding("--then", f'"{word}"', f"one of {known}")) from None


def told_to_peers(engine: Engine) -> str:
    """The words of the last scans of `engine` to its peers, as JSON."""
    return json.dumps([item.as_dict() for item in engine.exchange.lately])


@contextmanager
def open_desk(
    engine: Engine,
    case: Case,
    identifier: str,
    runs: Path,
    say: Callable[[str], None] | None = None,
    host: str = "127.0.0.1",
    *,
    after: Reply | None = None,
    listens: Callable[[str], None] | None = None,
) -> Iterator[Desk]:
    """The desk of `engine`, reachable from other processes of this user while the block runs.

    Peers read there what the controller has to tell them. A desk that cannot listen is told and does not keep
    the run from going on. The block begins when the desk listens, which takes a second or more; with `after`
    it begins at once, and the desk opens when that is answered: a controller that comes back is to act first.
    `listens` is told the desk's URL when it does.
    """
    desk = Desk(engine, case, runs / identifier)
    skid = case.bound.skid
    closing = ExitStack()
    leaving = threading.Event()

    def listen() -> None:
        while after is not None and after.accepted is None and not leaving.is_set():
            after.wait(LOOK_EVERY)
        if leaving.is_set():
            return
        try:
            own = own_identity(pki_folder("orbit"), "urn:minifactory:orbit")
            introduce(own, own_identity(pki_folder("operator"), "urn:minifactory:operator"))
            introduce(own, own)  # peers of the same owner
            words = partial(told_to_peers, engine)
            server = DeskServer(own, skid, COMMANDS, desk.shown, desk.admit, words, host)
            closing.callback(server.close)
            server.start()
        except MiniFactoryError as fault:
            if say is not None:
                say(f"No desk for other terminals: {fault}")
            return
        closing.enter_context(announced(skid, server.endpoint, identifier, case.name, runs))
        if listens is not None:
            listens(server.endpoint)

    opening = threading.Thread(target=listen, name=f"opening the desk of {skid}", daemon=True)
    opening.start()
    if after is None:
        opening.join()
    try:
        yield desk
    finally:
        leaving.set()
        opening.join()
        closing.close()
