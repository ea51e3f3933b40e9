"""What one member has received, held against what was published: lost, doubled, swapped or told.

publishers count 1, 2, 3 in every room -> a member's Account -> Verdict of all of them
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

Message = tuple[str, str, int]  # room, publisher, number


class Account:
    """What came to one member of one room, from publishers that number what they publish.

    Attributes:
        room: the room's name.
        taken: how many messages came.
        doubled: how many of them had come before.
        swapped: how many came after a later one of the same publisher.
        told: whether the member was told that it missed something for good.
    """

    def __init__(self, room: str) -> None:
        self.room = room
        self.taken = self.doubled = self.swapped = 0
        self.told = False
        self._last: dict[str, int] = {}
        self._missing: set[tuple[str, int]] = set()
        self._order = blake2b(digest_size=16)

    def take(self, publisher: str, number: int) -> None:
        """Take note that the message *number* of *publisher* came."""
        self.taken += 1
        self._order.update(b"%b %d\n" % (publisher.encode(), number))
        last = self._last.get(publisher, 0)
        if number > last:
            self._missing.update((publisher, each) for each in range(last + 1, number))
            self._last[publisher] = number
        elif (publisher, number) in self._missing:
            self._missing.discard((publisher, number))
            self.swapped += 1
        else:
            self.doubled += 1

    @property
    def order(self) -> str:
        """The same for two members that got the same messages in the same order."""
        return self._order.hexdigest()

    def missing(self, published: Mapping[str, int]) -> set[tuple[str, int]]:
        """Return what has not come of what was *published*, so many by each publisher."""
        late = {
            (publisher, each)
            for publisher, count in published.items()
            for each in range(self._last.get(publisher, 0) + 1, count + 1)
        }
        return self._missing | late


class Verdict(NamedTuple):
    """What all members of all rooms have received.

    Attributes:
        taken: how many messages came, of all members together.
        lost: how many did not come, and nobody was told.
        told: how many did not come to members who were told so.
        unsure: how many did not come to anybody, of those whose publisher got no answer.
        doubled, swapped: see Account.
        orders: how many rooms whose members, where nothing is missing, had different orders.
    """

    taken: int
    lost: int
    told: int
    unsure: int
    doubled: int
    swapped: int
    orders: int

    @property
    def good(self) -> bool:
        """Whether nothing went wrong that is promised not to."""
        return not (self.lost or self.doubled or self.swapped or self.orders)


def judge(
    accounts: Iterable[Account],
    published: Mapping[str, Mapping[str, int]],
    unsure: set[Message],
) -> Verdict:
    """Return the verdict.

    Args:
        accounts: of all members.
        published: how many messages there are, by room and publisher.
        unsure: those that may be published or not.
    """
    lost = told = doubtful = doubled = swapped = taken = 0
    orders: dict[str, set[str]] = {}
    known = list(accounts)
    gone = [{(each.room, *one) for one in each.missing(published[each.room])} for each in known]
    excused = unsure - _came(known, gone, unsure)
    for each, missing in zip(known, gone, strict=True):
        doubtful += len(missing & excused)
        told += len(missing - excused) if each.told else 0
        lost += 0 if each.told else len(missing - excused)
        doubled, swapped = doubled + each.doubled, swapped + each.swapped
        taken += each.taken
        if missing <= excused:
            orders.setdefault(each.room, set()).add(each.order)
    several = sum(len(each) > 1 for each in orders.values())
    return Verdict(taken, lost, told, doubtful, doubled, swapped, several)


def _came(known: list[Account], gone: list[set[Message]], unsure: set[Message]) -> set[Message]:
    """Return those of *unsure* that came to somebody: everybody else ought to have them too."""
    return {
        one
        for each, missing in zip(known, gone, strict=True)
        for one in unsure - missing
        if one[0] == each.room
    }
