"""`artgan score` as a user meets it: exit code, stdout and stderr apart, files on disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import painted
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("studio")


@pytest.fixture
def samples(studio: Path) -> Path:
    """Eight pictures, one of them broken."""
    folder = studio / "samples"
    folder.mkdir()
    for seed in range(7):
        painted(800 + seed, 16, 16).save(folder / f"{seed}.png")
    (folder / "half.png").write_bytes((folder / "1.png").read_bytes()[:70])
    return folder


def test_a_table_on_stdout_and_notes_on_stderr(paintings: Path, samples: Path) -> None:
    result = artgan("score", "--real", paintings, "--fake", samples, "--html", "score.html")
    assert result.exit_code == 0, result.stderr
    for name in ("kid7_artgan", "fd7_artgan", "precision7_artgan", "modes7_artgan", "memorised7_artgan", "floor"):
        assert name in result.stdout
    assert result.stdout.strip().splitlines()[-1] == "score.html"
    assert "left out half.png" in result.stderr
    assert "KID leads" in result.stderr
    assert "Floor: 6 real pictures against 6 others" in result.stderr
    page = Path("score.html").read_text()
    assert "kid7_artgan" in page
    again = artgan("score", "--real", paintings, "--fake", samples, "--html", "score.html")
    assert again.exit_code == 2
    assert "score.html exists." in again.stderr
    assert Path("score.html").read_text() == page


def test_json_stands_alone_on_stdout(paintings: Path, samples: Path) -> None:
    result = artgan("score", "--real", paintings, "--fake", samples, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    figures = {figure["name"]: figure for figure in told["sets"][0]["figures"]}
    assert figures["kid7_artgan"]["low"] < figures["kid7_artgan"]["high"]
    assert figures["fd7_artgan"]["floor"] > 0
    assert told["real_count"] == 12
    assert told["floor_counts"] == [6, 6]


def test_every_checkpoint_of_a_run(paintings: Path) -> None:
    tiny = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
    made = artgan("train", paintings, *tiny, "--kimg", "0.016", "--set", "snapshot.checkpoint_kimg=0.008")
    assert made.exit_code == 0, made.stderr
    newest = artgan("score", "--num", "8")
    assert newest.exit_code == 0, newest.stderr
    assert "fd8_artgan" in newest.stdout
    every = artgan("score", "0", "--every", "--num", "8")
    assert every.exit_code == 0, every.stderr
    lines = every.stdout.splitlines()
    assert "@000000008" in lines[1]
    assert "@000000016" in lines[2]
    assert lines[3].startswith("floor")


def test_exit_codes(paintings: Path, samples: Path) -> None:
    cases: list[tuple[list[Any], int, str]] = [
        (["--real", paintings, "--fake", "nowhere.npz"], 3, "nowhere.npz"),
        (["--real", "nowhere.zip", "--fake", samples], 3, "nowhere.zip"),
        (["7"], 5, "no run '7'"),
        (["--fake", samples], 2, "--real is missing"),
        (["--real", paintings, "--fake", samples, "--features", "inception"], 7, "artgan weights get inception"),
        (["--real", paintings, "--fake", samples, "--weights", "w.pth"], 2, "--weights"),
        (["--real", paintings, "--fake", samples, "--num", "1"], 2, "--num 1"),
        (["--real", paintings, "--fake", samples, "--precision", "fp16"], 2, "fp16"),
        ([paintings, samples], 2, "Got unexpected extra argument"),
    ]
    for words, code, told in cases:
        result = artgan("score", *words)
        assert result.exit_code == code, (words, result.stderr)
        assert told in result.stderr.replace("\n", " "), (words, result.stderr)
        assert result.stdout == ""
