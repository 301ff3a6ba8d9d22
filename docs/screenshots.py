"""Takes the pictures in this folder from a demo that it starts: `make screenshots`.

python docs/screenshots.py [--images DIR] [--folder .demo] [--port 8080] [--backend-port 9090]
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backend.demo.demo_folder import DemoFolder  # noqa: E402
from docs.pictures import chromium_or_exit, shrink  # noqa: E402
from tests.chromium import WAIT_MS, label_studio_page  # noqa: E402

WIDTH, HEIGHT = 1440, 860


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--backend-port", type=int, default=9090)
    arguments = parser.parse_args()
    expect.set_options(timeout=WAIT_MS)  # a busy machine takes its time
    options = ["--folder", str(arguments.folder), "--port", str(arguments.port)]
    options += ["--backend-port", str(arguments.backend_port)]
    options += ["--images", str(arguments.images.resolve())] if arguments.images else []
    chromium = chromium_or_exit()
    with running_demo(options) as project_page:
        origin, login = project_page.split("/projects/")[0], DemoFolder(arguments.folder).login()
        with label_studio_page(chromium, origin, login.email, login.password, width=WIDTH, height=HEIGHT) as page:
            picture_of_data_manager(page, project_page)
            picture_of_labelling(page, project_page, surest_task(project_page, arguments.backend_port))


@contextmanager
def running_demo(options: list[str]) -> Iterator[str]:
    """A demo that shows its queue; gives the address of its project."""
    command = [sys.executable, "-m", "backend", "demo", *options]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        address = None
        for line in demo.stdout or ():
            print(line, end="")
            found = re.search(r"https?://\S+/projects/\d+/data", line)
            address = found.group(0) if found else address
            if line.startswith("Login:"):
                break
        if address is None:
            raise SystemExit("The demo did not start; what it says is above.")
        yield address
    finally:
        demo.send_signal(signal.SIGTERM)
        demo.wait(60)


def picture_of_data_manager(page: Page, project_page: str) -> None:
    """The tab "Next to label": lowest score, that is highest priority, on top."""
    page.goto(project_page)
    page.get_by_text("Next to label").first.click()
    page.wait_for_load_state("networkidle")
    expect(page.locator(".lsf-table__row, .dm-table__row, [class*=table-row]").first).to_be_visible()
    save(page, "data-manager.png")


def surest_task(project_page: str, backend_port: int) -> int:
    """The task of the queue whose pre-annotation is most probable: one that shows what a suggestion looks like."""
    project = project_page.split("/projects/")[1].split("/")[0]
    answer = requests.get(f"http://127.0.0.1:{backend_port}/projects/{project}/queue", timeout=30)
    answer.raise_for_status()
    suggested = [item for item in answer.json()["queue"] if item["result"]]
    return int(max(suggested, key=lambda item: item["result"][0]["score"])["task"])


def picture_of_labelling(page: Page, project_page: str, task: int) -> None:
    """A task as an annotator gets it: with its pre-annotation."""
    page.goto(f"{project_page}?task={task}")
    expect(page.get_by_role("button", name="Submit").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    save(page, "labelling.png")


def save(page: Page, name: str) -> None:
    """Save what the page shows."""
    page.wait_for_timeout(5000)  # pictures fade in
    path = ROOT / "docs" / name
    page.screenshot(path=path)
    shrink(path)


if __name__ == "__main__":
    main()
