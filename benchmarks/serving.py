"""What the server costs: time to the first /health, memory of the web process, /predict of stored tasks, event to queue.

python -m benchmarks.serving [--tasks 200] [--backbone efficientnet_lite2] [--models-dir .state/models]

Prints medians, beside those of a Flask application that answers a constant on the same machine in the same run: what
is left over the constant answer is what the product costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image

from backend.demo.child_server import free_port
from benchmarks.servers import constant_server, idle, wait

CONFIG = """<View><Image name="photo" value="$photo"/><Choices name="what" toName="photo">
<Choice value="cat"/><Choice value="dog"/><Choice value="tennis"/><Choice value="golf"/></Choices></View>"""
PROJECT = {"id": 1, "title": "Benchmark", "label_config": CONFIG}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--backbone", default="efficientnet_lite2")
    parser.add_argument("--models-dir", type=Path, default=Path(".state/models"))
    parser.add_argument("--wordnet-dir", type=Path, default=Path(".state/wordnet"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tasks = make_photos(Path(folder), arguments.tasks)
        measure(Path(folder), tasks, arguments)


def make_photos(folder: Path, count: int) -> list[dict[str, Any]]:
    """`count` JPEGs of 500 px and the tasks that show them."""
    rng = np.random.default_rng(0)
    tasks = []
    for number in range(1, count + 1):
        coarse = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        path = folder / f"{number:05d}.jpg"
        Image.fromarray(coarse).resize((500, 500), Image.Resampling.BICUBIC).save(path, quality=90)
        tasks.append({"id": number, "project": 1, "data": {"photo": str(path)}})
    return tasks


def measure(folder: Path, tasks: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Start both servers, ask both, print."""
    environment = os.environ | {
        "STATE_DIR": str(folder / "state"),
        "WEIGHTS_DIR": str(arguments.models_dir.resolve()),
        "WORDNET_DIR": str(arguments.wordnet_dir.resolve()),
        "BACKBONE": arguments.backbone,
        "LOCAL_ROOTS": str(folder),
        "LOG_LEVEL": "WARNING",
    }
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    started = time.monotonic()
    serve = [sys.executable, "-m", "backend", "serve", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(serve, env=environment, start_new_session=True)
    with ExitStack() as stack:
        stack.callback(server.wait, 60)
        stack.callback(server.terminate)
        wait(lambda: requests.get(f"{url}/health", timeout=1).ok)
        print(f"start to /health             {time.monotonic() - started:8.2f} s")
        plain = stack.enter_context(constant_server())
        event(url, {"action": "TASKS_CREATED", "project": PROJECT, "tasks": tasks})
        wait(lambda: version(url) != "", 600)
        wait(lambda: idle(url, 1), 600)
        report(
            "/health",
            lambda: requests.get(f"{url}/health", timeout=5),
            lambda: requests.get(f"{plain}/health", timeout=5),
        )
        for size in (1, 100):
            body = {"project": "1.1", "label_config": CONFIG, "tasks": tasks[:size]}
            report(
                f"/predict of {size} stored",
                lambda body=body: requests.post(f"{url}/predict", json=body, timeout=90),
                lambda body=body: requests.post(f"{plain}/predict", json=body, timeout=90),
            )
        waits = [annotation_to_queue(url, number) for number in range(1, 11)]
        print(
            f"annotation to new queue      {statistics.median(waits):8.3f} s  (pool of {len(tasks)}, median of {len(waits)})"
        )
        print(f"web process, resident        {web_memory(server.pid):8.0f} MB")


def report(name: str, ask: Callable[[], requests.Response], ask_plain: Callable[[], requests.Response]) -> None:
    """Ask both in turn, 40 times, after 5 rounds that do not count."""
    ours, plain = [], []
    for turn in range(45):
        for asked, times in ((ask, ours), (ask_plain, plain)):
            began = time.perf_counter()
            answer = asked()
            answer.raise_for_status()
            if turn >= 5:
                times.append(time.perf_counter() - began)
    one, other = 1000 * statistics.median(ours), 1000 * statistics.median(plain)
    print(f"{name:28} {one:8.1f} ms  (constant answer {other:.1f} ms, ratio {one / other:.1f})")


def annotation_to_queue(url: str, number: int) -> float:
    """Seconds from the webhook of an annotation of the first in the queue to the window that knows it."""
    before = version(url)
    first = requests.get(f"{url}/projects/1/queue?limit=1", timeout=30).json()["queue"][0]["task"]
    task = {"id": first}
    result = [{"from_name": "what", "to_name": "photo", "type": "choices", "value": {"choices": ["cat"]}}]
    annotation = {"id": number, "task": task["id"], "result": result, "updated_at": "2026-01-01T00:00:00Z"}
    began = time.perf_counter()
    event(url, {"action": "ANNOTATION_CREATED", "project": PROJECT, "task": task, "annotation": annotation})
    wait(lambda: version(url) != before, pause=0.02)
    took = time.perf_counter() - began
    wait(lambda: idle(url, 1), 600)
    return took


def event(url: str, body: dict[str, Any]) -> None:
    requests.post(f"{url}/webhook", json=body, timeout=30).raise_for_status()


def version(url: str) -> str:
    return str(requests.get(f"{url}/projects/1", timeout=30).json()["published_version"])


def web_memory(supervisor: int) -> float:
    """Resident megabytes of the process that answers: the biggest one below the `web` command."""
    listing = subprocess.run(["ps", "-eo", "pid,ppid,rss,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 3) for line in listing.splitlines()[1:]]
    masters = {row[0] for row in rows if row[1] == str(supervisor) and " web " in row[3]}
    return max(int(row[2]) for row in rows if row[1] in masters or row[0] in masters) / 1024


if __name__ == "__main__":
    main()
