"""Films decoded again: frames, sizes, speed, colours, loops; and what is left behind when something fails."""

import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from artgan.engine.video import FORMATS, Frame, read_film_recipe, write_video
from artgan.errors import StorageError, UsageError
from tests.filming import COLORS, decoded_film, decoded_frames, decoded_picture, described, noise, plain

EVERY_FORMAT = [*FORMATS, ""]  # without a suffix: a folder of PNGs


def test_mp4_plays_everywhere_and_keeps_its_colors(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    assert write_video(path, plain(12), fps=12) == 12
    film = decoded_film(path)
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


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng", ".png"])
def test_animated_pictures(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    assert write_video(path, plain(10, 23, 31), fps=20, quality=90) == 10
    frames, delays = decoded_picture(path)
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
    _, delays = decoded_picture(tmp_path / "film.gif")
    assert set(delays) == {30.0, 40.0}
    assert sum(delays) == pytest.approx(1000, abs=10)


def test_an_apng_loses_nothing(tmp_path: Path) -> None:
    write_video(tmp_path / "film.png", noise(4))
    for found, given_ in zip(decoded_picture(tmp_path / "film.png")[0], noise(4), strict=True):
        assert np.array_equal(found, given_)


def test_a_gif_keeps_rare_colors(tmp_path: Path) -> None:
    """A small red disc among many greys and greens; ffmpeg's own palette made it brown."""
    draw = np.random.default_rng(0)
    grey = draw.integers(60, 200, (96, 96, 1)) + draw.integers(-20, 20, (96, 96, 3))
    across, down = np.meshgrid(np.arange(96), np.arange(96))
    disc = (across - 48) ** 2 + (down - 48) ** 2 < 36
    frame = np.where(disc[..., None], (225, 20, 30), grey).astype(np.uint8)
    write_video(tmp_path / "film.gif", [frame, frame[::-1].copy()])
    found = decoded_picture(tmp_path / "film.gif")[0][0]
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


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 37), width=st.integers(1, 37), suffix=st.sampled_from(EVERY_FORMAT))
@example(height=49, width=65, suffix=".mp4")
@example(height=49, width=65, suffix=".gif")
@example(height=49, width=65, suffix=".webp")
@example(height=49, width=65, suffix="")
def test_any_size_is_kept_and_only_h264_is_padded(height: int, width: int, suffix: str, tmp_path: Path) -> None:
    path = Path(tempfile.mkdtemp(dir=tmp_path)) / f"film{suffix}"
    assert write_video(path, plain(2, height, width)) == 2
    even = suffix in (".mp4", ".mov", ".mkv")
    rows, columns = (height + height % 2, width + width % 2) if even else (height, width)
    frames = decoded_frames(path)
    assert [frame.shape for frame in frames] == [(rows, columns, 3)] * 2
    assert np.abs(frames[1].astype(int) - COLORS[1]).max() <= 14  # to the last row and column: the edge goes on


@pytest.mark.parametrize("suffix", EVERY_FORMAT)
def test_no_more_frames_are_in_memory_for_a_longer_film(suffix: str, tmp_path: Path) -> None:
    alive = most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def watched(count: int) -> Iterator[Frame]:
        nonlocal alive, most
        for frame in noise(count, 8, 8):
            weakref.finalize(frame, gone)
            alive += 1
            most = max(most, alive)
            yield frame

    assert write_video(tmp_path / f"film{suffix}", watched(300)) == 300
    assert most <= 40
    assert alive == 0


def test_a_folder_of_pngs_loses_nothing_and_is_there_at_once(tmp_path: Path) -> None:
    def watched() -> Iterator[Frame]:
        for frame in noise(5, 7, 9):
            assert not (tmp_path / "new" / "film").exists()
            yield frame

    assert write_video(tmp_path / "new" / "film", watched()) == 5
    names = [path.name for path in sorted((tmp_path / "new" / "film").iterdir())]
    assert names == ["00000.png", "00001.png", "00002.png", "00003.png", "00004.png"]
    for found, given_ in zip(decoded_frames(tmp_path / "new" / "film"), noise(5, 7, 9), strict=True):
        assert np.array_equal(found, given_)
    with pytest.raises(UsageError, match="film exists"):
        write_video(tmp_path / "new" / "film", noise(1))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("film.avi", {}, "film.avi is not the name of a film"),
        (".mp4", {}, "is not the name of a film"),
        ("..", {}, "is not the name of a film"),
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
    names = ("a:b.mp4", "-y.mp4", "-y", "100%03d.gif", "%d.mkv", "pipe:1.png", "line\nbreak.mov", "new/folder/FILM.MP4")
    for name in (*names, "Früchte & 'Äpfel'.webp", "'\";=#\\.mov", "http:", "\udcff.mp4"):
        write_video(Path(name), plain(2), recipe={"kind": name})
        assert len(decoded_frames(Path(name))) == 2
        assert read_film_recipe(Path(name)) == {"kind": name}
    assert sum(1 for _ in tmp_path.iterdir()) == 12
