"""`artgan weights` as a user meets it."""

import hashlib
import json
from pathlib import Path

import pytest

from artgan.engine import weights
from artgan.engine.weights import Weights
from tests.running import artgan

CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for the one on the server, and empty places to look for it."""
    monkeypatch.setenv("ARTGAN_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    file = tmp_path / "server.pth"
    file.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    entry = Weights("vgg19", file.as_uri(), len(CONTENT), digest, "MIT", "tests [bold]", ("w.pth",))
    monkeypatch.setitem(weights.WEIGHTS, "vgg19", entry)
    return file


def test_list_get_and_get_again(tmp_path: Path) -> None:
    table = artgan("weights", "list")
    assert table.exit_code == 0
    assert table.stdout.count("not here") == 2
    for words in ("inception", "96 MB", "Apache-2.0", "tests [bold]"):
        assert words in table.stdout

    first = artgan("weights", "get", "vgg19")
    assert first.exit_code == 0, first.stderr
    assert first.stdout.strip() == str(tmp_path / "own" / "w.pth")
    assert Path(first.stdout.strip()).read_bytes() == CONTENT
    assert "fetched" in first.stderr

    again = artgan("weights", "get", "vgg19")
    assert again.stdout == first.stdout
    assert "here already" in again.stderr

    listed = {entry["name"]: entry["path"] for entry in json.loads(artgan("weights", "list", "--json").stdout)}
    assert listed == {"inception": None, "vgg19": first.stdout.strip()}


def test_what_cannot_be_fetched_is_one_sentence_and_exit_code_7(tmp_path: Path, published: Path) -> None:
    published.write_bytes(CONTENT[:-1])
    cut = artgan("weights", "get", "vgg19")
    assert "stopped after 6,999 of 7,000 bytes" in cut.stderr
    published.unlink()
    absent = artgan("weights", "get", "vgg19")
    assert "cannot be fetched" in absent.stderr
    for result in (cut, absent):
        assert result.exit_code == 7
        assert result.stdout == ""
        assert len(result.stderr.strip().splitlines()) == 2
        assert list((tmp_path / "own").iterdir()) == []


def test_an_unknown_name_is_refused() -> None:
    result = artgan("weights", "get", "huge")
    assert result.exit_code == 2
    assert "inception, vgg19" in result.stderr
