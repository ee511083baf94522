"""Folders and archives of pictures become batches; and painters that make pictures where there are none."""
