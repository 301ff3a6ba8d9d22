"""Sheets: photos that the model takes for one class and that look alike, answered together."""

from backend.priority.sheets.choice import sheet_is_better
from backend.priority.sheets.selection import Sheet, SheetOptions, best_sheet, irrelevant_sheet
from backend.priority.sheets.times import AnswerTimes

__all__ = ["AnswerTimes", "Sheet", "SheetOptions", "best_sheet", "irrelevant_sheet", "sheet_is_better"]
