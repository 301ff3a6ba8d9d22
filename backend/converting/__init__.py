"""Labelled photos from one program's form into another's, and what the other cannot hold."""

from backend.converting.convert import Converted, ConvertOptions, convert
from backend.converting.records import Dataset, Observation, Photo

__all__ = ["ConvertOptions", "Converted", "Dataset", "Observation", "Photo", "convert"]
