"""Plays the annotator: accuracy against labels spent, through the same code as the server."""

from __future__ import annotations

from backend.simulation.engine import CHECKPOINTS, RANDOM_HEAD, Run
from backend.simulation.points import CurvePoint
from backend.simulation.report import Summary, summarise, table_rows
from backend.simulation.run import Simulation, play_all, run

__all__ = [
    "CHECKPOINTS",
    "RANDOM_HEAD",
    "CurvePoint",
    "Run",
    "Simulation",
    "Summary",
    "play_all",
    "run",
    "summarise",
    "table_rows",
]
