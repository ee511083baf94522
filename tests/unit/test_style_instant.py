"""`artgan.stylize` in one look: a picture of any size as if seen whole, and files of learnt styles."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import artgan
from artgan.engine.artwork import open_artwork
from artgan.engine.images import read_recipe
from artgan.errors import CheckpointError, DatasetError, Interrupted, StorageError, UsageError
from artgan.models.stylist import FILE, Stylist
from artgan.style import tiles
from artgan.style.colors import to_oklab
from artgan.style.events import Begun, Painting, StylizeEvent
from artgan.style.instant import Artist, artist_of, find_ways, paint_at_once
from artgan.style.repaint import Area, Source
from artgan.style.stylize import StylizeResult
from artgan.style.taught import read_taught, shipped_stylist
from tests.painting import picture, pixels
from tests.teaching import drawn, features, write_style

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with photo.png and style.jpg."""
    monkeypatch.chdir(tmp_path)
    picture(Path("photo.png"), 0)
    picture(Path("style.jpg"), 1, 40, 40)
    return tmp_path


@pytest.fixture(scope="module")
def artist() -> Artist:
    return artist_of(shipped_stylist(), features())


def stylize(content: Any = "photo.png", style: Any = "style.jpg", **words: Any) -> StylizeResult:
    return artgan.stylize(content, style, **{"detail": "instant", **words})


def painting(content: Any = "photo.png", style: Any = "style.jpg", **words: Any) -> Any:
    """The values of a painting, from 0 to 255."""
    (done,) = stylize(content, style, **{"out": "out.png", "overwrite": True, **words}).files
    return pixels(done).astype(int)


def cut_small(monkeypatch: pytest.MonkeyPatch, pixels: int = 1) -> None:
    """Cut whatever is painted at once into tiles of so many pixels."""
    monkeypatch.setattr("artgan.style.instant.WHOLE", 1)
    monkeypatch.setattr(tiles, "TILE", pixels)


# --- the painting


@pytest.mark.parametrize(("width", "height"), [(400, 48), (397, 45)])
def test_tiles_give_what_the_whole_gives(
    artist: Artist, monkeypatch: pytest.MonkeyPatch, width: int, height: int
) -> None:
    content, left = drawn(0, width, height), torch.zeros(1, 1, height, width)
    left[..., : width // 2] = 1
    areas = [Area(left, (Source(drawn(1), 1.0),)), Area(1 - left, (Source(drawn(2), 1.0),))]
    whole = paint_at_once(content, areas, find_ways(content, areas, artist, 1.0), artist, strength=1.0)
    cut_small(monkeypatch, 48 * (2 * 96 + 64))
    assert len(tiles.cut(height, width, 1, 96)) >= 5
    shares: list[float] = []
    ways = find_ways(content, areas, artist, 1.0, shares.append)
    parts = paint_at_once(content, areas, ways, artist, strength=1.0, pause=shares.append)
    assert (parts - whole).abs().max() < 0.2 / 127.5
    assert (whole - content).abs().mean() > 0.05
    found = shares[: shares.index(1.0) + 1], shares[shares.index(1.0) + 1 :]
    assert all(part == sorted(part) and part[0] > 0 and part[-1] == 1 for part in found)


def test_the_halo_is_needed(artist: Artist, monkeypatch: pytest.MonkeyPatch) -> None:
    content, areas = drawn(0, 400, 48), [Area(None, (Source(drawn(1), 1.0),))]
    ways = find_ways(content, areas, artist, 1.0)
    whole = paint_at_once(content, areas, ways, artist, strength=1.0)
    cut_small(monkeypatch, 48 * 128)
    monkeypatch.setattr("artgan.style.instant._HALO", 32)
    assert (paint_at_once(content, areas, ways, artist, strength=1.0) - whole).abs().max() > 1 / 127.5


def test_strength_leads_from_the_content_to_the_painting() -> None:
    before, whole = pixels(Path("photo.png")).astype(int), painting()
    assert np.array_equal(painting(strength=0), before)
    assert np.abs(painting(strength=0.004) - before).max() <= 2
    assert np.abs(2 * painting(strength=0.5) - before - whole).max() <= 2
    assert np.abs(whole - before).mean() > 5


def test_what_is_black_in_a_mask_stays_and_what_is_grey_is_painted_by_its_share() -> None:
    mask = np.zeros((36, 48), np.uint8)
    mask[:, 24:], mask[:, 40:] = 255, 128
    Image.fromarray(mask).save("mask.png")
    before, after = pixels(Path("photo.png")).astype(int), painting(mask="mask.png")
    assert np.array_equal(after[:, :24], before[:, :24])
    assert np.abs(after[:, 28:40] - before[:, 28:40]).mean() > 3


def test_a_half_painted_place_lies_halfway() -> None:
    """Also in its colours: they are moved by the weight of the place, once."""
    content, half, painted = drawn(0) / 2, torch.full((1, 1, 40, 48), 0.5), []
    artist = artist_of(stylist := Stylist(), features())
    stylist.strokes.bias.fill_(0.1)  # type: ignore[union-attr]
    for weights in (torch.ones_like(half), half):
        areas = [Area(weights, (Source(drawn(1) / 2, 1.0),))]
        painted.append(paint_at_once(content, areas, find_ways(content, areas, artist, 1.0), artist, strength=1.0))
    assert max(float(each.abs().max()) for each in painted) < 1, "or clipping would be seen"
    assert (painted[0] - content).abs().mean() > 0.1
    torch.testing.assert_close(painted[1], (content + painted[0]) / 2, atol=1e-4, rtol=0)


def test_each_region_has_its_own_style() -> None:
    mask = np.zeros((36, 48, 3), np.uint8)
    mask[:, :24], mask[:, 24:] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(mask).save("mask.png")
    picture(Path("other.jpg"), 2, 40, 40)
    alone, both = (
        painting(mask="mask.png", style=["style.jpg"] * 2),
        painting(mask="mask.png", style=["style.jpg", "other.jpg"]),
    )
    apart = np.abs(alone - both).mean((0, 2))
    assert apart[:12].max() < 1 < apart[36:].min() or apart[36:].max() < 1 < apart[:12].min()


def test_several_styles_are_mixed_by_their_shares() -> None:
    picture(Path("other.jpg"), 2, 40, 40)
    one, other = painting(), painting(style="other.jpg")
    same, near, far = (painting(style=["style.jpg:9", f"{name}:1"]) for name in ("style.jpg", "other.jpg", "other.jpg"))
    assert np.abs(same - one).max() <= 1
    assert 0 < np.abs(near - one).mean() < np.abs(near - other).mean()
    assert np.array_equal(near, far)


def test_colours_can_be_kept() -> None:
    def chroma(values: Any) -> torch.Tensor:
        return to_oklab(torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1)[:, 1:]

    before, plain = chroma(pixels(Path("photo.png"))), chroma(painting())
    kept = {how: (chroma(painting(keep_colors=how)) - before) for how in ("luminance", "match")}
    assert kept["luminance"].abs().mean() < 0.01
    assert kept["match"].mean((2, 3)).abs().max() < (plain - before).mean((2, 3)).abs().max() / 2


def test_strokes_have_a_size() -> None:
    picture(Path("large.jpg"), 1, 200, 200)
    assert np.abs(painting(style="large.jpg", brush_size=0.7) - painting(style="large.jpg", brush_size=4)).mean() > 0.5


def test_transparency_and_16_bits_go_along() -> None:
    with Image.open("photo.png") as opened:
        faded = opened.copy()
    faded.putalpha(Image.linear_gradient("L").resize(faded.size))
    faded.save("faded.png")
    (done,) = stylize("faded.png", bits=16).files
    before, after = open_artwork(Path("faded.png")), open_artwork(done)
    assert after.bits == 16
    assert before.alpha is not None
    assert after.alpha is not None
    assert np.abs(after.alpha - before.alpha).max() < 1e-4
    assert len(np.unique(after.pixels)) > 300, "more values than 8 bits have"


def test_the_same_words_are_the_same_bytes_and_so_is_a_painting_made_again() -> None:
    stylize(out="a/x.png")
    stylize(out="b/x.png")
    assert Path("a/x.png").read_bytes() == Path("b/x.png").read_bytes()
    recipe = read_recipe("a/x.png")
    assert recipe["settings"]["detail"] == "instant"
    assert recipe["command"] == "artgan stylize ../photo.png ../style.jpg --detail instant"
    artgan.again("a/x.png")
    assert Path("a/x-again.png").read_bytes() == Path("a/x.png").read_bytes()


@pytest.mark.parametrize("asked", [2, 3, 6])
def test_stopped_between_tiles_nothing_is_written(monkeypatch: pytest.MonkeyPatch, asked: int) -> None:
    cut_small(monkeypatch, 48 * 210)
    picture(Path("wide.png"), 0, 420, 36)
    calls, events = [0], list[StylizeEvent]()

    def should_stop() -> bool:
        calls[0] += 1
        return calls[0] >= asked

    with pytest.raises(Interrupted) as caught:
        stylize("wide.png", "style.jpg", out="new/out.png", should_stop=should_stop, on_event=events.append)
    assert caught.value.hint == "Nothing was written."
    assert not list(Path("new").iterdir())
    parts = [event.done for event in events if isinstance(event, Painting)]
    assert len(parts) == asked - 2
    assert parts == sorted(parts)


def test_it_tells_no_time_that_it_did_not_measure() -> None:
    events: list[StylizeEvent] = []
    stylize(on_event=events.append)
    begun = next(event for event in events if isinstance(event, Begun))
    assert (begun.detail, begun.seconds) == ("instant", {})


# --- files of learnt styles


def test_a_learnt_style_paints_at_once_by_itself() -> None:
    write_style(Path("my.style"))
    (done,) = artgan.stylize("photo.png", "my.style").files
    recipe = read_recipe(done)
    assert recipe["settings"]["detail"] == "instant"
    assert recipe["command"] == "artgan stylize photo.png my.style"
    (fast,) = artgan.stylize("photo.png", "my.style", detail="normal", strength=0, out="out.png").files
    assert read_recipe(fast)["command"].startswith("artgan stylize photo.png my.style --detail normal")
    assert artgan.again(done).read_bytes() == done.read_bytes()


def test_it_paints_with_what_it_learnt() -> None:
    write_style(Path("my.style"))
    taught = read_taught(Path("my.style"))
    before = painting(style="my.style")
    taught.tensors["stylist.strokes.bias"].add_(0.2)  # as a lesson would
    taught.write(Path("other.style"))
    assert (painting(style="other.style") - before).mean() > 5


def test_only_the_palette_of_a_learnt_style_is_taken_over() -> None:
    write_style(Path("my.style"))
    Image.fromarray(read_taught(Path("my.style")).picture.permute(1, 2, 0).numpy()).save("same.png")
    assert np.array_equal(
        painting(style="my.style", palette_only=True), painting(style="same.png", palette_only=True, detail="normal")
    )


def test_a_learnt_style_paints_alone() -> None:
    write_style(Path("my.style"))
    for words in ({}, {"content": "gone.png"}):
        with pytest.raises(UsageError, match=r"my\.style paints alone") as caught:
            stylize(style=["style.jpg", "my.style"], **words)
        assert "--detail fast" in caught.value.hint
    assert len(stylize(style=["style.jpg", "my.style"], all_pairs=True, out="both").files) == 2


def damaged(how: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write_style(Path("my.style"))
    raw, taught = path.read_bytes(), read_taught(path)
    if how == "cut short":
        path.write_bytes(raw[:5000])
    elif how == "header cut short":
        path.write_bytes(raw[:5])
    elif how == "no style":
        path.write_bytes(FILE.read_bytes())
    elif how == "a picture":
        path.write_bytes(Path("style.jpg").read_bytes())
    elif how == "other numbers":
        save_file({"picture": torch.zeros(3, 40, 40)}, path)
    elif how == "other shapes":
        taught.tensors["stylist.strokes.bias"].resize_(2)
        taught.write(path)
    elif how == "not a number":
        taught.tensors["stylist.strokes.bias"].fill_(torch.nan)
        taught.write(path)
    elif how == "huge":
        monkeypatch.setattr("artgan.style.taught._LARGEST", len(raw) - 1)
    else:
        path.write_bytes(raw.replace(b'"reach":"1.0"', b'"reach":"nan"'))
        assert path.read_bytes() != raw
    return path


DAMAGES = ["cut short", "header cut short", "no style", "a picture", "other numbers", "other shapes"]
DAMAGES += ["not a number", "huge", "reach"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_style_is_one_sentence(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = damaged(how, monkeypatch)
    with pytest.raises(CheckpointError, match=r"^my\.style [^\n]*\.$") as caught:
        artgan.stylize("photo.png", path)
    assert "artgan style-train" in caught.value.hint
    assert not Path("photo-my.png").exists()
    if how != "a picture":  # which it is, whatever it is called
        with pytest.raises(DatasetError, match=r"my\.style: not a picture"):
            artgan.stylize(path, "style.jpg")


def test_a_style_is_no_picture_to_paint() -> None:
    write_style(Path("my.style"))
    with pytest.raises(DatasetError, match=r"my\.style: not a picture"):
        artgan.stylize("my.style", "photo.png")
    assert not Path("my-photo.png").exists()


# --- the network that ships


def test_the_network_that_ships_is_there_and_small() -> None:
    assert FILE.stat().st_size < 4_000_000
    state = torch.get_rng_state()
    one = shipped_stylist()
    assert torch.equal(torch.get_rng_state(), state), "nobody's random numbers are spent"
    assert all(value.isfinite().all() and value.dtype == torch.float32 for value in one.state_dict().values())
    assert one.get_buffer("basis0").abs().sum() > 0


@pytest.mark.parametrize("how", ["gone", "torn", "other"])
def test_without_it_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    path = Path("stylist.safetensors")
    if how == "torn":
        path.write_bytes(FILE.read_bytes()[:-7])
    elif how == "other":
        save_file({"strokes.bias": torch.zeros(3)}, path)
    monkeypatch.setattr("artgan.style.taught.FILE", path)
    with pytest.raises(StorageError, match=r"artgan's own file stylist\.safetensors is damaged: [^.].*[^.]\.$"):
        stylize()


def test_an_untaught_stylist_gives_the_content_in_the_colours_of_the_style() -> None:
    novice = artist_of(Stylist(), features())
    content, ground = drawn(0), drawn(3)
    areas = [Area(None, (Source(drawn(1), 1.0),))]
    ways = find_ways(content, areas, novice, 1.0)
    torch.testing.assert_close(paint_at_once(content, areas, ways, novice, strength=1.0, ground=ground), ground)
