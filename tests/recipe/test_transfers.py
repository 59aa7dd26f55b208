"""Hand-shakes between skids: whatever happens to messages and controllers, every number once and in order."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.plant.model import Plant
from minifactory.recipe.bound import BoundAction, BoundPhase, BoundRecipe, BoundTransfer
from minifactory.recipe.conditions import Sample, parse_condition
from minifactory.recipe.grammar import Names
from minifactory.recipe.handing_over import transfer_faults
from minifactory.recipe.load import parse_recipe
from minifactory.recipe.model import PhaseKind, Recipe, Transfer
from minifactory.recipe.procedure import Procedure
from minifactory.recipe.transfers import (
    Handshake,
    TransferState,
    Wait,
    circles,
    transfer_state,
    waits,
)
from minifactory.recipe.write import write_recipe
from minifactory.units import VOLUME

NAMES: Names = {"level(hold)": VOLUME, "delivered(product)": ("No", "Yes")}
TURNS = 3


def bound(skid: str, vessel: str | None, until: str = "3 s") -> BoundRecipe:
    """Work, then one side of the transfer, in turns."""
    side = {"delivers": "product"} if skid == "one" else {"receives": "product"}
    phases = []
    for turn in range(TURNS):
        for name, own in (("work", {}), ("hand", side)):
            phases.append(
                BoundPhase(
                    path=f"{skid}.{name}[{turn + 1}]",
                    kind=PhaseKind.OTHER,
                    start=BoundAction({"System.Flow.SP": 1.0}),
                    until=parse_condition(until if own else "2 s", NAMES),
                    waiting=BoundAction({"System.Flow.SP": 0.0}) if own else BoundAction(),
                    **own,  # type: ignore[arg-type]
                )
            )
    transfer = BoundTransfer("product", "one", "two", vessel)
    nothing = BoundAction()
    return BoundRecipe("r", "1", skid, None, tuple(phases), (), nothing, nothing, {}, transfers=(transfer,))


class Controller:
    """A procedure that is scanned once per second, with what it began and ended in order."""

    def __init__(self, recipe: BoundRecipe, start: float = 0.0) -> None:
        self.recipe = recipe
        self.procedure = Procedure(recipe)
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.time = start
        self._go(0)

    def _go(self, position: int) -> None:
        asked = self.procedure.begin(position, self.time)
        if asked is not None and not self.procedure.waiting:
            self.begun.append(asked.source)

    def scan(self) -> None:
        procedure = self.procedure
        self.time += 1.0
        if procedure.done:
            return
        procedure.phase_time += 1.0
        procedure.phase_volume += 1.0
        found = procedure.evaluate(Sample(self.time, procedure.phase_time, procedure.phase_volume, 0.0, {}))
        if found is None:
            return
        if found.begins is not None:
            self.begun.append(found.begins.source)
        if found.ended is not None:
            self.ended.append(procedure.phase_path)
            self._go(procedure.following())

    def restart(self) -> None:
        """Another process takes the run up from what the journal holds."""
        old = self.procedure
        saved = json.loads(json.dumps(old.memory()))
        self.procedure = Procedure(self.recipe)
        counters = (old.phase_time, old.phase_volume)
        self.procedure.take_up(old.position, old.started, *counters, old.fired, saved)


Step = st.tuples(
    st.sampled_from(["one", "two"]),
    st.sampled_from(["scan", "scan", "tell", "tell", "lose", "late", "restart"]),
    st.integers(0, 30),
)


@given(st.lists(Step, max_size=150), st.sampled_from([None, "hold"]))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_every_transfer_is_made_once_and_in_order(
    course: list[tuple[str, str, int]], vessel: str | None
) -> None:
    sides = {name: Controller(bound(name, vessel)) for name in ("one", "two")}
    said: dict[str, list[dict[str, TransferState]]] = {"one": [], "two": []}
    other = {"one": "two", "two": "one"}
    for name, what, which in course:
        side = sides[name]
        if what == "scan":
            side.scan()
        elif what == "restart":
            side.restart()
        elif what == "tell":
            said[name].append(dict(side.procedure.published()))
            sides[other[name]].procedure.hear(said[name][-1])
        elif what == "lose":
            said[name].append(dict(side.procedure.published()))
        elif said[name]:
            sides[other[name]].procedure.hear(said[name][which % len(said[name])])
        _consistent(sides, vessel)
    for _ in range(200):  # from here on the link is good
        for name, side in sides.items():
            side.scan()
            sides[other[name]].procedure.hear(side.procedure.published())
            _consistent(sides, vessel)
    for side in sides.values():
        assert side.procedure.done
        assert side.begun == side.ended == [phase.path for phase in side.recipe.phases]
    volumes = [sides[name].procedure.published()["product"] for name in ("one", "two")]
    assert volumes[0].done == volumes[1].done == TURNS


def _consistent(sides: dict[str, Controller], vessel: str | None) -> None:
    own = {name: side.procedure.published()["product"] for name, side in sides.items()}
    sent, taken = own["one"], own["two"]
    begun_one = sent.number if sent.state is not Handshake.READY_TO_DELIVER else sent.number - 1
    begun_two = taken.done + (taken.state is Handshake.RECEIVING)
    assert begun_two <= (sent.done if vessel else begun_one)
    assert begun_one <= taken.done + 1 if vessel else begun_one <= max(taken.number, begun_two)


@pytest.mark.parametrize("vessel", [None, "hold"])
def test_the_flow_stops_while_waiting_and_what_is_waited_for_is_told(vessel: str | None) -> None:
    side = Controller(bound("two", vessel))
    for _ in range(5):
        side.scan()
    procedure = side.procedure
    assert procedure.waiting
    assert not procedure.in_phase
    assert procedure.waits == ("product",)
    published = procedure.published()["product"]
    assert (published.text, published.waiting) == ("ready-to-receive 1", 2.0)
    assert waits([published]) == (Wait("two", "one", "product", 1, 2.0),)
    assert procedure.needs() == frozenset()


def test_delivered_ends_the_phase_of_the_receiver_through_a_line() -> None:
    one, two = Controller(bound("one", None)), Controller(bound("two", None, "delivered(product)"))
    for _ in range(60):
        for side, peer in ((one, two), (two, one)):
            side.scan()
            peer.procedure.hear(side.procedure.published())
    assert one.procedure.done
    assert two.procedure.done


def test_a_lost_journal_is_noticed_and_nothing_is_delivered_twice() -> None:
    one = Controller(bound("one", None))
    for _ in range(3):
        one.scan()
    heard = one.procedure.heard()["product"]
    one.procedure.hear({"product": replace(heard, state=Handshake.PROCESSING, number=1)})
    one.scan()
    assert one.procedure.waiting
    assert one.procedure.disagreement == "two has received product 1, but one has not delivered it"


def test_only_the_peer_of_a_transfer_is_heard() -> None:
    one = Controller(bound("one", None))
    heard = one.procedure.heard()["product"]
    foreign = replace(heard, skid="three", state=Handshake.READY_TO_RECEIVE, number=1)
    one.procedure.hear({"product": foreign, "other": replace(heard, transfer="other", number=4)})
    assert one.procedure.heard() == {"product": heard}


def test_states_are_written_and_read() -> None:
    state = Procedure(bound("two", "hold")).published()["product"]
    assert transfer_state(json.loads(json.dumps(state.as_dict()))) == state
    with pytest.raises(ValueError, match="transfer number -1"):
        transfer_state({**state.as_dict(), "number": -1})


def test_circles_of_waits_are_found_and_chains_are_not() -> None:
    chain = [Wait("a", "b", "x", 1, 0.0), Wait("b", "c", "y", 1, 0.0)]
    assert circles(chain) == ()
    closed = [*chain, Wait("c", "b", "z", 2, 0.0)]
    assert [[wait.skid for wait in circle] for circle in circles(closed)] == [["b", "c"]]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), unique_by=lambda x: x[0]))
def test_every_circle_is_closed(pairs: list[tuple[str, str]]) -> None:
    for circle in circles(Wait(skid, peer, "x", 1, 0.0) for skid, peer in pairs):
        assert [item.peer for item in circle] == [*(item.skid for item in circle[1:]), circle[0].skid]


def test_levels_and_deliveries_are_read_by_conditions() -> None:
    until = parse_condition("level(hold) > 5 mL and delivered(product)", NAMES)
    assert parse_condition(str(until), NAMES) == until
    assert until.tags() == ()
    assert until.subjects("level") == ("hold",)
    assert until.subjects("delivered") == ("product",)


def test_words_of_the_recipe_are_read_bound_and_written(plant: Plant, recipe_text: str) -> None:
    text = recipe_text.replace(
        "procedure:\n", "transfers:\n  product: {from: akta1, to: akta2, vessel: pool}\nprocedure:\n", 1
    )
    text = text.replace(
        "            kind: elute\n", "            kind: elute\n            delivers: product\n", 1
    )
    plant = replace(plant, skids={**plant.skids, "akta2": replace(plant.skids["akta1"], name="akta2")})
    recipe = parse_recipe(text, plant)
    assert recipe.transfers == (Transfer("product", "akta1", "akta2", "pool"),)
    assert parse_recipe(write_recipe(recipe), plant) == recipe
    (fault,) = transfer_faults(recipe)
    assert fault.found == '"product" of cex.elution.elute has no counterpart: no phase of akta2 receives it'


def _recipe(plant: Plant, transfers: str, one: list[str], two: list[str]) -> Recipe:
    plant = replace(plant, skids={**plant.skids, "akta2": replace(plant.skids["akta1"], name="akta2")})
    text = f"name: r\ntransfers: {transfers}\nprocedure:\n"
    for skid, sides in (("akta1", one), ("akta2", two)):
        phases = ", ".join(f"p{place}: {{{side}, until: 1 min}}" for place, side in enumerate(sides))
        text += f"  u_{skid}: {{skid: {skid}, operations: {{o: {{phases: {{{phases}}}}}}}}}\n"
    return parse_recipe(text, plant)


BOTH = "{x: {from: akta1, to: akta2}, y: {from: akta2, to: akta1, vessel: pool}}"


def test_a_deadlock_by_construction_is_named(plant: Plant) -> None:
    good = _recipe(plant, BOTH, ["delivers: x", "receives: y"], ["receives: x", "delivers: y"])
    assert transfer_faults(good) == []
    crossed = _recipe(plant, BOTH, ["receives: y", "delivers: x"], ["receives: x", "delivers: y"])
    (fault,) = transfer_faults(crossed)
    assert fault.found == (
        "deadlock: akta1 waits in u_akta1.o.p0 for akta2 (y 1); akta2 waits in u_akta2.o.p0 for akta1 (x 1)"
    )


def test_turns_that_do_not_match_are_told(plant: Plant) -> None:
    text = "{x: {from: akta1, to: akta2}}"
    (fault,) = transfer_faults(_recipe(plant, text, ["delivers: x"] * 3, ["receives: x"] * 2))
    assert "delivered 3 times by akta1" in fault.found
    assert "received 2 times by akta2" in fault.found
