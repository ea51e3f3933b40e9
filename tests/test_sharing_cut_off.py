"""Managers over one broker and clients that are cut off anywhere: all is heard once, or told."""

from __future__ import annotations

import random

import pytest

from geventws.broker import MemoryBroker
from geventws.manager import Manager
from tests.peers import Net
from tests.sharings import Client
from tests.sharings import net as net

pytestmark = pytest.mark.usefixtures("leaks_nothing")


class Traveller:
    """A client that resumes, now in one manager and now in another.

    Attributes:
        heard: the numbers it got; None where it was told that it missed some, or left.
        losses: how often it was told that it missed some.
        spared: the numbers that were not meant for it.
    """

    def __init__(self, net: Net) -> None:
        self._client = Client(net)
        self.heard: list[int | None] = [None]
        self.losses = 0
        self.spared: set[int] = set()
        self.manager: Manager

    def join(self, manager: Manager) -> None:
        """Come back, by *manager*."""
        self._client.ws.drop()
        self.manager = manager
        manager.join_room(self._client.come(), "tea")

    def move(self) -> None:
        """Leave the room, or join it again."""
        if self._client.ws in self.manager.members("tea"):
            self.manager.leave_room(self._client.ws, "tea")
        else:
            self.manager.join_room(self._client.ws, "tea")

    def listen(self) -> None:
        """Take all that was sent."""
        self._client.ws.send("that is all")
        payload: str | bytes | None = None
        while payload != "that is all":
            before = len(self._client.payloads)
            message = str(self._client.step())
            payload = self._client.payloads[-1] if len(self._client.payloads) > before else None
            is_lost = bool(self._client.resumption.unrecovered)
            self._client.resumption.unrecovered.clear()
            self.losses += is_lost
            if is_lost or message.endswith('"left":true}'):
                self.heard.append(None)
            if payload is not None and payload != "that is all":
                self.heard.append(int(payload))

    def publish(self, number: int, is_spared: bool) -> None:
        exclude = [self._client.ws] if is_spared else []
        self.spared.update([number] if is_spared else [])
        self.manager.broadcast(str(number), room="tea", exclude=exclude)

    def missed(self) -> set[int]:
        """Return what it should have heard and was told nothing of."""
        pairs = zip(self.heard, self.heard[1:], strict=False)
        gaps = [range(a + 1, b) for a, b in pairs if a is not None and b is not None]
        return {number for gap in gaps for number in gap} - self.spared


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("history", [8, 1000])
def test_client_misses_nothing_unnoticed_whatever_becomes_of_it(
    net: Net, history: int, seed: int
) -> None:
    dice = random.Random(seed)
    broker = MemoryBroker(history=history)
    managers = [Manager(broker=broker) for _ in range(2)]
    travellers = [Traveller(net) for _ in range(3)]
    for each in travellers:
        each.join(dice.choice(managers))
    for number in range(1, 301):
        dice.choice(travellers).publish(number, dice.random() < 0.2)
        if dice.random() < 0.5:
            dice.choice(travellers).listen()
        if dice.random() < 0.2:
            dice.choice(travellers).move()
        if dice.random() < 0.2:
            dice.choice(travellers).join(dice.choice(managers))
    for each in travellers:
        each.join(managers[0])
        each.publish(number := number + 1, False)
        each.listen()
        numbers = [number for number in each.heard if number is not None]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == number
        assert each.missed() == set()
        assert len(numbers) > 50
    assert bool(sum(each.losses for each in travellers)) == (history == 8)
