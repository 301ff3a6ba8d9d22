"""The errors that people see: every one names the thing that is wrong and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BackendError(Exception):
    """Base of every error this product raises on purpose.

    `reason` is a short, stable slug (metrics label, API `error.code`); `str(error)` is the sentence
    for people: what is wrong, with which thing, and the fix.
    """

    reason = "backend_error"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class SettingsError(BackendError):
    """A setting is unknown or has a value that is not allowed."""

    reason = "bad_setting"


class ImageError(BackendError):
    """One image could not be fetched or decoded; the rest of the batch goes on.

    `status` is the HTTP status where a host's answer was the reason.
    """

    reason = "image_unreadable"

    def __init__(self, message: str, *, reason: str | None = None, status: int | None = None) -> None:
        super().__init__(message, reason=reason)
        self.status = status


class WeightsError(BackendError):
    """Backbone weights are missing, damaged, or of another architecture."""

    reason = "weights"


class QuantisationError(WeightsError):
    """A backbone cannot be had in int8 here, or not without harm to its embeddings."""

    reason = "quantisation"


class LabelConfigError(BackendError):
    """The label config has nothing this backend can label, or is not valid XML."""

    reason = "label_config"


class WordNetError(BackendError):
    """The WordNet corpus is missing and could not be fetched."""

    reason = "wordnet"


class LabelStudioError(BackendError):
    """Label Studio refused a call, or could not be reached."""

    reason = "label_studio"


class AnotherProjectError(BackendError):
    """Label Studio has another project under the number of one that is known here."""

    reason = "another_project"


class BusyError(BackendError):
    """Too much of one kind is asked for at once; a little later it is taken."""

    reason = "busy"


class JobCancelledError(Exception):
    """A person wants the running job to stop. Not a `BackendError`: whoever goes on after one must not go on after this."""


class NotFoundError(BackendError):
    """The project, task, job or model version that was asked for does not exist."""

    reason = "not_found"


def suggestion(name: str, known: Iterable[str], *, count: int = 1, most: int = 100) -> str:
    """The end of a sentence about an unknown name: what it may have meant, else what there is.

    Args:
        count: how many near names are offered.
        most: how many known names are listed where none is near.
    """
    names = list(known)
    by_folded = {item.casefold(): item for item in names}
    close = [by_folded[item] for item in difflib.get_close_matches(name.casefold(), by_folded, n=count)]
    if close:
        return f", did you mean {' or '.join(close)}?"
    return f"; known: {', '.join(names[:most])}{', …' if len(names) > most else ''}"
