"""One shape for every error: `{"error": {"code", "message"}, "detail"}`."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from backend.settings import Settings

MAX_STATUS_LINE = 400


def error_response(code: str, message: str, status: int) -> Response:
    """An answer that says what went wrong; `detail` repeats the sentence, since Label Studio's pages show that key."""
    body: dict[str, Any] = {"error": {"code": code, "message": message}, "detail": message}
    response = jsonify(body)
    response.status_code = status
    return response


def status_line(status: int, message: str) -> str:
    """A status line whose phrase is `message`: of a refused /setup, Label Studio's pages show nothing else."""
    phrase = " ".join(message.split()).encode("ascii", "replace").decode("ascii")
    return f"{status} {phrase[:MAX_STATUS_LINE]}"


def without_paths(settings: Settings, text: str) -> str:
    """A message for callers: where the server keeps its files is nothing to them, so settings stand for folders."""
    folders = (
        ("INCEPTION_WEIGHTS", settings.inception_weights),
        ("WEIGHTS_DIR", settings.weights_dir),
        ("WORDNET_DIR", settings.wordnet_dir),
        ("STATE_DIR", settings.state_dir),
    )
    for name, folder in folders:
        if folder is not None:
            for written in {str(folder.resolve()), str(folder)} - {"."}:
                text = text.replace(written, name)
    return text
