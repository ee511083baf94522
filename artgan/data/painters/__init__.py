"""Procedural painters: schools of painting that make training pictures out of nothing but a seed."""

from artgan.data.painters.collection import paint_collection
from artgan.data.painters.schools import SCHOOLS, paint

__all__ = ["SCHOOLS", "paint", "paint_collection"]
