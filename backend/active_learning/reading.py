"""From the folders of a loop to pictures with embeddings and beliefs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.active_learning.environment import UNANSWERED
from backend.active_learning.items import Collected, Item, collect
from backend.active_learning.loop_options import FOLDERS, LoopListener, LoopOptions
from backend.errors import NotFoundError
from backend.features import Backbone
from backend.folders.embedding import photos_below
from backend.labels import WordNet, ensure_wordnet
from backend.retraining.class_folders import ClassFolders, read_class_folders
from backend.settings import Settings
from backend.simulation.photos import Hierarchy, Photos, label_space, with_zero_shot
from backend.storage.feature_store import FeatureStore


@dataclass(frozen=True)
class PictureSet:
    """Pictures read for the loop; `labels` [n] where their folders tell."""

    items: list[Item]
    photos: Photos
    labels: NDArray[np.intp]
    empty: list[str]


class Reading:
    """From folders to embeddings with beliefs."""

    def __init__(
        self, backbone: Backbone, store: FeatureStore, settings: Settings, classes: Sequence[str], listen: LoopListener
    ) -> None:
        ensure_wordnet(settings.resolved_wordnet_dir)
        self._space = label_space(classes, WordNet.open(settings.resolved_wordnet_dir), distractors=False)
        self._backbone = backbone
        self._store = store
        self._settings = settings
        self._classes = classes
        self._listen = listen
        self.hierarchy = Hierarchy(self._space.tree.membership, self._space.tree.nodes)

    def unlabelled(
        self, root: Path, detections: dict[str, list[tuple[float, float, float, float]]] | None
    ) -> PictureSet:
        """The pictures to label: whole photos, or the crops that the detections mark."""
        paths = photos_below(root, "--unlabelled")
        collected = self._collect(root, paths, "Photos to label", detections)
        if detections is not None:
            text = f"{len(collected.items)} crops of {len(paths)} photos; {len(collected.empty)} photos are empty"
            self._listen.say(text)
        return self._set(collected, np.full(len(collected.items), UNANSWERED, dtype=np.intp), root)

    def labelled(self, root: Path | None, folders: ClassFolders | None, option: str) -> PictureSet | None:
        """The pictures whose folders tell their class; None where no folder was given."""
        if root is None or folders is None:
            return None
        for warning in folders.warnings:
            self._listen.say(f"warning: {warning}")
        number = {name: place for place, name in enumerate(self._classes)}
        label_of = dict(zip(folders.paths, folders.labels, strict=True))
        paths = [path for path in folders.paths if folders.classes[label_of[path]] in number]
        collected = self._collect(root, paths, f"Photos for {option}")
        labels = np.array([number[folders.classes[label_of[item.path]]] for item in collected.items], dtype=np.intp)
        return self._set(collected, labels, root)

    def _collect(
        self,
        root: Path,
        paths: Sequence[Path],
        title: str,
        detections: dict[str, list[tuple[float, float, float, float]]] | None = None,
    ) -> Collected:
        progress = partial(self._listen.embedding, title)
        return collect(root, paths, self._backbone, self._store, self._settings, progress, detections=detections)

    def _set(self, collected: Collected, labels: NDArray[np.intp], root: Path) -> PictureSet:
        for path, error in collected.unreadable:
            self._listen.say(f"left out: {path}: {error}")
        if not collected.items:
            raise NotFoundError(f"{root}: no picture to work with: none could be read, or no detection is sure enough.")
        digests = tuple(item.digest for item in collected.items)
        photos = Photos(collected.embeddings, labels, digests)
        return PictureSet(
            collected.items, with_zero_shot(photos, self._backbone, self._space, ()), labels, collected.empty
        )


def classes_of(options: LoopOptions, folders: dict[str, ClassFolders]) -> tuple[str, ...]:
    """The classes: those given, those of the folders with known answers."""
    if options.classes:
        return options.classes
    found = {name for item in folders.values() for name in item.classes}
    if options.answers == FOLDERS:
        found |= set(read_class_folders(options.unlabelled, "--unlabelled").classes)
    if len(found) < 2:
        raise NotFoundError(
            "The classes are not known: name them with --labels a,b,c, or give class folders to --train or --validation."
        )
    return tuple(sorted(found))
