"""Fifty people label at once: `python -m benchmarks.annotators [--annotators 50] [--minutes 10]`.

Starts a real Label Studio on PostgreSQL, and gives it a project with sample photos. Annotators, run by locust, each with a
user of their own, ask for the next task and for that task with its predictions, look at it for a drawn time (exponential),
and submit the true label with the prediction that they were shown. First in Label Studio alone, with its own sampling;
then in a second project with the backend connected, on a PostgreSQL of its own and with its default options.

Printed for both: how long the next task took (both calls together), errors, tasks that came without a suggestion, and Label
Studio's processor time for each annotation, which other programs on the machine hardly change; then the ratios, and how the
memory of the backend's processes grew.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np

from backend.demo.label_studio_process import import_images
from backend.demo.sample_photos import write_sample_photos
from backend.sync.connect import BACKEND_TITLE, connect_project
from benchmarks.memory import WARM_UP, Memory, watched
from benchmarks.servers import idle, wait
from benchmarks.team import CONFIG, Plan, Work, run_locust
from benchmarks.team_servers import (
    TOKEN,
    add_programs,
    make_people,
    parse_with_programs,
    process_with,
    processor_seconds,
    start_backend,
    start_label_studio,
)

SPARE = 1.3  # photos for each annotation that is expected


def measure(
    folder: Path, options: argparse.Namespace, tell: Callable[[str], None]
) -> tuple[Work, Work, dict[str, Memory]]:
    """The work in Label Studio alone, that with the backend connected, and the memory of the backend's processes."""
    seconds = 60 * options.minutes
    count = options.photos or int(SPARE * options.annotators * (seconds / options.pause + 1))
    with ExitStack() as stack:
        label_studio = start_label_studio(stack, folder, options.label_studio, options.postgresql)
        client, tokens = label_studio.client(), make_people(label_studio, options.annotators)
        photos = write_sample_photos(folder / "photos", count, seed=options.seed)

        def project(title: str) -> int:
            made = int(client.create_project(title=title, label_config=CONFIG)["id"])
            import_images(label_studio, made, photos)
            return made

        def work(number: int) -> Work:
            tell(f"{options.annotators} annotators, {options.minutes:g} minutes; load {os.getloadavg()[0]:.1f}")
            server = process_with(str(label_studio.port))
            before, begun = processor_seconds(server), time.monotonic()
            plan = Plan(number, tokens, options.pause, options.seed)
            visits = run_locust(label_studio.url, plan, annotators=options.annotators, seconds=seconds, folder=folder)
            return Work.of(visits, processor_seconds(server) - before, time.monotonic() - begun)

        alone = work(project("Alone"))
        settings = {
            "LABEL_STUDIO_URL": label_studio.url,
            "LABEL_STUDIO_API_KEY": TOKEN,
            "WEIGHTS_DIR": str(options.models_dir.resolve()),
            "WORDNET_DIR": str(options.wordnet_dir.resolve()),
            "BACKBONE": options.backbone,
            "WINDOW_SIZE": str(options.window_size),
        }
        backend = start_backend(stack, folder, options.postgresql, settings)
        connected = project("Connected")
        connect_project(client, connected, backend.url)
        tell(f"the backend embeds {count} photos")
        wait(lambda: client.project(connected)["model_version"] not in ("", None, BACKEND_TITLE), 3600, pause=2)
        wait(lambda: idle(backend.url, connected), 3600, pause=2)
        with watched(process_with("serve")) as memory:
            return alone, work(connected), memory


def table(alone: Work, connected: Work, memory: dict[str, Memory]) -> str:
    """The figures, as the module says."""
    lines = []
    for name, work in (("Label Studio alone", alone), ("with the backend", connected)):
        lines.append(
            f"{name:20} next task p50 {1000 * work.percentile(50):7.0f} ms   p95 {1000 * work.percentile(95):7.0f} ms"
            f"   {len(work.annotation)} annotations (p95 {1000 * float(np.percentile(work.annotation, 95)):.0f} ms)"
            f"   {len(work.errors)} errors   {work.bare} tasks without a suggestion"
            f"   Label Studio's processor {1000 * work.cost:.0f} ms for each, {work.processor / work.elapsed:.2f} cores"
        )
        lines += [f"  {work.errors.count(error):5} x {error}" for error in sorted(set(work.errors))]
    ratios = [f"p{percent} {connected.percentile(percent) / alone.percentile(percent):.2f}" for percent in (50, 95)]
    lines.append(f"with / alone: {', '.join(ratios)}, processor for each annotation {connected.cost / alone.cost:.2f}")
    for name, samples in sorted(memory.items()):
        first, last = samples.megabytes[0], samples.megabytes[-1]
        lines.append(
            f"{name:20} {first:7.0f} to {last:7.0f} MB   slope {samples.slope:+8.0f} MB/hour"
            f"   after {WARM_UP:.0f} s {samples.late_slope:+.2f} MB/minute"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10, help="of work, alone and again with the backend")
    parser.add_argument("--pause", type=float, default=8, help="mean seconds that a photo is looked at")
    parser.add_argument(
        "--photos", type=int, default=0, help="of each project; 0: a third more than are likely annotated"
    )
    parser.add_argument("--window-size", type=int, default=50, help="WINDOW_SIZE of the backend")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backbone", default="auto")
    parser.add_argument("--models-dir", type=Path, default=Path(".state/models"))
    parser.add_argument("--wordnet-dir", type=Path, default=Path(".state/wordnet"))
    add_programs(parser)
    parser.add_argument("--output", type=Path, help="write the figures here as JSON")
    options = parse_with_programs(parser, arguments)
    with tempfile.TemporaryDirectory() as folder:
        alone, connected, memory = measure(Path(folder), options, lambda line: print(line, file=sys.stderr))
    print(table(alone, connected, memory))
    if options.output:
        figures = {"alone": asdict(alone), "connected": asdict(connected)}
        figures["memory"] = {name: asdict(samples) for name, samples in memory.items()}
        options.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
