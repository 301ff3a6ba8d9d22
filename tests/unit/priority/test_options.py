from __future__ import annotations

import pytest

from backend.errors import SettingsError
from backend.priority import COMPONENTS, OrderOptions, check_strategy

pytestmark = pytest.mark.unit


def test_a_weight_that_is_not_set_is_one() -> None:
    options = OrderOptions(weights={"coverage": 2})
    assert (options.weight("coverage"), options.weight("novelty")) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"window": 0}, "window: must be a whole number of at least 1"),
        ({"window": True}, "window:"),
        ({"window": 2.5}, "window:"),
        ({"evaluation_share": 0.7}, "evaluation_share: must be a number from 0 to 0.5"),
        ({"evaluation_share": float("nan")}, "evaluation_share:"),
        ({"strategy": 3}, "strategy:"),
        ({"seed": "1"}, "seed:"),
        ({"weights": [1]}, "weights: must map"),
        ({"weights": {"novelti": 1}}, "weights.novelti: unknown component, did you mean novelty?"),
        ({"weights": {"novelty": -1}}, "weights.novelty: must be a number from 0 to 100"),
        ({"weights": {"novelty": "much"}}, "weights.novelty:"),
    ],
)
def test_errors_name_the_key(values: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said.replace("?", r"\?").replace(".", r"\.")):
        OrderOptions(**values)  # type: ignore[arg-type]


def test_unknown_strategy_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"'margn', did you mean margin\?"):
        check_strategy(OrderOptions(strategy="margn"))
    check_strategy(OrderOptions(strategy="margin"))
    check_strategy(OrderOptions())


def test_every_component_can_be_weighed() -> None:
    assert OrderOptions(weights=dict.fromkeys(COMPONENTS, 0.5)).weight("typicality") == 0.5
