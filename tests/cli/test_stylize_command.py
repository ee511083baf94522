"""`artgan stylize` and `artgan again` as a user meets them: exit codes, stdout and stderr apart, files on disk."""

import json
import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from artgan.engine.images import read_recipe
from tests.cli.test_program import wait_for
from tests.painting import picture, pixels, quicken
from tests.running import artgan, begin_program, told_without_torch

pytestmark = pytest.mark.usefixtures("one_thread")

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and limits")
# A real process that paints STEPS steps, and does LAST before its main job.
PROGRAM = """
import os
from artgan.style import studio
from artgan.style.pace import Pace
from artgan.style.plan import Stage
studio.stages = lambda size, detail: (Stage(max(size), int(os.environ["STEPS"])),)
studio.measure_pace = lambda *settings: Pace(0.001, 0.0, 0.0)
studio._PREVIEW_SECONDS = -1.0
exec(os.environ.get("LAST", ""))
from artgan.cli.main import main
main()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with photo.png and style.jpg; painting takes two steps."""
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    picture(Path("photo.png"), 0)
    picture(Path("style.jpg"), 1, 40, 40)
    return tmp_path


def begin(*words: str, steps: int = 2, last: str = "") -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return begin_program(PROGRAM, *words, STEPS=str(steps), LAST=last)


def names() -> list[str]:
    return sorted(path.name for path in Path().rglob("*") if path.is_file())


def test_a_painting_is_named_on_stdout_and_all_else_on_stderr() -> None:
    result = artgan("stylize", "photo.png", "style.jpg")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "photo-style.png\n"
    for words in (
        "photo.png to photo-style.png, 48 x 36 px.",
        "normal: about",
        "on this machine",
        "fast about",
        "fine",
    ):
        assert words in result.stderr
    assert pixels(Path("photo-style.png")).shape == (36, 48, 3)

    again = artgan("again", "photo-style.png")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == "photo-style-again.png\n"
    assert Path("photo-style-again.png").read_bytes() == Path("photo-style.png").read_bytes()


def test_every_control_reaches_the_painting() -> None:
    Image.fromarray(np.repeat(np.arange(36)[:, None] < 18, 48, axis=1)).save("mask.png")
    flags = ["--detail", "fine", "--size", 64, "--strength", 0.5, "--brush-size", 2, "--keep-colors", "match"]
    flags += ["--init", "style", "--smooth", 3, "--seed", 9, "--mask", "mask.png", "--device", "cpu"]
    result = artgan(
        "stylize", "photo.png", "style.jpg", *flags, "-o", "x.tif", "--preview", "p.jpg", "--sheet", "s.png"
    )
    assert result.exit_code == 0, result.stderr
    assert names() == ["mask.png", "p.jpg", "photo.png", "s.png", "style.jpg", "x.tif"]
    recipe = read_recipe("x.tif")
    assert recipe["settings"] == {
        "detail": "fine",
        "size": 64,
        "strength": 0.5,
        "brush_size": 2.0,
        "keep_colors": "match",
        "palette_only": False,
        "init": "style",
        "smooth": 3.0,
        "seed": 9,
        "encoder": "artgan",
        "dpi": None,
        "bits": None,
    }
    assert [mask["file"] for mask in recipe["masks"]] == ["mask.png"]


def test_the_defaults_of_the_command_are_those_of_the_function() -> None:
    assert artgan("stylize", "photo.png", "style.jpg").exit_code == 0
    from artgan.style.stylize import stylize

    stylize("photo.png", "style.jpg", out="library.png")
    assert Path("library.png").read_bytes() == Path("photo-style.png").read_bytes()


def test_a_print_has_its_dpi_and_its_bits() -> None:
    result = artgan("stylize", "photo.png", "style.jpg", "--dpi", "300", "--bits", "16", "-o", "print.tif")
    assert result.exit_code == 0, result.stderr
    with Image.open("print.tif") as opened:
        assert opened.info["dpi"] == (300, 300)
    assert tifffile.imread("print.tif").dtype == np.uint16
    assert artgan("again", "print.tif").exit_code == 0
    assert Path("print-again.tif").read_bytes() == Path("print.tif").read_bytes()
    for words, sentence in (
        (("--bits", "16", "-o", "x.jpg"), "--bits 16 has no room in x.jpg"),
        (("--bits", "12"), "--bits 12 is unknown"),
        (("--dpi", "5000"), "--dpi 5000 is not between 1 and 4800"),
    ):
        refused = artgan("stylize", "photo.png", "style.jpg", *words)
        assert refused.exit_code == 2
        assert sentence in refused.stderr


def test_a_size_that_no_memory_holds_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=2 * 10**9))
    result = artgan("stylize", "photo.png", "style.jpg", "--size", "20000")
    assert result.exit_code == 6
    assert "--size 20000 of photo.png needs" in result.stderr
    assert "Use --size " in result.stderr
    assert names() == ["photo.png", "style.jpg"]


def test_the_result_as_json_is_alone_on_stdout() -> None:
    picture(Path("photos/a.png"), 3)
    Path("photos/bad.png").write_bytes(b"no picture")
    result = artgan("stylize", "photos", "style.jpg", "-o", "out", "--json")
    assert result.exit_code == 0, result.stderr
    listed = json.loads(result.stdout)["pictures"]
    assert [(entry["out"], entry["state"]) for entry in listed] == [
        ("out/a-style.png", "painted"),
        ("out/bad-style.png", "failed"),
    ]
    assert "photos/bad.png: not a picture." in listed[1]["reason"]


def test_a_folder_says_what_it_does_with_each() -> None:
    for number, name in enumerate(("a.png", "b.png")):
        picture(Path("photos") / name, number)
    Path("photos/bad.png").write_bytes(b"no picture")
    first = artgan("stylize", "photos", "style.jpg", "-o", "out")
    assert first.stdout.splitlines() == ["out/a-style.png", "out/b-style.png"]
    for words in ("1 of 3: photos/a.png", "2 of 3: photos/b.png", "Not painted: photos/bad.png: not a picture."):
        assert words in first.stderr
    assert ".." not in first.stderr.replace("...", "")
    second = artgan("stylize", "photos", "style.jpg", "-o", "out")
    assert second.exit_code == 0
    assert second.stdout == first.stdout
    assert "out/a-style.png is there already." in second.stderr
    third = artgan("stylize", "photos", "style.jpg", "-o", "out", "--seed", 1)
    assert "out/a-style.png is there already: it is another painting" in third.stderr
    assert read_recipe("out/a-style.png")["settings"]["seed"] == 0


def test_several_styles_are_mixed_or_paired() -> None:
    picture(Path("second.jpg"), 5, 40, 40)
    mixed = artgan("stylize", "photo.png", "style.jpg:2", "second.jpg")
    assert mixed.stdout == "photo-style-second.png\n"
    assert [style["weight"] for style in read_recipe("photo-style-second.png")["styles"]] == [2, 1]
    pairs = artgan("stylize", "photo.png", "style.jpg", "second.jpg", "--all-pairs", "-o", "out")
    assert pairs.stdout.splitlines() == ["out/photo-style.png", "out/photo-second.png"]
    contents = artgan("stylize", "photo.png", "second.jpg", "--style", "style.jpg", "-o", "named")
    assert contents.stdout.splitlines() == ["named/photo-style.png", "named/second-style.png"]


def test_a_pattern_that_the_shell_expanded_is_noticed() -> None:
    names = [str(picture(Path(f"photos/{number}.png"), number)) for number in range(4)]
    few = artgan("stylize", *names)
    many = artgan("stylize", *names, "style.jpg")
    assert "quote a pattern" not in few.stderr
    assert "All but photos/0.png are styles, 4 mixed" in many.stderr
    assert "'photos/*.jpg'" in many.stderr
    quoted = artgan("stylize", "photos/?.png", "style.jpg", "-o", "out")
    assert len(quoted.stdout.splitlines()) == 4


def test_names_are_printed_literally() -> None:
    name = "cats [bold] 🐞 [/x].png"
    picture(Path(name), 2)
    result = artgan("stylize", name, "style.jpg")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "cats [bold] 🐞 [/x]-style.png\n"
    assert f"{name} to cats [bold] 🐞 [/x]-style.png" in result.stderr
    assert Path(result.stdout.rstrip("\n")).is_file()
    missing = artgan("stylize", "gone [red]\x1b[31m.png", "style.jpg")
    assert "gone [red]\\x1b[31m.png does not exist" in missing.stderr


ERRORS: list[tuple[list[str], int, str]] = [
    (["photo.png"], 2, "There is no style to paint after"),
    (["gone.png", "style.jpg"], 3, "The picture gone.png does not exist"),
    (["photo.png", "gone.jpg"], 3, "The style gone.jpg does not exist"),
    (["photo.png", "style.jpg:0"], 2, "style.jpg:0"),
    (["photo.png", "."], 2, "--all-pairs"),
    (["text.png", "style.jpg"], 3, "text.png: not a picture"),
    (["photo.png", "style.jpg", "--strength", "2"], 2, "--strength 2.0 is not between 0 and 1"),
    (["photo.png", "style.jpg", "--size", "8"], 2, "--size 8 is not between 32 and 32768"),
    (["photo.png", "style.jpg", "--brush-size", "nan"], 2, "--brush-size nan"),
    (["photo.png", "style.jpg", "-o", "x.webp"], 2, "-o x.webp"),
    (["photo.png", "style.jpg", "-o", "photo.png", "--overwrite"], 2, "photo.png is one of the pictures to read"),
    (["photo.png", "style.jpg", "-o", "style.jpg", "--overwrite"], 2, "style.jpg is one of the pictures to read"),
    (["photo.png", "style.jpg", "-o", "there.png"], 2, "there.png exists"),
    (["photo.png", "style.jpg", "--mask", "gone.png"], 3, "The mask gone.png does not exist"),
    (["photo.png", "style.jpg", "--palette-only", "--keep-colors", "match"], 2, "--palette-only"),
    (["photo.png", "style.jpg", "--encoder", "vgg19"], 7, "vgg19"),
    (["photo.png", "style.jpg", "--weights", "w.pth"], 2, "--weights w.pth"),
    (["photo.png", "style.jpg", "--device", "cuda:99"], 6, "cuda:99 is not here"),
]


@pytest.mark.parametrize(("words", "code", "named"), ERRORS)
def test_errors_are_one_sentence_and_one_hint(
    words: list[str], code: int, named: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path_factory.mktemp("weights")
    monkeypatch.setenv("ARTGAN_WEIGHTS", str(empty))
    monkeypatch.setenv("TORCH_HOME", str(empty))
    Path("there.png").write_text("precious")
    Path("text.png").write_text("no picture")
    before = {name: Path(name).read_bytes() for name in names()}
    result = artgan("stylize", *words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2
    assert {name: Path(name).read_bytes() for name in names()} == before


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--detail", "coarse"], "--detail"),
        (["--keep-colors", "all"], "--keep-colors"),
        (["--size", "big"], "--size"),
        (["--wings"], "--wings"),
    ],
)
def test_wrong_words_are_named_by_their_flag(words: list[str], named: str) -> None:
    result = artgan("stylize", "photo.png", "style.jpg", *words)
    assert result.exit_code == 2
    assert named in result.stderr
    assert names() == ["photo.png", "style.jpg"]


def test_again_says_what_is_wrong() -> None:
    for words, named in ((["gone.png"], "no file gone.png"), (["style.jpg"], "style.jpg does not say how it was made")):
        result = artgan("again", *words)
        assert result.exit_code == 2
        assert named in result.stderr
        assert len(result.stderr.strip().splitlines()) == 2


def test_help_does_not_touch_torch() -> None:
    stylizing, _ = told_without_torch(["stylize", "--help"], ["again", "--help"])
    assert "--brush-size" in stylizing


@posix
def test_ctrl_c_writes_the_picture_so_far_and_the_same_command_finishes_it() -> None:
    words = ["stylize", "photo.png", "style.jpg", "--preview", "now.png"]
    with begin(*words, steps=100_000) as process:
        wait_for(Path(), "now.png", process)
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert out == ""
    assert "Stopping: finishing this step" in told
    assert "photo-style.png is painted as far as it had come" in told
    assert "Traceback" not in told
    assert pixels(Path("photo-style.png")).shape == (36, 48, 3)
    assert read_recipe("photo-style.png")["finished"] is False
    with begin(*words) as process:
        out, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert out == "photo-style.png\n"
    assert read_recipe("photo-style.png")["finished"] is True
    assert names() == ["now.png", "photo-style.png", "photo.png", "style.jpg"]


@posix
def test_a_killed_process_leaves_nothing_broken_and_the_next_one_clears_up() -> None:
    # It hangs when all bytes are written but the file does not have its name yet.
    hangs = (
        "import time, artgan.engine.storage as s; s.os.fsync = lambda handle: (open('reached', 'w'), time.sleep(60))"
    )
    with begin("stylize", "photo.png", "style.jpg", last=hangs) as process:
        wait_for(Path(), "reached", process)
        process.kill()
        process.communicate(timeout=60)
    Path("reached").unlink()
    (left,) = (name for name in names() if name not in ("photo.png", "style.jpg"))
    assert left.startswith(".photo-style.png.")
    assert left.endswith(".tmp")
    with begin("stylize", "photo.png", "style.jpg") as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert names() == ["photo-style.png", "photo.png", "style.jpg"]
    assert read_recipe("photo-style.png")["finished"] is True


@posix
def test_a_full_disk_is_one_sentence_and_leaves_nothing() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    with begin("stylize", "photo.png", "style.jpg", last=limit) as process:
        out, told = process.communicate(timeout=60)
    assert process.returncode == 5, told
    assert out == ""
    *_, message, hint = told.strip().splitlines()
    assert message.startswith("photo-style.png cannot be written: ")
    assert hint == "Free some disk space."
    assert "Traceback" not in told
    assert names() == ["photo.png", "style.jpg"]
