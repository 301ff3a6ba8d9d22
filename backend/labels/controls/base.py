"""What a control tag is, and how annotation results are written and read."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from backend.labels.controls.label import Label, StoredPath, build_labels, choices_from_data

logger = logging.getLogger(__name__)

ControlKind = str  # the name of the tag, in small letters


class ControlHandler(Protocol):
    """What differs from one control tag to the next. One implementation for each tag, listed in the registry."""

    kind: ControlKind
    result_key: str

    def is_multiple(self, attributes: Mapping[str, str]) -> bool:
        """Whether an annotator may give several labels to one image."""

    def stored(self, label: Label, nested: bool) -> str | list[str]:
        """The form in which Label Studio stores one label."""

    def value_of(self, path: StoredPath) -> str:
        """The unique value of a label with this path."""

    def keys(self, path: StoredPath) -> Iterator[StoredPath]:
        """The stored forms, as paths, under which a choice with this path may be found in a result."""


@dataclass(frozen=True)
class Control:
    """A control tag that classifies whole images.

    Leaves are labels. An inner choice is no label of its own: an annotation of it says "one of the leaves below",
    so `read` gives all of them and `targets` spreads over them.

    Attributes:
        data_key: key of the image in the task's data.
        multiple: several labels may hold for one image.
        dynamic_key: key of the task data that holds (more) choices; None if all are in the config.
        nested: Choices with `allowNested="true"`: results hold whole paths.
    """

    from_name: str
    to_name: str
    kind: ControlKind
    data_key: str
    multiple: bool
    labels: tuple[Label, ...]
    dynamic_key: str | None = None
    nested: bool = False

    @property
    def handler(self) -> ControlHandler:
        """The implementation for this kind of tag."""
        from backend.labels.controls import CONTROLS  # the registry imports the handlers, which import this module

        return CONTROLS[self.kind]

    def result(self, indices: Sequence[int], score: float) -> dict[str, Any]:
        """One result item of a Label Studio prediction (without an id).

        Args:
            indices: label indices; exactly one unless the control is multiple.
            score: class probability, [0, 1].

        Raises:
            ValueError: no or several labels for a single choice, an index out of range, or a score that is no
                probability.
        """
        if not self.multiple and len(indices) != 1:
            raise ValueError(f"<{self.kind} name={self.from_name!r}> takes exactly one label, got {len(indices)}")
        if any(not 0 <= index < len(self.labels) for index in indices):
            raise ValueError(f"label index out of range for {self.from_name!r}: {list(indices)}")
        if not (math.isfinite(score) and 0.0 <= score <= 1.0):
            raise ValueError(f"score must lie in [0, 1], got {score}")
        stored = [self.handler.stored(self.labels[index], self.nested) for index in indices]
        return {
            "from_name": self.from_name,
            "to_name": self.to_name,
            "type": self.kind,
            "value": {self.handler.result_key: stored},
            "score": float(score),
        }

    def read(self, result: Sequence[Mapping[str, Any]]) -> tuple[int, ...] | None:
        """The label indices that an annotation gives for this control, ascending.

        An inner choice gives all leaves below it. Labels that the config no longer has are left out and logged.

        Returns:
            None if the annotation says nothing of this control, or nothing that the config still knows.
        """
        groups = self._groups(result)
        if groups is None:
            return None
        return tuple(sorted({index for group in groups for index in group}))

    def targets(self, result: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.float32] | None:
        """The annotation as a training target.

        Returns:
            float32 [L], or None where `read` gives None. A leaf counts 1, an inner choice 1 spread evenly over the
            leaves below it. Single: the sum is 1 (several choices share it). Multiple: each label lies in [0, 1].
        """
        groups = self._groups(result)
        if groups is None:
            return None
        target: npt.NDArray[np.float32] = np.zeros(len(self.labels), dtype=np.float32)
        for group in groups:
            spread = np.zeros_like(target)
            spread[list(group)] = 1.0 / len(group)
            target = np.maximum(target, spread) if self.multiple else target + spread
        total = float(target.sum())
        return target if self.multiple or total == 0.0 else target / np.float32(total)

    def with_options(self, options: object) -> Control:
        """The control with the labels of a dynamic `value="$key"` added.

        Args:
            options: the task data under `dynamic_key`: a list of names, or of `{"value", "alias", "synset",
                "relevant", "children"}`. Labels that are known keep their index; new ones come after them.
        """
        found = build_labels(choices_from_data(options), self.handler.value_of)
        known = {label.value for label in self.labels}
        added = tuple(label for label in found if label.value not in known)
        return replace(self, labels=self.labels + added) if added else self

    def _groups(self, result: Sequence[Mapping[str, Any]]) -> list[tuple[int, ...]] | None:
        """For each choice in the annotation, the labels that it stands for; None if there is no such item."""
        items = [item for item in result if self._is_mine(item)]
        if not items:
            return None
        groups: list[tuple[int, ...]] = []
        unknown: list[StoredPath] = []
        for item in items:
            value = item.get("value")
            stored = value.get(self.handler.result_key) if isinstance(value, Mapping) else None
            for path in _stored_paths(stored):
                group = self._index.get(path)
                if group is None:
                    unknown.append(path)
                else:
                    groups.append(group)
        if unknown:
            names = ", ".join("/".join(path) for path in unknown[:5])
            logger.warning("control %s: ignored labels that the label config does not have: %s", self.from_name, names)
        return None if unknown and not groups else groups

    def _is_mine(self, item: Mapping[str, Any]) -> bool:
        return item.get("from_name") == self.from_name and item.get("to_name", self.to_name) == self.to_name

    @cached_property
    def _index(self) -> dict[StoredPath, tuple[int, ...]]:
        """Every stored form, of leaves and of inner choices, with the labels that it stands for."""
        exact: dict[StoredPath, list[int]] = {}
        inner: dict[StoredPath, list[int]] = {}
        shown: dict[StoredPath, list[int]] = {}
        for position, label in enumerate(self.labels):
            for key in self.handler.keys(label.path):
                exact.setdefault(key, []).append(position)
            for depth in range(1, len(label.path)):
                for key in self.handler.keys(label.path[:depth]):
                    inner.setdefault(key, []).append(position)
            for key in self.handler.keys((*label.branch, label.title)):
                shown.setdefault(key, []).append(position)
        # A leaf wins over an inner choice of the same name, and stored names over those only shown.
        merged = {**shown, **inner, **exact}
        return {key: tuple(dict.fromkeys(positions)) for key, positions in merged.items()}


def _stored_paths(stored: object) -> Iterator[StoredPath]:
    """The paths in the value of a result item: names count as paths of one."""
    if isinstance(stored, str):
        yield (stored,)
    elif isinstance(stored, Sequence):
        for entry in stored:
            if isinstance(entry, str):
                yield (entry,)
            elif isinstance(entry, Sequence) and entry and all(isinstance(name, str) for name in entry):
                yield tuple(entry)
