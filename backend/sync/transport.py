"""One HTTP call to Label Studio: authorised, timed, and turned into a clear error when it fails."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.util.retry import Retry

from backend.errors import LabelStudioError
from backend.sync.refusal import refusal
from backend.sync.tokens import Token

CONNECT_TIMEOUT_SECONDS = 5.0
RETRIED_STATUSES = (429, 502, 503, 504)


class _Answer(dict[str, Any]):
    """An object in an answer of Label Studio's; a key that should be there and is not, is its fault and says so."""

    def __init__(self, call: str, content: Mapping[str, Any]) -> None:
        super().__init__(content)
        self._call = call

    def __missing__(self, key: str) -> Any:
        raise LabelStudioError(
            f"{self._call}: the answer has no {key!r}. Is LABEL_STUDIO_URL the origin of a Label Studio, and its release "
            "one that this backend knows?",
            reason="label_studio_answer",
        )


class _Authorization(AuthBase):
    """Sets the header in a way that no .netrc entry replaces."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class Transport:
    """Sends requests to one Label Studio. Thread-safe: each thread has a session of its own.

    Only GET is retried (with back-off): any other call may have taken effect before its answer was lost.
    Redirects are refused, so that the token never travels to another host and a POST never turns into a GET.

    Args:
        timeout: seconds to wait for an answer.
        retries: how often a GET is sent again.
        keeps: whether connections stay open for the next call.
    """

    def __init__(self, url: str, api_key: str, timeout: float = 30.0, *, retries: int = 2, keeps: bool = True) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.token = Token(api_key, self._exchange)
        self._loopback = _is_loopback(self.url)
        self._local = threading.local()
        self._retries = retries
        self._keeps = keeps

    def _credentials(self) -> AuthBase:
        return _Authorization(self.token.authorization())

    def authorization(self) -> str:
        """The Authorization header for this Label Studio; send it nowhere else."""
        return self.token.authorization()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        data: dict[str, Any] | None = None,
        files: list[tuple[str, Any]] | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Send one request and return its decoded JSON (None for an empty answer).

        Raises:
            LabelStudioError: reason is one of label_studio_unreachable, _timeout, _unauthorised, _forbidden,
                _not_found, _refused (other 4xx), _failed (5xx), _redirect, _not_json; the message names the
                call, the URL and the fix.
        """
        for attempt in (1, 2):
            response = self._send(
                method,
                path,
                auth=self._credentials(),
                params=params,
                json=json,
                data=data,
                files=files,
                timeout=timeout,
            )
            # A 401 comes before any effect, so the call may be sent again with a fresh access token.
            if response.status_code == 401 and attempt == 1 and files is None and self.token.forget():
                continue
            break
        return self._decoded(method, path, response)

    def anonymous(self, path: str) -> Any:
        """GET without a token (health and version pages)."""
        return self._decoded("GET", path, self._send("GET", path))

    def _exchange(self, refresh_token: str) -> str:
        path = "/api/token/refresh/"
        answer = self._decoded("POST", path, self._send("POST", path, json={"refresh": refresh_token}))
        if not isinstance(answer, dict) or not answer.get("access"):
            raise LabelStudioError(
                f"POST {self.url}{path}: Label Studio gave no access token; check that LABEL_STUDIO_URL is its origin.",
                reason="label_studio_not_json",
            )
        return str(answer["access"])

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # what is sent is what we say
            session.trust_env = not self._loopback  # proxies and certificates of the environment
            retry = Retry(
                total=self._retries, backoff_factor=0.5, status_forcelist=RETRIED_STATUSES, allowed_methods=["GET"],
                redirect=0, raise_on_status=False,
            )  # fmt: skip
            session.mount("http://", HTTPAdapter(max_retries=retry))
            session.mount("https://", HTTPAdapter(max_retries=retry))
            if self._keeps:
                self._local.session = session
        return session

    def _send(self, method: str, path: str, *, timeout: float | None = None, **kwargs: Any) -> requests.Response:
        call = f"{method} {self.url}{path}"
        seconds = timeout or self.timeout
        session = self._session()
        try:
            return session.request(
                method,
                self.url + path,
                timeout=(min(CONNECT_TIMEOUT_SECONDS, seconds), seconds),
                allow_redirects=False,
                **kwargs,
            )
        except requests.exceptions.ConnectTimeout:
            raise self._unreachable(call, "no connection in time") from None
        except requests.exceptions.Timeout:
            raise _late(call, seconds) from None
        except requests.exceptions.ConnectionError as error:
            if "Read timed out" in str(error):
                raise _late(call, seconds) from None
            raise self._unreachable(call, "connection refused or lost") from None
        except (requests.exceptions.RequestException, ValueError) as error:
            raise LabelStudioError(
                f"{call}: {type(error).__name__}; check LABEL_STUDIO_URL.", reason="label_studio_unreachable"
            ) from None
        finally:
            if not self._keeps:
                session.close()

    def _unreachable(self, call: str, what: str) -> LabelStudioError:
        return LabelStudioError(
            f"{call}: {what}. Is Label Studio running, and is LABEL_STUDIO_URL ({self.url}) its address as seen from "
            "this machine? (Inside a container, localhost is the container.)",
            reason="label_studio_unreachable",
        )

    def _decoded(self, method: str, path: str, response: requests.Response) -> Any:
        call = f"{method} {self.url}{path}"
        if 300 <= response.status_code < 400:
            raise LabelStudioError(
                f"{call}: redirected to {response.headers.get('Location', '?')}; set LABEL_STUDIO_URL to the origin "
                "that answers without a redirect (often https instead of http).",
                reason="label_studio_redirect",
            )
        if response.status_code >= 400:
            raise refusal(call, response, self.token.kind)
        if not response.content:
            return None
        try:
            return response.json(object_hook=partial(_Answer, call))
        except (ValueError, RecursionError):
            raise LabelStudioError(
                f"{call}: the answer is not JSON; LABEL_STUDIO_URL does not point to Label Studio's origin.",
                reason="label_studio_not_json",
            ) from None


def _late(call: str, seconds: float) -> LabelStudioError:
    return LabelStudioError(
        f"{call}: no answer within {seconds:g} s; Label Studio is overloaded or stuck: look at its log.",
        reason="label_studio_timeout",
    )


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
