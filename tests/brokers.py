"""What every broker must do, whatever its engine; see IBroker.

A test file of an engine has a fixture *node*, and subclasses the suite under a name that pytest
collects::

    @pytest.fixture
    def node() -> Iterator[NewNode]: ...        # closes what it made

    class TestRedisBroker(BrokerContract): ...

node(**options) returns the broker of one more process, with history=, history_ttl=, presence_ttl=.
All nodes of one test share what is published. An engine without processes may return the same
broker at each call; the options of a test's nodes are all the same.
"""

from __future__ import annotations

from typing import Any, Protocol

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue
from zope.interface.verify import verifyObject

from geventws.broker import History, Position, Publication
from geventws.interfaces import IBroker
from geventws.transport import breathe

PATIENCE = 10.0  # seconds


class NewNode(Protocol):
    """Makes brokers that share what is published."""

    def __call__(self, **options: Any) -> Any:
        """Return the broker of one more process."""


class Inbox:
    """A subscriber that keeps what it is given. Brokers tell subscribers apart by what they are."""

    def __init__(self) -> None:
        self._queue: Queue[Publication] = Queue()

    def deliver(self, publication: Publication) -> None:
        self._queue.put(publication)

    def take(self, count: int) -> list[Publication]:
        """Wait for *count* more publications and return them."""
        return [self._queue.get(timeout=PATIENCE) for _ in range(count)]

    def messages(self, count: int) -> list[str | bytes]:
        return [each.message for each in self.take(count)]

    def __len__(self) -> int:
        return self._queue.qsize()


def inbox_of(broker: Any, room: str = "tea") -> Inbox:
    """Return an inbox that is subscribed."""
    inbox = Inbox()
    broker.subscribe(room, inbox.deliver)
    return inbox


def wait_until(condition: Any) -> None:
    """Let others run until *condition()* is true; AssertionError where that takes too long."""
    with gevent.Timeout(PATIENCE, AssertionError("not in time")):
        while not condition():
            gevent.sleep(0.01)


def messages(history: History) -> list[str | bytes]:
    return [each.message for each in history.publications]


class BrokerContract:
    """The suite."""

    def test_broker_is_what_its_interface_says(self, node: NewNode) -> None:
        assert verifyObject(IBroker, node())

    # Live

    @pytest.mark.parametrize("history", [0, 10])
    def test_publication_reaches_the_subscribers_of_every_node(
        self, node: NewNode, history: int
    ) -> None:
        first, second = node(history=history), node(history=history)
        inboxes = [inbox_of(first), inbox_of(first), inbox_of(second)]
        other = inbox_of(second, "milk")
        position = first.publish("tea", "hot", ["x-1", "x-2"])
        expected = Publication("tea", "hot", position, frozenset({"x-1", "x-2"}))
        assert [each.take(1) for each in inboxes] == [[expected]] * 3
        second.publish("milk", "cold")
        assert other.messages(1) == ["cold"]
        assert (position is None) == (history == 0)

    @pytest.mark.parametrize(
        "message", ["", "tea \N{HOT BEVERAGE}", b"", b"\0\xff\r\n", b"x" * 100_000], ids=len
    )
    def test_message_comes_as_it_was_published(self, node: NewNode, message: str | bytes) -> None:
        first, second = node(), node()
        inbox = inbox_of(second)
        first.publish("tea", message)
        (came,) = inbox.messages(1)
        assert (came, type(came)) == (message, type(message))
        assert messages(second.history("tea")) == [message]

    @pytest.mark.parametrize("history", [0, 10])
    def test_publications_come_in_one_order_to_all(self, node: NewNode, history: int) -> None:
        first, second = node(history=history), node(history=history)
        inboxes = [inbox_of(first), inbox_of(second)]

        def talk(broker: Any, name: str) -> None:
            for number in range(20):
                broker.publish("tea", f"{name}{number}")

        talkers = [(first, "a"), (first, "b"), (second, "c"), (second, "d")]
        gevent.joinall([gevent.spawn(talk, *each) for each in talkers], raise_error=True)
        came = [inbox.take(80) for inbox in inboxes]
        assert came[0] == came[1]
        if history:
            assert [each.position.offset for each in came[0] if each.position] == [*range(1, 81)]
            assert len({each.position.epoch for each in came[0] if each.position}) == 1
        for name in "abcd":
            mine = [each.message for each in came[0] if str(each.message).startswith(name)]
            assert mine == [f"{name}{number}" for number in range(20)]

    def test_subscriber_that_lets_others_run_is_called_in_order(self, node: NewNode) -> None:
        first, second = node(), node()
        began: list[str | bytes] = []
        inbox = Inbox()

        def deliver(publication: Publication) -> None:
            began.append(publication.message)
            gevent.sleep(0.001)
            inbox.deliver(publication)

        first.subscribe("tea", deliver)
        texts = [str(number) for number in range(10)]
        publishing = [gevent.spawn(second.publish, "tea", text) for text in texts]
        gevent.joinall(publishing, raise_error=True)
        inbox.take(10)
        in_order = messages(first.history("tea"))
        assert sorted(map(str, began)) == texts
        assert began == in_order

    def test_subscriber_is_called_in_order_when_another_lets_others_run_and_goes(
        self, node: NewNode
    ) -> None:
        broker, last, go_on = node(), Inbox(), Event()

        def wait(publication: Publication) -> None:
            go_on.wait()

        broker.subscribe("tea", wait)
        broker.subscribe("tea", last.deliver)
        publishing = gevent.spawn(broker.publish, "tea", "1")
        gevent.idle()
        broker.unsubscribe("tea", wait)
        broker.publish("tea", "2")
        go_on.set()
        publishing.get()
        assert last.messages(2) == ["1", "2"]

    def test_unsubscribed_one_gets_nothing_more(self, node: NewNode) -> None:
        broker = node()
        gone, here = inbox_of(broker), inbox_of(broker)
        broker.unsubscribe("tea", gone.deliver)
        broker.unsubscribe("tea", gone.deliver)
        broker.unsubscribe("no such room", gone.deliver)
        broker.publish("tea", "1")
        assert here.messages(1) == ["1"]
        assert len(gone) == 0
        broker.unsubscribe("tea", here.deliver)
        again = inbox_of(broker)
        broker.publish("tea", "2")
        assert again.messages(1) == ["2"]
        assert (len(gone), len(here)) == (0, 0)

    def test_one_that_is_unsubscribed_by_another_gets_nothing_more(self, node: NewNode) -> None:
        broker, gone, last = node(), Inbox(), Inbox()

        def unsubscribe(publication: Publication) -> None:
            broker.unsubscribe("tea", gone.deliver)

        for deliver in (unsubscribe, gone.deliver, last.deliver):
            broker.subscribe("tea", deliver)
        broker.publish("tea", "hot")
        assert last.messages(1) == ["hot"]
        assert len(gone) == 0

    def test_room_names_are_told_apart(self, node: NewNode) -> None:
        first, second = node(), node()
        rooms = ["", "x" * 200, "a:b", "a b\r\n{*}", "\N{HOT BEVERAGE}"]
        inboxes = [inbox_of(first, room) for room in rooms]
        for room in rooms:
            second.publish(room, room)
        assert [inbox.messages(1) for inbox in inboxes] == [[room] for room in rooms]

    @pytest.mark.parametrize(
        ("room", "message", "error"),
        [(5, "x", TypeError), ("x" * 201, "x", ValueError), ("tea", 5, TypeError)],
    )
    def test_wrong_arguments_are_refused(
        self, node: NewNode, room: Any, message: Any, error: type[Exception]
    ) -> None:
        broker = node()
        with pytest.raises(error, match=r"^(room|message): "):
            broker.publish(room, message)
        with pytest.raises(UnicodeEncodeError):
            broker.publish("tea", "\ud800")
        with pytest.raises((TypeError, ValueError)):
            broker.enter("tea", "x-1", {"not": object()})

    # History

    def test_history_has_what_was_missed_and_nothing_else(self, node: NewNode) -> None:
        first, second = node(), node()
        positions = [first.publish("tea", str(number)) for number in range(5)]
        assert [each.offset for each in positions] == [1, 2, 3, 4, 5]
        for since, missed in zip(positions, range(1, 6), strict=True):
            history = second.history("tea", since)
            assert messages(history) == [str(number) for number in range(missed, 5)]
            assert history.recovered
            assert history.position == positions[-1]
        everything = second.history("tea")
        assert [each.position for each in everything.publications] == positions
        assert everything.recovered

    def test_history_keeps_who_was_not_meant(self, node: NewNode) -> None:
        broker = node()
        broker.publish("tea", "hot", ["x-1"])
        (publication,) = broker.history("tea").publications
        assert publication.exclude == {"x-1"}

    def test_history_is_as_long_as_was_asked_for(self, node: NewNode) -> None:
        broker = node(history=3)
        positions = [broker.publish("tea", str(number)) for number in range(5)]
        assert messages(broker.history("tea")) == ["2", "3", "4"]
        assert broker.history("tea", positions[1]).recovered
        assert not broker.history("tea", positions[0]).recovered

    def test_history_of_a_room_where_nothing_was_published_can_be_resumed(
        self, node: NewNode
    ) -> None:
        first, second = node(), node()
        empty = first.history("tea")
        assert (empty.publications, empty.recovered) == ([], True)
        assert empty.position is not None
        assert empty.position.offset == 0
        assert second.history("tea", empty.position) == empty
        second.publish("tea", "first")
        history = first.history("tea", empty.position)
        assert (messages(history), history.recovered) == (["first"], True)

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda now: Position(now.offset, "elsewher"),
            lambda now: Position(now.offset + 1, now.epoch),
            lambda now: Position(2**53 - 1, now.epoch),
        ],
        ids=["another-epoch", "the-future", "the-far-future"],
    )
    def test_position_that_never_was_is_not_recovered(self, node: NewNode, wrong: Any) -> None:
        broker = node()
        now = broker.publish("tea", "hot")
        assert not broker.history("tea", wrong(now)).recovered

    def test_broker_without_history_remembers_nothing(self, node: NewNode) -> None:
        broker = node(history=0)
        assert broker.publish("tea", "hot") is None
        assert broker.history("tea") == History([], None, True)
        assert not broker.history("tea", Position(1, "elsewher")).recovered

    def test_history_is_forgotten_after_its_time(self, node: NewNode) -> None:
        broker = node(history_ttl=0.1)
        first = broker.publish("tea", "hot")
        broker.publish("tea", "cold")
        wait_until(lambda: not broker.history("tea").publications)
        assert not broker.history("tea", first).recovered

    # Presence

    def test_presence_names_who_has_entered_just_now(self, node: NewNode) -> None:
        broker = node()
        for number in range(20):
            broker.enter(f"room {number}", "x-1", number)
            breathe()  # now some may be on their way
            assert broker.presence(f"room {number}") == {"x-1": number}
            broker.leave(f"room {number}", "x-1")
            breathe()
            assert broker.presence(f"room {number}") == {}

    def test_presence_names_the_members_of_every_node(self, node: NewNode) -> None:
        first, second = node(), node()
        assert first.presence("tea") == {}
        first.enter("tea", "x-1", {"name": "Ann", "tags": ("a", 1, None)})
        second.enter("tea", "y-1")
        second.enter("milk", "y-2", "Bob")
        expected = {"x-1": {"name": "Ann", "tags": ["a", 1, None]}, "y-1": None}
        wait_until(lambda: first.presence("tea") == expected == second.presence("tea"))
        first.enter("tea", "x-1", "another")
        wait_until(lambda: second.presence("tea") == {"x-1": "another", "y-1": None})
        second.leave("tea", "y-1")
        second.leave("tea", "y-1")
        wait_until(lambda: first.presence("tea") == {"x-1": "another"})
        assert first.presence("milk") == {"y-2": "Bob"}

    def test_member_that_enters_and_leaves_at_once_is_gone(self, node: NewNode) -> None:
        broker = node()
        for number in range(5):
            broker.enter("tea", "x-1", number)
            broker.leave("tea", "x-1")
        broker.enter("tea", "x-2")
        wait_until(lambda: broker.presence("tea") == {"x-2": None})

    # The end

    def test_closed_broker_refuses_what_waits_and_bears_the_rest(self, node: NewNode) -> None:
        broker = node()
        inbox = inbox_of(broker)
        broker.enter("tea", "x-1")
        broker.close()
        broker.close()
        refused: list[tuple[Any, ...]] = [
            (broker.subscribe, inbox.deliver),
            (broker.publish, "x"),
            (broker.history,),
            (broker.presence,),
        ]
        for call, *arguments in refused:
            with pytest.raises(ConnectionError):
                call("tea", *arguments)
        broker.enter("tea", "x-1")
        broker.leave("tea", "x-1")
        broker.unsubscribe("tea", inbox.deliver)
