"""`artgan.stylize` of films: every frame painted, from the one before it, kept until the film is whole."""

import errno
import itertools
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import artgan
from artgan.engine.cut import Cut
from artgan.engine.feeding import Frame
from artgan.engine.footage import open_footage
from artgan.engine.video import read_film_recipe, write_video
from artgan.errors import ArtganError, DatasetError, Interrupted, StorageError, UsageError
from artgan.style.colors import to_oklab
from artgan.style.events import Begun, Note, Painted, Painting, StylizeEvent
from artgan.style.film import going_on
from artgan.style.plan import Stage, stages
from artgan.style.repaint import Repainted
from artgan.style.stylize import StylizeResult
from tests.conftest import painted
from tests.filming import decoded_frames, described, run_ffmpeg, write_tone
from tests.painting import picture, pixels, quicken

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with clip.mkv, in which a picture moves, and style.jpg; a frame takes two steps."""
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    for plan in ("stages", "going_on"):
        monkeypatch.setattr(f"artgan.style.film.{plan}", lambda size, detail: (Stage(max(size), 2),))
    film("clip.mkv", pan(4))
    picture(Path("style.jpg"), 1, 40, 40)
    return tmp_path


def pan(count: int, seed: int = 0, width: int = 48, height: int = 36) -> list[Frame]:
    wide = np.array(painted(seed, width + 2 * count, height).convert("RGB"))
    return [np.ascontiguousarray(wide[:, 2 * number : 2 * number + width]) for number in range(count)]


def film(name: str, frames: list[Frame], fps: float = 5, **words: Any) -> Path:
    path = Path(name)
    write_video(path, iter(frames), fps=fps, codec="lossless" if path.suffix in (".mp4", ".mkv") else None, **words)
    return path


def stylize(content: Any = "clip.mkv", style: Any = "style.jpg", **words: Any) -> StylizeResult:
    return artgan.stylize(content, style, **words)


def frames_of(content: Any = "clip.mkv", style: Any = "style.jpg", out: str = "frames", **words: Any) -> list[Frame]:
    """The frames that a film is painted as, without any loss."""
    (done,) = stylize(content, style, out=out, **words).files
    return decoded_frames(done)


def names() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob("*") if path.is_file())


def stopping_after(frames: int) -> tuple[list[StylizeEvent], Any, Any]:
    """Hear what happens, and stop once so many frames are done."""
    events: list[StylizeEvent] = []

    def should_stop() -> bool:
        return len(list(Path().glob(".*.frames/*.png"))) >= frames

    return events, events.append, should_stop


def test_a_film_is_painted_beside_itself_with_its_rate_and_length() -> None:
    events: list[StylizeEvent] = []
    (done,) = stylize(on_event=events.append).files
    assert names() == ["clip-style.mp4", "clip.mkv", "style.jpg"], "nothing is left of the work"
    footage = open_footage(done, 1024, Cut())
    assert (footage.size, footage.fps, footage.count) == ((48, 36), Fraction(5), 4)
    before, after = decoded_frames(Path("clip.mkv")), decoded_frames(done)
    assert len(after) == 4
    assert all(np.abs(one.astype(int) - two).mean() > 5 for one, two in zip(before, after, strict=True))
    begun = next(event for event in events if isinstance(event, Begun))
    assert (begun.frames, begun.size, begun.total) == (4, (48, 36), 1)
    assert set(begun.seconds) == {"fast", "normal", "fine"}
    parts = [event.done for event in events if isinstance(event, Painting)]
    assert parts == sorted(parts)
    assert parts[-1] == 1
    assert events[-1] == Painted(Path("clip.mkv"), Path("clip-style.mp4"), "painted")


def test_the_film_says_how_it_was_made() -> None:
    (done,) = stylize(out="out.mov", start="0.2", end=0.6, detail="fast").files
    recipe = read_film_recipe(done)
    assert recipe["kind"] == "stylize-film"
    assert recipe["command"] == "artgan stylize clip.mkv style.jpg --detail fast --from 0.2 --to 0.6 -o out.mov"
    assert len(decoded_frames(done)) == 2
    with pytest.raises(UsageError, match="not made again by itself") as caught:
        artgan.again(done)
    assert recipe["command"] in caught.value.hint


def test_sound_is_kept_from_where_the_film_begins() -> None:
    tone = write_tone(Path("tone.wav"), 0.4)
    silence = run_ffmpeg("-v", "error", "-i", tone, "-af", "adelay=400:all=1", "late.wav")
    assert silence.returncode == 0
    film("loud.mp4", pan(4), sound=Path("late.wav"))
    (whole,) = stylize("loud.mp4").files
    (part,) = stylize("loud.mp4", out="part.mp4", start=0.4).files

    def loudness(path: Path, start: float) -> float:
        words = ("-v", "error", "-ss", str(start), "-t", "0.3", "-i", path, "-f", "f32le", "-ac", "1", "-")
        return float(np.abs(np.frombuffer(run_ffmpeg(*words).stdout, np.float32)).mean())

    assert loudness(whole, 0) < 0.01
    assert loudness(whole, 0.45) > 0.03
    assert loudness(part, 0.05) > 0.03
    assert "Duration: 00:00:00.8" in described(whole)
    assert "Duration: 00:00:00.4" in described(part)
    events: list[StylizeEvent] = []
    stylize("loud.mp4", out="out.gif", on_event=events.append)
    assert Note("out.gif has no place for the sound of loud.mp4.") in events


def test_a_film_that_stands_still_does_so_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    film("still.mkv", [pan(1)[0]] * 5)
    calls: list[int] = []
    monkeypatch.setattr("artgan.style.film._Reading._paint", counting(calls))
    found = frames_of("still.mkv")
    assert len(found) == 5
    assert all(np.array_equal(found[0], frame) for frame in found)
    assert len(calls) == 1, "what is there already is not painted again"


def counting(calls: list[int]) -> Any:
    from artgan.style.film import _Reading

    paint = _Reading._paint

    def counted(self: Any, *words: Any) -> Frame:
        calls.append(1)
        return paint(self, *words)

    return counted


def test_a_frame_begins_as_the_one_before_it_moved_along(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    def watched(content: torch.Tensor, *_: Any, **words: Any) -> Repainted:
        seen.append(words)
        rng = torch.Generator().manual_seed(0)
        grain = torch.nn.functional.interpolate(torch.rand(1, 3, 18, 24, generator=rng), scale_factor=2)
        return Repainted(((content + grain) / 2).clamp(-1, 1), True)

    monkeypatch.setattr("artgan.style.film.repaint", watched)
    found = frames_of()
    assert seen[0]["before"] is None
    for words, last in zip(seen[1:], found, strict=False):
        before = words["before"]
        believed = before.weights[0, 0, 4:-4, 4:-6] > 0.9
        assert believed.float().mean() > 0.7
        shown = torch.from_numpy(last.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
        error = (before.picture[0, :, 4:-4, 4:-6] - shown[:, 4:-4, 6:-4]).abs().mean(0)
        assert error[believed].mean() < 0.05
        assert (words["ground"] - before.picture).abs()[..., 4:-4, 4:-6].mean() < 0.02


def test_another_scene_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    other = [rng.integers(0, 256, (36, 48, 3), dtype=np.uint8)] * 2
    film("cut.mkv", [*pan(2), *other])
    befores: list[object] = []

    def watched(content: torch.Tensor, *_: Any, before: object, **__: Any) -> Repainted:
        befores.append(before)
        return Repainted(content, True)

    monkeypatch.setattr("artgan.style.film.repaint", watched)
    frames_of("cut.mkv")
    assert [before is None for before in befores] == [True, False, True]


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_film_that_was_stopped_goes_on_and_is_the_same(done: int) -> None:
    whole = frames_of(out="whole")
    events, hear, should_stop = stopping_after(done)
    with pytest.raises(Interrupted, match=f"{done} of 4 frames of frames are done") as caught:
        stylize(out="frames", on_event=hear, should_stop=should_stop)
    assert "same command" in caught.value.hint
    kept = {file: file.stat().st_mtime_ns for file in Path().glob(".frames.*.frames/*.png")}
    assert len(kept) == done
    assert not Path("frames").exists()
    with pytest.raises(Interrupted):  # other settings do not touch them
        stylize(out="frames", smooth=0, should_stop=lambda: True)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    assert all(np.array_equal(*pair) for pair in zip(frames_of(on_event=hear), whole, strict=True))
    assert Note(f"{done} frames of frames are done already.") in events
    assert not list(Path().glob(".*"))


def test_a_scene_goes_on_with_the_colours_that_it_began_with() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (36, 48, 3), dtype=np.uint8)
    film("cut.mkv", [noise, *pan(3)])
    whole = frames_of("cut.mkv", out="whole")
    _, _, should_stop = stopping_after(3)
    with pytest.raises(Interrupted):
        stylize("cut.mkv", out="frames", should_stop=should_stop)
    assert all(np.array_equal(*pair) for pair in zip(frames_of("cut.mkv"), whole, strict=True))


def test_a_full_disk_is_one_sentence_and_the_frames_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = frames_of(out="whole")
    sync, left = os.fsync, [5]

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageError, match="cannot be written: No space left") as caught:
            stylize(out="frames")
    assert "disk space" in caught.value.hint
    assert 0 < len(list(Path().glob(".*.frames/*.png"))) < 4
    assert all(np.array_equal(*pair) for pair in zip(frames_of(), whole, strict=True))


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".apng"])
def test_animated_pictures_are_painted_as_films_when_asked(suffix: str) -> None:
    moving = film("moving.gif", pan(3))
    events: list[StylizeEvent] = []
    (done,) = stylize(moving, out=f"out{suffix}", on_event=events.append).files
    assert len(decoded_frames(done)) == 3
    assert read_film_recipe(done)["kind"] == "stylize-film"
    (still,) = stylize(moving, on_event=events.append).files
    assert still == Path("moving-style.png")
    note = next(event for event in events if isinstance(event, Note))
    assert "-o film.mp4" in note.text


def test_a_folder_of_frames_is_a_film_when_a_film_is_asked_for() -> None:
    film("shots", pan(3))
    (done,) = stylize("shots", out="out.mp4", fps=2.5).files
    footage = open_footage(done, 1024, Cut())
    assert (float(footage.fps), footage.count) == (2.5, 3)
    assert len(stylize("shots", out="stills").files) == 3


def test_several_films_and_styles() -> None:
    film("second.mkv", pan(2, seed=3))
    picture(Path("other.jpg"), 2, 40, 40)
    done = stylize(["clip.mkv", "second.mkv"], ["style.jpg", "other.jpg"], all_pairs=True, out="films").files
    expected = ["clip-other.mp4", "clip-style.mp4", "second-other.mp4", "second-style.mp4"]
    assert sorted(file.name for file in done) == expected
    again = stylize(["clip.mkv", "second.mkv"], ["style.jpg", "other.jpg"], all_pairs=True, out="films")
    assert {each.state for each in again.pictures} == {"there"}
    Path("torn.mkv").write_bytes(b"torn")
    result = stylize(["torn.mkv", "second.mkv"], out="films")
    assert [each.state for each in result.pictures] == ["failed", "there"]
    assert "torn.mkv cannot be read as a film" in result.pictures[0].reason


def test_colours_that_are_kept_are_those_of_each_frame() -> None:
    for before, after in zip(decoded_frames(Path("clip.mkv")), frames_of(keep_colors="luminance"), strict=True):
        ours, theirs = (
            to_oklab(torch.from_numpy(f.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1) for f in (before, after)
        )
        assert (ours[:, 1:] - theirs[:, 1:]).abs().mean() < 0.01
        assert (ours[:, :1] - theirs[:, :1]).abs().mean() > 0.01


@pytest.mark.parametrize("words", [{"palette_only": True}, {"strength": 0}])
def test_without_painting_colours_do_not_flicker(words: dict[str, Any]) -> None:
    """A thing that comes into view does not change the colours of what was there before."""
    ground = pan(1)[0]
    frames = [ground.copy() for _ in range(3)]
    for number, frame in enumerate(frames):
        frame[:, 40 - 6 * number :] = (255, 0, 255)
    film("enter.mkv", frames)
    found = frames_of("enter.mkv", **words)
    assert np.array_equal(found[0], frames[0]) == ("strength" in words)
    apart = np.abs(found[2][:, :16].astype(int) - found[0][:, :16])
    assert apart.mean() < 1.5


def test_a_mask_lies_over_all_frames() -> None:
    mask = np.zeros((36, 48), np.uint8)
    mask[:, 24:] = 255
    Image.fromarray(mask).save("mask.png")
    for before, after in zip(decoded_frames(Path("clip.mkv")), frames_of(mask="mask.png"), strict=True):
        assert np.array_equal(before[:, :20], after[:, :20])
        assert np.abs(before[:, 28:].astype(int) - after[:, 28:]).mean() > 3


def test_the_preview_shows_the_last_frame() -> None:
    found = frames_of(preview="now.png")
    assert np.array_equal(pixels(Path("now.png")), found[-1])


def test_a_film_is_not_written_over_and_not_painted_twice() -> None:
    stylize()
    with pytest.raises(UsageError, match=r"clip-style\.mp4 exists"):
        stylize()
    before = Path("clip-style.mp4").read_bytes()
    (again,) = stylize(overwrite=True).files
    assert again.read_bytes() == before, "the same film is the same bytes"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"out": "out.jpg"}, r"clip\.mkv is a film, and -o out\.jpg one picture"),
        ({"out": "out.webm"}, r"-o out\.webm: \.webm cannot be written"),
        ({"sheet": "sheet.png"}, "--sheet shows pictures side by side"),
        ({"start": "soon"}, "--from soon is not a time"),
        ({"start": 9}, "--from 9: clip.mkv lasts 0.8"),
        ({"start": 0.5, "end": 0.2}, "--to 0.2 does not come after"),
        ({"fps": 0}, "--fps 0"),
        ({"fps": 60, "out": "out.gif"}, "A GIF shows at most 50"),
        ({"content": "style.jpg", "fps": 5}, "--from, --to and --fps go with films"),
        ({"content": "style.jpg", "out": "out.mp4"}, r"-o out\.mp4 is a film, and style\.jpg one picture"),
        ({"content": "gone.mp4"}, r"The film gone\.mp4 does not exist"),
        ({"style": "clip.mkv"}, r"clip\.mkv: not a picture"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_painted(words: dict[str, Any], message: str) -> None:
    before = names()
    with pytest.raises(ArtganError, match=message):
        stylize(**words)
    assert names() == before


def test_a_film_that_breaks_off_is_painted_as_far_as_it_goes() -> None:
    path = film("long.mkv", [np.asarray(painted(n, 48, 36).convert("RGB")) for n in range(12)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    events: list[StylizeEvent] = []
    found = frames_of("long.mkv", palette_only=True, on_event=events.append)
    assert 2 < len(found) < 12
    assert any(isinstance(event, Note) and "long.mkv breaks off" in event.text for event in events)


def test_frames_that_go_on_take_fewer_steps_at_full_size_only() -> None:
    for size, detail in itertools.product([(160, 120), (1024, 576)], ("fast", "normal", "fine")):
        (stage,) = going_on(size, detail)  # type: ignore[arg-type]
        whole = stages(size, detail)  # type: ignore[arg-type]
        assert stage.longest == max(size)
        assert 6 <= stage.steps < whole[-1].steps


def test_a_missing_folder_of_frames_is_named() -> None:
    Path("none").mkdir()
    with pytest.raises(DatasetError, match="none has no frames"):
        stylize("none", out="out.mp4")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The words for painting at once; nothing else may be painted with."""
    monkeypatch.setattr("artgan.style.film.repaint", lambda *_, **__: pytest.fail("steps were taken"))
    return {"detail": "instant"}


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_films_are_painted_at_once_too(suffix: str, at_once: dict[str, Any]) -> None:
    film("three.mkv", [pan(2)[0], pan(2)[0], pan(2)[1]])
    events: list[StylizeEvent] = []
    (done,) = stylize("three.mkv", out=f"out{suffix}", on_event=events.append, **at_once).files
    assert len(decoded_frames(done)) == 3
    assert read_film_recipe(done)["settings"]["detail"] == "instant"
    begun = next(event for event in events if isinstance(event, Begun))
    assert (begun.frames, begun.seconds) == (3, {})
    one, same, other = frames_of("three.mkv", **at_once)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("done", [1, 2])
def test_a_film_painted_at_once_goes_on_and_is_the_same(done: int, at_once: dict[str, Any]) -> None:
    whole = frames_of(out="whole", **at_once)
    _, _, should_stop = stopping_after(done)
    with pytest.raises(Interrupted, match=f"{done} of 4 frames of frames are done"):
        stylize(out="frames", should_stop=should_stop, **at_once)
    assert all(np.array_equal(*pair) for pair in zip(frames_of(**at_once), whole, strict=True))


def test_a_frame_that_is_painted_in_tiles_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch, at_once: dict[str, Any]
) -> None:
    film("wide.mkv", pan(1, width=420))
    monkeypatch.setattr("artgan.style.instant.WHOLE", 1)
    monkeypatch.setattr("artgan.style.tiles.TILE", 36 * 320)
    events, parts = list[StylizeEvent](), list[float]()

    def hear(event: StylizeEvent) -> None:
        events.append(event)
        parts.extend([event.done] if isinstance(event, Painting) else [])

    with pytest.raises(Interrupted, match="0 of 1 frames"):
        stylize("wide.mkv", out="frames", on_event=hear, should_stop=lambda: len(parts) == 2, **at_once)
    assert parts == sorted(parts)
    assert 0 < parts[0] < parts[1] < 1
