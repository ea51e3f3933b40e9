"""A connection without a socket: anything with recv() and sendall() will do, as in a test."""

from __future__ import annotations

from geventws.adapters.ws4py.messaging import CloseControlMessage, Message, TextMessage
from geventws.adapters.ws4py.streaming import Stream
from geventws.adapters.ws4py.websocket import EchoWebSocket


class DataSource:
    """In place of a socket: it gives what it was fed, and keeps what is sent."""

    def __init__(self) -> None:
        self.fed = self.sent = b""

    def feed(self, message: Message) -> None:
        """Have *message* arrive, as from a client."""
        self.fed += message.single(mask=True)

    def recv(self, size: int) -> bytes:
        """Return what has arrived."""
        data, self.fed = self.fed[:size], self.fed[size:]
        return data

    def sendall(self, data: bytes) -> None:
        """Take what is sent."""
        self.sent += data


def main() -> None:
    """Say hello to an echo, and goodbye, and look at what it says."""
    source = DataSource()
    source.feed(TextMessage("hello world"))
    source.feed(CloseControlMessage(1000, "bye"))
    EchoWebSocket(sock=source).run()
    answers = Stream(expect_masking=False)
    answers.parser.send(source.sent)
    assert answers.closing is not None
    print("said", answers.message)
    print("closed", answers.closing.code)


if __name__ == "__main__":
    main()
