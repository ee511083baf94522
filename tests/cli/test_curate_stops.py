"""`artgan curate` in a process of its own that is stopped, killed, or has no room on its disk; and then goes on."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import gettempdir

import pytest
from PIL import Image

from tests.cli.test_program import wait_for
from tests.curating import make, saved, small_mess, textured, tree
from tests.running import artgan, begin_program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and limits")
# A real process that does LAST before its main job.
PROGRAM = """
import os
import artgan.curation.curate as room
exec(os.environ.get("LAST", ""))
if __name__ == "__main__":
    from artgan.cli.main import main
    main()
"""
# The third picture is written when the test allows it.
SLOW = """
import time
from pathlib import Path
once, count = room.write_pictures, iter(range(99))
def slow(*words, **more):
    if next(count) == 2:
        Path("reached").touch()
        while not Path("go").exists():
            time.sleep(0.02)
    once(*words, **more)
room.write_pictures = slow
"""


def at(step: str, then: str, done: int = 1, module: str = "room") -> str:
    """What is done in a process when a step has come so far: it says so, and then something else."""
    return (
        "import time, pathlib\n"
        "import artgan.curation.packing as packing\n"
        f"watched = {module}.watched\n"
        "def told(on_event, should_stop, step, done, total):\n"
        f"    if step == {step!r} and done >= {done}:\n"
        "        pathlib.Path('reached').touch()\n"
        f"        {then}\n"
        "    watched(on_event, should_stop, step, done, total)\n"
        f"{module}.watched = told\n"
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with messy/."""
    monkeypatch.chdir(tmp_path)
    small_mess(tmp_path / "messy")


def begin(*words: str, last: str = "") -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return begin_program(PROGRAM, *words, LAST=last)


def finish(*words: str) -> None:
    """Run a command that was stopped once more; the set is then what an undisturbed run makes."""
    target = Path(words[2])
    done = artgan(*words)
    assert done.exit_code == 0, done.stderr
    found = outcome(target)
    aside(target)
    assert artgan(*words).exit_code == 0
    assert found == outcome(target)


def outcome(target: Path) -> dict[str, str]:
    """Digests of what lies in the working folder but for the source and what tests lay there."""
    found = tree(Path())
    assert any(name.startswith(target.name) for name in found)
    return {name: digest for name, digest in found.items() if not name.startswith(("messy/", "reached", "go", "aside"))}


def aside(target: Path) -> None:
    """Put a set and its page out of the way."""
    Path("aside").mkdir()
    for path in (target, target.with_suffix(".html")):
        if path.exists():
            path.rename(Path("aside") / path.name)


def test_ctrl_c_stops_between_pictures_and_the_same_command_finishes() -> None:
    words = ["curate", "messy", "sorted"]
    with begin(*words, last=SLOW) as process:
        wait_for(Path(), "reached", process)
        process.send_signal(signal.SIGINT)
        Path("go").touch()
        out, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert out == ""
    assert "Stopped: writing, 3 of 6." in told
    assert "The same command goes on from here." in told
    assert "Traceback" not in told
    assert len(list(Path("sorted").rglob("*.png"))) == 3
    finish(*words)


def many() -> None:
    """Thirty more pictures and a copy of each: work for several processes."""
    pictures = [textured(n, 64, 64) for n in range(20, 50)]
    files = {f"dogs/more {n}.bmp": saved(picture, "BMP") for n, picture in enumerate(pictures)}
    make(Path("messy"), files | {f"dogs/less {n}.jpg": saved(each, "JPEG") for n, each in enumerate(pictures)})


@pytest.mark.parametrize("step", ["Reading", "Comparing", "Writing"])
def test_ctrl_c_is_not_heard_by_the_reading_processes(step: str) -> None:
    many()
    portions = "import artgan.curation.relatives as relatives; relatives._PORTION = 1\n"
    environment = {**os.environ, "LAST": portions + at(step, "time.sleep(0.1)"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, "curate", "messy", "sorted", "--processes", "2", "--outliers", "off"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        wait_for(Path(), "reached", process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        out, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert out == ""
    (done, total) = map(int, re.findall(rf"Stopped: {step.lower()}, (\d+) of (\d+)", told)[0])
    assert done < total, "it ended soon"
    assert "Traceback" not in told
    assert "KeyboardInterrupt" not in told
    assert bool(list(Path("sorted").rglob("*.png"))) == (step == "Writing")


def test_a_run_with_several_processes_that_is_killed_goes_on() -> None:
    many()
    words = ["curate", "messy", "sorted", "--processes", "2", "--size", "32", "--outliers", "off"]
    with begin(*words, last=at("Writing", "time.sleep(60)", 12)) as process:
        wait_for(Path(), "reached", process)
        process.kill()
        process.communicate(timeout=30)
    assert 11 <= len(list(Path("sorted").rglob("*.png"))) < 66
    finish(*words)


@pytest.mark.parametrize(("kind", "dst"), [("zip", "sorted.zip"), ("webdataset", "sorted")])
def test_packing_that_is_killed_goes_on(kind: str, dst: str) -> None:
    words = ["curate", "messy", dst, "--format", kind]
    with begin(*words, last=at("Packing", "time.sleep(60)", 3, "packing")) as process:
        wait_for(Path(), "reached", process)
        process.kill()
        process.communicate(timeout=30)
    assert not Path(dst).exists()
    finish(*words)
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_a_killed_run_leaves_nothing_broken_and_the_next_one_clears_up() -> None:
    # It hangs when all bytes are written but the file does not have its name yet.
    hangs = (
        "import time, pathlib\n"
        "replace = pathlib.Path.replace\n"
        "def hang(path, target):\n"
        "    if str(target).endswith('2.png'):\n"
        "        open('reached', 'w'); time.sleep(60)\n"
        "    return replace(path, target)\n"
        "pathlib.Path.replace = hang\n"
    )
    words = ["curate", "messy", "sorted"]
    with begin(*words, last=hangs) as process:
        wait_for(Path(), "reached", process)
        process.kill()
        process.communicate(timeout=60)
    (left,) = Path("sorted").rglob("*.tmp")
    assert left.parent.name == "cats"
    for path in Path("sorted").rglob("*.png"):
        with Image.open(path) as picture:
            picture.load()
    finish(*words)


def test_reading_processes_end_with_a_killed_parent() -> None:
    many()
    with begin("curate", "messy", "--processes", "2", last=at("Reading", "time.sleep(60)")) as process:
        wait_for(Path(), "reached", process)
        process.kill()
        process.communicate(timeout=30)  # which waits until nobody holds the pipes


@pytest.mark.parametrize(
    ("limit", "named"),
    [
        (40_000, "sorted/report.html cannot be written: "),
        (28_000, "sorted/cats/0.png cannot be written: "),
        (9_000, f"{gettempdir()}, where small pictures"),
    ],
)
def test_a_full_disk_is_one_sentence_and_the_same_command_finishes_later(limit: int, named: str) -> None:
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    words = ["curate", "messy", "sorted"]
    with begin(*words, last=full) as process:
        out, told = process.communicate(timeout=60)
    assert process.returncode == 5, told
    assert out == ""
    *_, message, hint = told.strip().splitlines()
    assert message.startswith(named)
    assert hint.startswith("Free some ")
    assert "Traceback" not in told
    assert not list(Path("sorted").rglob("*.tmp"))
    finish(*words)
