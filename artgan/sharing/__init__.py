"""Models that leave: for other programs, for the browser, and as one file to publish."""
