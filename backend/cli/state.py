"""Whose state a command works on: that of the settings, or of the demo below this folder."""

from __future__ import annotations

from pathlib import Path

from backend.cli.console import messages
from backend.demo.demo_folder import PRECISION_FILE
from backend.errors import NotFoundError
from backend.settings import Settings, load_settings

DEMO_STATE = Path(".demo") / "backend" / "state"
DEMO_PRECISION = Path(".demo") / PRECISION_FILE
LARGEST = 2**31 - 1  # what the databases number projects with


def settings_for_project(project: int) -> Settings:
    """The settings of the server that works on a project.

    Where neither STATE_DIR nor DATABASE_URL is set and the state of this folder does not know the project, the demo's
    state is looked at; that it is used, is said.

    Raises:
        NotFoundError: no project has such a number.
    """
    if not 1 <= project <= LARGEST:
        raise NotFoundError(f"No project has the number {project}: Label Studio counts them from 1.")
    settings = load_settings()
    if settings.model_fields_set & {"state_dir", "database_url"} or _knows(settings, project):
        return settings
    demo = load_settings(
        **_demo_precision(settings),
        state_dir=DEMO_STATE,
        weights_dir=settings.resolved_weights_dir,
        wordnet_dir=settings.resolved_wordnet_dir,
    )
    if not _knows(demo, project):
        return settings
    messages().print(f"Project {project} of the demo, in {DEMO_STATE}.", markup=False)
    return demo


def _demo_precision(settings: Settings) -> dict[str, str]:
    """What the demo's backend computes in; with another precision its photos would be embedded anew."""
    if "precision" in settings.model_fields_set or not DEMO_PRECISION.exists():
        return {}
    return {"precision": DEMO_PRECISION.read_text(encoding="utf-8").strip()}


def _knows(settings: Settings, project: int) -> bool:
    """Whether a state has this project; nothing is made by looking."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    path = settings.state_dir / "backend.sqlite3"
    if not path.exists():
        return False
    engine = create_engine(settings.resolved_database_url)
    try:
        with engine.connect() as connection:
            return connection.execute(text("SELECT 1 FROM project WHERE id = :id"), {"id": project}).first() is not None
    except SQLAlchemyError:
        return False  # what is wrong with it, the command says when it opens it
    finally:
        engine.dispose()
