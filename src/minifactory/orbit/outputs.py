"""The write image: which set-points are wanted, by whom, what was sent, and whether the equipment obeys.

Everything that changes in one scan goes out in one write, valves before pumps (pumps first when they are to
stop). A set-point with a read-back is pending until the read-back agrees; it is sent again at its deadline
and reported when it is still not obeyed. A valve that moves by itself later becomes pending again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from minifactory.orbit.image import Image
from minifactory.orbit.policy import Policy
from minifactory.orbit.words import Words
from minifactory.signals import SignalBackend, Tag, TagTable


@dataclass
class Order:
    """Set-points (SI) that were asked together: by whom, when they were sent, which are unconfirmed."""

    source: str
    values: dict[str, float]
    process: float = math.nan
    link: float = math.nan
    open: set[str] = field(default_factory=set)


@dataclass
class _Pending:
    order: Order
    value: float
    process: float
    link: float
    tries: int = 0


class Outputs:
    """Wanted and sent set-points of one skid.

    Attributes
    ----------
    wanted : dict of str to float
        What recipe or operator want (SI), before interlocks reduce the flow.
    sent : dict of str to float
        What the equipment was last told (SI).
    factors : dict of str to float
        Who reduces the flow to which part of what is wanted; 0 stops the pumps.
    """

    def __init__(self, table: TagTable, words: Words, policy: Policy) -> None:
        self.wanted: dict[str, float] = {}
        self.sent: dict[str, float] = {}
        self.factors: dict[str, float] = {}
        self._table, self._words, self._policy = table, words, policy
        self._orders: list[Order] = []
        self._dirty: set[str] = set()
        self._again: set[str] = set()
        self._released: set[str] = set()
        self._pending: dict[str, _Pending] = {}
        self._positions = {
            tag.readback: tag.name for tag in table.writable if tag.choices and tag.readback in table.tags
        }

    def want(self, values: Mapping[str, float], source: str) -> None:
        """Ask for set-points (SI) in the next write; later calls in the same scan win."""
        if not values:
            return
        self.wanted.update(values)
        self._dirty.update(values)
        self._orders.append(Order(source, dict(values)))

    def release(self, name: str | None) -> None:
        """Stop wanting `name` after the next write: something else (a gradient) moves it from there on."""
        if name is not None:
            self._released.add(name)

    def refresh(self, name: str, value: float) -> None:
        """Send `value` (SI) with the next write without a record of it (heartbeat)."""
        self.wanted[name] = value
        self._dirty.add(name)
        self._again.add(name)

    def replace(self, values: Mapping[str, float], source: str) -> None:
        """Want these set-points (SI) and nothing else from here on, unreduced: the safe state."""
        self.factors.clear()
        self._orders.clear()
        self._dirty.clear()
        for name in list(self._pending):
            self._settle(name)
        self.wanted.clear()
        self.sent.clear()
        self.want(values, source)

    def reassert(self) -> None:
        """Send everything that is wanted again: the equipment may have forgotten it."""
        self.sent.clear()
        self._dirty.update(self.wanted)
        self._again.update(self.wanted)

    def redate(self, link: float) -> None:
        """Nobody looked until `link` (s): what is not confirmed has time from now on."""
        for item in self._pending.values():
            item.link = link

    def reduce(self, who: str, factor: float | None) -> None:
        """Reduce the flow to `factor` of what is wanted on behalf of `who`; None lifts it."""
        if factor is None:
            self.factors.pop(who, None)
        else:
            self.factors[who] = factor
        if self._words.flow_setpoint in self.wanted:
            self._dirty.add(self._words.flow_setpoint)

    @property
    def settled(self) -> bool:
        """Whether everything that was sent is confirmed and nothing waits to be sent."""
        return not self._pending and not self._dirty

    @property
    def pending(self) -> tuple[str, ...]:
        """Set-points that are not confirmed."""
        return tuple(self._pending)

    def effective(self, name: str) -> float:
        """What is to be sent for `name` (SI): the wish, for the flow times the smallest factor."""
        value = self.wanted[name]
        if name == self._words.flow_setpoint and self.factors:
            return value * min(self.factors.values())
        return value

    def flush(
        self, backend: SignalBackend, process: float, link: float
    ) -> tuple[dict[str, float], list[Order]]:
        """Send everything that changed in one write; what was sent (SI) and the orders it belongs to.

        Raises
        ------
        InstructionRefused
            When the equipment refuses a value; nothing was taken over, and it is not sent again.
        EquipmentError
            When the link is down; the same values are sent again in the next scan.
        """
        if not self._dirty and not self._released:
            return {}, []
        change = {
            name: value for name in self._dirty if self.sent.get(name) != (value := self.effective(name))
        }
        if change:
            backend.write(
                {name: change[name] for name in sorted(change, key=lambda n: self._rank(n, change[n]))}
            )
        self.sent.update(change)
        for name, value in change.items():
            item = self._pending.get(name)
            if item is not None and item.value != value:  # the flow was reduced or restored meanwhile
                item.value, item.process, item.link, item.tries = value, process, link, 0
        orders, self._orders = self._orders, []
        asked = {name for order in orders for name in order.values}
        reduced = {name: value for name, value in change.items() if name not in asked | self._again}
        if reduced:
            orders.append(Order(", ".join(sorted(self.factors)) or "flow restored", reduced))
        self._dirty.clear()
        self._again.clear()
        for order in orders:
            order.process, order.link = process, link
            for name in order.values:
                self._watch(name, order, process, link)
        for name in self._released:
            self.wanted.pop(name, None)
            self.sent.pop(name, None)
            self._settle(name)
        self._released.clear()
        return change, orders

    def forget_failed(self) -> list[Order]:
        """Give up what was asked but refused; the orders that are lost."""
        lost, self._orders = self._orders, []
        for name in self._dirty:
            if name in self.sent:
                self.wanted[name] = self.sent[name]
            else:
                self.wanted.pop(name, None)
        self._dirty.clear()
        return lost

    def verify(
        self, image: Image, process: float, link: float, washing: bool
    ) -> tuple[list[Order], list[tuple[Order, str]]]:
        """Compare with the read-backs: orders now completely confirmed, and set-points that are not
        obeyed."""
        self._watch_positions(image, process, link)
        if not self._pending:
            return [], []
        confirmed: list[Order] = []
        overdue: list[tuple[Order, str]] = []
        for name, item in list(self._pending.items()):
            tag = self._table.tags[name]
            shown = image.values.get(tag.readback)
            if washing and name == self._words.flow_setpoint:
                item.process, item.link = (
                    process,
                    link,
                )  # no flow: the deadline waits
            elif shown is not None and abs(shown - item.value) <= self._tolerance(tag, item.value):
                self._settle(name)
                if not item.order.open:
                    confirmed.append(item.order)
            elif (
                process - item.process >= self._policy.readback_process
                and link - item.link >= self._policy.readback_link
            ):
                if item.tries < self._policy.readback_tries:
                    item.tries += 1
                    item.process, item.link = process, link
                    self._dirty.add(name)
                    self._again.add(name)
                    self.sent.pop(name, None)
                else:
                    self._settle(name)
                    overdue.append((item.order, name))
        return confirmed, overdue

    def _watch(self, name: str, order: Order, process: float, link: float) -> None:
        tag = self._table.tags[name]
        if not tag.readback or tag.readback not in self._table.tags:
            return
        self._settle(name)
        order.open.add(name)
        self._pending[name] = _Pending(order, self.effective(name), process, link)

    def _watch_positions(self, image: Image, process: float, link: float) -> None:
        for place in image.changed:
            name = self._positions.get(image.names[place])
            if name is None or name in self._pending or name not in self.sent:
                continue
            shown = image.values[image.names[place]]
            if shown is not None and shown != self.sent[name]:
                order = Order("moved by itself", {name: self.sent[name]}, process, link)
                self._watch(name, order, process, link)

    def _settle(self, name: str) -> None:
        item = self._pending.pop(name, None)
        if item is not None:
            item.order.open.discard(name)

    def _rank(self, name: str, value: float) -> int:
        if name == self._words.flow_setpoint:
            return 0 if value == 0.0 else 3
        return 1 if self._table.tags[name].choices else 2

    @staticmethod
    def _tolerance(tag: Tag, value: float) -> float:
        if tag.choices:
            return 0.0
        span = tag.upper - tag.lower
        return max(0.05 * abs(value), 0.01 * span if math.isfinite(span) else 0.0, 1e-12)
