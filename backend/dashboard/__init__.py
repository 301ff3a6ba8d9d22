"""The pages that people open in a browser: projects, the queue with its reasons, sheets."""

from backend.dashboard.blueprint import dashboard_blueprint

__all__ = ["dashboard_blueprint"]
