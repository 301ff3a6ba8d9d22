"""A Label Studio with many users and a backend, each on a PostgreSQL of its own; and the processor time they take."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from backend.demo.backend_process import BackendProcess
from backend.demo.child_server import free_port
from backend.demo.label_studio_process import LabelStudioProcess
from tests.database_servers import postgresql_programs, postgresql_server
from tests.e2e.django_shell import run_in_django

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "0123456789abcdef0123456789abcdef01234567"


def add_programs(parser: argparse.ArgumentParser) -> None:
    """The options that say where Label Studio and PostgreSQL are."""
    venv = ROOT / ".label-studio" / "venv"
    parser.add_argument("--label-studio", type=Path, default=venv, help="its environment")
    parser.add_argument("--postgresql", type=Path, default=postgresql_programs(), help="folder of its programs")


def parse_with_programs(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The options, once `add_programs` has found PostgreSQL.

    Raises:
        SystemExit: PostgreSQL's server is not installed.
    """
    options = parser.parse_args(arguments)
    if options.postgresql is None:
        raise SystemExit("PostgreSQL's server is not installed (Debian, Ubuntu: apt install postgresql)")
    return options


def make_people(label_studio: LabelStudioProcess, count: int) -> list[str]:
    """Users of the first user's organisation; their tokens."""
    tokens: list[str] = run_in_django(
        label_studio,
        f"""
from users.models import User
from organizations.models import Organization
organization = Organization.objects.first()
answer = []
for number in range({count}):
    user = User(email=f"annotator-{{number}}@example.com", username=f"annotator-{{number}}")
    user.set_unusable_password()
    user.active_organization = organization
    user.save()
    organization.add_user(user)
    answer.append(user.reset_token().key)
""",
    )
    return tokens


def start_label_studio(stack: ExitStack, folder: Path, venv: Path, programs: Path) -> LabelStudioProcess:
    """A Label Studio whose database is a PostgreSQL of its own; both end with `stack`."""
    address = urlsplit(stack.enter_context(postgresql_server(programs)).url)
    database = {"DJANGO_DB": "default", "POSTGRE_NAME": address.path[1:], "POSTGRE_USER": str(address.username)}
    database |= {"POSTGRE_HOST": str(address.hostname), "POSTGRE_PORT": str(address.port), "POSTGRE_PASSWORD": "none"}
    label_studio = LabelStudioProcess(
        venv / "bin",
        folder / "label-studio",
        email="lead@example.com",
        password="only-for-benchmarks",
        token=TOKEN,
        extra_environment=database,
    )
    stack.callback(label_studio.stop)
    label_studio.start(timeout=900)
    return label_studio


def start_backend(stack: ExitStack, folder: Path, programs: Path, settings: Mapping[str, str]) -> BackendProcess:
    """The backend with these settings, on a PostgreSQL of its own; both end with `stack`."""
    address = stack.enter_context(postgresql_server(programs)).url
    here = {
        "DATABASE_URL": address.replace("postgresql://", "postgresql+psycopg://"),
        "STATE_DIR": str(folder / "state"),
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
    }
    return stack.enter_context(BackendProcess(folder, {**settings, **here}))


def process_with(word: str) -> psutil.Process:
    """The child of this process that has a word on its command line."""
    return next(process for process in psutil.Process().children() if word in process.cmdline())


def processor_seconds(process: psutil.Process) -> float:
    """Processor time so far of a process and of those that it runs."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(float(spent.user + spent.system) for spent in times)
