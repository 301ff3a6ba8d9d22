"""The two kinds of Label Studio API token, and the Authorization header that each one needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum

import jwt

from backend.errors import LabelStudioError

RENEW_BEFORE_EXPIRY_SECONDS = 30.0


class TokenKind(StrEnum):
    """What a string given as LABEL_STUDIO_API_KEY is."""

    LEGACY = "legacy token"
    PERSONAL_ACCESS = "personal access token"
    SHORT_LIVED = "short-lived access token"


def token_kind(api_key: str) -> TokenKind:
    """Tell the kind of a token by its form; a personal access token is a JWT of type `refresh`."""
    try:
        claims = jwt.decode(api_key, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return TokenKind.LEGACY
    return TokenKind.PERSONAL_ACCESS if claims.get("token_type") == "refresh" else TokenKind.SHORT_LIVED


class Token:
    """Gives the Authorization header; exchanges and renews personal access tokens. Thread-safe.

    Args:
        api_key: legacy token or personal access token.
        exchange: trades a personal access token for an access token (one call to Label Studio).
        clock: seconds since the epoch.

    Raises:
        LabelStudioError: the key is empty, or an access token that ends in five minutes.
    """

    def __init__(self, api_key: str, exchange: Callable[[str], str], *, clock: Callable[[], float] = time.time) -> None:
        if not api_key.strip():
            raise LabelStudioError(
                "LABEL_STUDIO_API_KEY is empty: copy a token from Label Studio, Account & Settings.",
                reason="label_studio_token",
            )
        self.kind = token_kind(api_key.strip())
        if self.kind is TokenKind.SHORT_LIVED:
            raise LabelStudioError(
                "LABEL_STUDIO_API_KEY is a short-lived access token, which ends five minutes after it was made: "
                "give the personal access token itself (Label Studio, Account & Settings, Personal Access Token).",
                reason="label_studio_token",
            )
        self._api_key = api_key.strip()
        self._exchange = exchange
        self._clock = clock
        self._access = ""
        self._expires_at = 0.0
        self._lock = threading.Lock()

    def authorization(self) -> str:
        """The value of the Authorization header, renewed when it is about to end."""
        if self.kind is TokenKind.LEGACY:
            return f"Token {self._api_key}"
        with self._lock:
            if self._clock() >= self._expires_at - RENEW_BEFORE_EXPIRY_SECONDS:
                access = self._exchange(self._api_key)
                claims = jwt.decode(access, options={"verify_signature": False})
                # Label Studio's clock may differ from ours: trust the lifetime, not the moment.
                lifetime = float(claims["exp"]) - float(claims.get("iat", self._clock()))
                self._access, self._expires_at = access, self._clock() + lifetime
            return f"Bearer {self._access}"

    def forget(self) -> bool:
        """Drop the access token after a refusal; True when a new one may help."""
        with self._lock:
            self._expires_at = 0.0
        return self.kind is TokenKind.PERSONAL_ACCESS
