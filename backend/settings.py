"""Every setting of the product, in one typed table.

Values come from the environment and from a `.env` file in the working directory. A value that is not
allowed, or a name that is almost one of ours, stops the start with the name and the allowed values.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from backend.errors import SettingsError, suggestion

CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """All settings; the field name in capitals is the environment variable."""

    model_config = SettingsConfigDict(env_file=".env", extra="forbid", frozen=True, populate_by_name=True)

    # Label Studio
    label_studio_url: str = Field(
        "", description="Origin of Label Studio, e.g. http://localhost:8080. Empty: answer calls only, push nothing."
    )
    label_studio_api_key: str = Field(
        "", repr=False, description="Legacy token or personal access token of a user who can edit the projects."
    )
    poll_seconds: float = Field(
        30.0,
        ge=0.2,
        le=86400,
        description="How often tasks and annotations are reconciled with Label Studio, so that a lost webhook loses nothing.",
    )

    # The web server
    host: str = Field(
        "127.0.0.1",
        description="Address that the backend listens on; 0.0.0.0: every one of this machine, which asks for BASIC_AUTH_USER and BASIC_AUTH_PASSWORD (or `--insecure`).",
    )
    port: int = Field(9090, ge=1, le=65535, description="Port that the backend listens on.")
    web_threads: int = Field(48, ge=1, le=256, description="Threads that answer requests.")
    basic_auth_user: str = Field(
        "", description="User name that callers must send; it and the password empty: no authentication."
    )
    basic_auth_password: str = Field(
        "",
        repr=False,
        validation_alias=AliasChoices("basic_auth_password", "basic_auth_pass"),
        description="Password that callers must send. BASIC_AUTH_PASS, the name that Label Studio's own backends use, is taken too.",
    )
    sign_in: bool = Field(
        True,
        description="Where Basic credentials and LABEL_STUDIO_URL are set: people may open the pages by signing in with their session or token of Label Studio too, and see and change what they may there. false: Basic credentials only.",
    )
    sign_in_hours: float = Field(8.0, gt=0, le=168, description="How long a person stays signed in, in hours.")
    webhook_secret: str = Field(
        "",
        repr=False,
        description="Value of the X-Webhook-Secret header that webhooks must carry (Label Studio sends them without Basic auth; `connect` sets the header). Empty: derived from the Basic credentials, where these are set.",
    )
    max_request_bytes: int = Field(
        64_000_000,
        ge=1_000_000,
        description="Largest request with tasks (/predict, /webhook, /setup), in bytes; others end at 1 MB. All requests together hold at most twice that.",
    )
    public_url: str = Field(
        "", description="Address under which Label Studio reaches this backend; empty: http://localhost:PORT."
    )
    predict_budget_seconds: float = Field(
        80.0, gt=0, le=95, description="Longest time that /predict may take; Label Studio gives up after 100 s."
    )

    # State
    state_dir: Path = Field(
        Path(".state"), description="Folder for the embedded database, job queue, compiled models and trained models."
    )
    database_url: str = Field(
        "", description="SQLAlchemy URL; empty: SQLite in STATE_DIR. PostgreSQL: postgresql+psycopg://…"
    )
    queue_url: str = Field("", description="Job queue; empty: SQLite in STATE_DIR. Redis: redis://host:6379/0")
    job_workers: int = Field(
        2, ge=1, le=64, description="Threads that run background jobs, in each of the two lanes (quick and long)."
    )
    pool_memory_mb: int = Field(
        4000,
        ge=50,
        description="Memory, in MB, for the pools of projects that each worker keeps between jobs; about 10 KB for each photo.",
    )

    # Images
    local_roots: CommaList = Field((), description="Comma-separated folders below which local image files may be read.")
    allowed_hosts: CommaList = Field(
        (),
        description="Comma-separated host names, addresses or networks (10.0.0.0/8) that may be fetched from though they are private.",
    )
    cloud_schemes: CommaList = Field(
        (),
        description="Comma-separated cloud schemes that may be read with the backend's own credentials: s3, gs, azure-blob. Others go through Label Studio.",
    )
    max_image_bytes: int = Field(50_000_000, ge=1_000, description="Largest image file, in bytes.")
    max_image_pixels: int = Field(50_000_000, ge=10_000, description="Largest image, in pixels (width x height).")
    image_memory_mb: int = Field(
        1024,
        ge=64,
        le=65_536,
        description="Memory in MB for the process that decodes big pictures, one beside each process of the server; small ones are decoded in a quarter of it in addition.",
    )
    image_timeout_seconds: float = Field(20.0, gt=0, le=600, description="Longest time to fetch one image.")

    # Features
    backbone: str = Field(
        "auto",
        description="auto, a name of the backbone registry (`python -m backend backbones`), or the path of an ONNX file. auto: efficientnet_lite012, three small networks side by side; inception_v3_lite012 where the weights of Inception v3 are on disk or can be downloaded.",
    )
    precision: Literal["auto", "int8", "fp32"] = Field(
        "auto",
        description="Arithmetic of the backbone: int8, fp32, or auto: int8 where the backbone was measured to bear it and the processor gains by it. A change has every photo embedded anew. Several machines of different kinds: name one.",
    )
    inception_weights: Path | None = Field(
        None,
        description="Weights of InceptionV3, instead of the download: a Keras file (.h5 or .weights.h5), or classify_image_graph_def.pb of 2015 with its class list beside it.",
    )
    weights_dir: Path | None = Field(
        None, description="Folder for downloaded weights and compiled models; empty: STATE_DIR/models."
    )
    wordnet_dir: Path | None = Field(
        None,
        description="Folder for the compiled WordNet; your own dict files of WordNet 3.0 may be in it. Empty: below WEIGHTS_DIR.",
    )
    batch_size: int = Field(32, ge=1, le=1024, description="Images per inference batch when embedding many.")
    decode_threads: int = Field(
        0, ge=0, le=256, description="Threads that fetch and decode images; 0: two for each core."
    )
    inference_threads: int = Field(0, ge=0, le=256, description="Threads that OpenVINO uses; 0: all cores.")

    # The order
    window_size: int = Field(
        50,
        ge=1,
        le=10_000,
        description="Queue window: how many tasks carry the current model version; the least: more for a team, see queue.md.",
    )
    superseded_hours: float = Field(
        24.0,
        gt=0,
        le=8760,
        description="How long a suggestion that left the queue stays valid in Label Studio, for whoever still has its photo open; in hours.",
    )
    strategy: str = Field("default", description="Query strategy by name (`python -m backend strategies`).")
    evaluation_share: float = Field(
        0.1, ge=0.0, le=0.5, description="Share of the queue drawn at random for evaluation, never trained on."
    )
    relevance: CommaList = Field(
        (),
        description="Comma-separated roots of what is relevant: synsets (athlete.n.01), topic domains (domain:sport.n.01) or labels. Empty: everything is.",
    )

    # Learning
    retrain_every: int = Field(50, ge=1, description="New annotations after which a head is retrained.")
    adaptation: Literal["triplet", "softmax", "off"] = Field(
        "off",
        description="Loss of a projection of the embeddings that each training tries beside the head; the graph moves into it where that is better. off: none is tried.",
    )

    # Operation
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe messages that are logged."
    )
    log_format: Literal["text", "json"] = Field("text", description="text for people, json for log collectors.")

    @field_validator("local_roots", "allowed_hosts", "cloud_schemes", "relevance", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("label_studio_url", "public_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.basic_auth_user) != bool(self.basic_auth_password):
            missing = "BASIC_AUTH_PASSWORD" if self.basic_auth_user else "BASIC_AUTH_USER"
            raise ValueError(
                f"BASIC_AUTH_USER and BASIC_AUTH_PASSWORD go together, and {missing} is empty: set both, or neither"
            )
        return self

    @property
    def signs_in(self) -> bool:
        """Whether people may sign in: the pages ask for credentials, and there is a Label Studio to ask about them."""
        return self.sign_in and bool(self.basic_auth_user and self.label_studio_url)

    @property
    def listens_beyond_this_machine(self) -> bool:
        """Whether HOST is anything but a loopback address."""
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return True

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL that is really used."""
        return self.database_url or f"sqlite:///{(self.state_dir / 'backend.sqlite3').resolve()}"

    @property
    def resolved_weights_dir(self) -> Path:
        """Where weights and compiled models are kept."""
        return self.weights_dir or self.state_dir / "models"

    @property
    def resolved_wordnet_dir(self) -> Path:
        """Where the compiled WordNet is kept."""
        return self.wordnet_dir or self.resolved_weights_dir / "wordnet"

    @property
    def resolved_public_url(self) -> str:
        """The address under which Label Studio reaches this backend."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def expanded_local_roots(self) -> tuple[Path, ...]:
        """The folders below which local files may be read, absolute."""
        return tuple(Path(root).expanduser().resolve() for root in self.local_roots)

    @property
    def pushes(self) -> bool:
        """Whether the backend writes to Label Studio (both the address and a token are set)."""
        return bool(self.label_studio_url and self.label_studio_api_key)


def check_listening(settings: Settings, *, insecure: bool) -> None:
    """Whoever can reach the backend may read its projects and train: other machines only where a password is asked for.

    Args:
        insecure: the person who starts it says that the network keeps strangers out.

    Raises:
        SettingsError: HOST is open to other machines, and no credentials are set.
    """
    if settings.listens_beyond_this_machine and not settings.basic_auth_user and not insecure:
        raise SettingsError(
            f"HOST is {settings.host}, which other machines can reach, and no credentials are set: set BASIC_AUTH_USER "
            "and BASIC_AUTH_PASSWORD, or HOST=127.0.0.1, or add --insecure where the network itself keeps strangers out."
        )


def secret_values(settings: Settings) -> tuple[str, ...]:
    """The values that must be seen nowhere: tokens, passwords, and those in addresses."""
    values = [settings.label_studio_api_key, settings.basic_auth_password, settings.webhook_secret]
    values += [urlsplit(url).password or "" for url in (settings.database_url, settings.queue_url)]
    return tuple(value for value in values if value)


def setting_names() -> tuple[str, ...]:
    """The environment variables of all settings."""
    return tuple(name.upper() for name in Settings.model_fields)


def near_misses(environment: list[str]) -> dict[str, str]:
    """Environment variables that are almost, but not quite, one of our settings: {found: meant}."""
    known = setting_names()
    found: dict[str, str] = {}
    for name in environment:
        if name in known or ("_" not in name and len(name) < 6):
            continue
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if close:
            found[name] = close[0]
    return found


def load_settings(**overrides: object) -> Settings:
    """Read the settings; `overrides` win over the environment.

    Raises:
        SettingsError: a setting is unknown or its value is not allowed; all faults in one message.
    """
    faults = [
        f"{found}: unknown setting, did you mean {meant}?" for found, meant in near_misses(list(os.environ)).items()
    ]
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        for item in error.errors():
            name = ".".join(str(part) for part in item["loc"]).upper()
            if not name:  # a rule for several settings, which it names itself
                faults.append(item["msg"].removeprefix("Value error, "))
            elif item["type"] == "extra_forbidden":
                faults.append(f"{name}: unknown setting{suggestion(name, setting_names())}")
            else:
                # The value is not repeated: it may be a secret.
                faults.append(f"{name}: {item['msg']}")
        raise SettingsError("Settings are not valid:\n  " + "\n  ".join(faults)) from None
    if faults:
        raise SettingsError("Settings are not valid:\n  " + "\n  ".join(faults))
    return settings
