"""Getting photos from lists of addresses into class folders."""

from backend.collecting.fetch import fetch_photos
from backend.collecting.lists import ListedPhoto, read_list
from backend.collecting.options import Fetched, FetchOptions

__all__ = ["FetchOptions", "Fetched", "ListedPhoto", "fetch_photos", "read_list"]
