"""Fixtures of the commands' tests."""

from pathlib import Path

import pytest


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "studio"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
