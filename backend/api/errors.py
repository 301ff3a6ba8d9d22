"""One shape for every error: `{"error": {"code", "message"}, "detail"}`."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify


def error_response(code: str, message: str, status: int) -> Response:
    """An answer that says what went wrong; `detail` repeats the sentence, since Label Studio's pages show that key."""
    body: dict[str, Any] = {"error": {"code": code, "message": message}, "detail": message}
    response = jsonify(body)
    response.status_code = status
    return response
