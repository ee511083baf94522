"""`artgan.style_train`: a style of one's own learnt, saved whole at any instant, gone on with and painted in."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import artgan
from artgan.errors import CheckpointError, DatasetError, Interrupted, StorageError, UsageError
from artgan.models.stylist import FILE
from artgan.style import style_train as course
from artgan.style import taught as files
from artgan.style import teach_stylist
from artgan.style.events import Learning, Note, StyleTrainEvent
from artgan.style.recipe import digest
from artgan.style.style_train import StyleTrainResult
from artgan.style.taught import pictures_of, read_taught
from tests.painting import picture, pixels
from tests.teaching import quicken_lessons, write_style

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with style.jpg and other.jpg, where lessons are tiny."""
    monkeypatch.chdir(tmp_path)
    quicken_lessons(monkeypatch)
    picture(Path("style.jpg"), 1, 48, 40)
    picture(Path("other.jpg"), 2, 40, 60)
    return tmp_path


def train(style: Any = "style.jpg", out: str = "my.style", **words: Any) -> StyleTrainResult:
    return artgan.style_train(style, out, **{"minutes": 0.005, **words})


def names() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())


def more(result: StyleTrainResult) -> float:
    """Minutes for another lesson or two, however long the last ones took."""
    return result.seconds / 60 + 0.001


def stop_after(count: int) -> Callable[[], bool]:
    calls = [0]

    def should_stop() -> bool:
        calls[0] += 1
        return calls[0] > count

    return should_stop


def test_a_style_is_learnt_and_painted_in() -> None:
    events: list[StyleTrainEvent] = []
    result = train(on_event=events.append)
    assert names() == ["my.style", "other.jpg", "style.jpg"]
    assert result.style == Path("my.style")
    assert result.lessons >= 1
    assert result.seconds >= 0.3
    assert result.style_distance > 0
    told = [event for event in events if isinstance(event, Learning)]
    assert len(told) == result.lessons
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert (told[-1].done, told[-1].left) == (1, 0)
    taught = read_taught(Path("my.style"))
    assert (taught.seed, taught.seconds, taught.reach) == (0, result.seconds, 1)
    assert taught.picture.shape == (3, 40, 48)
    picture(Path("photo.png"), 0)
    (done,) = artgan.stylize("photo.png", "my.style").files
    assert done == Path("photo-my.png")


def test_the_same_call_again_says_how_long_it_has_learnt_and_more_minutes_go_on() -> None:
    first = train()
    before = Path("my.style").read_bytes()
    with pytest.raises(UsageError, match=r"my\.style has learnt for 0\.0 minutes") as caught:
        train()
    assert "more --minutes" in caught.value.hint
    assert Path("my.style").read_bytes() == before
    second = train(minutes=more(first))
    assert second.lessons > first.lessons
    assert second.seconds >= 60 * more(first)


def test_another_style_is_not_written_over_unless_told() -> None:
    train()
    before = Path("my.style").read_bytes()
    for words in ({"style": "other.jpg"}, {"style": ["style.jpg", "other.jpg"]}, {"seed": 1}):
        with pytest.raises(UsageError, match=r"my\.style was learnt from other pictures") as caught:
            train(minutes=1, **words)
        assert "--overwrite" in caught.value.hint
        assert Path("my.style").read_bytes() == before
    train("other.jpg", overwrite=True)
    assert read_taught(Path("my.style")).picture.shape == (3, 60, 40)


@pytest.mark.parametrize("lessons", [0, 2])
def test_stopping_saves_and_the_same_call_goes_on(lessons: int) -> None:
    with pytest.raises(Interrupted, match=r"Stopped; my\.style has what was learnt") as caught:
        train(minutes=10, should_stop=stop_after(lessons))
    assert "same command" in caught.value.hint
    taught = read_taught(Path("my.style"))
    assert int(taught.tensors["done"]) == lessons
    assert train(minutes=taught.seconds / 60 + 0.001).lessons > lessons


def test_contents_are_ones_own_pictures_but_for_broken_ones() -> None:
    for number in range(3):
        picture(Path(f"photos/sub/{number}.png"), number, 40, 40 + 8 * number)
    Path("photos/broken.jpg").write_bytes(b"broken")
    events: list[StyleTrainEvent] = []
    train(contents="photos", on_event=events.append)
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert note.startswith("Passed over: photos/broken.jpg")
    Path("empty").mkdir()
    for name, message in (("empty", "no picture in empty"), ("gone", "no folder gone"), ("style.jpg", "no folder")):
        with pytest.raises(DatasetError, match=message):
            train(out="x.style", contents=name)
    assert not Path("x.style").exists()


def test_a_preview_shows_a_content_repainted(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Path] = []
    show = course._show

    def watched(path: Path, *rest: Any) -> None:
        shown.append(path)
        show(path, *rest)

    monkeypatch.setattr(course, "_PREVIEW_SECONDS", -1.0)
    monkeypatch.setattr(course, "_show", watched)
    picture(Path("photos/a.png"), 3, 50, 40)
    result = train(contents="photos", preview="new/now.png")
    assert len(shown) == result.lessons + 1
    assert pixels(Path("new/now.png")).shape == (40, 50, 3)
    train(contents="photos", preview="new/now.png", minutes=more(result))
    before = Path("style.jpg").read_bytes()
    for overwrite in (False, True):
        with pytest.raises(UsageError, match=r"--preview style\.jpg exists, and is no preview"):
            train(preview="style.jpg", minutes=1, overwrite=overwrite)
    assert Path("style.jpg").read_bytes() == before


def test_it_is_saved_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[float] = []
    write = files.Taught.write

    def watched(taught: files.Taught, path: Path) -> None:
        saved.append(taught.seconds)
        write(taught, path)

    monkeypatch.setattr(course, "_SAVE_SECONDS", -1.0)
    monkeypatch.setattr(files.Taught, "write", watched)
    result = train()
    assert len(saved) == result.lessons + 1
    assert saved == sorted(saved)


def test_a_full_disk_is_one_sentence_and_what_was_saved_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    first = train()
    before = Path("my.style").read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"^my\.style cannot be written: No space left on device\.$"):
        train(minutes=more(first))
    assert Path("my.style").read_bytes() == before
    assert names() == ["my.style", "other.jpg", "style.jpg"]


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_learnt() -> None:
    with pytest.raises(StorageError, match=r"style\.jpg/my\.style cannot be written"):
        train(out="style.jpg/my.style", should_stop=lambda: pytest.fail("a lesson was to be given"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"style": []}, "no style to learn"),
        ({"style": "gone.jpg"}, r"The style gone\.jpg does not exist"),
        ({"style": "."}, r"The style \. is a folder"),
        ({"out": "my.jpg"}, r"-o my\.jpg is no name for a style"),
        ({"minutes": 0}, "--minutes 0 is not a time"),
        ({"minutes": float("nan")}, "--minutes nan is not a time"),
        ({"minutes": 1e9}, r"--minutes 1e\+09"),
        ({"seed": -1}, "--seed -1 is not a seed"),
        ({"preview": "now.gif"}, r"--preview now\.gif has no name of a picture"),
        ({"device": "tpu"}, "tpu"),
    ],
)
def test_what_makes_no_sense_is_refused(words: dict[str, Any], message: str) -> None:
    before = names()
    with pytest.raises((UsageError, DatasetError, artgan.ArtganError), match=message) as caught:
        train(**words)
    assert caught.value.hint
    assert names() == before


def test_pictures_that_cannot_be_learnt_are_named() -> None:
    Path("torn.jpg").write_bytes(Path("style.jpg").read_bytes()[:200])
    write_style(Path("learnt.style"))
    picture(Path("tiny.png"), 0, 20, 20)
    for name in ("torn.jpg", "learnt.style", "tiny.png"):
        with pytest.raises(DatasetError, match=name):
            train(["style.jpg", name])
    assert not Path("my.style").exists()


def test_a_damaged_file_is_not_gone_on_with_but_may_be_replaced() -> None:
    train()
    Path("my.style").write_bytes(Path("my.style").read_bytes()[:9000])
    with pytest.raises(CheckpointError, match=r"my\.style is damaged, or no style of artgan") as caught:
        train(minutes=1)
    assert "--overwrite" in caught.value.hint
    taught = write_style(Path("mute.style"))
    whole = read_taught(taught)
    half = {name: value for name, value in whole.tensors.items() if name != "now.strokes.bias"}
    replace(whole, tensors=half, digests=(digest(Path("style.jpg")),)).write(taught)
    with pytest.raises(CheckpointError, match=r"mute\.style cannot be gone on with: now\.strokes\.bias is missing"):
        train(out="mute.style")
    assert train(overwrite=True).lessons >= 1


def test_styles_stand_side_by_side_as_high_as_the_middle_one() -> None:
    for number, (width, height) in enumerate([(40, 32), (60, 48), (96, 96)]):
        Image.new("RGB", (width, height), ("red", "lime", "blue")[number]).save(f"{number}.png")
    row, reach = pictures_of([Path(f"{number}.png") for number in range(3)])
    assert row.shape == (3, 48, 60 + 60 + 48)
    assert reach == pytest.approx(168 / 56)
    assert [tuple(row[:, 20, x].tolist()) for x in (5, 70, 150)] == [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def test_what_is_transparent_lies_over_white_and_strips_keep_their_height() -> None:
    cut = Image.new("RGBA", (40, 40), (0, 0, 0, 255))
    cut.paste((0, 0, 0, 0), (20, 0, 40, 40))
    cut.save("cut.png")
    row, _ = pictures_of([Path("cut.png")])
    assert row[:, :, :19].max() == 0
    assert row[:, :, 21:].min() == 255
    picture(Path("strip.png"), 0, 2048, 40)
    row, reach = pictures_of([Path("strip.png")])
    assert row.shape[1] >= 32
    assert reach == 1


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_killed_while_it_saves_the_file_is_whole() -> None:
    program = """
import pathlib, torch
from artgan.style import lessons, style_train as course
torch.set_num_threads(1)
for module in (lessons, course):
    module.CROP, module.SIDE = 32, 64
lessons.PAIRS, course._PAINTED, course._SAVE_SECONDS = 1, 2, -1.0
course.style_train("style.jpg", "my.style", minutes=5)
"""
    process = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        while not Path("my.style").exists():
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    seconds = read_taught(Path("my.style")).seconds
    assert train(minutes=(seconds + 0.3) / 60).lessons >= 1
    assert names() == ["my.style", "other.jpg", "style.jpg"], "nothing is left of what was being written"


# --- how the network that ships was taught


def test_a_stylist_is_taught_from_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(teach_stylist, "SIDE", 64)
    monkeypatch.setattr(teach_stylist, "_TOLD", 1)
    for number in range(3):
        picture(Path(f"first/{number}.png"), number, 64, 48)
    picture(Path("second/3.png"), 3, 64, 48)
    Path("second/left-out.png").write_bytes(b"broken")
    words = ["first", "second", "--out", "new.safetensors", "--minutes", "0.005", "--without", "left-out.png"]
    monkeypatch.setattr("sys.argv", ["teach_stylist", *words])
    teach_stylist.main()
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("kept of the variance: [")
    assert "lessons" in told[-1]
    monkeypatch.setattr(files, "FILE", Path("new.safetensors"))
    stylist = files.shipped_stylist()
    assert Path("new.safetensors").stat().st_size < 1.1 * FILE.stat().st_size
    assert any(each.abs().sum() > 0 for each in stylist.strokes.parameters()), "it has had a lesson"


def test_directions_have_variance_1_where_they_were_found() -> None:
    from artgan.models.stylist import MAPS, Stylist
    from artgan.style.losses import scatter
    from artgan.style.transport import look_of
    from tests.teaching import drawn, features

    stylist, look = Stylist(), features()
    seen = ((drawn(1, 128, 96)[0] + 1) * 127.5).round().to(torch.uint8)
    shares = teach_stylist.find_directions(stylist, look, [seen])
    assert len(shares) == len(MAPS)
    assert all(0.5 < share <= 1 + 1e-9 for share in shares)
    with torch.no_grad():
        maps = stylist.seen(look(seen[None].float() / 127.5 - 1)[0])
    for mean, covariance in look_of([scatter(values) for values in maps]).scales:
        strong = covariance.diagonal() > 0.5  # a picture this small has fewer directions than are kept
        assert strong.sum() >= 5
        torch.testing.assert_close(covariance.diagonal()[:5], torch.ones(5, dtype=torch.float64), atol=0.02, rtol=0)
        assert mean[:5].abs().max() < 0.02


def test_without_pictures_there_is_nothing_to_teach(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    monkeypatch.setattr("sys.argv", ["teach_stylist", "empty", "--out", "x", "--minutes", "1"])
    with pytest.raises(SystemExit):
        teach_stylist.main()
    assert "no picture in these folders" in capsys.readouterr().err
