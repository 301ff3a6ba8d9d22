"""`python -m backend demo`: the whole product on this machine, on sample photos or on a folder of one's own."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qs, urlsplit

import typer

import backend
from backend.cli.console import messages, output, table, waiting
from backend.cli.first_window import wait_for_window
from backend.cli.ports import refuse_taken_port
from backend.errors import BackendError, LabelConfigError, NotFoundError
from backend.progress import Status
from backend.settings import Settings, load_settings

if TYPE_CHECKING:
    from backend.demo.backend_process import BackendProcess
    from backend.demo.demo_folder import DemoFolder, Login
    from backend.demo.label_studio_process import LabelStudioProcess

POLL_SECONDS = 0.5
SHOWN = 10
ROOT = Path(backend.__file__).parents[1]
SPORTS_CONFIG = ROOT / "label_config.xml"
BRANCHES_CONFIG = ROOT / "examples" / "wordnet-branches.xml"


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
    from backend.demo.demo_project import find_or_make_project
    from backend.demo.label_studio_process import LabelStudioProcess

    kept = DemoFolder(folder)
    photos, paths = _photos(images, kept)
    settings = load_settings()
    settings = settings.model_copy(update={"precision": kept.precision(settings, len(paths))})
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
    title = images.resolve().name if images else "Sample photos"
    refuse_taken_port("127.0.0.1", port, choose='with --port (make demo DEMO_FLAGS="--port 8081")')
    refuse_taken_port(
        "127.0.0.1", backend_port, choose='with --backend-port (make demo DEMO_FLAGS="--backend-port 9091")'
    )
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        stack.callback(say.print, "Label Studio and the backend are stopped.")
        with waiting("starting Label Studio and the backend (a minute the first time)") as status:
            _start_both(stack, server, child, settings, status)
            say.print(
                f"Label Studio runs at {server.url}, the backend at {child.url}; its log is {_short(child.log_path)}"
            )
            project = find_or_make_project(server, kept, photos, paths, config, title, status)
            _connect(server, child, project)
            say.print(f"Project {project} is connected")
            queue = _first_window(server, child, project, status)
        _show(server, login, project, queue, photos, len(paths))
        if exit_when_ready:
            return
        say.print("Ctrl-C stops both.")
        _keep_running(server, child)


def _start_both(
    stack: ExitStack, server: LabelStudioProcess, child: BackendProcess, settings: Settings, status: Status
) -> None:
    """Start Label Studio while WordNet and the backbone are made ready, then the backend: a first start of each is slow."""
    from backend.backbones import open_settings_backbone
    from backend.labels import ensure_wordnet
    from backend.storage.opening import make_weights_folder

    make_weights_folder(settings)
    # Left in this order at the end: the servers are stopped, which ends the waiting of the threads.
    threads = stack.enter_context(ThreadPoolExecutor(max_workers=3))
    stack.callback(server.stop)
    steps: dict[str, Future[Any]] = {
        "Label Studio": threads.submit(server.start),
        "WordNet": threads.submit(ensure_wordnet, settings.resolved_wordnet_dir),
        "the backbone": threads.submit(open_settings_backbone, settings),
    }
    _wait_for(("WordNet", "the backbone"), steps, status)
    stack.callback(child.stop)
    steps["the backend"] = threads.submit(child.start)
    _wait_for(("the backend", "Label Studio"), steps, status)


def _wait_for(names: Sequence[str], steps: Mapping[str, Future[Any]], status: Status) -> None:
    """Wait for some steps, saying which are not ready yet; what went wrong in one is raised."""
    started = time.monotonic()
    while not all(steps[name].done() for name in names):
        late = [name for name, step in steps.items() if not step.done()]
        status(
            f"making ready: {', '.join(late)} ({time.monotonic() - started:.0f} s; a first start takes a minute or more)"
        )
        for name in names:
            if steps[name].done():
                steps[name].result()
        time.sleep(POLL_SECONDS)
    for name in names:
        steps[name].result()


def _short(path: Path) -> Path:
    """A path as people see it from where they are."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


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
        "PRECISION": settings.precision,
        "POLL_SECONDS": "5",
    }
    if settings.inception_weights is not None:
        chosen["INCEPTION_WEIGHTS"] = str(settings.inception_weights.resolve())
    return chosen


def _connect(server: LabelStudioProcess, child: BackendProcess, project: int) -> None:
    from backend.cli.connect import attach

    attach(
        server.client(),
        project,
        load_settings(public_url=child.url, basic_auth_user="", basic_auth_password="", webhook_secret=""),
    )


def _first_window(
    server: LabelStudioProcess, child: BackendProcess, project: int, status: Status
) -> list[dict[str, Any]]:
    """Wait until a queue window is published and Label Studio serves from it."""
    client = server.client()
    while True:
        queue = wait_for_window(child.get, project, status, shown=SHOWN, meanwhile=lambda: _check_alive(server, child))
        if client.project(project)["model_version"] == child.get(f"/projects/{project}/queue?limit=1")["version"]:
            return queue
        time.sleep(POLL_SECONDS)


def _show(
    server: LabelStudioProcess,
    login: Login,
    project: int,
    queue: Sequence[dict[str, Any]],
    photos: Path,
    count: int,
) -> None:
    say = output()
    rows = table("place", "photo", "suggested", "why", title="The first of the queue")
    names = _names(server, project, [item["task"] for item in queue], photos)
    for item in queue:
        rows.add_row(str(item["position"] + 1), names[item["task"]], item["suggestion"], item["reason"])
    say.print(rows, markup=False)
    say.print(f"\n{count} photos, in order at {server.url}/projects/{project}/data", markup=False)
    say.print(f"Login: {login.email}   password: {login.password}", markup=False)


def _names(server: LabelStudioProcess, project: int, tasks: Sequence[int], photos: Path) -> dict[int, str]:
    """The photo of each task, by its path below the folder: equal names in several folders stay apart."""
    served = photos.relative_to(server.files_root).as_posix() + "/"
    names = {task: str(task) for task in tasks}
    for task in server.client().tasks_by_id(project, tasks):
        found = [parse_qs(urlsplit(value).query).get("d") for value in task["data"].values() if isinstance(value, str)]
        names[task["id"]] = next((paths[0].removeprefix(served) for paths in found if paths), str(task["id"]))
    return names


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
