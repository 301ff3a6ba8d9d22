"""Kinds of tokens, and when a personal access token is exchanged again."""

from __future__ import annotations

import threading

import jwt
import pytest

from backend.errors import LabelStudioError
from backend.sync.tokens import Token, TokenKind, token_kind

pytestmark = pytest.mark.unit

SIGNING_KEY = "a key that only signs tokens of tests"


def signed(kind: str, **claims: object) -> str:
    return jwt.encode({"token_type": kind, **claims}, SIGNING_KEY)


class Exchange:
    """Stands for Label Studio: each exchange gives another token, valid for five minutes of *its* clock."""

    def __init__(self, server_ahead: float = 0.0) -> None:
        self.now = 1_000_000.0
        self.server_ahead = server_ahead
        self.count = 0

    def __call__(self, refresh: str) -> str:
        self.count += 1
        issued = int(self.now + self.server_ahead)
        return signed("access", iat=issued, exp=issued + 300, jti=str(self.count))

    def clock(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("0123456789abcdef0123456789abcdef01234567", TokenKind.LEGACY),
        ("a.b.c", TokenKind.LEGACY),
        (signed("refresh", exp=4102444800), TokenKind.PERSONAL_ACCESS),
        (signed("access", exp=4102444800), TokenKind.SHORT_LIVED),
    ],
)
def test_kind_is_told_by_form(key: str, kind: TokenKind) -> None:
    assert token_kind(key) is kind


@pytest.mark.parametrize("key", ["", "  \n"])
def test_empty_key_is_refused(key: str) -> None:
    with pytest.raises(LabelStudioError, match="LABEL_STUDIO_API_KEY is empty"):
        Token(key, Exchange())


def test_access_token_is_refused_before_it_disappoints() -> None:
    key = signed("access", exp=4102444800)
    with pytest.raises(LabelStudioError, match="five minutes") as caught:
        Token(key, Exchange())
    assert key not in str(caught.value)


def test_white_space_around_the_key_is_dropped() -> None:
    assert Token(" abc\n", Exchange()).authorization() == "Token abc"


@pytest.mark.parametrize("server_ahead", [0.0, 3600.0, -3600.0])
def test_renewed_before_it_ends_whatever_the_server_s_clock(server_ahead: float) -> None:
    exchange = Exchange(server_ahead)
    token = Token(signed("refresh", exp=4102444800), exchange, clock=exchange.clock)
    first = token.authorization()
    exchange.now += 269
    assert token.authorization() == first
    exchange.now += 2
    assert token.authorization() != first
    assert exchange.count == 2


def test_forgetting_helps_personal_access_tokens_only() -> None:
    exchange = Exchange()
    personal = Token(signed("refresh", exp=4102444800), exchange, clock=exchange.clock)
    first = personal.authorization()
    assert personal.forget()
    assert personal.authorization() != first
    assert not Token("legacy", exchange).forget()


def test_threads_share_one_exchange() -> None:
    exchange = Exchange()
    token = Token(signed("refresh", exp=4102444800), exchange, clock=exchange.clock)
    headers: list[str] = []
    threads = [threading.Thread(target=lambda: headers.append(token.authorization())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(headers) == 16
    assert len(set(headers)) == 1
    assert exchange.count == 1
