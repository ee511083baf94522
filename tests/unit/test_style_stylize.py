"""`artgan.stylize` from file to file: what goes in comes out repainted, with everything else that it had."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import ExifTags, Image, ImageCms

import artgan
from artgan.engine.device import Engine
from artgan.engine.images import read_recipe
from artgan.errors import ArtganError, DatasetError, Interrupted, SettingError, UsageError, WeightsError
from artgan.models.vgg import random_vgg
from artgan.style.colors import to_oklab
from artgan.style.events import Begun, Note, Painted, Painting, StylizeEvent
from artgan.style.features import open_features, vgg_features
from artgan.style.repaint import repaint
from artgan.style.stylize import StylizeResult
from tests.painting import picture, pixels, quicken

pytestmark = pytest.mark.usefixtures("one_thread")

# Adobe's RGB primaries would need a file; a profile that differs from sRGB in its white is enough to be told apart.
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB", 5000)).tobytes()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with photo.png and style.jpg; painting takes two steps."""
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    picture(Path("photo.png"), 0)
    picture(Path("style.jpg"), 1, 40, 40)
    return tmp_path


def stylize(content: Any = "photo.png", style: Any = "style.jpg", **words: Any) -> StylizeResult:
    return artgan.stylize(content, style, **words)


def one(content: Any = "photo.png", style: Any = "style.jpg", **words: Any) -> Path:
    (file,) = stylize(content, style, **words).files
    return file


def heard(content: Any = "photo.png", style: Any = "style.jpg", **words: Any) -> list[StylizeEvent]:
    events: list[StylizeEvent] = []
    stylize(content, style, on_event=events.append, **words)
    return events


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def oklab(values: np.ndarray) -> torch.Tensor:
    return to_oklab(torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1)[0]


def test_a_picture_is_painted_beside_itself_at_its_own_size(folder: Path) -> None:
    before = Path("photo.png").read_bytes(), Path("style.jpg").read_bytes()
    events = heard()
    assert names(folder) == ["photo-style.png", "photo.png", "style.jpg"]
    assert (Path("photo.png").read_bytes(), Path("style.jpg").read_bytes()) == before
    found = pixels(Path("photo-style.png"))
    assert found.shape == (36, 48, 3)
    assert not np.array_equal(found, pixels(Path("photo.png")))
    begun, *middle, last = events
    assert isinstance(begun, Begun)
    assert (begun.size, begun.number, begun.total, begun.detail) == ((48, 36), 1, 1, "normal")
    assert set(begun.seconds) == {"fast", "normal", "fine"}
    assert begun.seconds["fast"] <= begun.seconds["fine"]
    assert [event.done for event in middle if isinstance(event, Painting)] == [0.5, 1.0]
    assert last == Painted(Path("photo.png"), Path("photo-style.png"), "painted")
    recipe = read_recipe("photo-style.png")
    assert recipe["finished"] is True
    assert recipe["command"] == "artgan stylize photo.png style.jpg"


def test_the_time_each_detail_takes_is_measured_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    stops = iter((False, False, True))
    events: list[StylizeEvent] = []
    with pytest.raises(Interrupted):
        stylize(detail="fast", on_event=events.append, should_stop=lambda: next(stops, True))
    (begun,) = (event for event in events if isinstance(event, Begun))
    assert 0 < begun.seconds["fast"] < begun.seconds["normal"] < begun.seconds["fine"]


@pytest.mark.parametrize(
    ("out", "expected"),
    [("x.png", "x.png"), ("x.tif", "x.tif"), ("x.jpg", "x.jpg"), ("new/deep", "new/deep/photo-style.png")],
)
def test_the_output_may_be_named(out: str, expected: str) -> None:
    assert one(out=out) == Path(expected)
    with Image.open(expected) as opened:
        opened.load()
        kinds = {".png": "PNG", ".tif": "TIFF", ".jpg": "JPEG"}
        assert opened.format == kinds[Path(expected).suffix]
        assert opened.size == (48, 36)
    assert read_recipe(expected)["kind"] == "stylize"


def test_a_large_picture_is_brought_down_and_size_decides() -> None:
    picture(Path("large.jpg"), 3, 1300, 650)
    assert pixels(one("large.jpg", strength=0)).shape == (512, 1024, 3)
    assert pixels(one("large.jpg", strength=0, size=1200, out="b.png")).shape == (600, 1200, 3)
    assert pixels(one("large.jpg", strength=0, size=64, out="c.png")).shape == (32, 64, 3)
    assert pixels(one(size=96, out="d.png")).shape == (72, 96, 3)


def test_strength_0_gives_the_content_to_the_last_bit() -> None:
    events = heard(strength=0, detail="fine")
    assert np.array_equal(pixels(Path("photo-style.png")), pixels(Path("photo.png")))
    assert events[0] == Begun(Path("photo.png"), Path("photo-style.png"), (48, 36), 1, 1, {}, "fine")


def test_the_colour_profile_goes_along() -> None:
    picture(Path("wide.png"), 4, icc_profile=PROFILE)
    for out in ("a.png", "a.tif", "a.jpg"):
        with Image.open(one("wide.png", strength=0, out=out)) as opened:
            assert opened.info["icc_profile"] == PROFILE
            if out != "a.jpg":
                assert np.array_equal(np.asarray(opened), pixels(Path("wide.png"))), "no colour was moved"
    with Image.open(one(out="plain.png")) as opened:
        assert "icc_profile" not in opened.info


def test_a_picture_turned_by_exif_comes_out_upright() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    with Image.open("photo.png") as photo:
        photo.rotate(90, expand=True).save("lying.png", exif=exif)
    with Image.open(one("lying.png", strength=0)) as opened:
        assert opened.size == (48, 36)
        assert opened.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert np.array_equal(np.asarray(opened), pixels(Path("photo.png")))


def test_transparency_stays_and_what_it_hides_does_not_matter() -> None:
    alpha = np.zeros((36, 48), np.uint8)
    alpha[:, :30], alpha[:, 30:34] = 255, 100
    for name, hidden in (("a.png", (255, 0, 255)), ("b.png", (0, 0, 0))):
        values = pixels(Path("photo.png")).copy()
        values[alpha == 0] = hidden
        Image.fromarray(np.dstack([values, alpha])).save(name)
    first, second = pixels(one("a.png")), pixels(one("b.png"))
    assert np.array_equal(first[..., 3], alpha)
    assert np.array_equal(first, second)
    assert not np.array_equal(first[..., :3], pixels(Path("a.png"))[..., :3])
    with Image.open(one("a.png", out="flat.jpg")) as flat:
        assert flat.mode == "RGB"
        assert np.asarray(flat)[10, 46].min() > 250


def test_a_style_counts_only_where_it_is_seen() -> None:
    values = pixels(Path("style.jpg"))
    for name, hidden in (("a.png", (255, 0, 255)), ("b.png", (0, 255, 0))):
        mixed = values.copy()
        mixed[:, 20:] = hidden
        alpha = np.full((40, 40), 255, np.uint8)
        alpha[:, 20:] = 0
        Image.fromarray(np.dstack([mixed, alpha])).save(name)
    assert np.array_equal(pixels(one(style="a.png")), pixels(one(style="b.png")))


def test_16_bits_go_in_and_come_out() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (36, 48, 3), np.uint16)
    tifffile.imwrite("deep.tif", deep, photometric="rgb")
    (tiff,) = stylize("deep.tif", strength=0, out="kept.tif").files
    assert np.array_equal(tifffile.imread(tiff), deep)
    for out in ("painted.png", "painted.tif"):
        file = one("deep.tif", out=out)
        if out.endswith("png"):
            bits, color = struct.unpack(">BB", file.read_bytes()[24:26])
            assert (bits, color) == (16, 2)
            zlib.decompressobj()  # the decoder that PNG needs is here
        else:
            assert tifffile.imread(file).dtype == np.uint16
            assert len(np.unique(tifffile.imread(file) % 256)) > 100, "not 8 bits in disguise"
        assert read_recipe(file)["finished"] is True


def test_cmyk_grey_and_animated_pictures_are_painted() -> None:
    with Image.open("photo.png") as photo:
        photo.convert("CMYK").save("print.jpg")
        photo.convert("L").save("grey.png")
        photo.save("moving.gif", save_all=True, append_images=[photo.rotate(90), photo.rotate(180)])
    for name in ("print.jpg", "grey.png"):
        assert not [event for event in heard(name) if isinstance(event, Note)]
    for content, style in (("moving.gif", "style.jpg"), ("photo.png", "moving.gif")):
        (note,) = [event.text for event in heard(content, style) if isinstance(event, Note)]
        assert note.startswith("moving.gif is animated (3 frames); its first frame is used.")
        assert ("-o film.mp4" in note) == (content == "moving.gif"), "a style is no film"
    assert pixels(Path("print-style.png")).shape == pixels(Path("grey-style.png")).shape == (36, 48, 3)


def test_the_same_words_are_the_same_bytes() -> None:
    words: dict[str, Any] = {"init": "noise", "seed": 5, "smooth": 1.5, "strength": 0.7, "brush_size": 0.5}
    first, again = one(out="a.png", **words), one(out="b.png", **words)
    assert first.read_bytes() == again.read_bytes()
    assert not np.array_equal(pixels(one(out="c.png", **{**words, "seed": 6})), pixels(first))


def test_what_exists_is_kept_unless_told_otherwise() -> None:
    Path("photo-style.png").write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"photo-style\.png exists") as caught:
        stylize()
    assert "--overwrite" in caught.value.hint
    assert Path("photo-style.png").read_bytes() == b"precious"
    stylize(overwrite=True)
    painted = Path("photo-style.png").read_bytes()
    with pytest.raises(UsageError, match="exists"):
        stylize()
    assert Path("photo-style.png").read_bytes() == painted


@pytest.mark.parametrize("target", ["photo.png", "style.jpg", "mask.png", "link.png"])
def test_an_input_is_not_written_over_even_when_told_to(target: str) -> None:
    picture(Path("mask.png"), 2)
    Path("link.png").symlink_to("photo.png")
    before = {name: Path(name).read_bytes() for name in ("photo.png", "style.jpg", "mask.png")}
    for flag in ("out", "preview", *(["sheet"] if target.endswith("png") else [])):
        with pytest.raises(UsageError, match="one of the pictures to read"):
            stylize(mask="mask.png", overwrite=True, **{flag: target})
    assert {name: Path(name).read_bytes() for name in before} == before


def test_a_folder_is_painted_around_what_is_broken_and_gone_on_with(folder: Path) -> None:
    for number, name in enumerate(("a.png", "b.jpg", "sub/c.png")):
        picture(Path("photos") / name, number)
    Path("photos/bad.jpg").write_bytes(b"\xff\xd8 broken")
    picture(Path("photos/tiny.png"), 5, 20, 20)
    Path("photos/empty.png").touch()
    result = stylize("photos", out="out")
    assert [(p.content.name, p.state) for p in result.pictures] == [
        ("a.png", "painted"),
        ("b.jpg", "painted"),
        ("bad.jpg", "failed"),
        ("c.png", "painted"),
        ("tiny.png", "failed"),
    ]
    for failed in (result.pictures[2], result.pictures[4]):
        assert str(failed.content) in failed.reason
    assert names(Path("out")) == ["a-style.png", "b-style.png", "c-style.png"]
    assert result.files == tuple(Path("out") / name for name in ("a-style.png", "b-style.png", "sub/c-style.png"))

    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    Path("out/b-style.png").unlink()
    again = stylize("photos", out="out")
    assert [p.state for p in again.pictures] == ["there", "painted", "failed", "there", "failed"]
    after = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.png")}
    assert {path for path in before if before[path] != after[path]} == {Path("out/b-style.png")}

    other = stylize("photos", out="out", seed=3)
    assert {p.state for p in other.pictures if p.state != "failed"} == {"there"}
    assert all("--overwrite" in p.reason for p in other.pictures if p.state == "there")
    assert read_recipe("out/a-style.png")["settings"]["seed"] == 0
    stylize("photos", out="out", seed=3, overwrite=True)
    assert read_recipe("out/a-style.png")["settings"]["seed"] == 3


def test_results_in_the_folder_of_the_contents_are_not_painted_again() -> None:
    picture(Path("photos/a.png"), 1)
    picture(Path("photos/b.png"), 2)
    stylize("photos", sheet="photos/sheets", preview="photos/now.png")
    there = names(Path("photos"))
    events = heard("photos")
    assert names(Path("photos")) == there
    assert [event.text for event in events if isinstance(event, Note)] == [
        "Passed over 5 pictures in photos: artgan painted them."
    ]


def test_when_nothing_can_be_painted_it_is_an_error() -> None:
    for name in ("a.jpg", "b.jpg"):
        Path("photos").mkdir(exist_ok=True)
        (Path("photos") / name).write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"None of the 2 pictures could be painted: photos/a\.jpg: not a picture"):
        stylize("photos")
    Path("photos/b.jpg").unlink()
    with pytest.raises(DatasetError, match=r"The only picture could not be painted: photos/a\.jpg"):
        stylize("photos")
    with pytest.raises(DatasetError, match=r"style photos/a\.jpg|photos/a\.jpg: not a picture"):
        stylize("photo.png", "photos/a.jpg")


def test_one_bad_style_does_not_stop_the_others() -> None:
    picture(Path("styles/good.jpg"), 2)
    Path("styles/bad.jpg").write_bytes(b"no picture")
    result = stylize("photo.png", "styles", all_pairs=True)
    assert [(p.out.name, p.state) for p in result.pictures] == [
        ("photo-bad.png", "failed"),
        ("photo-good.png", "painted"),
    ]


def test_a_painting_that_runs_away_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs_away(content: torch.Tensor, *rest: Any, **words: Any) -> Any:
        if content.shape[2:] == (36, 48):
            raise SettingError("The painting ran away.", "Try another.")
        return repaint(content, *rest, **words)

    monkeypatch.setattr("artgan.style.studio.repaint", runs_away)
    picture(Path("photos/a.png"), 1)
    picture(Path("photos/b.png"), 2, 40, 40)
    assert [p.state for p in stylize("photos").pictures] == ["failed", "painted"]
    with pytest.raises(SettingError):
        stylize()


def stopping_after(count: int) -> Callable[[], bool]:
    asked = iter([False] * count)
    return lambda: next(asked, True)


def test_an_interruption_keeps_what_there_is_and_the_same_words_finish_it() -> None:
    with pytest.raises(Interrupted, match="photo-style.png is painted as far") as caught:  # noqa: RUF043
        stylize(should_stop=stopping_after(2))
    assert caught.value.exit_code == 130
    unfinished = Path("photo-style.png")
    assert read_recipe(unfinished)["finished"] is False
    assert pixels(unfinished).shape == (36, 48, 3)
    half = unfinished.read_bytes()
    stylize()
    assert read_recipe(unfinished)["finished"] is True
    assert unfinished.read_bytes() != half
    assert np.array_equal(pixels(unfinished), pixels(one(out="straight.png")))


@pytest.mark.parametrize("count", [0, 1])
def test_before_the_first_step_nothing_is_written(folder: Path, count: int) -> None:
    with pytest.raises(Interrupted):
        stylize(should_stop=stopping_after(count))
    assert names(folder) == ["photo.png", "style.jpg"]


def test_an_interrupted_folder_goes_on_where_it_was() -> None:
    for number in range(3):
        picture(Path(f"photos/{number}.png"), number)
    with pytest.raises(Interrupted):
        stylize("photos", should_stop=stopping_after(5))  # asked before each picture and each of two steps
    assert read_recipe("photos/0-style.png")["finished"] is True
    assert read_recipe("photos/1-style.png")["finished"] is False
    assert [p.state for p in stylize("photos").pictures] == ["there", "painted", "painted"]
    assert read_recipe("photos/1-style.png")["finished"] is True


def test_a_sheet_shows_content_style_and_result() -> None:
    stylize(sheet="sheet.png")
    sheet = pixels(Path("sheet.png"))
    style = 36  # square, and as high as the content
    assert sheet.shape == (36, 48 + 8 + style + 8 + 48, 3)
    assert np.array_equal(sheet[:, :48], pixels(Path("photo.png")))
    assert np.array_equal(sheet[:, -48:], pixels(Path("photo-style.png")))
    assert (sheet[:, 48:56] == 255).all()
    assert read_recipe("sheet.png")["kind"] == "sheet"
    stylize(sheet="sheet.png", overwrite=True)
    picture(Path("other.png"), 5)
    result = stylize(["photo.png", "other.png"], out="out", sheet="sheets")
    assert names(Path("sheets")) == ["other-style-sheet.png", "photo-style-sheet.png"]
    assert len(result.files) == 2


def test_a_preview_shows_the_picture_as_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artgan.style.studio._PREVIEW_SECONDS", -1.0)
    quicken(monkeypatch, 3)
    seen: list[bytes] = []

    def look(event: StylizeEvent) -> None:
        if isinstance(event, Painting) and Path("now.png").exists():
            seen.append(Path("now.png").read_bytes())

    artgan.stylize("photo.png", "style.jpg", preview="now.png", on_event=look)
    assert len(set(seen)) == 2, "before the second and the third step"
    assert np.array_equal(pixels(Path("now.png")), pixels(Path("photo-style.png")))
    assert read_recipe("now.png")["kind"] == "preview"


def test_only_the_palette_is_taken_over() -> None:
    Image.new("RGB", (40, 40), (30, 60, 190)).save("blue.png")
    found, before = pixels(one(style="blue.png", palette_only=True)), pixels(Path("photo.png"))
    a, b = oklab(found)[1:].flatten(1)
    assert b.mean() < -0.08
    order = oklab(before)[0].flatten().argsort()
    assert oklab(found)[0].flatten()[order].diff().min() > -0.02, "the drawing stays"
    assert a.isfinite().all()
    with pytest.raises(UsageError, match="--palette-only takes the colours of one picture"):
        stylize("photo.png", ["style.jpg", "blue.png"], palette_only=True)
    faint = pixels(one(style="blue.png", palette_only=True, strength=0.2, out="faint.png"))
    assert np.abs(faint.astype(int) - before).mean() < np.abs(found.astype(int) - before).mean()


def test_luminance_keeps_the_colours_of_the_content() -> None:
    picture(Path("soft.png"), 7)
    with Image.open("soft.png") as soft:
        Image.blend(soft, Image.new("RGB", soft.size, (128, 128, 128)), 0.7).save("soft.png")  # room for any lightness
    found, content = oklab(pixels(one("soft.png", keep_colors="luminance"))), oklab(pixels(Path("soft.png")))
    plain = oklab(pixels(one("soft.png", out="plain.png")))
    apart = [float((side[1:] - content[1:]).norm(dim=0).mean()) for side in (found, plain)]
    assert apart[0] < 0.01
    assert apart[1] > 2 * apart[0]
    assert (found[0] - content[0]).abs().mean() > 0.003, "its lightness is painted"


def test_matching_paints_with_the_style_in_the_colours_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch, 8)
    Image.new("RGB", (40, 40), (200, 40, 40)).save("red.png")
    content = oklab(pixels(Path("photo.png")))[1:].mean((1, 2))
    matched, plain = (
        oklab(pixels(one(style="red.png", out=f"{how}.png", keep_colors=how)))[1:].mean((1, 2))
        for how in ("match", None)
    )
    assert (matched - content).norm() < 0.5 * (plain - content).norm()


def halves(path: str, *colors: tuple[int, int, int], size: tuple[int, int] = (48, 36)) -> str:
    values = np.repeat(np.array(colors, np.uint8), size[0] // len(colors), axis=0)
    Image.fromarray(np.broadcast_to(values, (size[1], *values.shape)).copy()).save(path)
    return path


WHITE, BLACK, RED, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)


def test_what_is_black_in_a_mask_is_kept_to_the_last_bit() -> None:
    halves("mask.png", WHITE, BLACK)
    found, before = pixels(one(mask="mask.png")), pixels(Path("photo.png"))
    assert np.array_equal(found[:, 24:], before[:, 24:])
    assert np.abs(found[:, :24].astype(int) - before[:, :24]).mean() > 1
    assert [entry["file"] for entry in read_recipe("photo-style.png")["masks"]] == ["mask.png"]


@pytest.mark.parametrize("keep", ["luminance", "match", None])
def test_kept_parts_stay_kept_with_any_colours_and_sizes(keep: Any) -> None:
    halves("mask.png", BLACK, WHITE)
    found = pixels(one(mask="mask.png", keep_colors=keep))
    assert np.array_equal(found[:, :24], pixels(Path("photo.png"))[:, :24])
    large = pixels(one(mask="mask.png", keep_colors=keep, size=64, out="large.png"))
    plain = pixels(one(strength=0, size=64, out="plain.png"))
    assert np.array_equal(large[:, :30], plain[:, :30])


def test_each_region_gets_its_own_style(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch, 10)
    Image.new("RGB", (40, 40), (200, 40, 40)).save("red.png")
    Image.new("RGB", (40, 40), (40, 60, 200)).save("blue.png")
    halves("mask.png", WHITE, BLACK)
    halves("colours.png", RED, BLUE)
    halves("style.png", (200, 40, 40), (40, 60, 200), size=(40, 40))
    halves("style-mask.png", RED, BLUE, size=(40, 40))
    for file in (
        one(style=["red.png", "blue.png"], mask="mask.png", out="a.png"),
        one(style="style.png", mask="colours.png:style-mask.png", out="b.png"),
        one(style=["red.png", "blue.png"], mask="mask.png", palette_only=True, out="c.png"),
    ):
        left, right = (pixels(file)[:, part].mean((0, 1)) for part in (slice(0, 18), slice(30, 48)))
        assert left[0] - left[2] > right[0] - right[2] + 30, file


def test_masks_that_mark_nothing_that_is_seen_are_refused() -> None:
    halves("mask.png", WHITE, BLACK)
    alpha = np.zeros((36, 48), np.uint8)
    alpha[:, 24:] = 255
    Image.fromarray(np.dstack([pixels(Path("photo.png")), alpha])).save("right.png")
    with pytest.raises(UsageError, match=r"mask\.png lies only where right\.png is transparent"):
        stylize("right.png", mask="mask.png")
    with pytest.raises(UsageError, match=r"mask\.png is 48x36 and the content 40x40"):
        stylize(str(picture(Path("square.png"), 1, 40, 40)), mask="mask.png")
    with pytest.raises(DatasetError, match=r"The mask gone\.png does not exist"):
        stylize(mask="gone.png")
    assert not list(Path().glob("*-style.png"))


def test_a_picture_that_the_mask_does_not_suit_does_not_stop_the_others() -> None:
    halves("mask.png", WHITE, BLACK)
    picture(Path("photos/a.png"), 1, 40, 40)
    picture(Path("photos/b.png"), 2)
    first, second = stylize("photos", mask="mask.png").pictures
    assert (first.state, second.state) == ("failed", "painted")
    assert "mask.png is 48x36 and the content 40x40" in first.reason


def test_a_mask_of_the_contents_own_size_suits_it_at_any_size() -> None:
    picture(Path("wide.png"), 3, 300, 100)
    halves("wide-mask.png", WHITE, BLACK, size=(300, 100))
    for size in (97, 98, 99, 100, 110, 301):
        assert pixels(one("wide.png", mask="wide-mask.png", strength=0, size=size, overwrite=True)).shape[1] == size


def test_a_long_style_is_no_hindrance_to_a_small_picture() -> None:
    picture(Path("strip.jpg"), 3, 400, 60)
    assert pixels(one(style="strip.jpg")).shape == (36, 48, 3)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("missing", None, "does not exist"),
        ("empty", b"", "the file is empty"),
        ("text", b"no picture at all", "not a picture"),
        ("torn", "torn", "broken"),
        ("tiny", (31, 40), "31 × 40 pixels are too few"),
        ("unseen", "unseen", "transparent everywhere"),
        ("folder", "folder", "no picture in|is a folder|several styles"),
        ("huge", "huge", "megapixels"),
    ],
)
@pytest.mark.parametrize("role", ["content", "style"])
def test_pictures_that_cannot_be_used_are_named(name: str, content: Any, words: str, role: str) -> None:
    path = Path(f"{name} [x].png")
    if content == "torn":
        path.write_bytes(Path("photo.png").read_bytes()[:900])
    elif content == "unseen":
        Image.new("RGBA", (48, 36), (10, 20, 30, 0)).save(path)
    elif content == "folder":
        path.mkdir()
    elif content == "huge":
        ihdr = struct.pack(">4sIIBBBBB", b"IHDR", 20_000, 70_000 if role == "style" else 10_000, 8, 2, 0, 0, 0)
        chunks = struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND")))
    elif isinstance(content, tuple):
        picture(path, 0, *content)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtganError, match=words) as caught:
        stylize(**{role: path})
    assert str(path) in caught.value.message
    assert caught.value.exit_code in (2, 3)
    assert "Traceback" not in caught.value.message
    if name == "huge" and role == "content":
        assert "--size" in caught.value.hint
    assert not list(Path().glob("*-style.png"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"strength": 1.5}, "--strength 1.5"),
        ({"size": 8}, "--size 8"),
        ({"preview": "now.gif"}, "--preview now.gif"),
        ({"sheet": "sheet.jpg"}, "--sheet sheet.jpg"),
        ({"weights": "w.pth"}, "--weights w.pth goes with --encoder vgg19"),
        ({"mask": "mask.png:"}, "--mask 'mask.png:'"),
        ({"out": "film.mp4"}, "-o film.mp4"),
        ({"device": "toaster"}, "toaster"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_painted(
    folder: Path, words: dict[str, Any], message: str
) -> None:
    with pytest.raises(ArtganError) as caught:
        stylize(**words)
    assert message in caught.value.message
    assert names(folder) == ["photo.png", "style.jpg"]


def test_a_folder_that_cannot_be_made_is_said_before_painting(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("file").write_text("a file where a folder should be")
    monkeypatch.setattr("artgan.style.studio.repaint", lambda *_, **__: pytest.fail("it was painted for nothing"))
    for words in ({"out": "file/deep"}, {"preview": "file/now.png"}, {"sheet": "file/sheet.png"}):
        with pytest.raises(ArtganError, match="file") as caught:
            stylize(**words)
        assert caught.value.exit_code == 5


def test_without_its_weights_vgg19_is_one_clear_sentence(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path_factory.mktemp("weights")
    monkeypatch.setenv("ARTGAN_WEIGHTS", str(empty))
    monkeypatch.setenv("TORCH_HOME", str(empty))
    with pytest.raises(WeightsError) as caught:
        stylize(encoder="vgg19")
    assert caught.value.exit_code == 7
    for words in ("vgg19", "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth", "575 MB", str(empty)):
        assert words in caught.value.message
    assert "artgan weights get vgg19" in caught.value.hint
    assert "--features" not in caught.value.hint
    random = tmp_path_factory.mktemp("random") / "vgg19.pth"
    torch.save({name: torch.zeros(1) for name in ("features.0.weight",)}, random)
    with pytest.raises(WeightsError, match=r"vgg19\.pth does not hold the weights of vgg19"):
        stylize(encoder="vgg19", weights=random)
    assert names(folder) == ["photo.png", "style.jpg"]
    with pytest.raises(UsageError, match="goes with --encoder vgg19"):
        open_features("artgan", Engine.detect("cpu", "float32"), random)


def test_vgg19_paints_when_its_weights_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(encoder: str, engine: Engine, weights: Path | None) -> object:
        assert (encoder, weights) == ("vgg19", Path("w.pth"))
        return vgg_features(random_vgg(0), engine, "VGG-19 (random)")

    monkeypatch.setattr("artgan.style.studio.open_features", opened)
    found = pixels(one(encoder="vgg19", weights="w.pth"))
    assert found.shape == (36, 48, 3)
    assert not np.array_equal(found, pixels(one(out="ours.png", strength=0)))
    assert read_recipe("photo-style.png")["settings"]["encoder"] == "vgg19"


def test_what_a_killed_process_left_is_cleared(folder: Path) -> None:
    dead = 2**22 + 1  # above Linux's largest process number
    for place in (".", "previews"):
        Path(place).mkdir(exist_ok=True)
        (Path(place) / f".photo-style.png.1.{dead}.tmp").write_bytes(b"half a picture")
    stylize(preview="previews/now.png")
    assert names(folder) == ["now.png", "photo-style.png", "photo.png", "style.jpg"]
