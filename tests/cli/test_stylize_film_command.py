"""`artgan stylize` of films as a user meets it: what is said, Ctrl-C, kill -9, and the same command again."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from artgan.engine.feeding import Frame
from artgan.engine.video import write_video
from artgan.style.plan import Stage
from tests.cli.test_program import wait_for
from tests.conftest import painted
from tests.filming import decoded_frames
from tests.painting import picture, quicken
from tests.running import artgan, begin_program

pytestmark = pytest.mark.usefixtures("one_thread")

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
# A real process whose frames take STEPS steps.
PROGRAM = """
import os
from artgan.style import film, studio
from artgan.style.pace import Pace
from artgan.style.plan import Stage
film.stages = film.going_on = lambda size, detail: (Stage(max(size), int(os.environ["STEPS"])),)
studio.measure_pace = lambda *_: Pace(0.001, 0.0, 0.0)
from artgan.cli.main import main
main()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with clip.mkv, of five frames that move, and style.jpg."""
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    for plan in ("stages", "going_on"):
        monkeypatch.setattr(f"artgan.style.film.{plan}", lambda size, detail: (Stage(max(size), 2),))
    wide = np.array(painted(0, 64, 36).convert("RGB"))
    frames: list[Frame] = [np.ascontiguousarray(wide[:, 2 * number : 2 * number + 48]) for number in range(5)]
    write_video(Path("clip.mkv"), iter(frames), fps=5, codec="lossless")
    picture(Path("style.jpg"), 1, 40, 40)
    return tmp_path


def begin(*words: str, steps: int) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return begin_program(PROGRAM, *words, STEPS=str(steps))


def finished(*words: str, steps: int) -> str:
    with begin(*words, steps=steps) as process:
        out, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    return out + told


def test_a_film_is_named_on_stdout_and_all_else_on_stderr() -> None:
    done = artgan("stylize", "clip.mkv", "style.jpg", "--from", "0:00.2", "--to", "00:00.8")
    assert done.exit_code == 0, done.output
    assert done.stdout == "clip-style.mp4\n"
    assert "clip.mkv to clip-style.mp4, 48 x 36 px, 3 frames." in done.stderr
    assert "on this machine" in done.stderr
    assert len(decoded_frames(Path("clip-style.mp4"))) == 3


def test_the_result_as_json_is_alone_on_stdout() -> None:
    done = artgan("stylize", "clip.mkv", "style.jpg", "-o", "out.gif", "--json", "--fps", "2.5")
    assert json.loads(done.stdout)["pictures"] == [
        {"content": "clip.mkv", "out": "out.gif", "state": "painted", "reason": ""}
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--from", "soon"], "--from soon is not a time"),
        (["-o", "out.jpg"], "clip.mkv is a film, and -o out.jpg one picture"),
        (["--fps", "900"], "--fps 900 is not a frame rate"),
    ],
)
def test_errors_are_one_sentence_and_one_hint(words: list[str], named: str) -> None:
    done = artgan("stylize", "clip.mkv", "style.jpg", *words)
    assert done.exit_code == 2
    assert named in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


@posix
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_film_that_was_ended_goes_on_where_it_was_and_is_the_same(end: signal.Signals) -> None:
    words = ["stylize", "clip.mkv", "style.jpg", "-o"]
    steps = 60
    finished(*words, "whole", steps=steps)
    with begin(*words, "parts", steps=steps) as process:
        wait_for(Path(), ".parts.*.frames/00001.png", process)
        process.send_signal(end)
        _, told = process.communicate(timeout=120)
    assert process.returncode == (130 if end == signal.SIGINT else -end), told
    assert not Path("parts").exists()
    kept = {file: file.stat().st_mtime_ns for file in Path().glob(".parts.*.frames/0*.png")}
    assert 2 <= len(kept) < 5, "it ended before it was done"
    if end == signal.SIGINT:
        assert f"Stopped: {len(kept)} of 5 frames of parts are done." in told
        assert "The same command goes on" in told
    again = finished(*words, "parts", steps=steps)
    assert f"{len(kept)} frames of parts are done already" in again
    one, two = decoded_frames(Path("whole")), decoded_frames(Path("parts"))
    assert len(one) == len(two) == 5
    assert all(np.array_equal(*pair) for pair in zip(one, two, strict=True))
    assert not list(Path().glob(".*")), "nothing is left of the work"
