"""Scores: how near samples are to real pictures, and what is missing."""
