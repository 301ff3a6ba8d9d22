"""What a demo keeps between its runs: Label Studio's data, the backend's state, the login, which project shows what."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import BackendError
from backend.files import write_atomically
from backend.settings import Settings

EMAIL = "demo@example.com"
PRECISION_FILE = "precision"
FEW_PHOTOS = 5000


@dataclass(frozen=True)
class Login:
    """Who the demo's Label Studio belongs to."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


class DemoFolder:
    """The folder of a demo. Its password and token are made at random at the first start, for this machine alone."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def label_studio(self) -> Path:
        """Label Studio's data folder."""
        return self.path / "label-studio"

    @property
    def files(self) -> Path:
        """Below this folder Label Studio serves local files."""
        return self.path / "files"

    @property
    def sample_photos(self) -> Path:
        """The photographs of a demo without photos of one's own."""
        return self.files / "sample-photos"

    @property
    def backend(self) -> Path:
        """The backend's state."""
        return self.path / "backend"

    def login(self) -> Login:
        """The login of Label Studio, the same at every start; only this user may read its file.

        Raises:
            BackendError: the file is damaged.
        """
        path = self.path / "login.json"
        if not path.exists():
            made = {"email": EMAIL, "password": secrets.token_urlsafe(12), "token": secrets.token_hex(20)}
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(made, stream)
        known = self._read(path)
        try:
            return Login(known["email"], known["password"], known["token"])
        except KeyError as error:
            raise self._damaged(path, f"{error} is missing") from None

    def precision(self, settings: Settings, photos: int) -> str:
        """The precision that the demo's backend computes in; decided once, since another one embeds every photo anew.

        Making the int8 network takes as long as it saves on some thousand photos.
        """
        if "precision" in settings.model_fields_set:
            return settings.precision
        path = self.path / PRECISION_FILE
        if not path.exists():
            earlier = (self.backend / "state").exists()  # of a version that did not choose: it computed in `auto`
            write_atomically(path, "auto\n" if earlier or photos > FEW_PHOTOS else "fp32\n")
        return path.read_text(encoding="utf-8").strip()

    def photos_below(self, folder: Path) -> Path:
        """A link below `files` to a folder of photos anywhere, so that Label Studio serves it without a copy."""
        target = folder.resolve()
        if target.is_relative_to(self.files):
            return target
        link = self.files / f"{target.name or 'photos'}-{_key(target)[:8]}"
        if not link.is_symlink():
            self.files.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target, target_is_directory=True)
        return link

    def project_of(self, photos: Path) -> int | None:
        """The project that was made for a folder of photos; None if none was."""
        found = self._projects().get(_key(photos))
        return int(found) if found is not None else None

    def remember_project(self, photos: Path, project: int) -> None:
        """Note which project shows a folder of photos."""
        path = self.path / "projects.json"
        write_atomically(path, json.dumps({**self._projects(), _key(photos): project}))

    def _projects(self) -> dict[str, int]:
        path = self.path / "projects.json"
        return self._read(path) if path.exists() else {}

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._damaged(path, str(error)) from None
        if not isinstance(value, dict):
            raise self._damaged(path, "it holds no object")
        return value

    def _damaged(self, path: Path, why: str) -> BackendError:
        return BackendError(
            f"{path} cannot be used ({why}): delete the folder {self.path} to start the demo afresh.",
            reason="demo_folder",
        )


def _key(photos: Path) -> str:
    return hashlib.sha256(str(photos.resolve()).encode()).hexdigest()
