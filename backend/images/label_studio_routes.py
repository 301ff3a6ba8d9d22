"""The addresses of Label Studio that give images: only these are asked for with its token."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote, urlsplit

# As in Label Studio's own routes: uploads, local files, and the storages' files, resolved by itself.
_ROUTES = re.compile(
    r"/(data/upload/.|data/local-files/|storage-data/uploaded/|(tasks|projects)/[0-9]+/(resolve|presign)/)", re.DOTALL
)


def serves_images(target: str, prefix: str) -> bool:
    """Whether the path and query `target` lead to an image of a Label Studio whose own address has the path `prefix`."""
    path = unquote(urlsplit(target).path)
    normal = posixpath.normpath(path) + ("/" if path.endswith("/") else "")
    if normal != path or "\\" in path or not path.startswith(prefix):  # some server may follow "..", and end elsewhere
        return False
    return _ROUTES.match(path.removeprefix(prefix)) is not None
