"""The bodies of requests: bounded, read as strict JSON, and free of what no database stores."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from backend.errors import BackendError, BusyError

SMALL_BODY_BYTES = 1 << 20  # for every call but those that carry tasks
MAX_NESTING = 64
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class BodyError(BackendError):
    """The body is no JSON object."""

    reason = "bad_json"


class BodyBudget:
    """How many bytes of bodies all requests may hold together.

    Args:
        total: bytes.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Hold `size` bytes for the length of the block.

        Raises:
            BusyError: other requests hold too many.
        """
        with self._lock:
            if size > self._free:
                raise BusyError("Too many big requests at once: send it again in some seconds.")
            self._free -= size
        try:
            yield
        finally:
            with self._lock:
                self._free += size


def json_body(request: Request) -> dict[str, Any]:
    """The JSON object in a request's body; an empty one where there is no body. Forms count as objects of texts.

    Lone surrogates and NULs in texts become replacement characters: no database takes them, and one of them must not
    cost the tasks beside it.

    Raises:
        BodyError: it is no JSON object, nested too deep, or has numbers that are none.
        RequestEntityTooLarge: it is larger than the limit of the call.
    """
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return {clean(name): clean(value) for name, value in request.form.items()}
    data = request.get_data(cache=False)
    if len(data) >= (request.max_content_length or math.inf):
        raise RequestEntityTooLarge
    if not data.strip():
        return {}
    try:
        text = data.decode()
        found = json.loads(text, parse_constant=_refuse_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise BodyError(f"The body is not valid JSON: {_short(error)}.") from None
    if not isinstance(found, dict):
        raise BackendError("The body must be a JSON object, or empty.", reason="bad_request")
    if "\\u" in text or text.count("[") + text.count("{") > MAX_NESTING:
        return {clean(name): clean(value, 1) for name, value in found.items()}
    return found


def clean(value: Any, depth: int = 0) -> Any:
    """`value` with texts that every database takes.

    Raises:
        BodyError: it is nested deeper than `MAX_NESTING`.
    """
    if isinstance(value, str):
        if "\0" not in value and (value.isascii() or _encodes(value)):
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", _REPLACEMENT)
    if not isinstance(value, list | dict):
        return value
    if depth >= MAX_NESTING:
        raise BodyError(f"The body is nested deeper than {MAX_NESTING} levels.")
    if isinstance(value, list):
        return [clean(item, depth + 1) for item in value]
    return {clean(name): clean(item, depth + 1) for name, item in value.items()}


def limit_body(request: Request, most: int) -> None:
    """Refuse more than `most` bytes of body, before they are read where their number is stated.

    Raises:
        RequestEntityTooLarge: more are stated; more that come unstated are refused while they are read.
    """
    request.max_content_length = most + 1  # a body without a stated length is cut off there without a word
    request.max_form_memory_size = most
    if request.content_length is not None and request.content_length > most:
        raise RequestEntityTooLarge


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _short(error: Exception) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
