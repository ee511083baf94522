"""`artgan curate` as a user meets it: exit codes, stdout and stderr apart, files on disk, signals, full disks."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from artgan.cli.main import app
from tests.cli.test_program import wait_for
from tests.curating import make, manifest, saved, textured, tree

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and limits")
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
once, count = room.write_picture, iter(range(99))
def slow(*words):
    if next(count) == 2:
        Path("reached").touch()
        while not Path("go").exists():
            time.sleep(0.02)
    once(*words)
room.write_picture = slow
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with messy/: six pictures in two classes, a copy, a broken file, notes."""
    monkeypatch.chdir(tmp_path)
    files = {f"{'cats' if n < 3 else 'dogs'}/{n}.bmp": saved(textured(n), "BMP") for n in range(6)}
    files |= {"cats/0 copy.bmp": files["cats/0.bmp"], "dogs/404.jpg": b"<html>", "cats/notes.txt": b"x"}
    make(tmp_path / "messy", files)
    return tmp_path


def artgan(*words: object) -> Any:
    """Run a command in this process."""
    return CliRunner().invoke(app, [str(word) for word in words])


def begin(*words: str, last: str = "") -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    environment = {**os.environ, "LAST": last, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(*words: str) -> None:
    """Run a command that was stopped once more; the set is then what an undisturbed run makes."""
    assert artgan("curate", "messy", "undisturbed").exit_code == 0
    done = artgan(*words)
    assert done.exit_code == 0, done.stderr
    found, whole = tree(Path("sorted")), tree(Path("undisturbed"))
    assert found.pop("report.html")
    assert whole.pop("report.html")
    assert found == whole
    assert sum(name.endswith(".png") for name in found) == 6


def test_the_set_is_named_on_stdout_and_all_else_on_stderr() -> None:
    before = tree(Path("messy"))
    result = artgan("curate", "messy", "sorted")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "sorted\n"
    for words in (
        "Failed dogs/404.jpg: not a picture",
        "Dropped cats/0 copy.bmp: the same pixels as cats/0.bmp",
        "1 failed ",
        "1 ignored ",
        "The report to look at: sorted/report.html",
    ):
        assert words in result.stderr
    assert tree(Path("messy")) == before
    assert len(manifest(Path("sorted"))) == 9


@pytest.mark.parametrize("words", [[], ["sorted", "--dry-run"]])
def test_a_report_alone_writes_nothing(words: list[str], folder: Path) -> None:
    before = tree(folder)
    result = artgan("curate", "messy", *words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "Nothing was written." in result.stderr
    assert tree(folder) == before


def test_the_result_as_json_is_alone_on_stdout() -> None:
    result = artgan("curate", "messy", "sorted", "--json", "--page", "look.html")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["source"], told["folder"], told["page"]) == ("messy", "sorted", "look.html")
    assert told["counts"] == {"kept": 6, "reported": 0, "dropped": 1, "failed": 1, "ignored": 1, "cut": 0}
    assert told["groups"] == [["cats/0.bmp", "cats/0 copy.bmp"]]
    assert Path("look.html").stat().st_size > 1000
    assert not Path("sorted/report.html").exists()


def test_every_option_reaches_the_library() -> None:
    flags = ["--copies", "report", "--variants", "off", "--defects", "drop", "--no-scans", "--least-side", 32]
    result = artgan("curate", "messy", *flags, "--size", 40, "--no-labels", "--processes", 1, "--json")
    assert json.loads(result.stdout)["settings"] == {
        "copies": "report",
        "variants": "off",
        "defects": "drop",
        "scans": False,
        "least_side": 32,
        "size": 40,
        "labels": "none",
    }


def test_the_defaults_of_the_command_are_those_of_the_function() -> None:
    from artgan.curation.settings import CurateSettings

    assert json.loads(artgan("curate", "messy", "--json").stdout)["settings"] == CurateSettings().plain()


def test_many_files_are_not_all_named() -> None:
    make(Path("messy"), {f"dogs/{number}.gif": b"no picture" for number in range(30)})
    result = artgan("curate", "messy")
    assert result.stderr.count("Failed ") == 12
    assert "... and 19 more that are failed." in result.stderr


def test_names_are_printed_literally() -> None:
    make(Path("messy"), {"[/x][bold] 🐞.png": b"x", "bell\x07\x1b[31m.png": b"x"})
    result = artgan("curate", "messy", "[red]set")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "[red]set\n"
    assert "Failed [/x][bold] 🐞.png: not a picture" in result.stderr
    assert "Failed bell\\x07\\x1b[31m.png: not a picture" in result.stderr
    assert all(line.isprintable() for line in result.stderr.splitlines())


ERRORS: list[tuple[list[str], int, str]] = [
    (["gone", "sorted"], 3, "gone does not exist"),
    (["empty", "sorted"], 3, "no picture in empty"),
    (["file.txt", "sorted"], 3, "file.txt is neither a folder nor a zip"),
    (["messy", "messy"], 2, "lie within one another"),
    (["messy", "messy/sorted"], 2, "lie within one another"),
    (["messy/cats", "messy"], 2, "lie within one another"),
    (["messy", "taken"], 2, "taken is not empty"),
    (["messy", "file.txt"], 2, "file.txt is not a folder"),
    (["messy", "file.txt/sorted"], 5, "file.txt/sorted"),
    (["messy", "sorted", "--size", "4"], 2, "--size 4 is not between"),
    (["messy", "sorted", "--least-side", "0"], 2, "--least-side 0 is not between"),
    (["messy", "--page", "file.txt"], 2, "file.txt exists"),
]


@pytest.mark.parametrize(("words", "code", "named"), ERRORS)
def test_errors_are_one_sentence_and_one_hint(words: list[str], code: int, named: str, folder: Path) -> None:
    make(folder, {"taken/mine.txt": b"precious", "file.txt": b"precious"})
    (folder / "empty").mkdir()
    before = tree(folder)
    result = artgan("curate", *words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 2
    assert tree(folder) == before


@pytest.mark.parametrize("words", [["--copies", "all"], ["--processes", "0"], ["--size", "big"], ["--wings"]])
def test_wrong_words_are_named_by_their_flag(words: list[str]) -> None:
    result = artgan("curate", "messy", "sorted", *words)
    assert result.exit_code == 2
    assert words[0] in result.stderr
    assert not Path("sorted").exists()


def test_help_does_not_touch_torch() -> None:
    check = (
        "import sys; from artgan.cli.main import app; from typer.testing import CliRunner;"
        "result = CliRunner().invoke(app, ['curate', '--help']);"
        "assert result.exit_code == 0 and '--least-side' in result.stdout;"
        "heavy = {'torch', 'torchvision', 'numpy', 'PIL'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", check], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_set_can_be_trained_on() -> None:
    assert artgan("curate", "messy", "sorted", "--size", 64).exit_code == 0
    tiny = ["--set", "model.base_channels=4", "--set", "model.z_dim=4", "--batch", "4", "--resolution", "8"]
    result = artgan("train", "sorted", *tiny, "--kimg", "0.004")
    assert result.exit_code == 0, result.stderr
    data = json.loads((Path(result.stdout.strip()) / "run.json").read_text())["data"]
    assert data["pictures"] == 6
    assert {name for name, _ in data["skipped"]} <= {"manifest.jsonl", "report.html"}
    assert "2 classes" in result.stderr


@posix
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


@posix
def test_ctrl_c_is_not_heard_by_the_reading_processes() -> None:
    make(Path("messy"), {f"dogs/more {n}.png": saved(textured(n, 64, 64), "PNG") for n in range(20, 60)})
    tell = (
        "watched = room._watched\n"
        "def slow(*words):\n"
        "    import time; from pathlib import Path\n"
        "    Path('reached').touch(); time.sleep(0.05); watched(*words)\n"
        "room._watched = slow\n"
    )
    environment = {**os.environ, "LAST": tell, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, "curate", "messy", "sorted", "--processes", "2"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        wait_for(Path(), "reached", process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        out, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert out == ""
    assert "Stopped: reading, " in told
    assert "Traceback" not in told
    assert not list(Path("sorted").rglob("*.png"))


@posix
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


@posix
def test_reading_processes_end_with_a_killed_parent() -> None:
    make(Path("messy"), {f"dogs/more {n}.png": saved(textured(n, 64, 64), "PNG") for n in range(20, 60)})
    hangs = "import time\ndef hang(*words):\n    open('reached', 'w'); time.sleep(60)\nroom._watched = hang\n"
    with begin("curate", "messy", "--processes", "2", last=hangs) as process:
        wait_for(Path(), "reached", process)
        process.kill()
        process.communicate(timeout=30)  # which waits until nobody holds the pipes


@posix
def test_a_full_disk_is_one_sentence_and_the_same_command_finishes_later() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    words = ["curate", "messy", "sorted"]
    with begin(*words, last=limit) as process:
        out, told = process.communicate(timeout=60)
    assert process.returncode == 5, told
    assert out == ""
    *_, message, hint = told.strip().splitlines()
    assert message.startswith("sorted/cats/0.png cannot be written: ")
    assert hint == "Free some disk space."
    assert "Traceback" not in told
    assert not list(Path("sorted").rglob("*.tmp"))
    finish(*words)
