"""`artgan judge` as a user meets it: exit code, stdout and stderr apart, files on disk."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import painted
from tests.judging import answer, likes, sees
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("studio")


@pytest.fixture
def samples(studio: Path) -> Path:
    """Twelve pictures."""
    folder = studio / "samples"
    folder.mkdir()
    for seed in range(12):
        painted(800 + seed, 16, 16).save(folder / f"{seed}.png")
    return folder


def test_from_two_folders_to_a_preference(paintings: Path, samples: Path) -> None:
    result = artgan("judge", paintings, samples, "--num", "10")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "judge.html\n"
    assert "10 questions, 1 of them asked twice" in result.stderr
    told = "Send judge.html to people, keep judge.key.json to yourself"
    assert told in result.stderr
    assert "artgan judge --tally answers*.json" in result.stderr
    key = Path("judge.key.json")
    answer(key, Path("answers-anna.json"), likes("b"), "anna")
    answer(key, Path("answers-bert.json"), likes("b"), "bert [bold]")
    tally = artgan("judge", "--tally", "answers*.json")
    assert tally.exit_code == 0, tally.stderr
    assert "preferred" in tally.stdout
    assert "0 of 20" in tally.stdout
    assert "bert [bold]" in tally.stdout
    assert "p" in tally.stdout
    assert "0.002" in tally.stdout
    assert "2/2" in tally.stdout
    assert f"B is {samples}" in tally.stderr
    again = artgan("judge", paintings, samples)
    assert again.exit_code == 2
    assert "judge.html exists." in again.stderr


def test_json_stands_alone_on_stdout(paintings: Path, samples: Path) -> None:
    result = artgan("judge", samples, paintings, "--mode", "turing", "--num", "8", "-o", "t.html", "--json")
    assert result.exit_code == 0, result.stderr
    written = json.loads(result.stdout)
    assert (written["page"], written["key"], written["mode"]) == ("t.html", "t.key.json", "turing")
    answer(Path("t.key.json"), Path("mine.json"), sees)
    tally = artgan("judge", "--tally", "mine.json", "--key", "t.key.json", "--json")
    assert tally.exit_code == 0, tally.stderr
    found = json.loads(tally.stdout)
    assert {share["name"]: share["value"] for share in found["shares"]} == {"fooled": 0, "recognised": 1, "right": 1}
    assert found["raters"][0]["rater"] == "anna"
    assert found["d_prime"] > 1


def test_a_run_alone_against_its_training_pictures(paintings: Path) -> None:
    tiny = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
    made = artgan("train", paintings, *tiny, "--kimg", "0.008")
    assert made.exit_code == 0, made.stderr
    result = artgan("judge", "0", "--num", "8", "--size", "16")
    assert result.exit_code == 0, result.stderr
    assert "the training pictures of 00000" in result.stderr
    key = json.loads(Path("judge.key.json").read_text())
    assert key["mode"] == "turing"
    assert sorted(shown["pictures"][0].split()[0] for shown in key["questions"]) == ["seed"] * 4 + ["training"] * 4
    assert "00000-paintings" not in Path("judge.html").read_text()
    paintings.rename(paintings.with_name("gone"))
    gone = artgan("judge", "0", "--overwrite")
    assert gone.exit_code == 3
    assert "are no longer at" in gone.stderr


def test_exit_codes(paintings: Path, samples: Path) -> None:
    Path("mine.json").write_text("{")
    cases: list[tuple[list[Any], int, str]] = [
        ([], 2, "Missing argument"),
        ([paintings], 2, "stands alone"),
        ([paintings, samples, samples], 2, "3 things are named"),
        ([paintings, "nowhere.zip"], 3, "nowhere.zip does not exist"),
        ([paintings, "7"], 5, "no run '7'"),
        ([paintings, samples, "--mode", "triples"], 2, "triples"),
        ([paintings, samples, "--class", "cats"], 2, "--class 'cats'"),
        ([paintings, samples, "-o", "page.png"], 2, "page.png"),
        (["--tally", "mine.json"], 2, "mine.json is no file of answers"),
        (["--tally", "none*.json"], 2, "no answers at none*.json"),
    ]
    for words, code, told in cases:
        result = artgan("judge", *words)
        assert result.exit_code == code, (words, result.stderr)
        assert told in result.stderr.replace("\n", " "), (words, result.stderr)
        assert result.stdout == ""
