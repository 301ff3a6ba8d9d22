"""`python -m backend demo`: the whole product on this machine, on sample photos or on a folder of one's own."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.status import Status

import backend
from backend.cli.console import messages, output, table
from backend.errors import BackendError, LabelConfigError, LabelStudioError, NotFoundError
from backend.settings import Settings, load_settings

if TYPE_CHECKING:
    from backend.demo.backend_process import BackendProcess
    from backend.demo.demo_folder import DemoFolder, Login
    from backend.demo.label_studio_process import LabelStudioProcess

POLL_SECONDS = 0.5
IMPORT_CHUNK = 1000
SHOWN = 10
ROOT = Path(backend.__file__).parents[1]
SPORTS_CONFIG = ROOT / "label_config.xml"
BRANCHES_CONFIG = ROOT / "examples" / "wordnet-branches.xml"

Tell = Callable[[str], None]


def demo(
    images: Annotated[
        Path | None, typer.Option(help="Your photos, sub-folders too. Without it: photos of installed packages.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Label config. Default: label_config.xml with --images, else branches of WordNet."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps everything; a later demo reuses it.")] = Path(
        ".demo"
    ),
    port: Annotated[int, typer.Option(help="Port of Label Studio.")] = 8080,
    backend_port: Annotated[int, typer.Option(help="Port of the backend.")] = 9090,
    label_studio: Annotated[
        Path, typer.Option(help="Environment that has Label Studio (made by `make label-studio`).")
    ] = ROOT / ".label-studio" / "venv",
    exit_when_ready: Annotated[bool, typer.Option("--exit-when-ready", help="Stop once the queue is shown.")] = False,
) -> None:
    """Run Label Studio and the backend here, with a project whose queue is pre-annotated and in order, until Ctrl-C."""
    from backend.demo.backend_process import BackendProcess
    from backend.demo.demo_folder import DemoFolder
    from backend.demo.label_studio_process import LabelStudioProcess

    settings = load_settings()
    kept = DemoFolder(folder)
    photos, paths = _photos(images, kept)
    config = _config(labels or (SPORTS_CONFIG if images else BRANCHES_CONFIG))
    say = messages()
    login = kept.login()
    server = LabelStudioProcess(
        label_studio / "bin",
        kept.label_studio,
        email=login.email,
        password=login.password,
        token=login.token,
        port=port,
        files_root=kept.files,
    )
    child = BackendProcess(kept.backend, _backend_settings(settings, kept, port, backend_port))
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        stack.callback(say.print, "Label Studio and the backend are stopped.")
        with say.status("starting Label Studio (a first start takes about a minute) …") as status:
            stack.callback(server.stop)
            server.start(progress=_teller(status))
            say.print(f"Label Studio runs at {server.url}")
            stack.callback(child.stop)
            child.start(progress=_teller(status))
            say.print(f"The backend runs at {child.url}, its log is {child.log_path}")
            project = _project(server, kept, photos, paths, config, images, _teller(status))
            _connect(server, child, project)
            say.print(f"Project {project} is connected")
            queue = _first_window(server, child, project, _teller(status))
        _show(server, login, project, queue, paths)
        if exit_when_ready:
            return
        say.print("Ctrl-C stops both.")
        _keep_running(server, child)


def _photos(images: Path | None, kept: DemoFolder) -> tuple[Path, list[Path]]:
    """The folder that Label Studio serves, and the photos below it."""
    from backend.demo.sample_photos import write_sample_photos
    from backend.images import find_images

    if images is None:
        return kept.sample_photos, write_sample_photos(kept.sample_photos)
    if not images.is_dir():
        raise NotFoundError(f"There is no folder {images}: give an existing one (make demo IMAGES=DIR).")
    link = kept.photos_below(images)
    found = [link / path.relative_to(images) for path in find_images(images)]
    if not found:
        raise NotFoundError(f"No photos below {images}: give a folder with JPEG, PNG, WebP, GIF, BMP or TIFF files.")
    return link, found


def _config(path: Path) -> str:
    from backend.labels import parse_label_config

    try:
        xml = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LabelConfigError(f"The label config {path} cannot be read: {error.strerror or error}") from None
    parse_label_config(xml)
    return xml


def _backend_settings(settings: Settings, kept: DemoFolder, port: int, backend_port: int) -> dict[str, str]:
    """What the demo's backend runs with: its own state, the weights and WordNet of the set-up."""
    chosen = {
        "LABEL_STUDIO_URL": f"http://127.0.0.1:{port}",
        "LABEL_STUDIO_API_KEY": kept.login().token,
        "HOST": "127.0.0.1",
        "PORT": str(backend_port),
        "PUBLIC_URL": f"http://127.0.0.1:{backend_port}",
        "STATE_DIR": str(kept.backend / "state"),
        "WEIGHTS_DIR": str(settings.resolved_weights_dir.resolve()),
        "WORDNET_DIR": str(settings.resolved_wordnet_dir.resolve()),
        "BACKBONE": settings.backbone,
        "POLL_SECONDS": "5",
    }
    if settings.inception_weights is not None:
        chosen["INCEPTION_WEIGHTS"] = str(settings.inception_weights.resolve())
    return chosen


def _project(
    server: LabelStudioProcess,
    kept: DemoFolder,
    photos: Path,
    paths: Sequence[Path],
    config: str,
    images: Path | None,
    tell: Tell,
) -> int:
    """The project that shows these photos: the one of an earlier demo, else a new one with all of them imported."""
    client = server.client()
    known = kept.project_of(photos)
    if known is not None and _exists(server, known):
        if client.project(known)["label_config"].strip() != config.strip():
            client.update_project(known, label_config=config)
        return known
    title = f"Photos of {images.resolve().name}" if images else "Sample photos"
    project = int(client.create_project(title=title[:50], label_config=config)["id"])
    client.add_local_files_storage(project, photos, "photos")
    _import(server, project, paths, config, tell)
    kept.remember_project(photos, project)
    return project


def _exists(server: LabelStudioProcess, project: int) -> bool:
    try:
        server.client().project(project)
    except LabelStudioError as error:
        if error.reason == "label_studio_not_found":
            return False
        raise
    return True


def _import(server: LabelStudioProcess, project: int, paths: Sequence[Path], config: str, tell: Tell) -> None:
    from backend.demo.label_studio_process import local_file_url
    from backend.labels import parse_label_config

    key = parse_label_config(config).data_key
    client = server.client()
    for start in range(0, len(paths), IMPORT_CHUNK):
        tell(f"importing photos ({start} of {len(paths)})")
        chunk = paths[start : start + IMPORT_CHUNK]
        client.import_tasks(project, [{"data": {key: local_file_url(path, server.files_root)}} for path in chunk])


def _connect(server: LabelStudioProcess, child: BackendProcess, project: int) -> None:
    from backend.cli.connect import attach

    attach(
        server.client(),
        project,
        load_settings(public_url=child.url, basic_auth_user="", basic_auth_password="", webhook_secret=""),
    )


def _first_window(server: LabelStudioProcess, child: BackendProcess, project: int, tell: Tell) -> list[dict[str, Any]]:
    """Wait until a queue window is published and Label Studio serves from it."""
    client = server.client()
    started = datetime.now(UTC)
    while True:
        _check_alive(server, child)
        answer = child.get(f"/projects/{project}/queue?limit={SHOWN}")
        if answer["queue"] and client.project(project)["model_version"] == answer["version"]:
            return list(answer["queue"])
        jobs = child.get(f"/projects/{project}/jobs?limit=20")["jobs"]
        recent = [job for job in jobs if datetime.fromisoformat(job["created_at"]) >= started]
        failed = next((job for job in recent if job["job_status"] == "failed"), None)
        if failed is not None:
            raise BackendError(
                f"The {failed['kind']} job failed: {failed['message']} The whole story is in {child.log_path}."
            )
        tell(_told(jobs, child.get(f"/projects/{project}")["tasks"]))
        time.sleep(POLL_SECONDS)


def _told(jobs: Sequence[dict[str, Any]], tasks: dict[str, int]) -> str:
    running = next((job for job in jobs if job["job_status"] == "running"), None)
    read = f"{tasks['embedded']} of {tasks['total']} photos read"
    if running is None:
        return f"waiting for the queue: {read}"
    return f"waiting for the queue: {read}; {running['kind']}, {running['percent']} %: {running['message']}"


def _show(
    server: LabelStudioProcess, login: Login, project: int, queue: Sequence[dict[str, Any]], paths: Sequence[Path]
) -> None:
    say = output()
    client = server.client()
    names = {
        task["id"]: str(next(iter(task["data"].values()))).rsplit("/", 1)[-1].split("%2F")[-1]
        for task in client.tasks_by_id(project, [item["task"] for item in queue])
    }
    rows = table("place", "photo", "suggested", "priority", "why", title="The first of the queue")
    for item in queue:
        rows.add_row(
            str(item["position"] + 1),
            names.get(item["task"], str(item["task"])),
            ", ".join(_suggested(result) for result in item["result"]),
            f"{item['priority']:.2f}",
            item["reason"],
        )
    say.print(rows, markup=False)
    say.print(f"\n{len(paths)} photos, in order at {server.url}/projects/{project}/data", markup=False)
    say.print(f"Login: {login.email}   password: {login.password}", markup=False)


def _suggested(result: dict[str, Any]) -> str:
    value = result["value"]
    paths = value.get("choices") or value.get("taxonomy") or []
    return ", ".join(path if isinstance(path, str) else path[-1] for path in paths)


def _keep_running(server: LabelStudioProcess, child: BackendProcess) -> None:
    try:
        while True:
            _check_alive(server, child)
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _check_alive(server: LabelStudioProcess, child: BackendProcess) -> None:
    if not server.running:
        raise BackendError(f"Label Studio has stopped; its log is {server.log_path}.", reason="label_studio_stopped")
    if not child.running:
        raise BackendError(f"The backend has stopped; its log is {child.log_path}.", reason="backend_stopped")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: everything that it started is stopped.

    SIGINT is set too: a shell that starts a command in the background has it ignored.
    """

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _teller(status: Status) -> Tell:
    return lambda text: status.update(f"{text} …")
