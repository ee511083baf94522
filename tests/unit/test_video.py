"""Films decoded again: frames, sizes, speed, colours, loops; and what is left behind when something fails."""

import re
import subprocess
import weakref
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from artgan.engine.video import FORMATS, Frame, write_video
from artgan.errors import StorageError, UsageError

COLORS = [(200, 30, 40), (30, 160, 60), (40, 60, 210), (240, 220, 40), (20, 20, 20), (250, 250, 250)]


def plain(count: int, height: int = 24, width: int = 32) -> Iterator[Frame]:
    """Frames of one colour each."""
    for number in range(count):
        yield np.full((height, width, 3), COLORS[number % len(COLORS)], np.uint8)


def noise(count: int, height: int = 24, width: int = 32) -> Iterator[Frame]:
    draw = np.random.default_rng(0)
    for _ in range(count):
        yield draw.integers(0, 256, (height, width, 3), np.uint8)


def decoded(path: Path) -> tuple[list[Frame], list[float]]:
    """All frames of a GIF, WebP or APNG, and how long each is shown, in milliseconds."""
    with Image.open(path) as film:
        frames, delays = [], []
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")))
            delays.append(float(film.info["duration"]))
    return frames, delays


def run_ffmpeg(*words: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words], capture_output=True, check=False)


def described(path: Path) -> str:
    """What ffmpeg says of a file."""
    return run_ffmpeg("-hide_banner", "-i", str(path)).stderr.decode()


def decoded_mp4(path: Path) -> Frame:
    """All frames (N, H, W, 3), as a player shows them."""
    found = re.search(r"yuv420p.*?, (\d+)x(\d+)", described(path))
    assert found
    raw = run_ffmpeg("-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-").stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, int(found[2]), int(found[1]), 3)


def test_mp4_plays_everywhere_and_keeps_its_colors(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    assert write_video(path, plain(12), fps=12) == 12
    film = decoded_mp4(path)
    assert film.shape == (12, 24, 32, 3)
    for number, frame in enumerate(film):
        assert np.abs(frame.astype(int) - COLORS[number % len(COLORS)]).max() <= 6, number
    said = described(path)
    assert "Duration: 00:00:01.00" in said
    assert " 12 fps" in said
    assert "h264 (High) (avc1" in said
    assert "yuv420p(tv, bt709, progressive)" in said
    raw = path.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")  # the index comes first
    assert "Audio" not in said


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animated_pictures(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    assert write_video(path, plain(10, 23, 31), fps=20, quality=90) == 10
    frames, delays = decoded(path)
    assert [frame.shape for frame in frames] == [(23, 31, 3)] * 10
    assert delays == [50.0] * 10
    for number, frame in enumerate(frames):
        off = np.abs(frame.astype(int) - COLORS[number % len(COLORS)]).max()
        assert off <= (8 if suffix == ".webp" else 0), number


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("loop", [True, False])
def test_loop(suffix: str, loop: bool, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    write_video(path, plain(3), loop=loop)
    with Image.open(path) as film:
        assert film.info.get("loop") == (0 if loop else None if suffix == ".gif" else 1)


def test_delays_of_a_gif_are_whole_hundredths_and_add_up(tmp_path: Path) -> None:
    write_video(tmp_path / "film.gif", plain(30), fps=30)
    _, delays = decoded(tmp_path / "film.gif")
    assert set(delays) == {30.0, 40.0}
    assert sum(delays) == pytest.approx(1000, abs=10)


def test_an_apng_loses_nothing(tmp_path: Path) -> None:
    write_video(tmp_path / "film.png", noise(4))
    for found, given_ in zip(decoded(tmp_path / "film.png")[0], noise(4), strict=True):
        assert np.array_equal(found, given_)


def test_a_gif_keeps_rare_colors(tmp_path: Path) -> None:
    """A small red disc among many greys and greens; ffmpeg's own palette made it brown."""
    draw = np.random.default_rng(0)
    grey = draw.integers(60, 200, (96, 96, 1)) + draw.integers(-20, 20, (96, 96, 3))
    across, down = np.meshgrid(np.arange(96), np.arange(96))
    disc = (across - 48) ** 2 + (down - 48) ** 2 < 36
    frame = np.where(disc[..., None], (225, 20, 30), grey).astype(np.uint8)
    write_video(tmp_path / "film.gif", [frame, frame[::-1].copy()])
    found = decoded(tmp_path / "film.gif")[0][0]
    assert np.abs(found[disc].mean(axis=0) - (225, 20, 30)).max() < 8
    assert np.abs(found.mean(axis=(0, 1)) - frame.mean(axis=(0, 1))).max() < 2


def test_quality_is_a_matter_of_bytes(tmp_path: Path) -> None:
    for suffix in (".mp4", ".webp"):
        small, large = tmp_path / f"small{suffix}", tmp_path / f"large{suffix}"
        write_video(small, noise(4), quality=10)
        write_video(large, noise(4), quality=95)
        assert small.stat().st_size < large.stat().st_size / 2


@pytest.mark.parametrize("suffix", FORMATS)
def test_same_frames_same_bytes(suffix: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        write_video(path, noise(5, 33, 47))
    assert first.read_bytes() == second.read_bytes()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 37), width=st.integers(1, 37), suffix=st.sampled_from(FORMATS))
def test_any_size_is_kept_and_only_h264_is_padded(height: int, width: int, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    assert write_video(path, plain(2, height, width)) == 2
    even = suffix == ".mp4"
    frames = list(decoded_mp4(path)) if even else decoded(path)[0]
    rows, columns = (height + height % 2, width + width % 2) if even else (height, width)
    assert [frame.shape for frame in frames] == [(rows, columns, 3)] * 2
    assert np.abs(frames[1].astype(int) - COLORS[1]).max() <= 14  # to the last row and column: the edge goes on


def test_frames_are_not_collected(tmp_path: Path) -> None:
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def watched() -> Iterator[Frame]:
        nonlocal alive, most
        for frame in noise(60):
            weakref.finalize(frame, gone)
            alive += 1
            most = max(most, alive)
            yield frame

    for suffix in FORMATS:
        assert write_video(tmp_path / f"film{suffix}", watched()) == 60
    assert most <= 4


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("film.mov", {}, "film.mov is not the name of a film"),
        ("film", {}, "is not the name of a film"),
        ("film.mp4", {"fps": 0.0}, "--fps 0"),
        ("film.mp4", {"fps": float("nan")}, "--fps nan"),
        ("film.gif", {"fps": 60.0}, "at most 50"),
        ("film.mp4", {"quality": 101.0}, "--quality 101"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_frame_is_drawn(
    name: str, options: dict[str, float], words: str, tmp_path: Path
) -> None:
    drawn = plain(3)
    with pytest.raises(UsageError, match=words) as caught:
        write_video(tmp_path / name, drawn, **options)  # type: ignore[arg-type]
    assert caught.value.hint
    assert len(list(drawn)) == 3
    assert list(tmp_path.iterdir()) == []


def test_unknown_suffixes_are_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_video(tmp_path / "film.avi", plain(1))
    assert all(suffix in caught.value.hint for suffix in FORMATS)


def test_no_frames_folders_and_mixed_sizes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no frame"):
        write_video(tmp_path / "film.mp4", [])
    with pytest.raises(ValueError, match="first one"):
        write_video(tmp_path / "film.mp4", [*plain(1), *plain(1, 10, 10)])
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write_video(tmp_path / "folder.mp4", plain(1))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, RuntimeError])
def test_a_film_that_is_broken_off_leaves_the_old_one(suffix: str, error: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    path.write_text("the old film")

    def breaking() -> Iterator[Frame]:
        yield from noise(3)
        assert any(other.suffix == ".tmp" for other in tmp_path.iterdir())
        raise error("stop")

    with pytest.raises(error, match="stop"):
        write_video(path, breaking())
    assert path.read_text() == "the old film"
    assert list(tmp_path.iterdir()) == [path]


def pretend_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    program = folder / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))


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
    for suffix in FORMATS:
        with pytest.raises(StorageError, match=words) as caught:
            write_video(folder / f"film{suffix}", noise(40, 200, 200))
        assert f"film{suffix}" in caught.value.message
        assert hint in caught.value.hint
    assert list(folder.iterdir()) == []


def test_an_ffmpeg_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "nothing"))
    with pytest.raises(StorageError, match="does not start") as caught:
        write_video(tmp_path / "film.mp4", plain(1))
    assert "pip install" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"film\.mp4 cannot be written"):
        write_video(tmp_path / "file" / "film.mp4", plain(1))


def test_odd_names_are_taken_literally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a:b.mp4", "-y.mp4", "100%03d.gif", "pipe:1.png", "Früchte & 'Äpfel'.webp", "new/folder/FILM.MP4"):
        write_video(Path(name), plain(2))
        assert Path(name).stat().st_size > 100
