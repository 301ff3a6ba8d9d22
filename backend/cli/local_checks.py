"""What goes wrong in practice on this machine, checked one by one for `doctor`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from backend.errors import BackendError, SettingsError, WeightsError
from backend.settings import Settings
from backend.sync.checks import Check, Verdict

if TYPE_CHECKING:
    from backend.storage.database import Database

LOW_DISK_BYTES = 2_000_000_000
SET_UP = "Run: make setup (or python -m backend setup)"


def check_machine(settings: Settings) -> Iterator[Check]:
    """State, disk, database, WordNet, weights, folders, and whether the backend answers."""
    yield check_state(settings)
    yield check_disk(settings)
    yield check_database(settings)
    yield check_wordnet(settings)
    yield check_weights(settings)
    if settings.local_roots:
        yield check_local_roots(settings)
    yield check_backend(settings)


def check_state(settings: Settings) -> Check:
    """STATE_DIR can be written."""
    name, folder = "State folder", settings.state_dir.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return Check(name, Verdict.OK, str(folder))
    except OSError as error:
        return Check(
            name,
            Verdict.FAIL,
            f"{folder} cannot be written: {error.strerror or error}",
            "Let the backend's user write there, or set STATE_DIR to another folder.",
        )


def check_disk(settings: Settings) -> Check:
    """There is room for features and models."""
    name, folder = "Disk space", _existing(settings.state_dir.resolve())
    free = shutil.disk_usage(folder).free
    what = f"{free / 1e9:.1f} GB free at {folder}"
    if free < LOW_DISK_BYTES:
        return Check(name, Verdict.WARN, what, "A million photos need about 3 GB: make room, or move STATE_DIR.")
    return Check(name, Verdict.OK, what)


def check_database(settings: Settings) -> Check:
    """The database is reachable and its schema is that of this release."""
    from sqlalchemy.exc import SQLAlchemyError

    from backend.storage.database import Database

    name = "Database"
    try:
        database = Database(settings.resolved_database_url)
        try:
            fault = _schema_fault(database)
        finally:
            database.close()
        shown = database.url.render_as_string(hide_password=True)
    except (SQLAlchemyError, ImportError, OSError) as error:
        return Check(
            name,
            Verdict.FAIL,
            f"it cannot be used: {str(error).splitlines()[0]}",
            "Check DATABASE_URL (the database must exist and accept this user), or empty it for the embedded one.",
        )
    if fault:
        return Check(name, Verdict.WARN, f"{shown}: {fault}", "Nothing to do: `python -m backend serve` migrates it.")
    return Check(name, Verdict.OK, shown)


def check_wordnet(settings: Settings) -> Check:
    """WordNet 3.0 is where the backend looks for it."""
    from backend.labels import WordNet
    from backend.labels.wordnet_compiled import compiled_path

    folder = settings.resolved_wordnet_dir
    try:
        WordNet.open(folder)
    except BackendError as error:
        return Check("WordNet", Verdict.FAIL, str(error), SET_UP)
    return Check("WordNet", Verdict.OK, str(compiled_path(folder.resolve())))


def check_weights(settings: Settings) -> Check:
    """The backbone's weights are on disk; nothing is downloaded or compiled to find out."""
    from backend.backbones import chosen_backbone

    name = "Backbone"
    try:
        choice = chosen_backbone(settings, download=False)
    except SettingsError as error:
        return Check(name, Verdict.FAIL, str(error), "Correct BACKBONE.")
    except WeightsError as error:
        return Check(name, Verdict.FAIL, str(error), f"{SET_UP}; without a network set INCEPTION_WEIGHTS or BACKBONE.")
    if not any(settings.resolved_weights_dir.glob(f"{choice.spec.name}-*/manifest.json")):
        return Check(
            name, Verdict.WARN, f"{choice.spec.name} is not compiled yet: the first start takes longer", SET_UP
        )
    # What `auto` could not have is advice, not a fault.
    named = settings.backbone == choice.spec.name
    return Check(name, Verdict.OK, choice.spec.name, "" if named else f"Chosen: {choice.reason}")


def check_local_roots(settings: Settings) -> Check:
    """The folders of local photos exist."""
    missing = [str(root) for root in settings.expanded_local_roots if not root.is_dir()]
    if missing:
        return Check(
            "Local photos", Verdict.FAIL, f"no such folder: {', '.join(missing)}", "Correct LOCAL_ROOTS, or mount them."
        )
    return Check("Local photos", Verdict.OK, ", ".join(str(root) for root in settings.expanded_local_roots))


def check_backend(settings: Settings) -> Check:
    """The backend answers at its own address."""
    name, url = "Backend", settings.resolved_public_url
    try:
        answer = requests.get(f"{url}/health", timeout=3)
        health = answer.json()
    except (requests.RequestException, ValueError):
        return Check(
            name,
            Verdict.WARN,
            f"nothing answers at {url}",
            "Start it (python -m backend serve); if it runs elsewhere, set PUBLIC_URL to its address.",
        )
    return Check(name, Verdict.OK, f"{url}, backbone {health.get('backbone', 'unknown')}")


def _schema_fault(database: Database) -> str:
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from backend.storage.database import MIGRATIONS

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    newest = ScriptDirectory.from_config(config).get_current_head()
    with database.engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    if present is None:
        return "empty, the backend never ran with it"
    return "" if present == newest else f"its schema is {present}, this release has {newest}"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
