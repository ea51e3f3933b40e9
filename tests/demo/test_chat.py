"""The chat's rooms, over real connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest

import geventws
from geventws.broker import MemoryBroker
from geventws.demo.chat import BURST, HISTORY, MAX_ROOMS, Chat
from geventws.demo.messages import MAX_MESSAGE, who_has
from geventws.demo.people import DIRECTORY, process

Message = dict[str, Any]
EXPECTED = "expected join {room, name, key}, say {text} or rename {name}"


class Visitor:
    """A page without a browser: asks, and hears what it is waiting for."""

    def __init__(self, url: str) -> None:
        self.ws = geventws.connect(url)
        self.member = ""  # what the chat calls this connection

    def ask(self, kind: str, **fields: object) -> None:
        self.ws.send(json.dumps({"type": kind, **fields}))

    def hear(self, kind: str) -> Message:
        """Return the next message of one type; others before it are passed over."""
        while True:
            message: Message = json.loads(self.ws.receive(timeout=10))
            if message["type"] == kind:
                return message

    def join(self, room: str, name: str, key: str | None = None) -> Message:
        """Join as somebody new, or as who has *key*; return the welcome."""
        self.ask("join", room=room, name=name, key=key or token_hex(4))
        welcome = self.hear("welcome")
        self.member = welcome["you"]
        return welcome


class Town:
    """A server with a chat of its own, and who visits it."""

    def __init__(self, broker: Any, **options: Any) -> None:
        self.server = geventws.serve(Chat(broker, **options), ("127.0.0.1", 0))
        self.server.start()
        self.visitors: list[Visitor] = []

    def stranger(self) -> Visitor:
        """Return a visitor who is connected and has not joined a room."""
        self.visitors.append(Visitor(f"ws://127.0.0.1:{self.server.server_port}/chat"))
        return self.visitors[-1]

    def visitor(self, name: str, room: str = "lobby", key: str | None = None) -> Visitor:
        visitor = self.stranger()
        visitor.join(room, name, key)
        return visitor

    def close(self) -> None:
        for visitor in self.visitors:
            visitor.ws.close()
        self.server.stop()


def names(people: Message) -> list[str]:
    return sorted(card["name"] for card in people.values())


def own_name(welcome: Message) -> str:
    name = welcome["people"][welcome["you"]]["name"]
    assert isinstance(name, str)
    return name


@pytest.fixture
def broker() -> Iterator[MemoryBroker]:
    broker = MemoryBroker()
    yield broker
    broker.close()


@pytest.fixture
def town(broker: MemoryBroker) -> Iterator[Town]:
    town = Town(broker)
    yield town
    town.close()


@pytest.fixture
def towns(broker: MemoryBroker) -> Iterator[tuple[Town, Town]]:
    """Return two towns whose people meet, as those of two processes do."""
    towns = Town(broker), Town(broker)
    yield towns
    for town in towns:
        town.close()


def test_chat_welcomes_who_joins_first(town: Town) -> None:
    visitor = town.stranger()
    welcome = visitor.join("lobby", "Ann", key="secret")
    card = {"who": who_has("secret"), "name": "Ann", "process": process()}
    assert welcome == {
        "type": "welcome",
        "room": "lobby",
        "you": visitor.member,
        "people": {visitor.member: card},
        "rooms": {"lobby": 1},
        "history": [],
    }


def test_chat_tells_who_joins_what_was_said(town: Town) -> None:
    ann = town.visitor("Ann")
    ann.ask("say", text=" hello \n there ")
    said = ann.hear("said")
    welcome = town.stranger().join("lobby", "Bob")
    assert said["text"] == "hello \n there"
    assert welcome["history"] == [said]
    assert names(welcome["people"]) == ["Ann", "Bob"]


def test_chat_tells_the_room_who_joins_and_leaves(town: Town) -> None:
    ann, bob = town.visitor("Ann"), town.stranger()
    welcome = bob.join("lobby", "Bob")
    here = {"room": "lobby", "member": bob.member, "card": welcome["people"][bob.member]}
    assert ann.hear("here") == {"type": "here", **here}
    assert ann.hear("room") == {"type": "room", "room": "lobby", "number": 2}
    bob.ws.close()
    assert ann.hear("gone") == {"type": "gone", "room": "lobby", "member": bob.member}
    assert ann.hear("room") == {"type": "room", "room": "lobby", "number": 1}


def test_chat_forgets_who_was_closed_with_an_error(town: Town) -> None:
    ann, bob = town.visitor("Ann"), town.visitor("Bob")
    bob.ws.close(4000, "gone")
    assert ann.hear("gone")["member"] == bob.member


def test_chat_sends_what_is_said_to_everybody_in_the_room(town: Town) -> None:
    ann, bob, eve = town.visitor("Ann"), town.visitor("Bob"), town.visitor("Eve", "attic")
    ann.ask("say", text="only for the lobby")
    assert ann.hear("said") == bob.hear("said")
    bob.ask("join", room="attic", name="Bob", key="bob")
    assert eve.hear("here")["card"]["name"] == "Bob"
    eve.ask("say", text="for the attic")
    assert eve.hear("said")["text"] == "for the attic"


def test_chat_moves_a_person_from_room_to_room(town: Town) -> None:
    ann, bob = town.visitor("Ann"), town.visitor("Bob")
    assert ann.hear("here")["member"] == bob.member
    welcome = bob.join("attic", "Bob")
    assert names(welcome["people"]) == ["Bob"]
    assert welcome["rooms"] == {"lobby": 1, "attic": 1}
    assert ann.hear("gone")["member"] == bob.member


@pytest.mark.parametrize("name", ["Ann", "ANN", "  ann "])
def test_chat_numbers_a_name_that_is_taken(town: Town, name: str) -> None:
    town.visitor("Ann")
    assert own_name(town.stranger().join("lobby", name)) == f"{name.strip()} 2"
    assert own_name(town.stranger().join("lobby", name)) == f"{name.strip()} 3"
    assert own_name(town.stranger().join("attic", name)) == name.strip()


def test_chat_renames_a_person_for_the_room(town: Town) -> None:
    ann, bob = town.visitor("Ann"), town.visitor("Bob")
    bob.ask("rename", name="ann")
    here = bob.hear("here")
    assert (here["member"], here["card"]["name"]) == (bob.member, "ann 2")
    while ann.hear("here") != here:
        pass
    bob.ask("say", text="it is me")
    assert ann.hear("said")["name"] == "ann 2"


def test_chat_lets_a_person_respell_the_own_name(town: Town) -> None:
    ann = town.visitor("ann")
    ann.ask("rename", name="Ann")
    assert ann.hear("here")["card"]["name"] == "Ann"


def test_who_has_the_same_key_is_the_same_person(town: Town) -> None:
    first = town.visitor("Ann", key="secret")
    again, other = town.stranger(), town.stranger()
    welcome = again.join("lobby", "Ann", key="secret")
    assert own_name(welcome) == "Ann"
    assert welcome["people"][first.member] == welcome["people"][again.member]
    assert own_name(other.join("lobby", "Ann", key="another")) == "Ann 2"
    first.ask("say", text="hello")
    assert other.hear("said")["who"] == who_has("secret") != who_has("another")


def test_chat_remembers_the_latest_messages_only(town: Town) -> None:
    texts = [f"message {n}" for n in range(HISTORY + 5)]
    speaker = town.visitor("Ann")
    for n, text in enumerate(texts):
        if n % (BURST - 2) == 0:
            speaker = town.visitor(f"Ann {n}")
        speaker.ask("say", text=text)
        speaker.hear("said")
    history = town.stranger().join("lobby", "Bob")["history"]
    assert isinstance(history, list)
    assert [said["text"] for said in history] == texts[5:]


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"{}", f"expected JSON as text, at most {MAX_MESSAGE} characters"),
        ("{", "not JSON"),
        ("[]", EXPECTED),
        ('{"type": ["join"]}', EXPECTED),
        ('{"type": "join"}', EXPECTED),
        ('{"type": "say", "text": "early"}', "join a room first"),
        ('{"type": "rename", "name": "Ann"}', "join a room first"),
        (
            '{"type": "join", "room": "", "name": "Ann", "key": "k"}',
            "room is empty or not a string",
        ),
        ('{"type": "join", "room": "a", "name": 5, "key": "k"}', "name is empty or not a string"),
        ('{"type": "join", "room": "a", "name": "Ann"}', EXPECTED),
        ('{"type": "join", "room": "a", "name": "Ann", "key": 5}', "key is empty or not a string"),
        (
            '{"type": "join", "room": "a", "name": "%s", "key": "k"}' % ("n" * 25),
            "name is too long, over 24 characters",
        ),
        (
            '{"type": "join", "room": "a", "name": "\\u202eAnn", "key": "k"}',
            "name has characters that cannot be seen",
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_chat_says_what_is_wrong_with_a_message(
    town: Town, message: str | bytes, error: str
) -> None:
    visitor = town.stranger()
    visitor.ws.send(message)
    assert visitor.hear("error")["text"] == error
    assert own_name(visitor.join("lobby", "Ann")) == "Ann"


def test_chat_refuses_a_text_too_long(town: Town) -> None:
    ann = town.visitor("Ann")
    ann.ask("say", text="x" * 2001)
    assert ann.hear("error")["text"] == "text is too long, over 2000 characters"
    ann.ask("say", text="\x01" * 2000)
    assert ann.hear("said")["text"] == "\x01" * 2000


def test_chat_passes_on_a_text_that_utf8_cannot_write(town: Town) -> None:
    ann = town.visitor("Ann")
    ann.ask("say", text="\ud800")
    assert ann.hear("said")["text"] == "\ud800"


def test_chat_holds_back_who_is_too_fast(town: Town) -> None:
    ann, bob = town.visitor("Ann"), town.visitor("Bob")
    for n in range(BURST):
        ann.ask("say", text=str(n))
    assert ann.hear("error")["text"] == "too fast, over 20 messages in 10 seconds"
    bob.ask("say", text="not me")
    assert bob.hear("said")["text"] == "0"


def test_chat_refuses_a_room_too_many(town: Town) -> None:
    for n in range(MAX_ROOMS):
        town.visitor("Ann", f"room {n}")
    bob = town.stranger()
    bob.ask("join", room="one more", name="Bob", key="bob")
    assert bob.hear("error")["text"] == "too many rooms, over 100"
    assert names(bob.join("room 0", "Bob")["people"]) == ["Ann", "Bob"]


def test_chat_opens_a_room_where_another_one_is_empty(town: Town) -> None:
    visitors = [town.visitor("Ann", f"room {n}") for n in range(MAX_ROOMS)]
    watcher = town.visitor("Bob", "room 1")
    visitors[0].ws.close()
    while watcher.hear("room") != {"type": "room", "room": "room 0", "number": 0}:
        pass
    assert town.visitor("Eve", "one more")


# Over a broker


def test_people_of_two_processes_talk(towns: tuple[Town, Town]) -> None:
    ann = towns[0].visitor("Ann")
    welcome = towns[1].stranger().join("lobby", "Bob")
    bob = towns[1].visitors[0]
    assert names(welcome["people"]) == ["Ann", "Bob"]
    assert welcome["rooms"] == {"lobby": 2}
    assert ann.hear("here")["card"]["name"] == "Bob"
    assert ann.hear("room")["number"] == 2
    ann.ask("say", text="hello")
    assert bob.hear("said") == ann.hear("said")
    bob.ws.close()
    assert ann.hear("gone")["member"] == bob.member
    assert ann.hear("room")["number"] == 1


def test_name_that_somebody_has_on_another_process_gets_a_number(towns: tuple[Town, Town]) -> None:
    ann, other = towns[0].visitor("Ann"), towns[1].stranger()
    assert own_name(other.join("lobby", "ann")) == "ann 2"
    assert ann.hear("here")["card"]["name"] == "ann 2"
    other.ask("rename", name="Ann")
    assert ann.hear("here")["card"]["name"] == "Ann 2"


def test_newcomer_is_told_what_was_said_on_another_process(towns: tuple[Town, Town]) -> None:
    ann = towns[0].visitor("Ann")
    ann.ask("say", text="before you came")
    said = ann.hear("said")
    assert towns[1].stranger().join("lobby", "Bob")["history"] == [said]


def test_people_see_who_has_gone_without_a_word(broker: MemoryBroker) -> None:
    town = Town(broker, look_interval=0.05)
    try:
        ann = town.visitor("Ann")
        card = {"who": "Bob", "name": "Bob", "process": "1@elsewhere"}
        broker.enter("lobby", "ghost", card)
        broker.enter(DIRECTORY, "ghost", "lobby")
        while ann.hear("rooms")["rooms"] != {"lobby": 2}:
            pass
        people = ann.hear("people")
        assert (people["room"], people["people"]["ghost"]) == ("lobby", card)
        broker.leave("lobby", "ghost")
        broker.leave(DIRECTORY, "ghost")
        assert ann.hear("rooms")["rooms"] == {"lobby": 1}
        assert list(ann.hear("people")["people"]) == [ann.member]
    finally:
        town.close()


def test_what_others_publish_in_a_room_arrives_as_it_is_and_is_no_history(
    town: Town, broker: MemoryBroker
) -> None:
    ann = town.visitor("Ann")
    forged = '{"type":"said","who":"a","name":"Ann","text":"I","id":"a","time":1e300}'
    for message in ("a word from the house", b"\x00", "[1]", '{"type":"said"}', forged):
        broker.publish("lobby", message)
        while (heard := ann.ws.receive(timeout=10)) != message:
            assert json.loads(heard)["type"] == "room"
    assert town.stranger().join("lobby", "Bob")["history"] == []


def test_who_cannot_reach_the_rooms_is_told_to_come_back(town: Town, broker: MemoryBroker) -> None:
    ann, bob = town.visitor("Ann"), town.stranger()
    broker.close()
    for kind, field in (("say", "text"), ("rename", "name")):
        ann.ask(kind, **{field: "x"})
        assert ann.hear("error")["text"] == "the rooms cannot be reached"
    bob.ask("join", room="lobby", name="Bob", key="bob")
    with pytest.raises(geventws.ConnectionClosed) as caught:
        bob.hear("welcome")
    assert (caught.value.code, caught.value.reason) == (1013, "the rooms cannot be reached")
