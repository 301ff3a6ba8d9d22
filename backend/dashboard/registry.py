"""The pages of a project, in the order of the menu."""

from __future__ import annotations

from backend.dashboard.page import ProjectPage
from backend.dashboard.views import coverage, map, mistakes, progress, queue, search, settings, sheets

PAGES: tuple[ProjectPage, ...] = (
    progress.PAGE,
    queue.PAGE,
    sheets.PAGE,
    coverage.PAGE,
    map.PAGE,
    mistakes.PAGE,
    search.PAGE,
    settings.PAGE,
)
