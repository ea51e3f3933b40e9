"""Each rule over the core in memory, as a client and as a server, whole and in bytes."""

from __future__ import annotations

from collections import Counter

import pytest

from geventws.core.codes import Side, State
from geventws.core.deflate import Agreed
from geventws.core.protocol import TURN, Protocol
from tests.conformance.rules import RULES
from tests.conformance.rules_hearing import Hearing
from tests.conformance.rules_words import Compression, Pong, Rule, echoed, ping, text
from tests.core.helpers import both_sides, state, wire

STEPS = 4096  # what is long is not cut into single bytes, but into as many parts

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])


def agreed(compression: Compression | None, side: Side) -> Agreed | None:
    """Return what an end of *side* makes of an agreement; it compresses all that it sends."""
    if compression is None:
        return None
    peer_bits, peer_alone, our_bits, our_alone = compression
    our_bits = min(our_bits, 12)  # as an end does by default
    server = side == Side.SERVER
    return Agreed(
        server_max_window_bits=our_bits if server else peer_bits,
        client_max_window_bits=peer_bits if server else our_bits,
        server_no_context_takeover=our_alone if server else peer_alone,
        client_no_context_takeover=peer_alone if server else our_alone,
        level=6,
        mem_level=5,
        threshold=0,
    )


def echo(protocol: Protocol, hearing: Hearing) -> None:
    """Send back all that has arrived, and hear it."""
    while True:
        protocol.frames_this_turn = 0
        message = protocol.next_message()
        hearing.feed(wire(protocol))
        if message is not None:
            protocol.send_message(message)
            hearing.feed(wire(protocol))
        elif protocol.frames_this_turn < TURN:
            return


def play(rule: Rule, side: Side, steps: int) -> None:
    """Hold an end of *side* to a rule; what is said in one breath arrives in so many *steps*."""
    protocol = Protocol(side, rule.max_size, deflate=agreed(rule.compression, side))
    hearing = Hearing(side, rule.compression)
    turns, codes = rule.ended().turns, rule.ended().close
    for turn in turns:
        assert (state(protocol), hearing.close) == (State.OPEN, None)
        data = turn.wire(side)
        step = -(-len(data) // steps)
        for start in range(0, len(data), step):
            protocol.receive_data(data[start : start + step])
            echo(protocol, hearing)
        hearing.expect(turn.heard)
    hearing.ends()
    assert hearing.close in codes
    assert state(protocol) == State.CLOSED


@both_sides
@each_rule
def test_core_keeps_the_rule_when_all_arrives_at_once(rule: Rule, side: Side) -> None:
    play(rule, side, 1)


@both_sides
@each_rule
def test_core_keeps_the_rule_when_it_arrives_in_bytes(rule: Rule, side: Side) -> None:
    play(rule, side, STEPS)


@each_rule
def test_rule_can_be_broken(rule: Rule) -> None:
    first = rule.turns[0]
    broken = [rule._replace(close=(4321,))] if rule.close else []
    for stray in ("stray", Pong(b"stray")):
        turn = first._replace(heard=(*first.heard, stray))
        broken.append(rule._replace(turns=(turn, *rule.turns[1:])))
    for each in broken:
        with pytest.raises(AssertionError):
            play(each, Side.SERVER, 1)


def test_pong_is_found_out_that_comes_after_what_was_said_after_its_ping() -> None:
    said = [text("before"), ping(b"p"), text("after")]
    play(echoed("pong", "", said, "before", "after", Pong(b"p")), Side.SERVER, 1)
    with pytest.raises(AssertionError, match="later than it may"):
        play(echoed("pong", "", said, Pong(b"p"), "before", "after"), Side.SERVER, 1)


def test_rules_have_names_of_their_own() -> None:
    assert [name for name, count in Counter(rule.name for rule in RULES).items() if count > 1] == []
