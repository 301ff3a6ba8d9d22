"""What storing predictions costs Label Studio: `python -m benchmarks.prediction_costs [--tasks 1000 15000 60000]`.

Starts a real Label Studio on PostgreSQL with a project of each size, and stores predictions by imports and by a call each.
Printed are the medians of processor time that Label Studio took and of seconds on the clock, and for how many tasks of
the project an import costs as much as one call: `TASKS_PER_CALL` of `backend.sync.storing`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from backend.sync.client import LabelStudioClient
from benchmarks.team_servers import (
    add_programs,
    parse_with_programs,
    process_with,
    processor_seconds,
    start_label_studio,
)

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="what" toName="image"><Choice value="cat"/><Choice value="dog"/></Choices></View>"""
RESULT = [{"from_name": "what", "to_name": "image", "type": "choices", "value": {"choices": ["cat"]}}]
TOGETHER = (1, 10, 50)
CHUNK = 5000


def timed(server: psutil.Process, call: Callable[[], object]) -> tuple[float, float]:
    """Processor seconds of Label Studio and seconds of the clock that a call takes."""
    before, begun = processor_seconds(server), time.perf_counter()
    call()
    return processor_seconds(server) - before, time.perf_counter() - begun


def measure(
    client: LabelStudioClient, server: psutil.Process, tasks: int, repeats: int
) -> dict[str, tuple[float, float]]:
    """Of each way its median (processor, clock) in a new project of so many tasks."""
    project = int(client.create_project(title=f"{tasks} tasks", label_config=CONFIG)["id"])
    for start in range(0, tasks, CHUNK):
        numbers = range(start, min(tasks, start + CHUNK))
        client.import_tasks(project, [{"data": {"image": f"http://photos.invalid/{number}.jpg"}} for number in numbers])
    found = client.iter_tasks(project, page_size=max(TOGETHER) * (repeats + 1), fields="ids")
    ids = [next(found)["id"] for _ in range(max(TOGETHER) * repeats + 30)]

    def prediction(task: int) -> dict[str, Any]:
        return {"task": task, "result": RESULT, "score": 0.3, "model_version": "model"}

    costs = {}
    for count in TOGETHER:
        batches = [[prediction(task) for task in ids[k * count : (k + 1) * count]] for k in range(repeats)]
        spent = [timed(server, lambda batch=batch: client.import_predictions(project, batch)) for batch in batches]
        costs[f"import of {count}"] = tuple(np.median(spent, axis=0))
    # The clock of a process counts in hundredths of a second: the mean says more than the median of single calls.
    spent = [timed(server, lambda task=task: client.store_prediction(prediction(task))) for task in ids[-30:]]
    costs["one call"] = tuple(np.mean(spent, axis=0))
    return costs


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, nargs="+", default=[1000, 15000, 60000])
    parser.add_argument("--repeats", type=int, default=4)
    add_programs(parser)
    options = parse_with_programs(parser, arguments)
    imports, calls = [], []
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        label_studio = start_label_studio(stack, Path(folder), options.label_studio, options.postgresql)
        server = process_with(str(label_studio.port))
        for tasks in options.tasks:
            costs = measure(label_studio.client(), server, tasks, options.repeats)
            for name, (processor, clock) in costs.items():
                print(f"{tasks:8} tasks   {name:12}   processor {processor:6.3f} s   clock {clock:6.3f} s", flush=True)
            imports.append(costs["import of 1"][0])
            calls.append(costs["one call"][0])
    if len(options.tasks) > 1:
        slope = np.polyfit(options.tasks, imports, 1)[0]
        print(f"an import costs one call more for each {np.mean(calls) / slope:.0f} tasks of the project")
    return 0


if __name__ == "__main__":
    sys.exit(main())
