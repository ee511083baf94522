"""`artgan explore`, and sliders and bends of other commands, as a user meets them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from artgan.engine.images import read_recipe
from artgan.latent import directions, explore
from tests.generators import untrained_run
from tests.running import artgan, told_without_torch

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A folder with runs/00000-tiny, explored, and what that said."""
    folder = tmp_path_factory.mktemp("explored")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        for module, name, value in ((directions, "_FITTED", 64), (directions, "_MEASURED", 32)):
            monkeypatch.setattr(module, name, value)
        monkeypatch.setattr(explore, "_RANDOM", 1)
        untrained_run(Path("runs"), z_dim=6)
        return folder, artgan("explore", "--num", 2, "--seeds", "0")


@pytest.fixture(autouse=True)
def folder(explored: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(explored[0], tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_exploring_names_sheet_and_page(explored: tuple[Path, Any]) -> None:
    result = explored[1]
    assert result.exit_code == 0, result.stderr
    sheet, page = result.stdout.splitlines()
    assert sheet.endswith("runs/00000-tiny/explore/sheet.png")
    assert page.endswith("runs/00000-tiny/explore/explore.html")
    assert "times a random direction" in result.stderr
    assert "artgan explore name 1 " in result.stderr


def test_a_direction_is_named_listed_used_and_forgotten() -> None:
    named = artgan("explore", "name", 1, "warmth")
    assert named.exit_code == 0, named.stderr
    assert "Direction 1 of 00000-tiny is the slider 'warmth'." in named.stderr
    assert json.loads(artgan("explore", "names", "--json").stdout) == {"warmth": 1}
    assert "warmth" in artgan("explore", "names").stdout
    drawn = artgan("sample", "--seeds", "0", "--slider", "warmth=2,2=-1", "--bend", "8:scale=1.4", "-o", "a.png")
    assert drawn.exit_code == 0, drawn.stderr
    command = read_recipe("a.png")["command"]
    assert command.endswith("--seeds 0 --slider warmth=2 --slider 2=-1 --bend 8:scale=1.4")
    assert artgan("again", "a.png").exit_code == 0
    assert Path("a-again.png").read_bytes() == Path("a.png").read_bytes()
    for words in (
        ["walk", "w.gif", "--frames", 3, "--slider", "warmth", "--bend", "4:rotate=0..15"],
        ["breed", 1, 2, "--children", 1, "--slider", "warmth=1", "-o", "bred"],
    ):
        result = artgan(*words)
        assert result.exit_code == 0, result.stderr
    assert artgan("explore", "forget", "warmth").exit_code == 0
    assert artgan("explore", "names").stdout == ""


ERRORS: list[tuple[list[str], int, str]] = [
    (["explore", "--runs", "nowhere"], 5, "There is no run in nowhere yet"),
    (["explore", "--class", "pear"], 2, "trained without classes"),
    (["explore", "--num", "0"], 2, "--num 0"),
    (["explore", "no-such-run"], 5, "There is no run 'no-such-run'"),
    (["explore", "name", "9", "warmth"], 2, "There is no direction 9"),
    (["explore", "name", "1", "7"], 2, "'7' is no name"),
    (["explore", "forget", "cold"], 2, "no slider 'cold'"),
    (["sample", "--slider", "warmht=1"], 2, "no slider 'warmht'"),
    (["sample", "--bend", "16:scale=2"], 2, "there is no layer '16'"),
    (["walk", "w.gif", "--bend", "8:scale=0..2"], 2, "out of range"),
]


@pytest.mark.parametrize(("words", "code", "named"), ERRORS)
def test_errors_are_one_sentence_and_one_hint(words: list[str], code: int, named: str) -> None:
    result = artgan(*words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 2


def test_a_run_without_checkpoints_is_a_sentence() -> None:
    shutil.rmtree("runs/00000-tiny/checkpoints")
    result = artgan("explore")
    assert result.exit_code == 5
    assert "00000-tiny has no checkpoint yet." in result.stderr


def test_help_does_not_touch_torch() -> None:
    calls = (["explore", "-h"], ["explore", "find", "-h"], ["explore", "--num", "3", "-h"], ["mix", "-h"])
    group, find, default, _ = told_without_torch(*calls)
    assert "forget" in group
    assert "--num" in find
    assert "--num" in default
