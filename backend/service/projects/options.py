"""What one project may set for itself: the "extra params" JSON of Label Studio's model connection."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from backend import extensions
from backend.errors import SettingsError, suggestion
from backend.learning.adaptation import AdaptationOptions
from backend.priority import OrderOptions, check_strategy
from backend.service.projects.payloads import first_fault
from backend.settings import Settings

Options = TypeVar("Options")
MAX_OPTION = 1_000_000  # no step, epoch, size or factor is larger


def _as_setting(name: str) -> Any:
    """The field of a setting: its default, limits and description are declared there."""
    return copy(Settings.model_fields[name])


class ProjectOptions(BaseModel):
    """Options of a project; what is not set comes from the setting of the same name, where there is one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_size: int = _as_setting("window_size")
    strategy: str = _as_setting("strategy")
    evaluation_share: float = _as_setting("evaluation_share")
    weights: dict[str, float] = Field(default_factory=dict, description="Factor of each component of the order.")
    relevance: tuple[str, ...] = Field((), description="Roots of what is relevant: synsets, domain:…, labels.")
    retrain_every: int = _as_setting("retrain_every")
    adaptation: Literal["triplet", "softmax", "off"] = _as_setting("adaptation")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of all that is drawn at random.")

    def order_options(self) -> OrderOptions:
        """The options that the order takes.

        Raises:
            SettingsError: a weight or the strategy is unknown; the message names the key.
        """
        options = OrderOptions(
            strategy=self.strategy,
            window=max(self.window_size, 1),
            weights=self.weights,
            evaluation_share=self.evaluation_share,
            seed=self.seed,
        )
        check_strategy(options)
        return options


def adaptation_options(loss: str, given: Mapping[str, Any] | None) -> AdaptationOptions | None:
    """Hyper-parameters of a training's projection: those given, else the defaults with this loss; None where it is off.

    Who gives a hyper-parameter wants a projection: then the loss is triplet where it would be off.

    Raises:
        SettingsError: one is unknown or not allowed; the message names it.
    """
    values = {"loss": "triplet" if given and loss == "off" else loss, **(given or {})}
    if values["loss"] == "off":
        return None
    return checked_options("adaptation", AdaptationOptions, values)


def checked_options(title: str, kind: type[Options], values: Mapping[str, Any]) -> Options:
    """The dataclass `kind` from values that came with a call.

    Raises:
        SettingsError: a value is unknown, of another type, not allowed or beyond all sense; the message names it.
    """
    try:
        options = kind(**values)
        TypeAdapter(kind).validate_python(dataclasses.asdict(options))  # type: ignore[call-overload]
    except ValidationError as error:
        raise SettingsError(f"{title}: {first_fault(error)}") from None
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{title}: {str(error)[:300]}") from None
    for name, value in values.items():
        if isinstance(value, int | float) and abs(value) > MAX_OPTION:
            raise SettingsError(f"{title}: {name} must be at most {MAX_OPTION}")
    return options


def parse_extra_params(value: object) -> dict[str, Any]:
    """The extra params as Label Studio sends them: JSON text, an object, or nothing.

    Raises:
        SettingsError: not a JSON object.
    """
    if value in (None, "", b""):
        return {}
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise SettingsError(f"extra params: not valid JSON ({error.msg} at character {error.pos})") from None
        except (RecursionError, ValueError):  # nested too deep; a number of thousands of digits
            raise SettingsError("extra params: nested too deep, or with a number that is too long") from None
    if not isinstance(value, Mapping):
        raise SettingsError('extra params: must be a JSON object, e.g. {"window_size": 100}')
    return dict(value)


@cache
def options_model() -> type[ProjectOptions]:
    """The options of a project with those that extensions add.

    An entry point of the group `label_order.options`, named like its option, gives its type and a pydantic `Field` with
    default, limits and description.
    """
    added = extensions.extensions(extensions.OPTIONS, ProjectOptions.model_fields.keys())
    return create_model("ProjectOptions", __base__=ProjectOptions, **added) if added else ProjectOptions


def project_options(settings: Settings, extra_params: Mapping[str, Any]) -> ProjectOptions:
    """The options of a project: settings, overridden by its extra params.

    Raises:
        SettingsError: a key is unknown or its value is not allowed; the message names the key.
    """
    model = options_model()
    defaults = {name: getattr(settings, name) for name in model.model_fields if name in Settings.model_fields}
    try:
        options = model(**{**defaults, **extra_params})
    except ValidationError as error:
        raise SettingsError("; ".join(_fault(item) for item in error.errors())) from None
    options.order_options()
    return options


def _fault(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"extra params: {key}: unknown{suggestion(key, options_model().model_fields)}"
    return f"extra params: {key}: {item['msg']}"
