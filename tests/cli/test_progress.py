"""`artgan progress` as a user meets it."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.running import artgan

QUICK = ["--seconds", "0.4", "--fps", "10"]


@pytest.fixture(autouse=True)
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two runs; the second one has a damaged preview."""
    monkeypatch.chdir(tmp_path)
    for name, color in (("00000-first-studio64", "red"), ("00001-second-studio64", "blue")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text("{}")
        for nimg in (0, 2048):
            Image.new("RGB", (90, 60), color).save(folder / f"fakes{nimg:09d}.png")
    (folder / "fakes000004096.png").write_bytes(b"cut off")
    return tmp_path


def test_a_film_of_a_run() -> None:
    result = artgan("progress", "0", "out.mp4", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "out.mp4\n"
    assert "2 previews of 00000-first-studio64 in 0.4 seconds" in result.stderr
    assert Path("out.mp4").read_bytes()[4:8] == b"ftyp"


def test_the_latest_run_by_default() -> None:
    result = artgan("progress", *QUICK)
    assert result.exit_code == 0, result.stderr
    assert Path(result.stdout.strip()) == Path("runs/00001-second-studio64/progress.mp4")
    assert "Skipped fakes000004096.png: not a picture" in result.stderr


def test_one_word_may_be_the_film() -> None:
    result = artgan("progress", "out.GIF", *QUICK, "--no-caption", "--fade", "0", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["file"], told["run"], told["previews"]) == ("out.GIF", "00001-second-studio64", 2)
    assert told["skipped"] == [["fakes000004096.png", "not a picture"]]
    with Image.open("out.GIF") as film:
        assert film.size == (540, 360)
        assert film.convert("RGB").getpixel((100, 100)) == (0, 0, 255)


def test_an_existing_film_is_kept() -> None:
    Path("out.mp4").write_text("mine")
    refused = artgan("progress", "0", "out.mp4", *QUICK)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert Path("out.mp4").read_text() == "mine"
    assert artgan("progress", "0", "out.mp4", *QUICK, "--overwrite").exit_code == 0
    assert Path("out.mp4").stat().st_size > 500


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["7", "out.mp4"], 5, "no run '7'"),
        (["out.mp4", "--runs", "elsewhere"], 5, "no run in elsewhere"),
        (["0", "out.avi"], 2, "out.avi is not the name of a film"),
        (["0", "out.gif", "--fps", "60"], 2, "at most 50"),
        (["0", "out.mp4", "--seconds", "-3"], 2, "--seconds -3"),
        (["0", "runs/00000-first-studio64/run.json/out.mp4"], 5, "out.mp4 cannot be written"),
    ],
)
def test_errors_are_one_sentence_and_one_hint(words: list[str], code: int, named: str, studio: Path) -> None:
    result = artgan("progress", *words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 2
    assert [path.name for path in studio.iterdir()] == ["runs"]
