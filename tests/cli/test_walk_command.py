"""`artgan walk` as a user meets it: exit codes, stdout and stderr apart, films that are whole or not there."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artgan.engine.video import read_film_recipe
from tests.filming import decoded_film, write_tone
from tests.generators import untrained_run
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("one_thread")
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with runs/00000-tiny."""
    monkeypatch.chdir(tmp_path)
    untrained_run(Path("runs"), ("apple", "pear"), z_dim=8)
    return tmp_path


def test_a_walk_names_its_film_on_stdout() -> None:
    result = artgan("walk", "--frames", 5, "out.mp4")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "out.mp4\n"
    assert "5 frames, 0.2 s, of 00000-tiny through apple:0 - pear:1 - apple:2 - pear:3" in result.stderr
    assert len(decoded_film(Path("out.mp4"))) == 5


def test_every_flag_reaches_the_library() -> None:
    write_tone(Path("song.wav"), 1)
    flags = [
        *("--run", 0, "--seconds", 0.5, "--fps", 12, "--size", 32, "--grid", "2x1", "--codec", "hevc"),
        *("--quality", 60, "--seeds", "1,2", "--from", 7, "--class", "pear", "--truncation", 0.7, "--seed", 3),
        *("--path", "slerp", "--ease", "sine", "--open", "--audio", "song.wav", "--amount", 0.5, "--device", "cpu"),
    ]
    result = artgan("walk", *flags, "--json", "out.mp4")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["frames"], told["fps"], told["file"]) == (6, 12, "out.mp4")
    assert told["keys"] == [["pear:1", "pear:2", "pear:7"]] * 2
    assert read_film_recipe("out.mp4")["command"] == (
        "artgan walk out.mp4 --run 00000-tiny --seconds 0.5 --fps 12 --size 32 --grid 2x1 --from 1,2 --from 7 "
        "--class pear --truncation 0.7 --seed 3 --path slerp --ease sine --open --audio song.wav --amount 0.5 "
        "--codec hevc --quality 60"
    )
    assert artgan("walk", "--frames", 2, "--even", "--overwrite", "out.mp4").exit_code == 0


ERRORS: list[tuple[list[str], int, str]] = [
    (["walk", "out.mp4", "--run", "nowhere"], 5, "nowhere"),
    (["walk", "out.mp4", "--frames", "0"], 2, "--frames 0"),
    (["walk", "out.mp4", "--class", "dog"], 2, "There is no class 'dog'"),
    (["walk", "out.mp4", "--seeds", "3-1"], 2, "3-1"),
    (["walk", "out.mp4", "--from", "gone.png"], 2, "'gone.png' is neither a seed nor a file"),
    (["walk", "out.mp4", "--grid", "three"], 2, "--grid 'three' is no grid"),
    (["walk", "out.avi"], 2, "out.avi is not the name of a film"),
    (["walk", "out.gif", "--codec", "hevc"], 2, "hevc"),
    (["walk", "out.mp4", "--audio", "gone.wav"], 2, "gone.wav"),
    (["walk", "file/out.mp4"], 5, "file"),
]


@pytest.mark.parametrize(("words", "code", "message"), ERRORS)
def test_errors_are_a_sentence_and_a_hint(words: list[str], code: int, message: str) -> None:
    Path("file").write_text("a file, not a folder")
    result = artgan(*words)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2
    assert result.stdout == ""
    assert {path.name for path in Path().iterdir()} == {"runs", "file"}


def started(*words: str) -> "subprocess.Popen[str]":
    """Walk in a process of its own; returns once frames are being written."""
    command = [sys.executable, "-m", "artgan", "walk", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not list(Path().glob(".out.mp4.*/film")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.3)
    return process


@posix
def test_ctrl_c_leaves_a_film_of_what_was_drawn() -> None:
    with started("out.mp4", "--frames", "100000") as process:
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Stopped: out.mp4 has the" in stderr
    assert 0 < len(decoded_film(Path("out.mp4"))) < 100_000
    assert {path.name for path in Path().iterdir()} == {"runs", "out.mp4"}


@posix
def test_a_killed_walk_leaves_nothing_under_the_name() -> None:
    with started("out.mp4", "--frames", "100000") as process:
        process.kill()
        process.communicate()
    assert not Path("out.mp4").exists()
    Path(".other.mp4.1.4194000.tmp").mkdir()  # not ours, whoever made it
    assert artgan("walk", "--frames", 2, "out.mp4").exit_code == 0
    assert {path.name for path in Path().iterdir()} == {"runs", "out.mp4", ".other.mp4.1.4194000.tmp"}
