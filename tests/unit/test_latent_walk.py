"""Walks: loops that close, keyframes that are met, classes that melt, films that play, and what is refused."""

import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import artgan
from artgan.engine.video import read_film_recipe
from artgan.errors import CheckpointError, DatasetError, Interrupted, UsageError
from artgan.latent import frames as frames_room
from artgan.latent import project
from artgan.latent.frames import FrameDrawn
from artgan.latent.project import Projecting
from artgan.latent.walk import Coloring, WalkEvent, parse_grid
from tests.conftest import painted
from tests.filming import decoded_film, decoded_picture, described, write_tone
from tests.generators import untrained_run

pytestmark = pytest.mark.usefixtures("one_thread")
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("fruit"), ("apple", "pear"))


def pictures(folder: Path) -> list[Pixels]:
    return [np.asarray(Image.open(path).copy()) for path in sorted(folder.iterdir())]


@pytest.fixture
def frames(run: Path, tmp_path: Path) -> Callable[..., list[Pixels]]:
    """Walk into a folder and read its pictures."""
    count = iter(range(99))

    def walked(**asked: Any) -> list[Pixels]:
        folder = tmp_path / f"frames{next(count)}"
        artgan.walk(folder, **{"run": run, **asked})
        return pictures(folder)

    return walked


@pytest.mark.parametrize("path", ["spline", "slerp", "linear", "circle", "noise"])
def test_frame_i_of_a_loop_is_at_i_nths_of_the_way(frames: Callable[..., list[Pixels]], path: str) -> None:
    few, many = frames(frames=6, path=path), frames(frames=12, path=path)
    assert len(few) == 6
    assert all(np.array_equal(a, b) for a, b in zip(few, many[::2], strict=True))
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(many, [*many[1:], many[0]], strict=True)]
    assert max(steps) == steps[-1] or steps[-1] < 3 * np.median(steps)  # the seam is a step like the others
    assert min(steps) > 0


def test_an_open_walk_begins_and_ends_on_keyframes(
    run: Path, frames: Callable[..., list[Pixels]], tmp_path: Path
) -> None:
    artgan.sample(run, seeds="3,9", out=tmp_path / "samples")
    first, last = pictures(tmp_path / "samples")
    for path in ("spline", "slerp", "linear"):
        walked = frames(frames=5, keys=["3", "9"], loop=False, path=path)
        assert np.array_equal(walked[0], first)
        assert np.array_equal(walked[-1], last)


def test_every_frame_is_the_same_however_many_are_drawn_at_a_time(
    frames: Callable[..., list[Pixels]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = frames(frames=20)
    monkeypatch.setattr(frames_room, "AT_ONCE", 3)
    assert all(np.array_equal(a, b) for a, b in zip(before, frames(frames=20), strict=True))


def test_classes_melt_into_one_another(fruit: Path, frames: Callable[..., list[Pixels]], tmp_path: Path) -> None:
    for name in ("apple", "pear"):
        artgan.sample(fruit, seeds="5", class_name=name, out=tmp_path / name)
    apple, pear = (pictures(tmp_path / name)[0] for name in ("apple", "pear"))
    walked = frames(run=fruit, frames=3, keys=["5", "5"], class_name="apple,pear", loop=False)
    assert np.array_equal(walked[0], apple)
    assert np.array_equal(walked[2], pear)
    assert not np.array_equal(walked[1], apple)
    assert not np.array_equal(walked[1], pear)
    alone = frames(run=fruit, frames=2, keys=["5", "6"], class_name="pear", loop=False)
    assert np.array_equal(alone[0], pear)


def test_without_a_class_all_of_them_take_turns(fruit: Path, tmp_path: Path) -> None:
    result = artgan.walk(tmp_path / "a.gif", run=fruit, frames=2)
    assert result.keys == (("apple:0", "pear:1", "apple:2", "pear:3", "apple:4", "pear:5"),)
    assert artgan.walk(tmp_path / "b.gif", run=fruit, frames=2, seed=1).keys[0][:2] == ("apple:6", "pear:7")


def test_a_grid_walks_side_by_side(frames: Callable[..., list[Pixels]], run: Path, tmp_path: Path) -> None:
    (first, *_) = frames(frames=2, grid=(3, 2))
    assert first.shape == (2 * 18 + 2, 3 * 18 + 2, 3)
    cells = [
        first[2 + 18 * row : 18 + 18 * row, 2 + 18 * column : 18 + 18 * column] for row in (0, 1) for column in range(3)
    ]
    assert len({cell.tobytes() for cell in cells}) == 6
    artgan.sample(run, seeds="1,2", out=tmp_path / "samples")
    (first, *_) = frames(frames=2, grid=(2, 1), keys=["1,2"])  # one way, from two places
    for place, picture in enumerate(pictures(tmp_path / "samples")):
        assert np.array_equal(first[2:18, 2 + 18 * place : 18 + 18 * place], picture)


def test_pictures_are_enlarged_to_their_longer_side(frames: Callable[..., list[Pixels]]) -> None:
    (large, *_), (small, *_) = frames(frames=2, size=50), frames(frames=2)
    assert large.shape == (50, 50, 3)
    back = np.asarray(Image.fromarray(large).resize((16, 16), Image.Resampling.BOX))
    assert np.corrcoef(back.ravel(), small.ravel())[0, 1] > 0.8


def test_an_mp4_has_its_frames_its_rate_and_says_how_it_was_made(run: Path, tmp_path: Path) -> None:
    events: list[WalkEvent] = []
    result = artgan.walk(
        tmp_path / "out.mp4", run=run, frames=7, fps=12, keys=["4", "8"], grid=(3, 1), on_event=events.append
    )
    film = decoded_film(tmp_path / "out.mp4")
    assert film.shape == (7, 20, 56, 3)
    assert "12 fps" in described(tmp_path / "out.mp4")
    assert (result.frames, result.fps, result.run, result.keys) == (7, 12, run.name, (("4", "8"),) * 3)
    assert events == [FrameDrawn(done, 7) for done in range(1, 8)]
    recipe = read_film_recipe(tmp_path / "out.mp4")
    assert recipe["command"] == f"artgan walk out.mp4 --run {run.name} --frames 7 --fps 12 --grid 3x1 --from 4 --from 8"
    assert (recipe["kind"], recipe["nimg"], recipe["keys"]) == ("walk", 64, [["4", "8"]] * 3)


def test_a_gif_closes_and_tells_when_it_is_given_its_colours(run: Path, tmp_path: Path) -> None:
    events: list[WalkEvent] = []
    artgan.walk(tmp_path / "out.gif", run=run, frames=10, fps=20, on_event=events.append)
    found, delays = decoded_picture(tmp_path / "out.gif")
    assert len(found) == 10
    assert set(delays) == {50}
    assert Coloring(10, 10) in events


def test_the_same_walk_is_the_same_file(run: Path, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name[0]).mkdir()
        artgan.walk(tmp_path / name[0] / "out.mp4", run=run, frames=5, path="noise", seed=2)
    assert (tmp_path / "a/out.mp4").read_bytes() == (tmp_path / "b/out.mp4").read_bytes()


def test_easing_lingers_at_keyframes(frames: Callable[..., list[Pixels]]) -> None:
    plain, eased = (frames(frames=9, keys=["1", "2"], loop=False, ease=ease) for ease in ("none", "smooth"))
    assert np.array_equal(plain[0], eased[0])
    assert np.array_equal(plain[4], eased[4])

    def moved(walked: list[Pixels]) -> float:
        return float(np.abs(walked[1].astype(int) - walked[0]).mean())

    assert moved(eased) < moved(plain) / 2


def test_even_speed_is_more_even(frames: Callable[..., list[Pixels]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames_room, "_PROBES", (8, 16, 32))

    def unevenness(walked: list[Pixels]) -> float:
        steps = [np.sqrt(np.square(a.astype(float) - b).mean()) for a, b in zip(walked, walked[1:], strict=False)]
        return float(np.std(steps) / np.mean(steps))

    asked: dict[str, Any] = {"frames": 24, "keys": ["1", "2", "3"], "path": "linear", "loop": False}
    assert unevenness(frames(**asked, even=True)) < 0.8 * unevenness(frames(**asked))


def test_music_moves_the_walk_and_goes_with_it(run: Path, tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "tone.wav", 1.0)
    result = artgan.walk(tmp_path / "out.mp4", run=run, fps=10, audio=tone)
    assert result.frames == 10
    assert "Audio: aac" in described(tmp_path / "out.mp4")
    artgan.walk(tmp_path / "still.mp4", run=run, fps=10, audio=tone, amount=0)
    artgan.walk(tmp_path / "none.mp4", run=run, fps=10, frames=10)
    moved, still, none = (decoded_film(tmp_path / f"{name}.mp4") for name in ("out", "still", "none"))
    assert np.array_equal(still, none)
    assert not np.array_equal(moved, none)
    silent = artgan.walk(tmp_path / "out.gif", run=run, fps=10, audio=tone, seconds=0.5)
    assert silent.frames == 5


def test_latents_in_files_are_keyframes(run: Path, frames: Callable[..., list[Pixels]], tmp_path: Path) -> None:
    z = np.random.default_rng(0).normal(size=(2, 16)).tolist()
    (tmp_path / "mine.json").write_text(json.dumps({"z": z}))
    walked = frames(frames=3, keys=[tmp_path / "mine.json"], loop=False)
    sheet = artgan.sample(run, seeds="7", out=tmp_path / "seven.png").files[0]
    assert len({frame.tobytes() for frame in walked}) == 3
    assert np.array_equal(frames(frames=2, keys=[sheet, "8"], loop=False)[0], np.asarray(Image.open(sheet)))


def test_a_walk_that_is_stopped_is_a_film_of_what_is_done(run: Path, tmp_path: Path) -> None:
    asked = iter([False, True])
    with pytest.raises(Interrupted, match="32 frames"):
        artgan.walk(tmp_path / "out.mp4", run=run, frames=400, should_stop=lambda: next(asked))
    assert len(decoded_film(tmp_path / "out.mp4")) == 32
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"frames": 0}, "--frames 0 is no length"),
        ({"seconds": 0}, "--seconds 0 is no length"),
        ({"seconds": float("nan")}, "--seconds nan is no length"),
        ({"seconds": 1e9}, "is no length"),
        ({"frames": 5, "seconds": 1}, "--frames and --seconds"),
        ({"keys": ["1"]}, "One keyframe"),
        ({"keys": ["1"], "path": "circle", "loop": False}, "One keyframe"),
        ({"grid": (0, 1)}, "--grid 0x1"),
        ({"grid": (9, 9)}, "--grid 9x9"),
        ({"size": 4}, "--size 4"),
        ({"amount": -1}, "--amount -1"),
        ({"seed": -1}, "--seed -1"),
        ({"fps": 0}, "--fps 0"),
        ({"class_name": "dog"}, "trained without classes"),
        ({"truncation": -1}, "--truncation"),
        ({"keys": ["nothing.png"]}, "neither a seed nor a file"),
        ({"even": True, "ease": "sine"}, "--ease sine"),
        ({"codec": "prores"}, "prores"),
        ({"audio": "gone.wav"}, "gone.wav"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Path, tmp_path: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        artgan.walk(tmp_path / "out.mp4", run=run, **asked)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    for name in ("out.mp4", "folder", "out.txt"):
        with pytest.raises(UsageError):
            artgan.walk(tmp_path / name, run=run, frames=2)
    assert (tmp_path / "out.mp4").read_bytes() == b"mine"
    artgan.walk(tmp_path / "out.mp4", run=run, frames=2, overwrite=True)
    assert len(decoded_film(tmp_path / "out.mp4")) == 2


def test_a_run_is_needed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        artgan.walk(tmp_path / "out.mp4", runs_dir=tmp_path / "runs")


def test_a_picture_of_ones_own_is_projected_first(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "STEPS", 2)
    painted(3, 30, 20).save(tmp_path / "mine.png")
    result = artgan.walk(tmp_path / "out.gif", run=run, frames=2, keys=[tmp_path / "mine.png", "5"])
    assert result.keys == (("mine.png", "5"),)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises((DatasetError, UsageError), match=r"broken\.png"):
        artgan.walk(tmp_path / "out2.gif", run=run, frames=2, keys=[tmp_path / "broken.png", "5"])


@pytest.mark.parametrize("text", ["3", "x2", "3x", "axb", "3x2x1", "-1x2", ""])
def test_what_is_no_grid(text: str) -> None:
    with pytest.raises(UsageError, match="is no grid"):
        parse_grid(text)
    assert parse_grid("3X2") == (3, 2)


def test_a_loop_with_music_closes(frames: Callable[..., list[Pixels]], tmp_path: Path) -> None:
    hum = 20_000 * np.sin(2 * np.pi * 60 * np.arange(16_000) / 8_000)
    hum[:8_000] = 0  # it pushes at the end, and not where the film begins
    with wave.open(str(tmp_path / "hum.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(hum.astype(np.int16).tobytes())
    walked = frames(fps=20, audio=tmp_path / "hum.wav", amount=2)
    steps = [np.abs(a.astype(int) - b).mean() for a, b in zip(walked, [*walked[1:], walked[0]], strict=True)]
    assert steps[-1] < 1.2 * np.median(steps[-10:])  # 1.5 times as far without coming back


def test_a_picture_that_the_model_cannot_paint_is_told_of(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "STEPS", 1)
    painted(3, 30, 20).save(tmp_path / "mine.png")
    events: list[WalkEvent] = []
    artgan.walk(tmp_path / "out.gif", run=run, frames=2, keys=[tmp_path / "mine.png", "5"], on_event=events.append)
    (told,) = [event.distance for event in events if isinstance(event, Projecting) and event.distance is not None]
    assert told > 0


def test_seeds_of_several_classes_in_one_word(fruit: Path, tmp_path: Path) -> None:
    result = artgan.walk(tmp_path / "out.gif", run=fruit, frames=2, keys=["pear:3,apple:4,7"])
    assert result.keys == (("pear:3", "apple:4", "apple:7"),)
