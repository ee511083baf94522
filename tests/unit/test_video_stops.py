"""Films that are broken off: by the user, by what draws them, by ffmpeg, by the disk; and drawing while writing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from artgan.engine.feeding import Handed, hand_over
from artgan.engine.video import Frame, read_film_recipe, write_video
from artgan.errors import Interrupted, StorageError
from tests.filming import decoded_frames, described, noise, plain, write_tone

FORMATS = (".mp4", ".mov", ".gif", ".webp", ".png", "")


def pretend_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, RuntimeError])
def test_a_film_that_is_broken_off_leaves_the_old_one(suffix: str, error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    if suffix:
        path.write_text("the old film")

    def breaking() -> Iterator[Frame]:
        yield from noise(3)
        assert any(other.suffix == ".tmp" for other in tmp_path.iterdir())
        raise error("stop")

    with pytest.raises(error, match="stop"):
        write_video(path, breaking())
    assert list(tmp_path.iterdir()) == ([path] if suffix else [])
    assert not suffix or path.read_text() == "the old film"


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("Stopped.", "Go on.")])
def test_what_was_drawn_is_kept_when_asked(suffix: str, error: BaseException, tmp_path: Path) -> None:
    def breaking() -> Iterator[Frame]:
        yield from plain(7)
        raise error

    path = tmp_path / f"film{suffix}"
    with pytest.raises(Interrupted, match=rf"film{suffix} has the 7 frames") as caught:
        write_video(path, breaking(), recipe={"kind": "walk"}, keep_partial=True)
    assert caught.value.__cause__ is error
    assert ("--overwrite" if suffix else "another name") in caught.value.hint
    assert len(decoded_frames(path)) == 7
    assert read_film_recipe(path) == {"kind": "walk"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_sound_of_what_is_kept_is_as_long(tmp_path: Path) -> None:
    def breaking() -> Iterator[Frame]:
        yield from plain(20)
        raise KeyboardInterrupt

    tone = write_tone(tmp_path / "tone.wav", 3)
    with pytest.raises(Interrupted):
        write_video(tmp_path / "film.mp4", breaking(), fps=20, sound=tone, keep_partial=True)
    assert "Duration: 00:00:01.0" in described(tmp_path / "film.mp4")


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted("Stopped.", "Go on.")])
def test_of_no_frame_nothing_is_kept(error: type[BaseException] | BaseException, tmp_path: Path) -> None:
    def breaking() -> Iterator[Frame]:
        raise error
        yield

    with pytest.raises((KeyboardInterrupt, Interrupted)) as caught:
        write_video(tmp_path / "film.mp4", breaking(), keep_partial=True)
    assert caught.value is error or caught.type is error
    assert list(tmp_path.iterdir()) == []


def test_other_failures_keep_nothing(tmp_path: Path) -> None:
    def breaking() -> Iterator[Frame]:
        yield from plain(7)
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        write_video(tmp_path / "film.mp4", breaking(), keep_partial=True)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_ffmpeg_is_waited_for_keeps_what_was_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes when no frame is being drawn: a slow ffmpeg has all that may wait."""
    go, drawn = tmp_path / "go", 0
    waiting = f'until [ -e "{go}" ]; do sleep 0.02; done'
    pretend_ffmpeg(
        tmp_path, monkeypatch, f'{waiting}; cat >/dev/null; for name; do :; done; echo film > "${{name#file:}}"'
    )

    def counted() -> Iterator[Frame]:
        nonlocal drawn
        for frame in noise(10_000, 200, 200):
            drawn += 1
            yield frame

    def interrupt() -> None:
        before = 0
        while drawn != before or not drawn:  # until nothing is drawn any more
            before = drawn
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        go.touch()

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(Interrupted, match=r"has the \d+ frames"):
        write_video(tmp_path / "film.mp4", counted(), keep_partial=True)
    interrupting.join()
    assert (tmp_path / "film.mp4").read_text() == "film\n"


def test_kill_9_leaves_nothing_under_the_name(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.filming import plain\n"
        "from artgan.engine.video import write_video\n"
        "def frames():\n"
        "    yield from plain(50)\n"
        "    print('drawn', flush=True)\n"
        "    time.sleep(60)\n"
        "write_video(Path(sys.argv[1]), frames())\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "film.mp4")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"drawn\n"
        process.kill()
    assert not (tmp_path / "film.mp4").exists()
    assert write_video(tmp_path / "film.mp4", plain(3)) == 3


@pytest.mark.parametrize(
    ("body", "words", "hint"),
    [
        ("cat >/dev/null; echo '[mp4 @ 0x1] x: No space left on device' >&2; exit 1", "No space left", "disk space"),
        ("echo '[webp @ 0x1] Unknown encoder' >&2; exit 8", "ffmpeg could not write .*Unknown encoder", "Try another"),
        ("kill -9 $$", "without a word", "Try another"),
    ],
)
def test_an_ffmpeg_that_fails_is_one_sentence_and_no_file(
    body: str, words: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_ffmpeg(tmp_path, monkeypatch, body)
    folder = tmp_path / "films"
    for suffix in (".mp4", ".mov", ".gif", ".webp", ".png"):
        with pytest.raises(StorageError, match=words) as caught:
            write_video(folder / f"film{suffix}", noise(40, 200, 200))
        assert f"film{suffix}" in caught.value.message
        assert hint in caught.value.hint
    assert list(folder.iterdir()) == []


def test_an_ffmpeg_that_hangs_does_not_hang_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It never reads: the writer waits in the pipe, and must be let go when drawing fails."""
    pretend_ffmpeg(tmp_path, monkeypatch, "exec sleep 60")

    def breaking() -> Iterator[Frame]:
        yield from noise(5, 300, 300)
        raise RuntimeError("stop")

    started = time.monotonic()
    with pytest.raises(RuntimeError, match="stop"):
        write_video(tmp_path / "film.mp4", breaking())
    assert time.monotonic() - started < 20


def test_no_more_is_drawn_for_an_ffmpeg_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_ffmpeg(tmp_path, monkeypatch, "echo broken >&2; exit 3")
    drawn = 0

    def slow() -> Iterator[Frame]:
        nonlocal drawn
        for frame in noise(1000, 200, 200):
            drawn += 1
            yield frame
            time.sleep(0.01)

    with pytest.raises(StorageError, match="broken"):
        write_video(tmp_path / "film.mp4", slow(), keep_partial=True)
    assert drawn < 100


def test_a_folder_that_fills_up_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"film cannot be written: No space left") as caught:
        write_video(tmp_path / "film", plain(3))
    assert "disk space" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_drawing_goes_on_while_a_frame_is_written() -> None:
    """The first frame is only written once ten more have been drawn."""
    ahead = threading.Event()
    written: list[int] = []

    def frames() -> Iterator[Frame]:
        for number, frame in enumerate(plain(20)):
            if number == 10:
                ahead.set()
            yield frame

    def write(number: int, _: Frame) -> None:
        assert ahead.wait(20)
        written.append(number)

    assert hand_over(frames(), write) == Handed(20)
    assert written == list(range(20))


def test_few_large_frames_wait() -> None:
    drawn = 0
    may_go = threading.Event()

    def frames() -> Iterator[Frame]:
        nonlocal drawn
        for frame in plain(8, 2000, 4000):
            drawn += 1
            yield frame

    def write(_: int, __: Frame) -> None:
        assert may_go.wait(20)

    thread = threading.Thread(target=lambda: hand_over(frames(), write))
    thread.start()
    until = time.monotonic() + 20
    while drawn < 3 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert drawn == 3  # 24 MB each: two wait for their turn, and a third has been drawn
    may_go.set()
    thread.join()
    assert drawn == 8


def test_what_fails_in_a_writer_comes_out() -> None:
    def write(number: int, _: Frame) -> None:
        if number == 3:
            raise ZeroDivisionError

    drawn = plain(10_000)
    with pytest.raises(ZeroDivisionError):
        hand_over(drawn, write)
    assert next(drawn, None) is not None  # it stopped there
