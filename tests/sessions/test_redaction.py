"""What session files leave out."""

from __future__ import annotations

import pytest

from geventws.sessions.openings import Opening
from geventws.sessions.player import filled
from geventws.sessions.redaction import redacted

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
        offered=(
            "graphql-transport-ws",
            "protobuf.reliable.webpubsub.azure.v1",
            "v4.channel.k8s.io",
        ),
        subprotocol="protobuf.reliable.webpubsub.azure.v1",
        headers=(("X-Author", "me"), ("User-Agent", "x"), ("Accept-Language", "en")),
    )
    assert redacted(opening) == opening


@pytest.mark.parametrize(
    "name",
    [
        *["X-API-Key", "x-auth-token", "X-CSRF-Token", "X-Auth", "api_key", "apikey", "jwt"],
        *["sessionid", "sid", "client_secret", "password", "sig", "X-Amz-Signature", "code"],
        *["X-Amz-Credential", "ticket", "auth", "X-Amz-Security-Token"],
        *["access_key", "accessKey", "privateKey", "PHPSESSID", "connect.sid", "otp", "X-CSRF"],
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


def test_each_secret_has_a_variable_of_its_own() -> None:
    opening = Opening(
        uri="ws://a/?token=one&token=two&again=x", headers=(("Token", "two"), ("token", "three"))
    )
    assert redacted(opening) == Opening(
        uri="ws://a/?token={token}&token={token-2}&again=x",
        headers=(("Token", "{token-2}"), ("token", "{token-3}")),
        redacted=("token", "token-2", "token-3"),
    )


@pytest.mark.parametrize("name", ["auth[token]", "a%20token", "4token", "caf\u00e9-token"])
def test_variable_can_be_set_whatever_the_name_is(name: str) -> None:
    opening = redacted(Opening(uri=f"ws://a/?{name}=x"))
    (variable,) = opening.redacted
    assert filled(opening.uri, {variable: "y"}) == f"ws://a/?{name}=y"


@pytest.mark.parametrize(
    ("uri", "hidden"),
    [
        (f"ws://a/live/{TOKEN}.x/b", "ws://a/live/{path}/b"),
        (f"ws://a/?q={TOKEN}.x", "ws://a/?q={q}"),
    ],
)
def test_web_token_is_hidden_wherever_it_is(uri: str, hidden: str) -> None:
    assert redacted(Opening(uri=uri)).uri == hidden


def test_address_in_a_header_has_a_query_too() -> None:
    opening = redacted(Opening(uri="ws://a/", headers=(("Referer", "http://a/b?token=x&c=d"),)))
    assert opening.headers == (("Referer", "http://a/b?token={token}&c=d"),)


@pytest.mark.parametrize("agreed", [None, "a", "0123456789abcdef0123456789abcdef"])
def test_subprotocol_that_looks_random_is_hidden(agreed: str | None) -> None:
    digest = "0123456789abcdef0123456789abcdef"
    opening = redacted(Opening(uri="ws://a/", offered=("a", digest), subprotocol=agreed))
    assert opening.offered == ("a", "{subprotocol}")
    assert digest not in str(opening)


@pytest.mark.parametrize("name", ["bearer", "access_token", "Authorization"])
def test_subprotocol_after_one_that_tells_a_secret_is_hidden(name: str) -> None:
    opening = redacted(Opening(uri="ws://a/", offered=(name, "short"), subprotocol=name))
    assert (opening.offered, opening.subprotocol) == ((name, "{subprotocol}"), name)


def test_subprotocol_that_was_agreed_on_stays_after_a_secret() -> None:
    opening = Opening(uri="ws://a/", offered=("bearer", "chat"), subprotocol="chat")
    assert redacted(opening) == opening
