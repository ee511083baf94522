"""`artgan style-train` as a user meets it: exit codes, the file alone on stdout, all else on stderr."""

import json
from pathlib import Path

import pytest

from artgan.engine.images import read_recipe
from tests.painting import picture
from tests.running import artgan
from tests.teaching import quicken_lessons

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with style.jpg, where lessons are tiny."""
    monkeypatch.chdir(tmp_path)
    quicken_lessons(monkeypatch)
    picture(Path("style.jpg"), 1, 48, 40)
    return tmp_path


def test_the_file_is_named_on_stdout_and_the_next_command_on_stderr() -> None:
    result = artgan("style-train", "style.jpg", "--minutes", 0.005, "-o", "my own.style", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "my own.style\n"
    assert "lessons in 0.0 minutes. Now: artgan stylize photo.jpg 'my own.style'" in result.stderr
    picture(Path("photo.png"), 0)
    painted = artgan("stylize", "photo.png", "my own.style")
    assert painted.exit_code == 0, painted.stderr
    assert painted.stdout == "photo-my own.png\n"
    assert read_recipe("photo-my own.png")["settings"]["detail"] == "instant"


def test_every_word_arrives() -> None:
    picture(Path("photos/a.png"), 3, 50, 40)
    Path("photos/bad.png").write_bytes(b"no picture")
    picture(Path("second.jpg"), 4, 40, 40)
    words = ["--minutes", 0.005, "--contents", "photos", "--seed", 7, "--preview", "now.jpg", "-o", "my.style"]
    result = artgan("style-train", "style.jpg", "second.jpg", *words, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["style"] == "my.style"
    assert told["lessons"] >= 1
    assert "Passed over: photos/bad.png" in result.stderr
    assert Path("now.jpg").exists()
    assert artgan("style-train", "style.jpg", "second.jpg", *words, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["style.jpg", "-o", "my.png"], 2, "-o my.png is no name for a style"),
        (["gone.jpg", "-o", "my.style"], 3, "The style gone.jpg does not exist"),
        (["style.jpg", "-o", "torn.style"], 5, "torn.style is damaged, or no style of artgan."),
        (["style.jpg", "-o", "my.style", "--contents", "gone"], 3, "There is no folder gone"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_hint(words: list[str], code: int, message: str) -> None:
    Path("torn.style").write_bytes(b"torn")
    result = artgan("style-train", *words)
    assert result.exit_code == code
    assert result.stdout == ""
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_instant_is_a_word_of_stylize() -> None:
    picture(Path("photo.png"), 0)
    result = artgan("stylize", "photo.png", "style.jpg", "--detail", "instant")
    assert result.exit_code == 0, result.stderr
    assert "on this machine" not in result.stderr
    refused = artgan("stylize", "photo.png", "style.jpg", "--detail", "instant", "--init", "noise", "-o", "x.png")
    assert refused.exit_code == 2
    assert "--init has no meaning with --detail instant" in " ".join(refused.stderr.split())
