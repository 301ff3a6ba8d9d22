"""The compose file, its example environments and the settings agree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.settings import Settings, setting_names

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def example(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key: value for key, _, value in pairs}


def test_the_backend_is_given_settings_that_exist(compose: dict[str, Any]) -> None:
    assert set(compose["services"]["backend"]["environment"]) <= set(setting_names())


def test_the_example_environment_holds_valid_settings(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text((ROOT / ".env.example").read_text(encoding="utf-8"), encoding="utf-8")
    settings = Settings(_env_file=path)
    assert settings.window_size == int(example(".env.example")["WINDOW_SIZE"])
    assert set(example(".env.example")) <= set(setting_names())


@pytest.mark.parametrize("name", [".env.example", "label-studio.env.example"])
def test_examples_hold_no_secret(name: str) -> None:
    secrets = {key: value for key, value in example(name).items() if re.search("KEY|PASSWORD|TOKEN|SECRET", key)}
    assert secrets
    assert set(secrets.values()) == {""}


def test_what_the_compose_file_asks_of_the_environment_is_in_the_example(compose: dict[str, Any]) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", json.dumps(compose)))
    assert asked == {"LABEL_STUDIO_API_KEY", "BASIC_AUTH_USER", "BASIC_AUTH_PASSWORD"}
    assert asked <= set(example(".env.example"))


def test_both_services_are_checked_and_keep_their_data_in_volumes(compose: dict[str, Any]) -> None:
    for name in ("label-studio", "backend"):
        service = compose["services"][name]
        assert service["healthcheck"]["test"][0] == "CMD"
        volumes = [volume.split(":")[0] for volume in service["volumes"]]
        assert any(volume in compose["volumes"] for volume in volumes)
    assert compose["services"]["backend"]["depends_on"]["label-studio"]["condition"] == "service_healthy"


def test_label_studio_is_the_release_that_is_tested_with(compose: dict[str, Any]) -> None:
    requirement = (ROOT / "requirements-label-studio.in").read_text(encoding="utf-8").strip()
    image = compose["services"]["label-studio"]["image"]
    assert image.rsplit(":", 1)[1] == requirement.rsplit("==", 1)[1]


def test_health_checks_in_containers_are_programs_that_parse(compose: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.findall(r"^\s*CMD (\[.*\])$", dockerfile, flags=re.M)
    commands = [json.loads(line) for line in lines]
    commands += [service["healthcheck"]["test"][1:] for service in compose["services"].values()]
    programs = [command[command.index("-c") + 1] for command in commands if "-c" in command]
    assert len(programs) == 3
    for program in programs:
        compile(program, "healthcheck", "exec")


def test_the_image_runs_without_root_and_copies_only_what_is_let_in() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    last = dockerfile[dockerfile.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001$", last, flags=re.M)
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")
    }
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, flags=re.M) for source in line.split()[:-1]
    }
    assert copied <= allowed
    assert all((ROOT / source).exists() for source in copied)


def test_the_backend_can_write_nothing_but_its_state(compose: dict[str, Any]) -> None:
    backend = compose["services"]["backend"]
    assert backend["read_only"] is True
    assert backend["cap_drop"] == ["ALL"]
    assert backend["security_opt"] == ["no-new-privileges:true"]
    writable = {volume.split(":")[1] for volume in backend["volumes"]} | set(backend["tmpfs"])
    assert writable == {backend["environment"]["STATE_DIR"], "/tmp"}
