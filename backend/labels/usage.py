"""What the backend makes of a label config, in words: which photo it looks at, which controls it fills, which not."""

from __future__ import annotations

from backend.labels.config import LabelConfig
from backend.labels.controls import Control


def describe_usage(config: LabelConfig) -> list[str]:
    """One sentence for each thing that is used, then one for each that is not."""
    first, *others = config.controls
    lines = [f"The photo is ${config.data_key}; the order follows {_described(first)}."]
    lines += [
        f"Suggested too, as soon as WordNet or annotations tell something of it: {_described(other)}."
        for other in others
    ]
    return lines + [f"Not used: {reason}." for reason in config.left_out]


def _described(control: Control) -> str:
    n = len(control.labels)
    count = f"{n} label{'' if n == 1 else 's'}" if n else f"labels from ${control.dynamic_key}"
    each = "several for a photo" if control.multiple else "one for each photo"
    return f'<{control.kind.capitalize()} name="{control.from_name}"> ({count}, {each})'
