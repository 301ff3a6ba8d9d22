"""A Label Studio server of our own, started from an environment of its own, for the demo and the end-to-end tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import requests

from backend.demo.child_server import ChildServer, free_port, signal_group
from backend.errors import LabelStudioError
from backend.progress import Status
from backend.sync.client import LabelStudioClient

STOP_SECONDS = 10.0
# Everything else is kept from Label Studio: it reads HOST, PORT, USERNAME and any LABEL_STUDIO_… it finds.
INHERITED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT")


class LabelStudioProcess(ChildServer):
    """One Label Studio server on this machine, with SQLite in `data_dir`.

    It listens on loopback only, reaches no network by itself (no analytics, error reports or version check), accepts
    backends on private addresses, and serves local files below `files_root`.

    Args:
        venv_bin: the `bin` folder of the environment that has label-studio installed.
        data_dir: database, uploads and `label-studio.log`; the first start on an empty folder takes about a minute.
        email, password, token: the first user, with a password of 8 characters or more and a legacy API token of 40
            hex digits. A folder that was made for another user or token is refused.
        port: 0 takes a free one.
        files_root: folder below which /data/local-files/?d=… finds files; default: `data_dir`/files.
        extra_environment: variables that win over those set here.
    """

    title = "Label Studio"
    slug = "label_studio"
    error = LabelStudioError
    port_option = "with --port"
    patience = "; a first start takes about a minute"

    def __init__(
        self,
        venv_bin: Path,
        data_dir: Path,
        *,
        email: str,
        password: str,
        token: str,
        port: int = 0,
        files_root: Path | None = None,
        extra_environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(data_dir, port)
        self.data_dir = self.folder
        self.venv_bin = venv_bin.absolute()
        self.email = email
        self._password = password
        self._token = token
        self.files_root = (files_root or self.data_dir / "files").absolute()
        self._extra_environment = dict(extra_environment or {})

    def client(self, timeout: float = 30.0) -> LabelStudioClient:
        """A client that acts as the first user."""
        return LabelStudioClient(self.url, self._token, timeout)

    def environment(self) -> dict[str, str]:
        """The environment variables that Label Studio runs with."""
        inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
        return {
            **inherited,
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.data_dir),
            "LABEL_STUDIO_USERNAME": self.email,
            "LABEL_STUDIO_PASSWORD": self._password,
            "LABEL_STUDIO_USER_TOKEN": self._token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(self.files_root),
            "ML_BLOCK_LOCAL_IP": "false",
            "SSRF_PROTECTION_ENABLED": "false",
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "PYTHONUNBUFFERED": "1",
            **self._extra_environment,
        }

    def start(self, progress: Status | None = None, timeout: float = 300.0) -> None:
        """Start the server and wait until it answers and knows the credentials.

        Args:
            progress: told what is being waited for, at most once a second.
            timeout: seconds to wait; a first start migrates the database.

        Raises:
            LabelStudioError: not installed (reason label_studio_missing), died or silent (label_studio_start, with the
                end of its log), or the folder belongs to other credentials (label_studio_credentials).
        """
        program = self.venv_bin / "label-studio"
        if not program.exists():
            raise LabelStudioError(
                f"Label Studio is not installed in {self.venv_bin}: run `make label-studio`.",
                reason="label_studio_missing",
            )
        self.files_root.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        command = [str(program), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(self.port)]
        self._launch(command, progress, timeout)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        signal_group(process, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            signal_group(process, signal.SIGKILL)

    def _check(self) -> None:
        try:
            email = self.client().whoami()["email"]
        except LabelStudioError as error:
            if error.reason != "label_studio_unauthorised":
                raise
            email = ""
        if email != self.email:
            raise LabelStudioError(
                f"The Label Studio at {self.url} has another user or token. Did another one take this port while ours "
                f"started? Then choose another {self.port_option}. Else {self.data_dir} was made with other credentials: "
                "give those, or delete the folder.",
                reason="label_studio_credentials",
            )


def import_images(
    process: LabelStudioProcess, project_id: int, images: list[Path], *, collection: str = "photos"
) -> int:
    """Make a task of each image file, served by Label Studio from a copy below its files root; returns how many.

    Nothing is uploaded: the tasks refer to /data/local-files/?d=<collection>/<position>_<name>. Files with equal names
    from different folders stay apart. Files that are there already are not copied again.
    """
    directory = process.files_root / collection
    directory.mkdir(parents=True, exist_ok=True)
    tasks = []
    for position, image in enumerate(images):
        copy = directory / f"{position:06d}_{image.name}"
        if not copy.exists():
            shutil.copyfile(image, copy)
        tasks.append({"data": {"image": local_file_url(copy, process.files_root)}})
    client = process.client()
    client.add_local_files_storage(project_id, directory, collection)
    return client.import_tasks(project_id, tasks)


def local_file_url(path: Path, files_root: Path) -> str:
    """The task value of a file below Label Studio's document root."""
    return "/data/local-files/?" + requests.compat.urlencode({"d": path.relative_to(files_root).as_posix()})
