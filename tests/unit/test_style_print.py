"""Paintings for print: what `--dpi`, `--bits` and `--size` promise of the file, and what they refuse beforehand."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image

import artgan
from artgan.engine.artwork import open_artwork
from artgan.engine.images import encode_png, read_recipe
from artgan.errors import DeviceError, UsageError
from artgan.style.redo import request
from artgan.style.room import require_room
from tests.painting import picture, quicken

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
GB = 10**9


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with photo.png and style.jpg; painting takes two steps."""
    monkeypatch.chdir(tmp_path)
    quicken(monkeypatch)
    picture(Path("photo.png"), 0)
    picture(Path("style.jpg"), 1, 40, 40)
    return tmp_path


def paint(content: str = "photo.png", **words: Any) -> Path:
    (file,) = artgan.stylize(content, "style.jpg", **words).files
    return file


def told(path: Path) -> tuple[float, float] | None:
    with Image.open(path) as opened:
        dpi: tuple[float, float] | None = opened.info.get("dpi")
        return dpi


def sixteen(path: Path) -> NDArray[Any]:
    """The values of a file of 16 bits, (H, W, 3)."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    opened = open_artwork(path)
    assert opened.bits == 16
    return ((opened.pixels.astype(np.float64) + 1) * 32767.5).round().transpose(1, 2, 0)


@pytest.mark.parametrize("out", ["out.png", "out.tif", "out.jpg"])
@pytest.mark.parametrize("dpi", [1, 300, 4800])
def test_the_file_says_the_dpi_that_were_asked_for(out: str, dpi: int) -> None:
    assert told(paint(out=out, strength=0, dpi=dpi)) == pytest.approx((dpi, dpi), abs=0.02)


@pytest.mark.parametrize("out", ["out.png", "out.tif"])
def test_sixteen_bits_of_a_picture_of_eight_are_no_eight_in_disguise(out: str) -> None:
    values = sixteen(paint(out=out, bits=16, dpi=240))
    assert (values % 257 != 0).mean() > 0.9
    assert told(Path(out)) == pytest.approx((240, 240), abs=0.02)
    eight = sixteen(paint(out=f"kept{Path(out).suffix}", bits=16, strength=0))
    assert np.array_equal(eight / 257, open_eight("photo.png"))


def open_eight(path: str) -> NDArray[Any]:
    with Image.open(path) as opened:
        return np.asarray(opened)


def test_eight_bits_of_a_picture_of_sixteen() -> None:
    tifffile.imwrite("deep.tif", np.full((36, 48, 3), 1000, np.uint16), photometric="rgb")
    found = paint("deep.tif", out="out.png", bits=8, strength=0)
    assert open_artwork(found).bits == 8
    assert np.array_equal(open_eight("out.png"), np.full((36, 48, 3), 4, np.uint8))


@pytest.mark.parametrize("out", ["out.png", "out.tif", "out.jpg"])
def test_without_them_depth_and_dpi_are_those_of_the_content(out: str) -> None:
    picture(Path("print.png"), 0, dpi=(250, 250))
    found = paint("print.png", out=out)
    assert told(found) == pytest.approx((250, 250), abs=0.5)
    assert open_artwork(found).bits == 8
    assert read_recipe(found)["settings"]["dpi"] is read_recipe(found)["settings"]["bits"] is None
    assert told(paint(out=f"plain{found.suffix}")) is None


def test_they_stand_in_the_recipe_and_are_used_again() -> None:
    for out in ("first.png", "first.tif"):
        first = paint(out=out, dpi=300, bits=16)
        recipe = read_recipe(first)
        assert (recipe["settings"]["dpi"], recipe["settings"]["bits"]) == (300, 16)
        assert recipe["command"].endswith("--dpi 300 --bits 16")
        assert artgan.again(first).read_bytes() == first.read_bytes()


def test_a_recipe_from_before_there_were_any_is_painted_again() -> None:
    first = paint(seed=3, init="noise")
    recipe = read_recipe(first)
    for name in ("dpi", "bits"):
        del recipe["settings"][name]
    Path("old.png").write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8), recipe))
    asked = request(recipe, Path())
    assert asked["dpi"] is asked["bits"] is None
    assert np.array_equal(open_eight(str(artgan.again("old.png"))), open_eight(str(first)))
    # The old one is still the same painting: it is not painted over, nor called another.
    with pytest.raises(UsageError, match=r"old\.png"):
        paint(out="old.png", seed=3, init="noise")
    Path("photos").mkdir()
    for name in ("a.png", "b.png"):
        Path("photos", name).write_bytes(Path("photo.png").read_bytes())
    artgan.stylize("photos", "style.jpg", out="out", seed=3, init="noise")
    Path("out/a-style.png").write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8), recipe))
    done = artgan.stylize("photos", "style.jpg", out="out", seed=3, init="noise").pictures
    assert [(each.state, each.reason) for each in done] == [("there", ""), ("there", "")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"dpi": 0}, "--dpi 0 is not between 1 and 4800"),
        ({"dpi": 4801}, "--dpi 4801 is not between 1 and 4800"),
        ({"dpi": 72.5}, "--dpi 72.5 is not a whole number"),
        ({"bits": 12}, "--bits 12 is unknown"),
        ({"bits": True}, "--bits True is unknown"),
        ({"bits": 16, "out": "x.jpg"}, "--bits 16 has no room in x.jpg"),
        ({"bits": 16, "out": "x.JPEG"}, "--bits 16 has no room in x.JPEG"),
        ({"bits": 16, "content": "film.mp4"}, "--dpi and --bits go with pictures"),
        ({"dpi": 300, "content": "film.mp4"}, "--dpi and --bits go with pictures"),
    ],
)
def test_what_no_file_can_hold_is_refused_beforehand(folder: Path, words: dict[str, Any], message: str) -> None:
    Path("film.mp4").write_bytes(b"not looked at")
    with pytest.raises(UsageError) as caught:
        paint(**words)
    assert message in caught.value.message
    assert caught.value.hint
    assert sorted(path.name for path in folder.iterdir()) == ["film.mp4", "photo.png", "style.jpg"]


def has(monkeypatch: pytest.MonkeyPatch, free: float) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))


@pytest.mark.parametrize("sides", [(48, 36), (36, 48), (640, 32)])
@pytest.mark.parametrize("free", [1.3 * GB, 2 * GB, 5 * GB])
def test_a_size_that_does_not_fit_is_refused_and_the_one_that_is_named_fits(
    monkeypatch: pytest.MonkeyPatch, sides: tuple[int, int], free: float
) -> None:
    content = picture(Path("content.png"), 0, *sides)
    has(monkeypatch, free)
    with pytest.raises(DeviceError) as caught:
        require_room(content, 32768, CPU)
    assert re.fullmatch(
        rf"--size 32768 of content\.png needs \d+\.\d GB of memory, and {free / GB:.1f} GB are free\.",
        caught.value.message,
    )
    largest = int(re.fullmatch(r"Use --size (\d+), or close other programs\.", caught.value.hint).group(1))  # type: ignore[union-attr]
    require_room(content, largest, CPU)
    with pytest.raises(DeviceError):
        require_room(content, largest + 16, CPU)


def test_a_strip_may_be_longer_than_a_square_and_what_is_seen_in_one_piece_needs_the_memory_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    square, strip = picture(Path("square.png"), 0, 64, 64), picture(Path("strip.png"), 0, 640, 32)
    has(monkeypatch, 2 * GB)
    require_room(strip, 8192, CPU)
    require_room(square, 1040, CPU)
    for size in (8192, 1024):
        with pytest.raises(DeviceError):
            require_room(square, size, CPU)


def test_with_next_to_no_memory_no_size_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, 0.1 * GB)
    with pytest.raises(DeviceError) as caught:
        require_room(Path("photo.png"), 64, CPU)
    assert caught.value.hint == "Close other programs."


def test_on_a_gpu_both_memories_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda:1")
    has(monkeypatch, 100 * GB)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * GB, 80 * GB))
    with pytest.raises(DeviceError, match=r"2\.0 GB are free on cuda:1") as caught:
        require_room(Path("photo.png"), 8192, gpu)
    require_room(Path("photo.png"), int(caught.value.hint.split()[2].rstrip(",")), gpu)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * GB, 80 * GB))
    require_room(Path("photo.png"), 8192, gpu)
    has(monkeypatch, 2 * GB)
    with pytest.raises(DeviceError, match=r"2\.0 GB are free\."):
        require_room(Path("photo.png"), 8192, gpu)


def test_what_is_not_painted_at_a_size_of_its_own_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    has(monkeypatch, 0)
    require_room(Path("photo.png"), None, CPU)
    require_room(Path("style-that-is-no.png"), 4096, CPU)
    paint(size=64, strength=0, out="kept.png")
    with pytest.raises(DeviceError) as caught:
        paint(size=64, out="painted.png")
    assert caught.value.exit_code == 6
    assert not Path("painted.png").exists()
    has(monkeypatch, 16 * GB)
    paint(size=64, out="painted.png")
