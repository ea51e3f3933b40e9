"""What session files leave out."""

from __future__ import annotations

import pytest

from geventws.redaction import redacted
from geventws.sessions import Opening

TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30"


def test_secrets_become_variables() -> None:
    opening = Opening(
        uri="wss://a/b?room=1&access_token=xyz&Token=&key=5&x",
        offered=("chat", TOKEN),
        subprotocol="chat",
        headers=(("Authorization", "Bearer x"), ("Origin", "http://a"), ("Cookie", "a=b")),
    )
    assert redacted(opening) == Opening(
        uri="wss://a/b?room=1&access_token={access_token}&Token=&key={key}&x",
        offered=("chat", "{subprotocol}"),
        subprotocol="chat",
        headers=(
            ("Authorization", "{authorization}"),
            ("Origin", "http://a"),
            ("Cookie", "{cookie}"),
        ),
        redacted=("access_token", "key", "subprotocol", "authorization", "cookie"),
    )


def test_what_is_no_secret_stays() -> None:
    opening = Opening(
        uri="ws://a/token?author=me&monkey=1",
        offered=("graphql-transport-ws", TOKEN),
        subprotocol=TOKEN,
        headers=(("X-Author", "me"), ("User-Agent", "x"), ("Accept-Language", "en")),
    )
    assert redacted(opening) == opening


@pytest.mark.parametrize(
    "name",
    [
        *["X-API-Key", "x-auth-token", "X-CSRF-Token", "X-Auth", "api_key", "apikey", "jwt"],
        *["sessionid", "sid", "client_secret", "password", "sig", "X-Amz-Signature", "code"],
        *["X-Amz-Credential", "ticket", "auth", "X-Amz-Security-Token"],
    ],
)
def test_name_tells_a_secret(name: str) -> None:
    hidden = f"{{{name.lower()}}}"
    opening = redacted(Opening(uri=f"ws://a/?{name}=x", headers=((name, "x"),)))
    assert opening == Opening(
        uri=f"ws://a/?{name}={hidden}", headers=((name, hidden),), redacted=(name.lower(),)
    )


def test_name_in_a_query_may_be_encoded() -> None:
    opening = redacted(Opening(uri="ws://a/?api%5Fkey=x"))
    assert (opening.uri, opening.redacted) == ("ws://a/?api%5Fkey={api_key}", ("api_key",))
