"""Fetching photos: several at once, gently to each host, behind the guards of every image, and to be gone on with."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from backend.collecting.hosts import AWAY_AFTER, HostQueues
from backend.collecting.journal import Entry, Journal
from backend.collecting.kept import KeptPhotos
from backend.collecting.lists import ListedPhoto
from backend.collecting.options import Fetched, FetchOptions
from backend.collecting.pictures import kept_photo
from backend.decoding import Decode
from backend.errors import ImageError, SettingsError
from backend.folders.embedding import decoder_of
from backend.images import ImageFetcher, ImagePolicy, sha256_digest
from backend.progress import CountProgress
from backend.settings import Settings

SETTLED = frozenset(
    ("duplicate", "placeholder", "not_found", "unreadable", "bad_address", "unsupported_scheme", "forbidden_path")
)
"""What another try would not change; everything else is tried again by the next run."""
SILENT = frozenset(("unreachable", "timeout"))
TOO_MUCH = frozenset((429, 503))  # a host that is asked too much
TRIES = 3  # for such an address, in one run


def fetch_photos(
    wanted: Sequence[ListedPhoto], options: FetchOptions, settings: Settings, progress: CountProgress
) -> Fetched:
    """Fetch the photos of a list into class folders below `directory`; what is there already is not fetched again.

    Every address ends in the journal `fetched.csv` as soon as it is settled, so that a run that is broken off goes on.
    A photo that several addresses give is kept once. A host that does not answer three times in a row is left for the
    next run; one that says it is asked too much (429, 503) is asked more slowly.

    Args:
        progress: hears how many addresses are done, of how many.

    Raises:
        SettingsError: the folder cannot be written.
    """
    try:
        options.directory.mkdir(parents=True, exist_ok=True)
        journal = Journal(options.directory)
    except OSError as error:
        raise SettingsError(f"--directory {options.directory} cannot be written: {error.strerror or error}.") from None
    policy = ImagePolicy(
        allowed_hosts=settings.allowed_hosts,
        max_bytes=settings.max_image_bytes,
        timeout_seconds=settings.image_timeout_seconds,
    )
    decode = decoder_of(settings).decode
    with ImageFetcher(policy) as fetcher:
        run = _Run(options, journal, fetcher, decode, progress, len(wanted))
        run.go([item for item in wanted if not _is_settled(journal.get(item.url), options.directory)])
    journal.compact()
    return _summary(journal, wanted, run)


def _is_settled(entry: Entry | None, directory: Path) -> bool:
    if entry is None:
        return False
    return (directory / entry.file).is_file() if entry.file else entry.reason in SETTLED


def _summary(journal: Journal, wanted: Sequence[ListedPhoto], run: _Run) -> Fetched:
    found = Fetched(not_needed=run.not_needed)
    for item in wanted:
        entry = journal.get(item.url)
        if entry is None:
            continue
        found.kept += bool(entry.file)
        found.fetched += bool(entry.file) and entry.url in run.new
        found.duplicates += entry.reason == "duplicate"
        if entry.reason not in ("", "duplicate"):
            found.faults[entry.url] = (entry.reason, entry.message)
    return found


class _Run:
    """One run: this thread chooses, keeps and notes; others fetch and look."""

    def __init__(
        self,
        options: FetchOptions,
        journal: Journal,
        fetcher: ImageFetcher,
        decode: Decode,
        progress: CountProgress,
        total: int,
    ) -> None:
        self.new: set[str] = set()  # addresses whose photos this run fetched
        self._options = options
        self._journal = journal
        self._fetcher = fetcher
        self._decode = decode
        self._progress = progress
        self._total = total
        self._kept = KeptPhotos(options.directory, journal, decode if options.thumbnails else None)
        self._flying: Counter[str] = Counter()  # requests under way, by class
        self._spare: dict[str, deque[ListedPhoto]] = defaultdict(deque)  # addresses of classes that seem to have enough
        self._tries: Counter[str] = Counter()

    @property
    def not_needed(self) -> int:
        """Addresses that were never asked."""
        return sum(len(spare) for spare in self._spare.values())

    def go(self, wanted: Sequence[ListedPhoto]) -> None:
        self._kept.make_missing_thumbnails()
        self._done = self._total - len(wanted)
        queues = HostQueues(wanted, self._options.per_host, self._options.pause_seconds)
        flying: dict[Future[tuple[Entry, bytes, ImageError | None]], ListedPhoto] = {}
        threads = ThreadPoolExecutor(self._options.concurrent, thread_name_prefix="fetch")
        try:
            while True:
                self._progress(self._done + self.not_needed, self._total)
                while len(flying) < self._options.concurrent:
                    item = queues.take(time.monotonic(), self._wants)
                    if item is None:
                        break
                    flying[threads.submit(self._one, item)] = item
                next_at = queues.next_at() if len(flying) < self._options.concurrent else None
                if not flying and next_at is None:
                    return
                pause = None if next_at is None else max(0.0, next_at - time.monotonic())
                if not flying:
                    time.sleep(pause or 0.0)
                    continue
                for future in wait(flying, timeout=pause, return_when=FIRST_COMPLETED).done:
                    self._take(queues, flying.pop(future), *future.result())
        finally:
            # Broken off: what was not begun is left for the next run, what is under way ends with its own time limit.
            threads.shutdown(wait=True, cancel_futures=True)

    def _wants(self, item: ListedPhoto) -> bool:
        """Whether the class of an address may still need it; if not it is put aside."""
        most = self._options.per_class
        if most is None or self._kept.count(item.label) + self._flying[item.label] < most:
            self._flying[item.label] += 1
            return True
        self._spare[item.label].append(item)
        return False

    def _one(self, item: ListedPhoto) -> tuple[Entry, bytes, ImageError | None]:
        """Fetch and look at one photo, on a thread."""
        try:
            data = self._fetcher.fetch(item.url)
            digest = sha256_digest(data)
            if self._kept.is_known(digest):
                return Entry(item.url, item.label, digest=digest), b"", None
            kept, ending = kept_photo(self._decode, data, self._options.size)
        except ImageError as error:
            return Entry(item.url, item.label, reason=error.reason, message=str(error)), b"", error
        return Entry(item.url, item.label, ending, digest), kept, None

    def _take(self, queues: HostQueues, item: ListedPhoto, entry: Entry, data: bytes, error: ImageError | None) -> None:
        self._flying[item.label] -= 1
        self._tries[item.url] += 1
        too_much = error is not None and error.status in TOO_MUCH
        again = too_much and self._tries[item.url] < TRIES
        given_up = queues.answered(item, failed=None if again else too_much or entry.reason in SILENT)
        if again:
            pause = self._options.backoff_seconds * 2 ** (self._tries[item.url] - 1)
            queues.slow_down(item, time.monotonic(), pause)
            queues.add(item)
            return
        try:
            settled = self._kept.add(entry, data)
        except OSError as fault:
            raise SettingsError(
                f"--directory {self._options.directory} cannot be written: {fault.strerror or fault}."
            ) from None
        for other in settled:
            self._journal.add(other)
        self._done += 1
        if settled[-1].file:
            self.new.add(item.url)
        for left in given_up:
            text = f"not asked: its host failed {AWAY_AFTER} times in a row; the next run asks again"
            self._journal.add(Entry(left.url, left.label, reason="unreachable", message=text))
        self._done += len(given_up)
        # An address that gave nothing makes room for one that was put aside.
        for other in settled:
            if not other.file and self._spare[other.label]:
                queues.add(self._spare[other.label].popleft())
