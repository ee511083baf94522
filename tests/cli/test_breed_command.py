"""`artgan breed` and `artgan project` as a user meets them: exit codes, stdout and stderr apart."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from artgan.engine.images import read_recipe
from tests.cli.test_program import wait_for
from tests.conftest import painted
from tests.generators import untrained_run
from tests.running import artgan, told_without_torch

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with runs/00000-tiny and photo.png."""
    monkeypatch.chdir(tmp_path)
    untrained_run(Path("runs"), ("apple", "pear"), z_dim=8)
    painted(0, 24, 20).save("photo.png")
    return tmp_path


def test_breeding_names_the_sheet_on_stdout() -> None:
    result = artgan("breed", "pear:3", "apple:14", "--children", 3, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "out/sheet.png\n"
    assert "3 children of pear:3, apple:14 from 00000-tiny." in result.stderr
    assert "out/child01.png to child03.png" in result.stderr
    again = artgan("again", "out/child02.png")
    assert again.exit_code == 0, again.stderr
    assert Path("out/child02-again.png").read_bytes() == Path("out/child02.png").read_bytes()


def test_every_flag_of_breeding_reaches_the_library() -> None:
    flags = ["--run", 0, "--children", 2, "--mutate", 0.4, "--seed", 9, "--class", "pear", "--truncation", 0.7]
    result = artgan("breed", 3, 4, *flags, "--device", "cpu", "-o", "out", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["files"] == ["out/child01.png", "out/child02.png"]
    assert told["parents"] == ["pear:3", "pear:4"]
    recipe = read_recipe("out/sheet.png")
    assert (recipe["mutate"], recipe["seed"]) == (0.4, 9)
    assert recipe["command"].endswith(
        "3 4 --run 00000-tiny --children 2 --mutate 0.4 --seed 9 --class pear --truncation 0.7"
    )


def test_projecting_says_how_far_each_picture_is() -> None:
    Path("bad.png").write_text("no picture")
    result = artgan("project", "photo.png", "bad.png", "--steps", 2, "--class", "pear", "--seed", 4, "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "out/photo-projected.png\n"
    assert "photo.png: distance " in result.stderr
    assert ", pear. Its latent: out/photo.npz" in result.stderr
    assert "Not found: bad.png: not a picture." in result.stderr
    command = read_recipe("out/photo-projected.png")["command"]
    assert command == "artgan project photo.png --run 00000-tiny --class pear --steps 2 --seed 4"
    listed = artgan("project", "photo.png", "--steps", 1, "--json")
    (one,) = json.loads(listed.stdout)["pictures"]
    assert one["latent"].endswith("runs/00000-tiny/projections/photo.npz")
    if one["far"]:
        assert one["distance"] > 1


ERRORS: list[tuple[list[str], int, str]] = [
    (["breed", "pear:3", "gone.png"], 2, "'gone.png' is neither a seed nor a file"),
    (["breed", "pear:3"], 2, "One parent alone has no children"),
    (["breed", "kiwi:3", "4"], 2, "There is no class 'kiwi'"),
    (["breed", "pear:3", "pear:4", "--children", "0"], 2, "--children 0"),
    (["breed", "pear:3", "pear:4", "--runs", "nowhere"], 5, "There is no run in nowhere yet"),
    (["breed", "pear:3", "pear:4", "--run", "photo.png"], 5, "photo.png is not a .safetensors file"),
    (["breed", "pear:3", "pear:4", "--device", "cuda:99"], 6, "cuda:99 is not here"),
    (["project", "gone.png"], 3, "The picture gone.png does not exist"),
    (["project", "photo.png", "--class", "kiwi"], 2, "There is no class 'kiwi'"),
    (["project", "photo.png", "--steps", "0"], 2, "--steps 0"),
    (["project", "photo.png", "--runs", "nowhere"], 5, "There is no run in nowhere yet"),
]


@pytest.mark.parametrize(("words", "code", "named"), ERRORS)
def test_errors_are_one_sentence_and_one_hint(words: list[str], code: int, named: str) -> None:
    result = artgan(*words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 2


def test_help_does_not_touch_torch() -> None:
    breeding, _ = told_without_torch(["breed", "--help"], ["project", "--help"])
    assert "--mutate" in breeding


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_ctrl_c_stops_a_search_at_its_next_step() -> None:
    program = (
        "import pathlib, artgan.latent.projector as p; first = p._ramp;"
        "p._ramp = lambda done: (pathlib.Path('begun').touch(), first(done))[1];"
        "from artgan.cli.main import main; main()"
    )
    words = [sys.executable, "-c", program, "project", "photo.png", "--steps", "100000", "-o", "out"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        wait_for(Path(), "begun", process)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Stopped before the latent was found" in told
    assert "Traceback" not in told
    assert not Path("out").exists()
