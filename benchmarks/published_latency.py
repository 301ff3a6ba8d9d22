"""From an annotation in Label Studio to its new queue there: `python -m benchmarks.published_latency [--tasks 15000]`.

Starts a real Label Studio on PostgreSQL with a project of that many tasks, and the backend on a database of its own where
the embeddings of these photos are stored already (made up, as in `benchmarks.latency`). Then, one at a time, submits an
annotation of the first task of the queue and asks the backend until a new order without that task is published. Printed:
median and worst of that time, the seconds of Label Studio's processor for each annotation, and the same of an annotation
in a project without the backend.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.demo.backend_process import BackendProcess
from backend.demo.child_server import free_port
from backend.settings import Settings
from backend.sync.client import LabelStudioClient
from backend.sync.connect import connect_project
from benchmarks.latency import PROJECT, add_filling, address, fill, label_config, label_names, queue
from benchmarks.servers import idle, wait
from benchmarks.team_servers import (
    TOKEN,
    add_programs,
    parse_with_programs,
    process_with,
    processor_seconds,
    start_label_studio,
)

CHUNK = 5000
NEWS_SECONDS = 100  # the tasks have just been imported: polls read all of them until they are no news any more


@dataclass(frozen=True)
class Published:
    """Seconds of each annotation: until its new queue was published, of Label Studio's processor with that and alone."""

    queue: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


def add_project(client: LabelStudioClient, config: str, tasks: int) -> tuple[int, int]:
    """A project of so many tasks; its id and that of its first task."""
    project = int(client.create_project(title=f"{tasks} tasks", label_config=config)["id"])
    for start in range(0, tasks, CHUNK):
        rows = range(start, min(tasks, start + CHUNK))
        client.import_tasks(project, [{"data": {"image": address(row)}} for row in rows])
    return project, int(next(client.iter_tasks(project, page_size=1, fields="ids"))["id"])


def answer(label: str) -> list[dict[str, Any]]:
    return [{"from_name": "what", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]


def measure(stack: ExitStack, folder: Path, options: argparse.Namespace) -> Published:
    """Fill both databases, connect the project, annotate."""
    names = label_names(options.labels)
    label_studio = start_label_studio(stack, folder, options.label_studio, options.postgresql)
    client, server = label_studio.client(), process_with(str(label_studio.port))
    project, first = add_project(client, label_config(names), options.tasks)
    if project != PROJECT:
        raise SystemExit(f"the first project of a new Label Studio is {project}, not {PROJECT}")
    _, other = add_project(client, label_config(names), options.annotations)
    found = Published()

    def submit(task: int, label: str) -> None:
        client.annotate(task, answer(label))

    for number in range(options.annotations):
        before = processor_seconds(server)
        submit(other + number, names[0])
        found.alone.append(processor_seconds(server) - before)

    weights = {"weights_dir": options.models_dir.resolve(), "wordnet_dir": options.wordnet_dir.resolve()}
    settings = Settings(_env_file=None, state_dir=folder / "state", backbone=options.backbone, **weights)
    truth = fill(settings, options.tasks, names, options.seed, first=first)
    serving = {
        "WEIGHTS_DIR": str(options.models_dir.resolve()),
        "WORDNET_DIR": str(options.wordnet_dir.resolve()),
        "BACKBONE": options.backbone,
        "LABEL_STUDIO_URL": label_studio.url,
        "LABEL_STUDIO_API_KEY": TOKEN,
        "STATE_DIR": str(settings.state_dir),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
    }
    backend = stack.enter_context(BackendProcess(folder, serving))
    connect_project(client, project, backend.url)
    wait(lambda: bool(queue(backend.url)["queue"]), 1200)
    time.sleep(NEWS_SECONDS)
    wait(lambda: idle(backend.url, PROJECT), 1200)
    for _ in range(options.annotations):
        task = int(queue(backend.url)["queue"][0]["task"])

        def knows(task: int = task) -> bool:
            return all(item["task"] != task for item in queue(backend.url)["queue"])

        before, begun = processor_seconds(server), time.perf_counter()
        submit(task, names[truth[task - first]])
        wait(knows, 300, pause=0.02)
        found.queue.append(time.perf_counter() - begun)
        wait(lambda: idle(backend.url, PROJECT), 600)
        found.processor.append(processor_seconds(server) - before)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_filling(parser, tasks=15_000)
    add_programs(parser)
    options = parse_with_programs(parser, arguments)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        found = measure(stack, Path(folder), options)
    print(
        f"{options.tasks:,} tasks, {len(found.queue)} annotations: to the new queue in Label Studio median "
        f"{statistics.median(found.queue):.2f} s, worst {max(found.queue):.2f} s; Label Studio's processor "
        f"{np.mean(found.processor):.2f} s for each, {np.mean(found.alone):.2f} s without the backend"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
