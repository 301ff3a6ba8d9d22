"""`<Taxonomy>`: always whole paths, so equal names in different branches stay apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from backend.labels.controls.base import ControlKind
from backend.labels.controls.label import Label, StoredPath


class TaxonomyHandler:
    """Label Studio stores each chosen node as the list of names from its root."""

    kind: ControlKind = "taxonomy"
    result_key = "taxonomy"

    def is_multiple(self, attributes: Mapping[str, str]) -> bool:
        """Several nodes may be chosen unless `maxUsages="1"`."""
        return attributes.get("maxusages", "").strip() != "1"

    def stored(self, label: Label, nested: bool) -> str | list[str]:
        """The whole path."""
        return list(label.path)

    def value_of(self, path: StoredPath) -> str:
        """The path joined by "/"; a "/" or "\\" inside a name is escaped, so that no two paths look alike."""
        return "/".join(name.replace("\\", "\\\\").replace("/", "\\/") for name in path)

    def keys(self, path: StoredPath) -> Iterator[StoredPath]:
        """The whole path only."""
        yield path
