"""Label configs and label spaces, kept: a long config takes a while to read, and a space to look up in WordNet."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from backend.labels import LabelConfig, LabelSpace, WordNet, parse_label_config


@dataclass(frozen=True)
class ProjectLabels:
    """The label config of a project and the space of each of its controls.

    Attributes:
        key: changes whenever a label, its order or its synsets change.
        config: the controls that classify images.
        spaces: one for each control of `config` that has labels, in its order.
    """

    key: str
    config: LabelConfig
    spaces: tuple[LabelSpace, ...]


class LabelsCache:
    """Label configs by their text, label spaces by their key."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self.parse: Callable[[str], LabelConfig] = lru_cache(limit)(parse_label_config)
        self._known: dict[str, ProjectLabels] = {}
        self._building: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()  # held for a moment only: building happens under the lock of its own config

    def get(self, config: LabelConfig, wordnet: Callable[[], WordNet]) -> ProjectLabels:
        """The spaces of a config; `wordnet` is opened only if they have to be built.

        Whoever asks for a config that is being built waits for it, once; those who ask for others do not.
        """
        key = labels_key(config)
        with self._lock:
            if key in self._known:
                return self._known[key]
            building = self._building.setdefault(key, threading.Lock())
        try:
            with building:
                with self._lock:
                    if key in self._known:
                        return self._known[key]
                spaces = tuple(LabelSpace(control, wordnet()) for control in config.controls if control.labels)
                for space in spaces:
                    space.prepare()
                built = ProjectLabels(key, config, spaces)
                with self._lock:
                    if len(self._known) >= self._limit:
                        self._known.pop(next(iter(self._known)))
                    self._known[key] = built
                return built
        finally:
            with self._lock:
                self._building.pop(key, None)


def labels_key(config: LabelConfig) -> str:
    """A short digest of the controls and labels of a config."""
    content = [
        [
            control.from_name,
            control.to_name,
            control.kind,
            control.multiple,
            [[label.value, *label.path, *label.synsets, list(label.branch)] for label in control.labels],
        ]
        for control in config.controls
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
