"""A whole simulation: from folders of photos to curves and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from backend.backbones import open_settings_backbone
from backend.decoding import Decoder
from backend.labels import WordNet, ensure_wordnet
from backend.priority import OrderOptions, check_strategy
from backend.progress import Progress, silent
from backend.settings import Settings
from backend.simulation.engine import RANDOM_HEAD, Run, Setting, play
from backend.simulation.photos import (
    Hierarchy,
    Photos,
    class_folders,
    embed_folder,
    label_space,
    readable,
    split_by_class,
    with_zero_shot,
)
from backend.simulation.report import Summary, summarise, write_curves
from backend.storage.database import Database
from backend.storage.feature_store import FeatureStore
from backend.storage.opening import make_state_folder

DEFAULT_EVALUATION_SHARE = 0.1


@dataclass(frozen=True)
class Simulation:
    """What a simulation found."""

    runs: list[Run]
    summaries: list[Summary]
    pool_size: int
    test_size: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class _Loaded:
    classes: tuple[str, ...]
    pool: Photos
    test: Photos | None
    hierarchy: Hierarchy


def run(
    image_dir: Path,
    out_dir: Path,
    settings: Settings,
    *,
    test_dir: Path | None = None,
    strategies: Sequence[str] = ("default",),
    budget: int = 1000,
    seeds: int = 3,
    batch: int = 10,
    evaluation_share: float | None = None,
    distractors: Path | None = None,
    relevance: Sequence[str] = (),
    progress: Progress = silent,
) -> Simulation:
    """Play the annotator over a folder of class folders and write curve.json, curve.png and curve.html.

    Args:
        image_dir: one folder for each class.
        out_dir: where the curves go; made if missing.
        settings: backbone, folders and weights; embeddings are kept in STATE_DIR, so a second run is quick.
        test_dir: class folders to measure on; None: a random half of each class, another for each seed.
        strategies: names; the baseline `random+head` is always played as well.
        budget: most labels.
        seeds: how often each strategy is played.
        batch: labels between two re-rankings.
        evaluation_share: share of the pool labelled for evaluation only; None: 0 with a test set of its own, so that
            every label counts, else what the server uses, 0.1.
        distractors: folder of photos that do not belong; all of them are mixed into the pool.
        relevance: roots of what is relevant (synsets, topic domains).
        progress: hears what is being done.

    Raises:
        SettingsError: a strategy is not known, or a number is out of range.
        NotFoundError: a folder is missing or holds no class folders or photos.
        WeightsError, WordNetError: the set-up is not complete and could not be completed.
    """
    names = tuple(dict.fromkeys([*strategies, RANDOM_HEAD]))
    share = evaluation_share if evaluation_share is not None else (0.0 if test_dir else DEFAULT_EVALUATION_SHARE)
    for name in names:
        if name != RANDOM_HEAD:
            check_strategy(OrderOptions(strategy=name, window=batch, evaluation_share=share))
    loaded = _load(image_dir, test_dir, distractors, relevance, settings, progress)
    runs = play_all(
        loaded.pool,
        loaded.test,
        loaded.classes,
        names,
        hierarchy=loaded.hierarchy,
        budget=budget,
        seeds=seeds,
        batch=batch,
        evaluation_share=share,
        progress=progress,
    )
    write_curves(runs, out_dir, f"{len(loaded.classes)} classes, {image_dir.name}")
    test_size = len(loaded.test) if loaded.test is not None else len(split_by_class(loaded.pool, 0)[1])
    pool_size = len(loaded.pool) if loaded.test is not None else len(loaded.pool) - test_size
    return Simulation(runs, summarise(runs), pool_size, test_size, loaded.classes)


def play_all(
    pool: Photos,
    test: Photos | None,
    classes: Sequence[str],
    strategies: Sequence[str],
    *,
    hierarchy: Hierarchy | None = None,
    budget: int = 1000,
    seeds: int = 3,
    batch: int = 10,
    evaluation_share: float = 0.0,
    progress: Progress = silent,
) -> list[Run]:
    """Play every strategy with every seed on embedded photos; without `test` each seed splits the pool in halves."""
    runs = []
    for strategy in strategies:
        for seed in range(seeds):
            ours, theirs = split_by_class(pool, seed) if test is None else (pool, test)
            setting = Setting(ours, theirs, tuple(classes), hierarchy or Hierarchy(), budget, batch, evaluation_share)
            name = f"{strategy}, seed {seed}"
            runs.append(play(setting, strategy, seed, partial(_tell, progress, name)))
    return runs


def _load(
    image_dir: Path,
    test_dir: Path | None,
    distractors: Path | None,
    relevance: Sequence[str],
    settings: Settings,
    progress: Progress,
) -> _Loaded:
    folders = class_folders(image_dir)
    wordnet_dir = settings.resolved_wordnet_dir
    make_state_folder(settings)
    ensure_wordnet(wordnet_dir)
    space = label_space(folders, WordNet.open(wordnet_dir), distractors=distractors is not None)
    backbone = open_settings_backbone(settings)
    database = Database(settings.resolved_database_url)
    try:
        database.migrate()
        store = FeatureStore(database.engine)
        decoder = Decoder(max_pixels=settings.max_image_pixels, memory_mb=settings.image_memory_mb)

        def photos_of(directory: Path, classes: Sequence[str] | None) -> Photos:
            def tell(done: int, total: int) -> None:
                progress(done / max(total, 1), f"embedding {directory.name}")

            return embed_folder(directory, classes, backbone, store, tell, decoder.decode)

        pool = photos_of(image_dir, folders)
        test = photos_of(test_dir, folders) if test_dir is not None else None
        if distractors is not None:
            pool = pool.and_also(photos_of(distractors, None))
        pool = with_zero_shot(pool, backbone, space, relevance)
        test = None if test is None else with_zero_shot(test, backbone, space, relevance)
    finally:
        database.close()
    tree = space.tree
    return _Loaded(readable(folders), pool, test, Hierarchy(tree.membership, tree.nodes))


def _tell(progress: Progress, name: str, share: float) -> None:
    progress(share, name)
