"""Repainting a picture in the manner of others: what is painted where, and in which colours."""
