"""The film of a run's previews, decoded again: what it shows when, how long, and what is left out with a word."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from artgan.errors import CheckpointError, UsageError
from artgan.training.events import Notice
from artgan.training.film import FilmEvent, FrameWritten, progress, timeline

SIDE = 484  # a sheet of 64 pictures of 58 pixels: large enough not to be enlarged
COLORS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]
NIMG = (0, 512, 1024, 13_000)


def frames_of(path: Path) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """Frames of an animated PNG, which loses nothing, and how long each is shown, in seconds."""
    with Image.open(path) as film:
        frames, delays = [], []
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")))
            delays.append(float(film.info["duration"]) / 1000)
    return frames, delays


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with four previews, each of one colour."""
    folder = tmp_path / "runs" / "00000-paintings-studio64"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    for nimg, color in zip(NIMG, COLORS, strict=True):
        Image.new("RGB", (SIDE, SIDE), color).save(folder / f"fakes{nimg:09d}.png")
    Image.new("RGB", (SIDE, SIDE), "white").save(folder / "reals.png")
    return folder


def shown(frame: NDArray[np.uint8]) -> tuple[int, ...]:
    """The colour in the middle of the picture."""
    return tuple(int(value) for value in frame[SIDE // 2, SIDE // 2])


def test_each_preview_has_its_time_and_the_last_one_more(run: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.png"
    result = progress(run, film, seconds=6, fps=10, fade=0)
    assert (result.file, result.run, result.previews) == (film, run.name, 4)
    assert (result.frames, result.seconds, result.skipped) == (60, 6, ())
    frames, delays = frames_of(film)
    assert len(frames) == 60
    assert sum(delays) == pytest.approx(6)
    colors = [shown(frame) for frame in frames]
    assert [colors.count(color) for color in COLORS] == [15, 15, 15, 15]
    assert list(dict.fromkeys(colors)) == COLORS


def test_previews_dissolve_into_one_another(run: Path, tmp_path: Path) -> None:
    progress(run, tmp_path / "film.png", seconds=6, fps=10, fade=0.5)
    colors = [shown(frame) for frame in frames_of(tmp_path / "film.png")[0]]
    first = colors[:16]
    assert first[:10] == [COLORS[0]] * 10
    reds = [red for red, _, _ in first[10:]]
    assert reds == sorted(reds, reverse=True)
    assert 0 < reds[2] < 200
    assert all(abs(red + green - 200) <= 1 for red, green, _ in first)
    assert colors[-15:] == [COLORS[3]] * 15


def test_the_caption_says_how_far_it_was(run: Path, tmp_path: Path) -> None:
    progress(run, tmp_path / "plain.png", seconds=2, fps=5, caption=False)
    progress(run, tmp_path / "told.png", seconds=2, fps=5)
    plain, told = frames_of(tmp_path / "plain.png")[0], frames_of(tmp_path / "told.png")[0]
    assert {frame.shape for frame in plain} == {(SIDE, SIDE, 3)}
    assert {frame.shape[1:] for frame in told} == {(SIDE, 3)}
    strips = [frame[SIDE:] for frame in told]
    assert all(np.array_equal(frame[:SIDE], bare) for frame, bare in zip(told, plain, strict=True))
    assert all(strip.max() == 255 and strip.min() < 100 for strip in strips)
    assert 4 >= len({strip.tobytes() for strip in strips}) > 2
    assert np.array_equal(strips[0][:, SIDE // 2 :], np.full_like(strips[0][:, SIDE // 2 :], 255))


def test_length_by_default(run: Path, tmp_path: Path) -> None:
    assert progress(run, tmp_path / "four.mp4", fps=5).seconds == pytest.approx(3 * 0.8 + 1.5, abs=0.1)
    for nimg in range(20_000, 40_000, 1000):
        Image.new("RGB", (SIDE, SIDE), "grey").save(run / f"fakes{nimg:09d}.png")
    assert progress(run, tmp_path / "many.mp4", fps=5).seconds == 10


def test_more_previews_than_frames(run: Path, tmp_path: Path) -> None:
    assert progress(run, tmp_path / "film.png", seconds=0.2, fps=10).frames == 2
    colors = [shown(frame) for frame in frames_of(tmp_path / "film.png")[0]]
    assert colors == [COLORS[0], COLORS[3]]


def test_one_preview_is_a_still(run: Path, tmp_path: Path) -> None:
    for nimg in NIMG[1:]:
        (run / f"fakes{nimg:09d}.png").unlink()
    result = progress(run, tmp_path / "film.png", fps=10)
    assert (result.previews, result.frames) == (1, 15)


def test_small_sheets_are_enlarged_by_a_whole_number(run: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0).integers(0, 256, (100, 150), np.uint8)
    for path in run.glob("fakes*.png"):
        Image.fromarray(draw).save(path)  # grey, as of a run with --channels grey
    progress(run, tmp_path / "film.png", seconds=0.2, fps=10, caption=False)
    frame = frames_of(tmp_path / "film.png")[0][0]
    assert np.array_equal(frame, np.repeat(np.repeat(draw[..., None], 4, 0), 4, 1).repeat(3, 2))


def test_what_cannot_be_shown_is_left_out_with_a_word(run: Path, tmp_path: Path) -> None:
    (run / "fakes000000512.png").write_bytes(b"\x89PNG damaged")
    Image.new("RGB", (10, 20)).save(run / "fakes000000777.png")
    Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)).save(run / "fakes000001024.png")
    (run / "fakes-best.png").write_text("somebody's own")
    heard: list[FilmEvent] = []
    result = progress(run, tmp_path / "film.png", seconds=4, fps=5, fade=0, on_event=heard.append)
    assert result.previews == 3
    notices = [event.text for event in heard if isinstance(event, Notice)]
    assert notices == [
        "Skipped fakes000000512.png: not a picture",
        f"Skipped fakes000000777.png: 10 x 20 pixels, where the others have {SIDE} x {SIDE}",
    ]
    assert [name for name, _ in result.skipped] == ["fakes000000512.png", "fakes000000777.png"]
    colors = [shown(frame) for frame in frames_of(tmp_path / "film.png")[0]]
    assert list(dict.fromkeys(colors)) == [COLORS[0], (255, 255, 255), COLORS[3]]


@pytest.mark.parametrize(("suffix", "passes"), [(".mp4", 1), (".gif", 2)])
def test_every_frame_is_told_of(suffix: str, passes: int, run: Path, tmp_path: Path) -> None:
    heard: list[FilmEvent] = []
    progress(run, tmp_path / f"film{suffix}", seconds=1, fps=8, on_event=heard.append)
    done = [event.done for event in heard if isinstance(event, FrameWritten) and event.total == 8]
    assert len(done) == len(heard)
    assert done[:8] == list(range(1, 9))
    assert (done[-1], done.count(8)) == (8, passes)


def test_the_same_run_is_the_same_film(run: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        progress(run, tmp_path / name, seconds=1)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_it_lies_in_the_run_by_default_and_is_made_anew(run: Path) -> None:
    first = progress(runs_dir=run.parent, seconds=0.2, fps=10)
    assert first.file == run / "progress.mp4"
    before = first.file.read_bytes()
    progress("0", runs_dir=run.parent, seconds=0.4, fps=10)
    assert first.file.read_bytes() != before


def test_mistakes_are_named_and_leave_nothing(run: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    for options, words in (
        ({"seconds": 0.0}, "--seconds 0"),
        ({"seconds": float("inf")}, "--seconds inf"),
        ({"fps": 0.0}, "--fps 0"),
        ({"fade": -1.0}, "--fade -1"),
    ):
        with pytest.raises(UsageError, match=words):
            progress(run, film, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not the name of a film"):
        progress(run, tmp_path / "film.avi")
    with pytest.raises(CheckpointError, match="no run"):
        progress(runs_dir=tmp_path / "nowhere")
    assert not film.exists()
    film.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        progress(run, film)
    assert film.read_text() == "mine"
    assert progress(run, film, seconds=0.2, overwrite=True).file == film


def test_a_run_without_previews(run: Path, tmp_path: Path) -> None:
    for path in run.glob("fakes*.png"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no previews") as caught:
        progress(run, tmp_path / "film.mp4")
    assert run.name in caught.value.message
    assert not (tmp_path / "film.mp4").exists()


@given(previews=st.integers(1, 60), total=st.integers(1, 300), last=st.integers(0, 90), fade=st.floats(0, 40))
def test_a_timeline_goes_forward_from_the_first_to_the_last(previews: int, total: int, last: int, fade: float) -> None:
    moments = list(timeline(previews, total, last, fade))
    assert len(moments) == total
    places = [number + share for number, share in moments]
    assert places == sorted(places)
    assert all(0 <= share <= 1 and 0 <= number + (share > 0) < previews for number, share in moments)
    assert places[0] < 1 or total == 1
    still = min(last, -(-total // 3)) if previews > 1 else total
    assert all(moment == (previews - 1, 0) for moment in moments[total - still :])
