"""Takes the pictures of the lead's pages in this folder, from photos of installed packages: no Label Studio is needed.

python docs/dashboard_screenshots.py [--photos 96]

A person is played who answers in the order of the queue and slips now and then.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page
from werkzeug.serving import make_server

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from backend.api.app import create_app  # noqa: E402
from backend.demo.sample_photos import write_sample_photos  # noqa: E402
from backend.service.projects.project import find_project, set_up_project  # noqa: E402
from backend.service.queue.queue_window import current_window  # noqa: E402
from backend.storage.schema import Annotation, Task  # noqa: E402
from backend.sync.person import SESSION_COOKIE  # noqa: E402
from docs.pictures import chromium_or_exit, shrink  # noqa: E402
from tests.application import Application, installation_settings  # noqa: E402
from tests.chromium import browser_of  # noqa: E402

PAGES = {
    "progress": "",
    "queue": "queue",
    "sheets": "sheets?kind=confirm",
    "coverage": "coverage",
    "map": "map",
    "mistakes": "mistakes",
    "settings": "settings",
}
PROJECT = 1
STEPS = (6, 6, 6, 6, 8, 8)
SLIPS = 0.06


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=96)
    arguments = parser.parse_args()
    chromium = chromium_or_exit()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, browser_of(chromium) as browser:
        application = labelled_project(Path(folder), arguments.photos)
        with served(application) as address:
            for scheme, width in (("light", 1280), ("dark", 400)):
                page = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme).new_page()
                for name, path in PAGES.items():
                    if scheme == "light" or name in ("progress", "sheets"):
                        page.goto(f"{address}/dashboard/{PROJECT}/{path}".rstrip("/"))
                        take(page, f"page-{name}{'' if scheme == 'light' else '-small'}.png")
        application.open(label_studio_url="http://localhost:8080", basic_auth_user="lead", basic_auth_password="unused")
        with served(application) as address:
            page = browser.new_page(viewport={"width": 720, "height": 560})
            page.context.add_cookies([{"name": SESSION_COOKIE, "value": "unused", "url": address}])
            page.goto(f"{address}/dashboard/")
            take(page, "page-sign-in.png")
        application.close()


@contextmanager
def served(application: Application) -> Iterator[str]:
    """Serves the pages; their address."""
    server = make_server("127.0.0.1", 0, create_app(application.runtime, application.jobs), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def take(page: Page, name: str) -> None:
    """A picture of a page in this folder, once everything on it is there."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1000)
    page.screenshot(path=ROOT / "docs" / name)
    shrink(ROOT / "docs" / name)


def labelled_project(folder: Path, count: int) -> Application:
    """A project over sample photos, partly answered in the order of its queue."""
    photos = write_sample_photos(folder / "photos", count)
    settings = installation_settings(
        folder, local_roots=(str(folder),), backbone="efficientnet_lite2", retrain_every=1000
    )
    application = Application(settings)
    truth = {number: photo.stem.rsplit("_", 1)[0].replace("_", " ") for number, photo in enumerate(photos)}
    labels = sorted(set(truth.values()))
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    config = f'<View><Image name="i" value="$i"/><Choices name="c" toName="i">{choices}</Choices></View>'
    set_up_project(application.runtime, PROJECT, label_config=config, title="Sample photos")
    with application.database.session() as session:
        for number, photo in enumerate(photos):
            session.add(Task(project_id=PROJECT, task_id=number, data={"i": str(photo)}, image=str(photo)))
    application.run("embed", PROJECT)
    draw = random.Random(0)
    answers = 0
    for step in STEPS:
        window = current_window(application.runtime, find_project(application.runtime, PROJECT))[:step]
        with application.database.session() as session:
            for item in window:
                answers += 1
                label = truth[item.task_id] if draw.random() > SLIPS else draw.choice(labels)
                result = [{"from_name": "c", "to_name": "i", "type": "choices", "value": {"choices": [label]}}]
                session.add(
                    Annotation(
                        project_id=PROJECT, annotation_id=answers, task_id=item.task_id, result=result, completed_by=1
                    )
                )
        application.run("refresh", PROJECT)
    application.run("map", PROJECT)
    return application


if __name__ == "__main__":
    main()
