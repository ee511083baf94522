"""Decoded pictures: counted, told of when skipped, found again, and never half there."""

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from artgan.config import DataSettings
from artgan.data import cache, decoding
from artgan.data.cache import (
    DataEvent,
    DatasetReady,
    Decoded,
    DecodeProgress,
    clear_cache,
    decode_source,
    list_cache,
)
from artgan.data.decoding import training_pictures
from artgan.errors import DatasetError, Interrupted

SMALL = DataSettings(resolution=8)


def pixels(decoded: Decoded) -> NDArray[np.uint8]:
    return np.fromfile(decoded.folder / "pictures.u8", np.uint8).reshape(-1, *decoded.index["shape"])


def events_of(path: Path, settings: DataSettings = SMALL) -> list[DataEvent]:
    events: list[DataEvent] = []
    decode_source(path, settings, events.append)
    return events


def everything_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_pictures_are_counted_and_told_of(paintings: Path) -> None:
    events = events_of(paintings)
    ready = events[-1]
    assert isinstance(ready, DatasetReady)
    assert (ready.source, ready.pictures, ready.files, ready.classes) == (paintings, 12, 12, {})
    assert (ready.skipped, ready.enlarged, ready.from_cache) == ((), 0, False)
    assert events[-2] == DecodeProgress(12, 12)
    assert ready == decode_source(paintings, SMALL.model_copy(update={"crop": "random"})).ready


def test_classes_are_counted(class_folders: Path) -> None:
    decoded = decode_source(class_folders, SMALL)
    assert decoded.ready.classes == {"cats": 8, "dogs": 4, "owls": 2}
    assert decoded.index["classes"] == ["cats", "dogs", "owls"]
    assert decoded.index["labels"] == [0] * 8 + [1] * 4 + [2] * 2


def test_a_class_of_which_nothing_can_be_read_is_none(class_folders: Path) -> None:
    for path in (class_folders / "dogs").iterdir():
        path.write_bytes(b"no picture")
    decoded = decode_source(class_folders, SMALL)
    assert decoded.ready.classes == {"cats": 8, "owls": 2}
    assert decoded.index["labels"] == [0] * 8 + [1] * 2


def test_a_single_crop_is_the_middle_of_the_picture(tmp_path: Path) -> None:
    for number, size in enumerate([(24, 8), (8, 24), (48, 16), (16, 16)]):
        across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        side = min(size)
        inside = (abs(across - (size[0] - 1) / 2) < side / 2) & (abs(down - (size[1] - 1) / 2) < side / 2)
        Image.fromarray(np.where(inside, 200, 10).astype(np.uint8)).save(tmp_path / f"{number}.png")
    crops = pixels(decode_source(tmp_path, SMALL)).astype(int)
    assert (crops[:, 3:-3, 3:-3] == 200).all()
    assert (abs(crops - 200) < 40).all(), "at the border the filter sees a little of what lies outside"


def test_files_that_cannot_be_used_are_named_with_the_reason(paintings: Path) -> None:
    (paintings / "a page.jpg").write_bytes(b"<html>404</html>")
    (paintings / "empty.png").touch()
    whole = (paintings / "01.png").read_bytes()
    (paintings / "half.png").write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # told again when it comes from the cache
        ready = decode_source(paintings, SMALL).ready
        reasons = dict(ready.skipped)
        assert reasons.keys() == {"a page.jpg", "empty.png", "half.png"}
        assert reasons["a page.jpg"] == "not a picture"
        assert reasons["empty.png"] == "empty file"
        assert reasons["half.png"].startswith("broken: ")
        assert (ready.pictures, ready.files) == (12, 12)


def test_a_damaged_entry_of_a_zip_is_skipped(paintings: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for picture in sorted(paintings.iterdir()):
            archive.write(picture, f"set/{picture.name}")
        offset = archive.getinfo("set/01.png").header_offset
    raw = bytearray(path.read_bytes())
    raw[offset + 100] ^= 0xFF
    path.write_bytes(raw)
    ready = decode_source(path, SMALL).ready
    assert ready.pictures == 11
    assert [name for name, _ in ready.skipped] == ["set/01.png"]


def test_a_folder_and_its_zip_give_the_same_pictures(paintings: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "set"), "zip", paintings))
    assert (pixels(decode_source(archive, SMALL)) == pixels(decode_source(paintings, SMALL))).all()


def test_too_few_are_refused_with_numbers_and_the_commonest_reasons(tmp_path: Path, artgan_cache: Path) -> None:
    folder = tmp_path / "messy"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(b"<html>")
    for number in range(4):
        (folder / f"{number}.png").touch()
    for number in range(3):
        Image.new("RGB", (9, 9)).save(folder / f"good{number}.png")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    noise.save(folder / "half.bmp")
    for number in range(2):
        (folder / f"half{number}.bmp").write_bytes((folder / "half.bmp").read_bytes()[:999])
    (folder / "half.bmp").unlink()
    table = tmp_path / "labels.csv"
    labels = [f"{path.name},x" for path in sorted(folder.iterdir()) if path.name != "good0.png"]
    table.write_text("\n".join(["file,label", *labels]))
    with pytest.raises(DatasetError) as caught:
        decode_source(folder, DataSettings(resolution=8, labels=str(table)))
    message = caught.value.message
    assert "2 usable pictures; at least 4" in message
    assert message.index("not a picture (5)") < message.index("empty file (4)") < message.index("broken: ")
    assert "no label" not in message, "three reasons are enough"
    assert "--crops" in caught.value.hint
    assert [path for path in everything_below(artgan_cache) if path.startswith("pictures/")] == []


def test_a_folder_without_any_picture_asks_for_the_right_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="0 usable") as caught:
        decode_source(tmp_path, SMALL)
    assert "folder" in caught.value.hint


def test_the_second_time_nothing_is_decoded(paintings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = decode_source(paintings, SMALL)
    monkeypatch.setattr(decoding, "decode", lambda *_: pytest.fail("decoded again"))
    events = events_of(paintings)
    assert [type(event) for event in events] == [DatasetReady]
    again = decode_source(paintings, SMALL)
    assert again.ready.from_cache
    assert (again.folder, again.index, again.fingerprint) == (first.folder, first.index, first.fingerprint)
    moved = paintings.rename(tmp_path / "moved")
    elsewhere = decode_source(moved, SMALL)
    assert elsewhere.folder == first.folder
    assert elsewhere.ready.source == moved


def test_other_settings_or_content_are_another_set(paintings: Path) -> None:
    settings = [
        SMALL,
        DataSettings(resolution=16),
        DataSettings(shape="16x8"),
        DataSettings(shape="8x16"),
        DataSettings(resolution=8, channels="grey"),
        DataSettings(resolution=8, channels="rgba"),
        DataSettings(resolution=8, crop="random"),
        DataSettings(resolution=8, crops=2),
    ]
    folders = {decode_source(paintings, chosen).folder for chosen in settings}
    assert len(folders) == len(settings)
    same_pixels = DataSettings(resolution=8, mirror=True, balanced=True)
    assert decode_source(paintings, same_pixels).folder in folders
    (paintings / "00.jpg").write_bytes((paintings / "03.jpg").read_bytes())
    assert decode_source(paintings, SMALL).folder not in folders


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        (DataSettings(resolution=8), (8, 8, 3)),
        (DataSettings(resolution=8, channels="grey"), (8, 8, 1)),
        (DataSettings(resolution=8, channels="rgba"), (8, 8, 4)),
        (DataSettings(shape="12x8"), (8, 12, 3)),
        (DataSettings(shape="8x12", channels="rgba"), (12, 8, 4)),
    ],
)
def test_pictures_have_the_shape_asked_for(
    paintings: Path, settings: DataSettings, shape: tuple[int, int, int]
) -> None:
    decoded = decode_source(paintings, settings)
    assert tuple(decoded.index["shape"]) == shape
    assert pixels(decoded).shape == (12, *shape)


def test_small_files_are_enlarged_and_counted(paintings: Path) -> None:
    Image.new("RGB", (5, 40), (9, 9, 9)).save(paintings / "narrow.png")
    Image.new("RGB", (1, 1), (9, 9, 9)).save(paintings / "point.png")
    decoded = decode_source(paintings, SMALL)
    assert decoded.ready.enlarged == 2
    assert (pixels(decoded)[-2:] == 9).all()


def test_a_large_jpeg_on_its_side_is_not_taken_for_a_small_one(paintings: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (512, 128)).save(paintings / "on its side.jpg", exif=exif)
    Image.new("RGB", (128, 512)).save(paintings / "upright.jpg")
    ready = decode_source(paintings, DataSettings(shape="64x16")).ready
    assert ready.pictures == 14
    assert ready.enlarged == 12, "the paintings, which are all less than 64 pixels wide"


def test_several_crops_of_each_are_counted_and_labelled(class_folders: Path) -> None:
    decoded = decode_source(class_folders, DataSettings(resolution=8, crops=5))
    assert (decoded.ready.pictures, decoded.ready.files) == (70, 14)
    assert decoded.ready.classes == {"cats": 40, "dogs": 20, "owls": 10}
    crops = pixels(decoded).reshape(14, 5, 8, 8, 3)
    assert all(len({crop.tobytes() for crop in of_one}) == 5 for of_one in crops)
    assert (crops[:, 0] == pixels(decode_source(class_folders, SMALL))).all(), "the first crop is the usual one"


def test_crops_hang_on_the_picture_alone(paintings: Path) -> None:
    settings = DataSettings(resolution=8, crops=3, crop="random")
    before = pixels(decode_source(paintings, settings)).reshape(12, 3, 8, 8, 3)
    clear_cache()
    assert (pixels(decode_source(paintings, settings)).reshape(12, 3, 8, 8, 3) == before).all()
    (paintings / "00.jpg").unlink()
    (paintings / "01.png").rename(paintings / "renamed.png")
    after = pixels(decode_source(paintings, settings)).reshape(11, 3, 8, 8, 3)
    assert (after[:10] == before[2:]).all()
    assert (after[10] == before[1]).all()


def test_grey_is_the_luma_of_the_colours(paintings: Path) -> None:
    raw = (paintings / "01.png").read_bytes()
    colour, _ = training_pictures(raw, "digest", DataSettings(resolution=8))
    grey, _ = training_pictures(raw, "digest", DataSettings(resolution=8, channels="grey"))
    assert np.abs(colour @ [0.299, 0.587, 0.114] - grey[..., 0]).max() <= 2


def test_an_interruption_leaves_nothing_and_the_next_time_succeeds(paintings: Path, artgan_cache: Path) -> None:
    with pytest.raises(Interrupted) as caught:
        decode_source(paintings, SMALL, should_stop=lambda: True)
    assert caught.value.exit_code == 130
    assert list_cache() == []
    assert [path for path in everything_below(artgan_cache) if path.startswith("pictures/")] == []
    assert not decode_source(paintings, SMALL).ready.from_cache


def test_two_threads_at_once_both_succeed(paintings: Path, artgan_cache: Path) -> None:
    both_decoding = threading.Barrier(2, timeout=30)

    def wait_for_the_other(event: DataEvent) -> None:
        if isinstance(event, DecodeProgress):
            both_decoding.wait()

    def work(_: int) -> Decoded:
        return decode_source(paintings, SMALL, wait_for_the_other)

    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(work, range(2))
    assert one.folder == two.folder
    assert pixels(one).shape == (12, 8, 8, 3)
    assert len(list((artgan_cache / "pictures").iterdir())) == 1


def test_two_processes_at_once_both_succeed(paintings: Path, artgan_cache: Path) -> None:
    other = (
        "import pathlib, sys\n"
        "from artgan.config import DataSettings\n"
        "from artgan.data.cache import decode_source\n"
        "print(decode_source(pathlib.Path(sys.argv[1]), DataSettings(resolution=8)).folder)\n"
    )
    faster: list[str] = []

    def let_the_other_finish(event: DataEvent) -> None:
        if isinstance(event, DecodeProgress):
            command = [sys.executable, "-c", other, str(paintings)]
            faster.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())

    decoded = decode_source(paintings, SMALL, let_the_other_finish)
    assert faster == [str(decoded.folder)]
    assert pixels(decoded).shape == (12, 8, 8, 3)
    assert [path.name for path in (artgan_cache / "pictures").iterdir()] == [decoded.folder.name]


def test_the_cache_is_listed_and_cleared(paintings: Path, class_folders: Path, artgan_cache: Path) -> None:
    assert list_cache() == []
    assert clear_cache() == 0
    decode_source(paintings, SMALL)
    decode_source(class_folders, DataSettings(shape="16x8", channels="grey"))
    (artgan_cache / "weights.bin").write_bytes(b"x" * 1000)
    entries = {Path(entry.source): entry for entry in list_cache()}
    assert entries.keys() == {paintings.resolve(), class_folders.resolve()}
    assert [entries[path.resolve()].pictures for path in (paintings, class_folders)] == [12, 14]
    assert entries[class_folders.resolve()].shape == "8x16x1"
    assert entries[paintings.resolve()].bytes >= 12 * 8 * 8 * 3
    assert clear_cache() >= sum(entry.bytes for entry in entries.values())
    assert list_cache() == []
    assert everything_below(artgan_cache) == ["weights.bin"]
    assert clear_cache() == 0


def test_the_index_is_plain_json_beside_the_pixels(paintings: Path) -> None:
    decoded = decode_source(paintings, SMALL)
    index = json.loads((decoded.folder / "index.json").read_text())
    assert (index["count"], index["shape"], index["classes"], index["labels"]) == (12, [8, 8, 3], [], [])
    assert (decoded.folder / "pictures.u8").stat().st_size == 12 * 8 * 8 * 3


def test_a_set_in_parts_is_not_trained_on_as_a_whole(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        Image.new("RGB", (20, 20)).save(tmp_path / part / "a.png")
    assert len(cache.scan_again(tmp_path, "auto").files) == 2
    (tmp_path / "manifest.jsonl").write_text("{}")
    with pytest.raises(DatasetError, match="split into parts") as caught:
        cache.scan_again(tmp_path, "auto")
    assert str(tmp_path / "train") in caught.value.hint
    assert len(cache.scan_again(tmp_path / "train", "auto").files) == 1
