"""Films read as frames: whatever comes in, frames come out one by one, at one rate, upright, in 8-bit RGB."""

import itertools
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from artgan.engine.cut import Cut, parse_time
from artgan.engine.feeding import Frame
from artgan.engine.footage import Footage, open_footage
from artgan.engine.video import write_video
from artgan.errors import ArtganError, DatasetError, UsageError
from tests.filming import plain, run_ffmpeg, waves, write_tone

TEST = "testsrc2=size=96x64:rate=10:duration=1"


def made(path: Path, *words: str, source: str = TEST) -> Path:
    """A film that ffmpeg makes."""
    told = run_ffmpeg("-v", "error", "-y", "-f", "lavfi", "-i", source, *words, f"file:{path}")
    assert told.returncode == 0, told.stderr
    return path


def opened(
    path: Path, longest: int = 1024, cut: Cut | None = None, enlarge: bool = False
) -> tuple[Footage, list[Frame]]:
    footage = open_footage(path, longest, cut or Cut(), enlarge)
    return footage, list(footage.frames())


@pytest.mark.parametrize(
    ("text", "seconds"), [("2", 2), ("2.5", 2.5), ("00:02", 2), ("1:30", 90), ("1:00:02.5", 3602.5), ("90", 90)]
)
def test_times_are_seconds_minutes_or_hours(text: str, seconds: float) -> None:
    assert parse_time(text, "--from") == seconds


@pytest.mark.parametrize("text", ["", "-1", "two", "1:60", "1:2:3:4", "nan", "1e3", "00:02 s"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--from"):
        parse_time(text, "--from")


@given(seconds=st.integers(0, 359_999))
def test_a_clock_reads_as_it_is_written(seconds: int) -> None:
    text = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    assert parse_time(text, "--to") == seconds


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_frames_come_out_as_they_went_in(suffix: str, tmp_path: Path) -> None:
    path, frames = tmp_path / f"odd{suffix}", list(waves(5, 49, 65))
    write_video(path, iter(frames), fps=30000 / 1001, codec="lossless")
    footage, found = opened(path)
    assert (footage.size, footage.fps, footage.count, footage.has_sound) == ((65, 49), Fraction(30000, 1001), 5, False)
    assert footage.notes == ()
    assert all(np.array_equal(*pair) for pair in zip(found, frames, strict=True))
    assert len(list(footage.frames())) == 5, "they can be read again"


def test_depth_range_rotation_and_odd_pixels_just_work(tmp_path: Path) -> None:
    _, usual = opened(made(tmp_path / "usual.mp4"))
    ten = ("-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10le")
    footage, found = opened(made(tmp_path / "deep.mp4", *ten))
    assert footage.notes == ()
    assert np.abs(found[0].astype(int) - usual[0]).mean() < 6
    wide = ("-vf", "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc")
    tags = ("-x265-params", "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc")
    footage, found = opened(made(tmp_path / "hdr.mp4", *wide, "-c:v", "libx265", *tags, "-pix_fmt", "yuv420p10le"))
    assert len(found) == 10
    assert "high dynamic range" in footage.notes[0]
    turned = tmp_path / "turned.mp4"
    run_ffmpeg("-display_rotation", "90", "-i", tmp_path / "usual.mp4", "-c", "copy", turned)
    footage, found = opened(turned)
    assert footage.size == (64, 96)
    assert np.abs(np.rot90(usual[0]).astype(int) - found[0]).mean() < 3
    footage, _ = opened(made(tmp_path / "anamorphic.mp4", "-vf", "setsar=2"))
    assert footage.size == (192, 64)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("alpha.mov", ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le")),
        ("alpha.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p")),
    ],
)
def test_alpha_lies_over_white_and_that_is_said(name: str, words: tuple[str, ...], tmp_path: Path) -> None:
    half = "color=c=red:size=64x48:rate=5:duration=0.6,format=rgba,geq=r=255:g=0:b=0:a='255*gte(X,32)'"
    path = made(tmp_path / name, *words, source=half)
    footage, found = opened(path)
    assert footage.notes == (f"{path} is transparent in part; it is laid over white.",)
    assert found[0][24, 5].min() > 245
    assert found[0][24, 60, 0] > 200
    assert found[0][24, 60, 1:].max() < 40


def test_a_varying_rate_becomes_a_constant_one_of_the_same_length(tmp_path: Path) -> None:
    select = ("-vf", "select='lt(n,10)+not(mod(n,5))'", "-fps_mode", "vfr")
    path = made(tmp_path / "vfr.mp4", *select, source="testsrc2=size=64x48:rate=30:duration=2")
    footage, found = opened(path)
    assert len(found) / footage.fps == pytest.approx(2, abs=0.2)
    assert any(np.array_equal(one, two) for one, two in itertools.pairwise(found)), "what stays is repeated"


def test_a_film_without_its_length_is_counted(tmp_path: Path) -> None:
    piped = run_ffmpeg("-v", "error", "-f", "lavfi", "-i", TEST, "-f", "webm", "-").stdout
    path = tmp_path / "recorded.webm"
    path.write_bytes(piped)
    footage, found = opened(path)
    assert footage.count == len(found) == 10


def test_a_part_of_a_film_begins_and_ends_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, plain(6, 48, 64), fps=2, codec="lossless")
    _, whole = opened(path)
    footage, found = opened(path, cut=Cut(0.5, 2.0))
    assert footage.count == len(found) == 3
    assert all(np.array_equal(*pair) for pair in zip(found, whole[1:4], strict=True))
    footage, found = opened(path, cut=Cut(fps=1))
    assert (float(footage.fps), len(found)) == (1, 3)
    for cut, words in (
        (Cut(3.5), "--from 3.5: .*lasts 3 s"),
        (Cut(2, 1), "--to 1 does not come after"),
        (Cut(fps=0), "--fps 0"),
    ):
        with pytest.raises(UsageError, match=words):
            open_footage(path, 1024, cut)


def test_size_is_the_longest_side(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_video(path, plain(2, 64, 96))
    assert opened(path, 48)[1][0].shape == (32, 48, 3)
    assert opened(path, 192)[1][0].shape == (64, 96, 3)
    assert opened(path, 192, enlarge=True)[1][0].shape == (128, 192, 3)
    with pytest.raises(DatasetError, match="32 × 21 pixels are too few"):
        open_footage(path, 32, Cut())


def test_what_holds_no_film_is_one_sentence(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.mp4", 0.5)
    text, empty, torn = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "torn.mkv"
    text.write_text("no film")
    empty.write_bytes(b"")
    torn.write_bytes(made(tmp_path / "film.mkv").read_bytes()[:300])
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:{tmp_path / 'film.mkv'}\n#EXT-X-ENDLIST\n")
    for path in (tone, text, empty, torn, playlist, tmp_path / "gone.mp4"):
        with pytest.raises(DatasetError) as caught:
            open_footage(path, 1024, Cut())
        assert path.name in caught.value.message
        assert "\n" not in caught.value.message
    with pytest.raises(DatasetError, match="no pictures, only sound"):
        open_footage(tone, 1024, Cut())


def test_a_film_that_breaks_off_gives_what_comes_before(tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    write_video(path, waves(40), codec="lossless")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    footage, found = opened(path)
    assert footage.count == 40
    assert 5 < len(found) < 35


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png"])
def test_animated_pictures_are_films_of_one_rate(suffix: str, tmp_path: Path) -> None:
    path, frames = tmp_path / f"film{suffix}", [Image.fromarray(frame) for frame in plain(3, 40, 48)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 300, 200], lossless=True)
    footage, found = opened(path)
    assert (footage.size, float(footage.fps), footage.count) == ((48, 40), 10, 6)
    shown = [tuple(int(v) for v in frame[20, 20]) for frame in found]
    first, second, third = ((200, 30, 40), (30, 160, 60), (40, 60, 210))
    assert shown == [first, second, second, second, third, third]
    assert len(opened(path, cut=Cut(0.1, 0.4))[1]) == 3
    assert len(opened(path, cut=Cut(fps=5))[1]) == 3


def test_delays_that_are_one_rate_rounded_are_one_rate(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    write_video(path, plain(6, 40, 48), fps=30)
    footage, found = opened(path)
    assert float(footage.fps) == pytest.approx(30, rel=0.01)
    assert len(found) == 6


def test_animated_alpha_lies_over_white(tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    frames = [Image.new("RGBA", (40, 40), (200, 0, 0, alpha)) for alpha in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    footage, found = opened(path)
    assert "laid over white" in footage.notes[0]
    assert [frame[20, 20].tolist() for frame in found] == [[255, 255, 255], [200, 0, 0]]


def test_one_picture_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", (40, 40)).save(path)
    with pytest.raises(UsageError, match=r"photo\.png is one picture"):
        open_footage(path, 1024, Cut())


def test_a_folder_of_frames_is_taken_in_natural_order(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in zip((1, 2, 10), plain(3, 40, 48), strict=True):
        Image.fromarray(frame).save(folder / f"f{number}.png")
    (folder / "notes.txt").write_text("no frame")
    footage, found = opened(folder)
    assert (float(footage.fps), footage.count, footage.size) == (25, 3, (48, 40))
    assert [frame[0, 0].tolist() for frame in found] == [[200, 30, 40], [30, 160, 60], [40, 60, 210]]
    assert opened(folder, cut=Cut(fps=2, start=0.5))[0].count == 2
    Image.new("RGB", (50, 40)).save(folder / "f11.png")
    with pytest.raises(DatasetError, match=r"f11\.png is 50x40, and the first frame 48x40"):
        opened(folder)
    (folder / "f2.png").write_bytes(b"torn")
    with pytest.raises(DatasetError, match=r"f2\.png: not a picture"):
        opened(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match="empty has no frames"):
        open_footage(empty, 1024, Cut())


def test_frames_that_nobody_takes_are_not_read_ahead_and_nothing_stays_running(tmp_path: Path) -> None:
    path = made(tmp_path / "long.mp4", source="color=size=320x240:rate=25:duration=40")
    drawn = open_footage(path, 1024, Cut()).frames()
    for _ in range(3):
        next(drawn)
    before = threading.active_count()
    drawn.close()  # type: ignore[attr-defined]
    assert threading.active_count() <= before
    with pytest.raises(StopIteration):
        next(drawn)


def test_a_film_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtganError, match="nothing"):
        open_footage(tmp_path / "nothing.gif", 1024, Cut())
