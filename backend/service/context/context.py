"""What a process needs to work: database, features, backbone, WordNet, Label Studio; each opened when first used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from backend.decoding import Decoder
from backend.features import Backbone
from backend.images import ImageFetcher, ImagePolicy
from backend.jobs.queue import JobQueue
from backend.labels import WordNet, ensure_wordnet
from backend.service.context.backbones import Backbones
from backend.service.context.label_cache import LabelsCache
from backend.service.context.members import Members
from backend.service.context.opened_files import OpenedFiles
from backend.settings import Settings
from backend.storage.database import Database
from backend.storage.feature_store import FeatureStore
from backend.sync.client import LabelStudioClient


class Runtime:
    """The resources of one process. Opening is lazy and happens once, whichever thread asks first.

    Args:
        durable: the same database, for what must survive the loss of power once it is answered; None: `database`.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        jobs: JobQueue,
        *,
        low_latency: bool = False,
        durable: Database | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.durable = durable or database
        self.jobs = jobs
        self.features = FeatureStore(database.engine)
        self.labels = LabelsCache()
        self.opened = OpenedFiles()
        self.members = Members(lambda: self.label_studio)
        self.decoder = Decoder(max_pixels=settings.max_image_pixels, memory_mb=settings.image_memory_mb)
        self._backbones = Backbones(settings, low_latency=low_latency)
        self._wordnet: WordNet | None = None
        self._label_studio: LabelStudioClient | None = None
        self._fetcher: ImageFetcher | None = None
        self._opening = threading.Lock()
        self._connecting = threading.RLock()  # the fetcher asks for the client

    @property
    def reports_folder(self) -> Path:
        """Where the processes tell of themselves."""
        return self.settings.state_dir / "processes"

    @property
    def backbone(self) -> Backbone:
        """The backbone that the settings name, compiled.

        Raises:
            WeightsError: its weights are missing or damaged.
        """
        return self._backbones.default

    def backbone_of(self, backbone_id: str) -> Backbone:
        """The backbone with this id, compiled; "" is that of the settings.

        Raises:
            WeightsError: its weights are gone, damaged, or no longer those that the id stands for.
        """
        return self._backbones.of(backbone_id)

    @property
    def backbone_id(self) -> str | None:
        """Id of the backbone if it is open; None while it is not. Never waits."""
        default = self._backbones.default_if_open
        return None if default is None else default.id

    @property
    def wordnet_is_open(self) -> bool:
        """Whether the WordNet corpus is open. Never waits."""
        return self._wordnet is not None

    @property
    def wordnet(self) -> WordNet:
        """The WordNet corpus.

        Raises:
            WordNetError: it is missing and could not be fetched.
        """
        with self._opening:
            if self._wordnet is None:
                folder = self.settings.resolved_wordnet_dir
                ensure_wordnet(folder)
                self._wordnet = WordNet.open(folder)
            return self._wordnet

    @property
    def label_studio(self) -> LabelStudioClient | None:
        """The client of Label Studio; None where no address and token are set."""
        with self._connecting:
            if self._label_studio is None and self.settings.pushes:
                self._label_studio = LabelStudioClient(
                    self.settings.label_studio_url, self.settings.label_studio_api_key
                )
            return self._label_studio

    @property
    def fetcher(self) -> ImageFetcher:
        """Reads the bytes of image values, within the limits of the settings."""
        with self._connecting:
            if self._fetcher is None:
                self._fetcher = self._open_fetcher()
            return self._fetcher

    def _open_fetcher(self) -> ImageFetcher:
        settings = self.settings
        authorization: Callable[[], str] | None = None
        if self.label_studio is not None:
            authorization = self.label_studio.authorization
        return ImageFetcher(
            ImagePolicy(
                local_roots=tuple(settings.expanded_local_roots),
                allowed_hosts=settings.allowed_hosts,
                cloud_schemes=settings.cloud_schemes,
                max_bytes=settings.max_image_bytes,
                timeout_seconds=settings.image_timeout_seconds,
                label_studio_url=settings.label_studio_url,
                authorization=authorization,
            )
        )
