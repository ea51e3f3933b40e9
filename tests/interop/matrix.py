"""Everybody with us, in both roles: every case, with every compression that can be agreed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import gevent

import geventws
from tests.interop import node
from tests.interop.node import Missing, NodeServer
from tests.interop.peers import THEIR_CLIENTS, THEIR_SERVERS
from tests.interop.play import CASES, OurClient, answer, attempt, path_of
from tests.interop.scenes import IN_TIME
from tests.interop.their_clients import TheirClient
from tests.interop.their_servers import TheirServer
from tests.interop.visitors import VISITORS, Visitor, sent
from tests.interop.wishes import Noting, Wishes, all_wishes, described, noting


class Outcome(NamedTuple):
    """How one case went.

    Attributes:
        compression: the parameters agreed on, or "none".
        ok: None where the peer cannot be had, or does not what is needed for it.
        error: empty where all went well.
    """

    peer: str
    version: str
    role: str
    case: str
    compression: str
    ok: bool | None
    error: str


class Attempt(NamedTuple):
    """A case that was played, what our side noted of compression, and what went wrong, if any."""

    case: str
    wishes: Wishes
    noted: Noting | None
    error: str


Meet = Callable[[list[Wishes]], Iterator[Attempt]]


class Subject(NamedTuple):
    """Who meets us, in which role, and how that is done.

    Attributes:
        wishes: what to try.
        fails: what of compression not to try, and why.
    """

    peer: str
    role: str
    version: Callable[[], str]
    wishes: list[Wishes]
    fails: Mapping[str, str]
    meet: Meet

    def outcomes(self) -> Iterator[Outcome]:
        """Play every case with each of the wishes."""
        try:
            version = self.version()
        except Missing as missing:
            yield Outcome(self.peer, "", self.role, "", "", None, f"not run: {missing}")
            return
        who = self.peer, version, self.role
        for parameter, why in self.fails.items():
            yield Outcome(*who, "", parameter, None, f"not tried: {why}")
        try:
            for played in self.meet(self.wishes):
                yield Outcome(*who, played.case, *judged(played))
        except Exception as error:  # of one peer: the others are still to be met
            yield Outcome(*who, "", "", False, f"broke off: {error!r}")


def judged(played: Attempt) -> tuple[str, bool, str]:
    """Return the compression agreed on, whether all went well, and what did not."""
    _, wishes, noted, error = played
    agreed = noted.agreed.pop(0) if noted is not None and noted.agreed else None  # of this case
    if not error and agreed is None and None not in wishes:
        error = "no compression was agreed on"
    compression = "none" if agreed is None else described(agreed)
    return compression, not error, f"{error} ({wishes})" if error else ""


@contextmanager
def our_server(noted: Noting | None) -> Iterator[str]:
    """Have our server answer, and give its address; browsers may come from any page."""
    server = geventws.serve(answer, ("127.0.0.1", 0), compression=noted, origins="*")
    server.start()
    try:
        yield f"ws://127.0.0.1:{server.server_port}"
    finally:
        server.stop(timeout=0)


def visited_by(kind: type[TheirClient], several: Iterable[Wishes]) -> Iterator[Attempt]:
    """Have their client visit our server; it blocks, so a thread has it."""
    for wishes in several:
        noted = noting(wishes.ours)
        connect = partial(kind, compression=wishes.theirs)
        with our_server(noted) as uri:
            for case in CASES:
                with gevent.Timeout(6 * IN_TIME, TimeoutError(f"{case}: stuck")):
                    pool = gevent.get_hub().threadpool
                    error = pool.apply(attempt, (case, uri, connect))
                yield Attempt(case, wishes, noted, error)


def visiting(kind: type[TheirServer], several: Iterable[Wishes]) -> Iterator[Attempt]:
    """Have our client visit their server."""
    for wishes in several:
        noted = noting(wishes.ours)
        server = kind(False, wishes.theirs)
        try:
            for case in CASES:
                error = attempt(case, server.uri, partial(OurClient, compression=noted))
                yield Attempt(case, wishes, noted, error)
        finally:
            server.stop()


def visited_by_itself(visitor: Visitor, several: Iterable[Wishes]) -> Iterator[Attempt]:
    """Have a client that needs no driving visit our servers, one for each of the wishes."""
    attempts: list[Attempt] = []
    plan: list[dict[str, Any]] = []
    with ExitStack() as stack:
        for wishes in several:
            noted = noting(wishes.ours)
            uri = stack.enter_context(our_server(noted))
            options = node.options(wishes.theirs)
            for case in CASES:
                attempts.append(Attempt(case, wishes, noted, ""))
                plan.append({"uri": f"{uri}/{path_of(case)}", "case": case, "options": options})
        for attempt, error in zip(attempts, sent(visitor, plan), strict=True):
            yield attempt._replace(error=error)


def subjects() -> list[Subject]:
    """Return everybody."""
    clients = [
        Subject(
            kind.name,
            "client",
            kind.version,
            all_wishes(kind.can_compress, kind.asks, kind.fails),
            kind.fails,
            partial(visited_by, kind),
        )
        for kind in THEIR_CLIENTS
    ]
    visitors = [
        Subject(
            visitor.name,
            "client",
            visitor.version,
            all_wishes(True, visitor.asks, ()),
            {},
            partial(visited_by_itself, visitor),
        )
        for visitor in VISITORS
    ]
    theirs: list[type[TheirServer]] = [*THEIR_SERVERS, NodeServer]
    servers = [
        Subject(
            server.name,
            "server",
            server.version,
            all_wishes(server.can_compress, server.asks, server.fails),
            server.fails,
            partial(visiting, server),
        )
        for server in theirs
    ]
    return [*clients, *visitors, *servers]
