"""A real Label Studio for the end-to-end tests: one server for the session, projects made as tests need them."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from backend_process import BackendProcess
from crops_project import crops, truth
from django_shell import run_in_django
from ml_contract_server import MlContractServer
from playwright.sync_api import Page, expect

from backend.demo.label_studio_process import LabelStudioProcess
from backend.demo.sample_photos import write_sample_photos
from backend.sync.client import LabelStudioClient
from tests.chromium import WAIT_MS, find_chromium, label_studio_page

__all__ = ["crops", "truth"]

REPOSITORY = Path(__file__).resolve().parents[2]
EMAIL = "annotator@example.com"
PASSWORD = "only-for-tests"
TOKEN = "0123456789abcdef0123456789abcdef01234567"

LABEL_CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="what" toName="image" choice="single">
    <Choice value="cat"/>
    <Choice value="rocket"/>
    <Choice value="cup"/>
  </Choices>
</View>
"""

ProjectFactory = Callable[..., int]


@pytest.fixture(scope="session")
def label_studio_bin() -> Path:
    """The `bin` folder of the environment that has Label Studio."""
    environment = Path(os.environ.get("LABEL_STUDIO_VENV") or REPOSITORY / ".label-studio" / "venv")
    if not (environment / "bin" / "label-studio").exists():
        pytest.skip(f"Label Studio is not installed in {environment}: run make label-studio")
    return environment / "bin"


@pytest.fixture(scope="session")
def label_studio_template(label_studio_bin: Path) -> Path:
    """A data folder with a migrated database and the first user, made once per release: migrating takes a minute."""
    installed = next((label_studio_bin.parent / "lib").glob("python*/site-packages/label_studio-*.dist-info"))
    template = REPOSITORY / ".label-studio" / f"template-{installed.name.removesuffix('.dist-info')}"
    if not template.exists():
        fresh = template.with_name(f"{template.name}.{secrets.token_hex(4)}")
        process = LabelStudioProcess(label_studio_bin, fresh, email=EMAIL, password=PASSWORD, token=TOKEN)
        process.start()
        process.stop()
        try:
            fresh.rename(template)
        except OSError:  # another session was faster
            shutil.rmtree(fresh)
    return template


@pytest.fixture(scope="session")
def start_label_studio(
    label_studio_bin: Path, label_studio_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., LabelStudioProcess]]:
    """Starts a server on a fresh copy of the template; keyword arguments go to LabelStudioProcess. All are stopped."""
    started: list[LabelStudioProcess] = []

    def start(**options: Any) -> LabelStudioProcess:
        data_dir = tmp_path_factory.mktemp("label-studio") / "data"
        shutil.copytree(label_studio_template, data_dir)
        process = LabelStudioProcess(label_studio_bin, data_dir, email=EMAIL, password=PASSWORD, token=TOKEN, **options)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def label_studio(start_label_studio: Callable[..., LabelStudioProcess]) -> LabelStudioProcess:
    """The session's server."""
    return start_label_studio()


@pytest.fixture(scope="session")
def login() -> tuple[str, str]:
    """E-mail and password of the first user."""
    return EMAIL, PASSWORD


@pytest.fixture(scope="session")
def token() -> str:
    """The first user's legacy token."""
    return TOKEN


@pytest.fixture(scope="session")
def client(label_studio: LabelStudioProcess) -> LabelStudioClient:
    """Acts as the first user."""
    return label_studio.client()


@pytest.fixture
def make_project(client: LabelStudioClient) -> Iterator[ProjectFactory]:
    """Makes a project with `tasks` tasks (of images nobody fetches) and returns its id; deleted afterwards."""
    made: list[int] = []

    def make(tasks: int = 0, *, label_config: str = LABEL_CONFIG, **fields: Any) -> int:
        project = client.create_project(title=f"Test {len(made)}", label_config=label_config, **fields)
        made.append(project["id"])
        if tasks:
            data = [{"data": {"image": f"https://images.example/{number}.jpg"}} for number in range(tasks)]
            assert client.import_tasks(project["id"], data) == tasks
        return int(project["id"])

    yield make
    for project_id in made:
        client.transport.call("DELETE", f"/api/projects/{project_id}/")


@pytest.fixture(scope="session")
def backend(
    label_studio: LabelStudioProcess, token: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BackendProcess]:
    """The product at work on the session's Label Studio; a test has a project of its own in it, with its options."""
    settings = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": token, "POLL_SECONDS": "2"}
    with BackendProcess(tmp_path_factory.mktemp("backend") / "state", settings) as process:
        yield process


@pytest.fixture
def page(label_studio: LabelStudioProcess, login: tuple[str, str]) -> Iterator[Page]:
    """A page of a headless browser that is logged in to Label Studio."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("Chromium is not installed: run make chromium")
    expect.set_options(timeout=WAIT_MS)
    with label_studio_page(chromium, label_studio.url, *login, width=1400, height=900) as page:
        yield page


@pytest.fixture
def django(label_studio: LabelStudioProcess) -> Callable[[str], Any]:
    """Runs Python inside Label Studio's own Django; the code leaves its answer in `answer` (JSON)."""

    def run(code: str) -> Any:
        return run_in_django(label_studio, code)

    return run


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sixty JPEGs cut from the photographs of scikit-learn and scikit-image."""
    return write_sample_photos(tmp_path_factory.mktemp("photos"), 60)


@pytest.fixture
def ml_backend() -> Iterator[MlContractServer]:
    """A small HTTP server that answers Label Studio's ML contract and keeps what it was sent."""
    with MlContractServer() as server:
        yield server


@pytest.fixture
def choice() -> Callable[[str], list[dict[str, Any]]]:
    """The result of choosing one label of LABEL_CONFIG."""

    def make(label: str) -> list[dict[str, Any]]:
        return [
            {"from_name": "what", "to_name": "image", "type": "choices", "score": 0.5, "value": {"choices": [label]}}
        ]

    return make
