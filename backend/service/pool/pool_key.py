"""What files that are derived from a pool are recognised by: whether they still belong to it."""

from __future__ import annotations

import hashlib

import numpy as np

from backend.service.pool.cache import ProjectPool


def pool_key(pool: ProjectPool) -> str:
    """32 digits that change with the photos of the pool, their contents, the backbone and the graph's projection."""
    ascending = np.argsort(pool.task_ids, kind="stable")
    ascending = ascending[~pool.gone[ascending]]
    projection = pool.controls[0].model.projection
    found = hashlib.blake2b(pool.task_ids[ascending].tobytes(), digest_size=16)
    found.update("".join(pool.digests[row] for row in ascending.tolist()).encode())
    found.update(pool.backbone.encode() + projection.mean.tobytes())
    found.update(np.ascontiguousarray(projection.matrix).tobytes())
    return found.hexdigest()
