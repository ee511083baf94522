"""`artgan export` on the command line."""

import json
from pathlib import Path

import pytest

from artgan.engine.storage import create_run
from tests.hostile.commands import refused
from tests.running import artgan
from tests.sharing import CASES, shareable


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shareable(tmp_path / "runs", **CASES["mlp, classes, sliders"])


def test_the_latest_run_is_written_as_onnx_and_told_of(run: Path) -> None:
    result = artgan("export")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "00000-shared.onnx\n"
    assert Path("00000-shared.onnx").stat().st_size > 1000
    assert "It takes z (N, 8), label (N), sliders (N, 1) and gives picture (N, 1, 16, 16)" in result.stderr
    assert "Sliders: round." in result.stderr
    assert "Largest difference from PyTorch: " in result.stderr


def test_json_is_alone_on_stdout(run: Path) -> None:
    result = artgan("export", "0", "-f", "torchscript", "-o", "x.pt", "--json")
    told = json.loads(result.stdout)
    assert told["file"] == "x.pt"
    assert told["inputs"] == {"z": ["N", 8], "label": ["N"], "sliders": ["N", 1]}
    assert told["difference"] < 1e-4
    assert told["size"] == Path("x.pt").stat().st_size


def test_the_ending_names_the_format(run: Path) -> None:
    result = artgan("export", "-o", "page.html", "--title", "Fruit")
    assert result.exit_code == 0, result.stderr
    assert "<title>Fruit" in Path("page.html").read_text()


def test_a_file_that_exists_is_kept_until_told(run: Path) -> None:
    Path("x.html").write_text("mine")
    assert "x.html exists" in refused("export", "-o", "x.html", code=2, longest=200)
    assert Path("x.html").read_text() == "mine"
    assert artgan("export", "-o", "x.html", "--overwrite").exit_code == 0
    assert Path("x.html").read_text() != "mine"


def test_runs_that_give_nothing_are_one_sentence(tmp_path: Path) -> None:
    assert "There is no run in runs yet" in refused("export", code=5, longest=200)
    empty = create_run(tmp_path / "runs", "empty")
    empty.info.write_text(json.dumps({"data": {"path": "", "fingerprint": "", "pictures": 0}, "engine": {}}))
    assert "00000-empty has no checkpoint yet" in refused("export", code=5, longest=200)
    assert "00000-empty has no checkpoint yet" in refused("pack", code=5, longest=200)
