"""The memory of a running backend over time, for each of its processes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import psutil

SAMPLE_SECONDS = 2.0
HOUR = 3600.0
MINUTE = 60.0
WARM_UP = 120.0  # seconds: until then a process opens what it goes on using


@dataclass
class Memory:
    """Samples of one process with what it started: seconds since the first look, and resident MB."""

    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    @property
    def slope(self) -> float:
        """MB an hour by least squares over all samples; NaN with fewer than two."""
        return slope(self.seconds, self.megabytes) * HOUR

    @property
    def late_slope(self) -> float:
        """MB a minute by least squares over what comes after `WARM_UP`; NaN with fewer than two samples."""
        late = [at for at, seconds in enumerate(self.seconds) if seconds >= WARM_UP]
        return slope([self.seconds[at] for at in late], [self.megabytes[at] for at in late]) * MINUTE


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of the line that fits best by least squares; NaN where x has fewer than two different values."""
    if len(set(x)) < 2:
        return float("nan")
    return float(np.polyfit(x, y, 1)[0])


@contextlib.contextmanager
def watched(serve: psutil.Process) -> Iterator[dict[str, Memory]]:
    """The memory of the processes that `serve` runs, sampled as long as the block lasts, by their names:
    `web`, `worker quick`, `worker long`. One that is started again goes on under its name."""
    found: dict[str, Memory] = {}
    begun, ended = time.monotonic(), threading.Event()

    def look() -> None:
        for process in serve.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                name = _name(process.cmdline())
                family = [process, *process.children(recursive=True)]
                megabytes = sum(one.memory_info().rss for one in family) / 2**20
                memory = found.setdefault(name, Memory())
                memory.seconds.append(time.monotonic() - begun)
                memory.megabytes.append(megabytes)

    def watch() -> None:
        look()
        while not ended.wait(SAMPLE_SECONDS):
            look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        ended.set()
        watcher.join()


def _name(command: Sequence[str]) -> str:
    """What a process of the backend is, from `python -m backend web …` or `python -m backend worker --lane quick …`."""
    words = list(command[command.index("backend") + 1 :]) if "backend" in command else list(command[:1])
    return " ".join([words[0], *(words[words.index("--lane") + 1 :][:1] if "--lane" in words else [])])
