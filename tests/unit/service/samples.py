"""Payloads as Label Studio sends them."""

from __future__ import annotations

from typing import Any

CONFIG = """<View>
  <Image name="image" value="$image"/>
  <Choices name="sport" toName="image">
    <Choice value="Tennis"/><Choice value="Golf"/><Choice value="Not relevant"/>
  </Choices>
</View>"""

PROJECT: dict[str, Any] = {"id": 7, "title": "Sports", "label_config": CONFIG}


def choice(label: str) -> list[dict[str, Any]]:
    return [{"from_name": "sport", "to_name": "image", "type": "choices", "value": {"choices": [label]}}]


def annotation(number: int, label: str = "Tennis", *, second: int = 0, task: int = 1, **more: Any) -> dict[str, Any]:
    stamp = f"2026-01-02T03:{second // 60:02d}:{second % 60:02d}.000000Z"
    return {"id": number, "task": task, "result": choice(label), "updated_at": stamp, "completed_by": 1, **more}


def task(number: int) -> dict[str, Any]:
    return {"id": number, "data": {"image": f"/data/upload/7/{number}.jpg"}}


def annotated(action: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"action": action, "project": PROJECT, "task": task(item["task"]), "annotation": item}
