"""A folder of class folders, as `retrain` reads it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath

from backend.collecting.lists import folder_name
from backend.converting.files import PhotoFiles, place
from backend.converting.format import Capability, Format, Names, bad_data
from backend.converting.records import Dataset, Observation, Photo
from backend.errors import SettingsError
from backend.images import find_images
from backend.images.local_files import IMAGE_SUFFIXES


class Folders(Format):
    """The first folder of a photo's path is its label; the photos themselves are linked or copied."""

    name = "folders"
    holds = frozenset((Capability.EMPTY_CLASSES,))
    is_folder = True

    def recognises(self, path: Path) -> bool:
        return path.is_dir() and not (path / "datapackage.json").exists()

    def read(self, path: Path, files: PhotoFiles, names: Names) -> Dataset:
        if not path.is_dir():
            raise bad_data(path, "is no folder.")
        classes = tuple(sorted(item.name for item in path.iterdir() if item.is_dir() and not item.name.startswith(".")))
        photos = []
        loose = 0
        for file in find_images(path):
            key = file.relative_to(path).as_posix()
            label, slash, _ = key.partition("/")
            loose += not slash
            photos.append(Photo(key, (Observation(label),) if slash else ()))
        if not classes and not photos:
            raise bad_data(path, "no folders of photos in it.")
        notes = (f"{path}: {loose} photos lie beside the class folders and have no label",) if loose else ()
        return Dataset(tuple(photos), classes, notes)

    def write(self, dataset: Dataset, path: Path, files: PhotoFiles, names: Names) -> list[str]:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise SettingsError(f"--output {path} is there already: name a folder that is new or empty.")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        missing: list[str] = []
        twice: list[str] = []
        try:
            temporary.chmod(0o755)  # mkdtemp's own is for its maker alone
            for label in dataset.classes:
                if folder_name(label) == label:
                    (temporary / label).mkdir()
            for photo in dataset.photos:
                file = files.find(photo.path)
                target = temporary / _below_its_class(photo)
                if file is None:
                    missing.append(photo.path)
                elif target.exists():
                    twice.append(photo.path)
                else:
                    place(file, target)
            if path.exists():
                path.rmdir()
            temporary.rename(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        notes = [
            f"class {label!r}: no name for a folder; left out"
            for label in dataset.classes
            if folder_name(label) != label
        ]
        notes += [f"{name}: no such photo below {files.root}; name their folder with --photos" for name in missing]
        return [*notes, *(f"{name}: another photo has that place in its class folder; left out" for name in twice)]

    def problem(self, photo: Photo) -> str | None:
        label = photo.observations[0].label
        parts = PurePosixPath(photo.path).parts
        if folder_name(label) != label:
            return f"its label {label!r} is no name for a folder"
        if ".." in parts or any(part.startswith(".") for part in parts) or "/".join(parts) != photo.path:
            return "its path is hidden or leads elsewhere"
        if PurePosixPath(photo.path).suffix.lower() not in IMAGE_SUFFIXES:
            return "it is no photo by the ending of its name"
        return None


def _below_its_class(photo: Photo) -> str:
    label = photo.observations[0].label
    return photo.path if photo.path.startswith(f"{label}/") else f"{label}/{photo.path}"
