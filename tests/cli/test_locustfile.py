"""Locustfiles made of sessions, as people read them."""

from __future__ import annotations

from geventws.cli.locustfile import locustfile
from geventws.sessions.files import CLIENT, SERVER, Event, Session
from geventws.sessions.openings import Opening
from geventws.sessions.steps import steps_of

FIRST = '''\
"""What was recorded, as a load test: locust -f this file."""

from geventws.adapters.locust import ReplayUser, install_fine_buckets

install_fine_buckets()


class Replay(ReplayUser):
    # chat.jsonl
    host = 'ws://a:5'
    variables = {'token': ''}
    expected_close_codes = [1000, 1001, 1005, 4000]

    def play(self):
        self.open('/chat?t={token}', [('Origin', 'http://a:5')], ['chat'])
        self.think(0.25)
        self.ask('{"type":"hello"}', 'step 1', {'id': '"id":(\\\\d+)'})
        self.think(0.5)
        self.say(b'\\x00', 'step 2')
        self.say(
            '{"id":{id},"text":"a long message, so long that it is longer than the lines here"}',
            'step 3',
        )
        self.part(4000)
'''
OPENING = Opening(
    uri="ws://a:5/chat?t={token}",
    offered=("chat",),
    headers=(("Origin", "http://a:5"),),
    redacted=("token",),
)
LONG = '{"id":7,"text":"a long message, so long that it is longer than the lines here"}'
EVENTS = [
    Event(0.25, CLIENT, '{"type":"hello"}'),
    Event(0.25, SERVER, '{"id":7}'),
    Event(0.75, CLIENT, b"\x00"),
    Event(0.75, CLIENT, LONG),
    Event(0.75, SERVER, None, 4000),
]


def test_session_is_written_out() -> None:
    session = Session("chat.jsonl", OPENING, EVENTS)
    assert locustfile([session], [steps_of(session, {"id": r'"id":(\d+)'})], {}) == FIRST


def test_sessions_have_a_user_each() -> None:
    sessions = [
        Session("a", Opening(uri="ws+unix:///s:/b"), []),
        Session("b", Opening(uri="wss://b"), []),
    ]
    text = locustfile(sessions, [steps_of(each) for each in sessions], {"x": "y"}, speed=2.0)
    assert (
        text.partition("buckets()\n\n\n")[2]
        == """\
class Replay1(ReplayUser):
    # a
    variables = {'x': 'y'}
    speed = 2.0

    def play(self):
        self.open('ws+unix:///s:/b')
        self.close(1000)


class Replay2(ReplayUser):
    # b
    host = 'wss://b'
    variables = {'x': 'y'}
    speed = 2.0

    def play(self):
        self.open('/')
        self.close(1000)
"""
    )


def test_clock_is_written_out() -> None:
    session = Session(
        "a", Opening(uri="ws://a/?b=c"), [Event(1.5, CLIENT, "x"), Event(2, SERVER, "y")]
    )
    text = locustfile([session], [steps_of(session, {"n": "y"}, by_the_clock=True)], {})
    assert (
        text.partition("# a\n")[2]
        == """\
    host = 'ws://a'
    by_the_clock = True

    def play(self):
        self.watch({'n': 'y'})
        self.open('/?b=c')
        self.until(1.5)
        self.say('x', 'step 1', 1)
        self.until(2)
        self.settle(1)
        self.close(1000)
"""
    )
