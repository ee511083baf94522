"""Training pictures from shards: the right ones in order, decoded when they are needed, whatever a tar holds."""

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from artgan.config import DataSettings
from artgan.data.cache import DataEvent, DatasetReady, DecodeProgress, clear_cache, list_cache
from artgan.data.pictures import Pictures, load_pictures
from artgan.data.shard_cache import Damaged, DecodedShards
from artgan.data.shards import look_into, pictures_in
from artgan.errors import DatasetError, Interrupted, SettingError
from tests.sharding import flat, value_of, write_index, write_shard, write_shards

SIZES = [5, 3, 7, 2, 6, 4]
TOTAL = sum(SIZES)
open_tar = tarfile.open
BROKEN = b"\x89PNG\r\n\x1a\n, and no more"


def silent(event: object) -> None:
    """Listen to nothing."""


def load(
    path: Path, seed: int = 0, on_event: Callable[[DataEvent], None] = silent, gb: float = 1.0, **chosen: object
) -> Pictures:
    settings = DataSettings.model_validate({"resolution": 8, "shuffle": 6, **chosen})
    return load_pictures(path, settings, seed, on_event, cache_gb=gb)


def values(pictures: torch.Tensor) -> list[int]:
    return [value_of(picture) for picture in pictures.tolist()]


def decoded_files(cache: Path) -> set[str]:
    return {file.name for file in cache.glob("shards/*.u8")}


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Six shards without classes and without an index."""
    write_shards(tmp_path / "shards", SIZES)
    return tmp_path / "shards"


@pytest.mark.parametrize("indexed", [False, True])
def test_a_set_says_what_it_is(tmp_path: Path, indexed: bool) -> None:
    write_shards(tmp_path / "shards", SIZES, classes=3)
    if indexed:
        write_index(tmp_path / "shards", ["cat", "dog", "owl"])
    pictures = load(tmp_path / "shards", shape="12x8", channels="grey")
    assert len(pictures) == TOTAL
    assert pictures.shape == (1, 8, 12)
    assert pictures.classes == (("cat", "dog", "owl") if indexed else ("0", "1", "2"))
    assert pictures.labels.tolist() == [n % 3 for n in range(TOTAL)]
    assert pictures.labels.dtype == torch.int64
    assert pictures.c_dim == 3
    ready = pictures.ready
    assert (ready.pictures, ready.files, ready.skipped, ready.from_cache) == (TOTAL, TOTAL, (), False)
    assert [*ready.classes.values()] == [9, 9, 9]
    assert load(tmp_path / "shards", shape="12x8", channels="grey").ready.from_cache
    without = load(tmp_path / "shards", labels="none")
    assert (without.classes, without.c_dim, without.labels.tolist()) == ((), 0, [0] * TOTAL)


@pytest.mark.parametrize("mirror", [False, True])
def test_every_pass_shows_every_picture_with_its_label(tmp_path: Path, mirror: bool) -> None:
    write_shards(tmp_path / "shards", SIZES, classes=4)
    pictures = load(tmp_path / "shards", mirror=mirror)
    passes = []
    for start in (0, TOTAL):
        batch, labels = pictures.batch(start, TOTAL)
        assert batch.dtype == torch.uint8
        assert batch.is_contiguous(memory_format=torch.channels_last)
        assert labels.tolist() == [value % 4 for value in values(batch)]
        passes.append(values(batch))
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(TOTAL))
    assert passes[0] != passes[1]
    assert values(load(tmp_path / "shards", mirror=mirror).batch(TOTAL + 5, 9)[0]) == passes[1][5:14]
    assert values(load(tmp_path / "shards", seed=1, mirror=mirror).batch(0, TOTAL)[0]) != passes[0]
    part = slice(1, None, 2)
    assert torch.equal(pictures.batch(3, 8, part)[0], pictures.batch(3, 8)[0][part])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 200), sizes=st.lists(st.integers(1, 15), min_size=1, max_size=8))
def test_little_room_on_disk_changes_nothing_but_the_work(shards: Path, start: int, sizes: list[int]) -> None:
    wide, narrow = load(shards), load(shards, gb=1e-9)
    for size in sizes:
        assert torch.equal(wide.batch(start, size)[0], narrow.batch(start, size)[0])
        start += size


def test_shards_that_are_not_needed_make_room(tmp_path: Path, artgan_cache: Path) -> None:
    write_shards(tmp_path / "shards", SIZES * 3)
    pictures = load(tmp_path / "shards", gb=1e-9)
    most = 0
    for start in range(0, 3 * TOTAL, 3):
        pictures.batch(start, 3)
        for thread in threading.enumerate():
            if thread.name == "artgan-shards":  # else it may finish one that was needed until just now
                thread.join()
        most = max(most, len(decoded_files(artgan_cache)))
    assert 0 < most <= 9  # two groups that a batch lies in, and the one that comes after


def test_those_used_longest_ago_make_room_first(shards: Path, artgan_cache: Path) -> None:
    found = look_into(sorted(shards.glob("*.tar"))).found
    some = DecodedShards(found, DataSettings(resolution=8), 15 * 8 * 8 * 3, silent)  # room for 15 pictures

    def files_after(row: int) -> set[str]:
        before = decoded_files(artgan_cache)
        some.read([row])
        (new,) = decoded_files(artgan_cache) - before
        os.utime(artgan_cache / "shards" / new, ns=(len(age), len(age)))
        age.append(new)
        return decoded_files(artgan_cache)

    age: list[str] = []
    for row in (0, 5, 8):  # 5, 3 and 7 pictures
        files_after(row)
    some.read([1])  # of the first: it is used, and so the newest
    assert files_after(15) == {age[0], age[2], age[3]}


def test_the_next_group_is_decoded_meanwhile(shards: Path, artgan_cache: Path) -> None:
    pictures = load(shards)
    first = decoded_files(artgan_cache)
    pictures.batch(0, 1)
    deadline = time.monotonic() + 10
    while decoded_files(artgan_cache) == first and time.monotonic() < deadline:
        time.sleep(0.005)
    assert first < decoded_files(artgan_cache)


def test_what_stands_for_the_set_is_of_the_first_group(tmp_path: Path, artgan_cache: Path) -> None:
    write_shards(tmp_path / "shards", [4] * 8, classes=2)
    pictures = load(tmp_path / "shards")
    there = decoded_files(artgan_cache)
    rows = [*pictures.sample(5), *pictures.sample(5, torch.Generator().manual_seed(0)), *pictures.members(1, 3)]
    pictures.at([int(row) for row in rows])
    assert len(there) == 2
    assert decoded_files(artgan_cache) == there
    assert len(rows) == 13
    assert pictures.labels[pictures.members(1, 3)].tolist() == [1, 1, 1]
    assert len(pictures.sample(100)) == 8


def test_of_a_rare_class_there_is_an_example(tmp_path: Path) -> None:
    for number in range(6):
        kinds = [{"png": flat(number), "cls": str(int(number == rare)).encode()} for rare in (6, 6, 6, 3)]
        write_shard(tmp_path / "shards" / f"{number}.tar", kinds)
    for seed in range(4):  # with most of them it is not in the first group
        pictures = load(tmp_path / "shards", seed, shuffle=4)
        assert values(pictures.at(pictures.members(1, 8))) == [3]


def test_the_same_pictures_as_from_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "folder").mkdir()
    samples = []
    for number in range(6):
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (20, 31, 3), np.uint8)).save(buffer, "PNG")
        (tmp_path / "folder" / f"{number}.png").write_bytes(buffer.getvalue())
        samples.append({"png": buffer.getvalue()})
    write_shard(tmp_path / "shards" / "0.tar", samples[:2])
    write_shard(tmp_path / "shards" / "1.tar", samples[2:])
    crops: dict[str, Any] = {"crops": 3, "crop": "random"}
    from_shards, from_folder = load(tmp_path / "shards", **crops), load(tmp_path / "folder", **crops)
    assert len(from_shards) == len(from_folder) == 18
    rows = [*range(18)]
    assert torch.equal(from_shards.at(rows), from_folder.at(rows))


@pytest.mark.parametrize("beside", [None, ["none", "ten", "two"]])
def test_classes_have_the_names_that_lie_beside(tmp_path: Path, beside: list[str] | None) -> None:
    numbers = [2, 10, 2, 10] if beside is None else [2, 1, 2, 1]
    samples = [{"cls": f"{number}\n".encode(), "png": flat(number)} for number in numbers]
    write_shard(tmp_path / "shards" / "0.tar", samples)
    if beside is not None:
        (tmp_path / "shards" / "classes.json").write_text(json.dumps(beside))
    pictures = load(tmp_path / "shards")
    assert pictures.classes == (("2", "10") if beside is None else ("ten", "two"))
    assert pictures.labels.tolist() == ([0, 1, 0, 1] if beside is None else [1, 0, 1, 0])


def test_captions_are_those_beside_the_pictures(tmp_path: Path) -> None:
    said = ["a boat", "", "two\x00  boats\n", "a boat", ""]
    write_shard(
        tmp_path / "0.tar", [{"png": flat(n), **({"txt": t.encode()} if t else {})} for n, t in enumerate(said)]
    )
    pictures = load(tmp_path / "0.tar", captions=True)
    assert pictures.captions == ("", "a boat", "two boats")
    assert pictures.labels.tolist() == [1, 0, 2, 1, 0]
    assert pictures.ready.captions == {"": 2, "a boat": 2, "two boats": 1}
    assert pictures.commonest(5) == [1, 2]
    assert load(tmp_path / "0.tar").captions == ()


def test_an_index_and_a_memory_save_reading_the_headers(
    tmp_path: Path, shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = sorted(shards.glob("*.tar"))
    plain = look_into(paths)

    def refuse(*given: object, **chosen: object) -> None:
        raise AssertionError("a tar was opened")

    monkeypatch.setattr(tarfile, "open", refuse)
    assert look_into(paths) == plain
    os.utime(paths[2], ns=(1, 1))
    with pytest.raises(DatasetError, match=r"000002\.tar"):
        look_into(paths)
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "open", open_tar)
        write_index(shards, ["a", "b"])
    indexed = look_into(paths)
    assert indexed.names == ("a", "b")
    assert [shard.pictures for shard in indexed.found] == SIZES


def test_the_fingerprint_is_of_what_is_in_the_shards(tmp_path: Path, shards: Path) -> None:
    before = load(shards)
    shards.rename(tmp_path / "elsewhere")
    assert load(tmp_path / "elsewhere").fingerprint == before.fingerprint
    write_index(tmp_path / "elsewhere")
    indexed = load(tmp_path / "elsewhere")
    assert indexed.fingerprint == load(tmp_path / "elsewhere", seed=1).fingerprint
    assert indexed.key != load(tmp_path / "elsewhere", seed=1).key
    write_shard(tmp_path / "elsewhere" / "000003.tar", [{"png": flat(number)} for number in range(30)])
    changed = load(tmp_path / "elsewhere")
    assert changed.fingerprint != indexed.fingerprint
    assert len(changed) == TOTAL + 28, "a shard of another size than the index says is looked into"


def damaged_at(places: set[int], count: int) -> list[dict[str, bytes]]:
    return [{"png": BROKEN if n in places else flat(n)} for n in range(count)]


def test_the_nearest_stands_in_for_a_broken_picture_and_it_is_told_once(tmp_path: Path) -> None:
    write_shard(tmp_path / "shards" / "0.tar", damaged_at({1, 3, 4, 7}, 8))
    write_shard(tmp_path / "shards" / "1.tar", damaged_at({0}, 8))
    for _ in range(2):  # decoded, and found in the cache
        told: list[DataEvent] = []
        pictures = load(tmp_path / "shards", on_event=told.append, shuffle=8)
        for _ in range(2):
            assert values(pictures.at([*range(16)])) == [0, 0, 2, 2, 5, 5, 6, 6, 1, *range(1, 8)]
        ready = next(event for event in told if isinstance(event, DatasetReady))
        later = [event for event in told if isinstance(event, Damaged)]
        first = {name.partition("/")[0] for name, _ in ready.skipped}
        assert len(later) == 1
        assert {*first, later[0].shard.name} == {"0.tar", "1.tar"}
        names = [name for name, _ in later[0].broken] + [name.partition("/")[2] for name, _ in ready.skipped]
        assert sorted(names) == ["000000.png", "000001.png", "000003.png", "000004.png", "000007.png"]
        assert all("not a picture" in why or "broken" in why for _, why in (*ready.skipped, *later[0].broken))


def test_small_pictures_are_counted_and_no_damage(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.tar", [{"png": flat(n, side=4 if n < 3 else 8)} for n in range(8)])
    told: list[DataEvent] = []
    assert load(tmp_path / "0.tar", on_event=told.append).ready.enlarged == 3
    assert not any(isinstance(event, Damaged) for event in told)


def refused(path: Path, match: str, kind: type[Exception] = DatasetError, **chosen: object) -> None:
    def read_all() -> None:
        pictures = load(path, **chosen)  # type: ignore[arg-type]
        pictures.at([*range(len(pictures))])

    with pytest.raises(kind, match=match):
        read_all()


def test_shards_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_shards(tmp_path, [4, 4])
    bad = tmp_path / "000001.tar"
    whole = bad.read_bytes()
    for content in (b"", b"no tar at all" * 100, bytes(10240), b"\x1f\x8b" + bytes(2000)):
        bad.write_bytes(content)
        refused(tmp_path, r"000001\.tar")
    write_shard(bad, damaged_at({0, 1, 2}, 3))
    refused(tmp_path, r"No picture in .*000001\.tar can be read")
    write_shard(bad, [{"json": b"{}", "txt": b"text"}])
    refused(tmp_path, r"000001\.tar holds no pictures")
    bad.write_bytes(whole)
    write_index(tmp_path)
    at = whole.index(b"IHDR")
    bad.write_bytes(whole[:at] + b"X" + whole[at + 1 :])
    refused(tmp_path, r"000001\.tar is not the shard that shards\.json tells of")
    bad.write_bytes(whole)
    index = json.loads((tmp_path / "shards.json").read_text())
    index["shards"]["000001.tar"]["pictures"] = 3
    (tmp_path / "shards.json").write_text(json.dumps(index))
    refused(tmp_path, r"000001\.tar has 4 pictures, and had 3")


@pytest.mark.parametrize("indexed", [False, True])
def test_a_shard_that_vanishes_or_changes_meanwhile_is_refused(tmp_path: Path, indexed: bool) -> None:
    first, second = write_shards(tmp_path, [4, 4])
    if indexed:
        write_index(tmp_path)
    pictures = load(tmp_path, shuffle=4)
    (later,) = {0, 4} - {int(pictures.sample(9)[0])}
    (first, second)[later // 4].rename(tmp_path / "away")
    with pytest.raises(DatasetError, match=r"\.tar cannot be read: No such file"):
        pictures.at([later])
    write_shard((first, second)[later // 4], [{"png": flat(9)}] * 4)
    with pytest.raises(DatasetError, match="changed"):
        pictures.at([later])


def test_a_tar_that_is_cut_short_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "0.tar", [{"png": flat(n), "cls": b"1"} for n in range(5)])
    whole = shard.read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    for length in range(512, end, 256):
        shard.write_bytes(whole[:length])
        refused(tmp_path / "0.tar", r"0\.tar is not a whole tar")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 6000), new=st.binary(min_size=1, max_size=20))
def test_a_damaged_tar_is_read_or_refused(tmp_path: Path, at: int, new: bytes) -> None:
    shard = write_shard(tmp_path / "0.tar", [{"png": flat(n), "cls": b"1", "txt": b"text"} for n in range(5)])
    whole = shard.read_bytes()
    shard.write_bytes(whole[:at] + new + whole[at + len(new) :])
    try:
        found = look_into([shard]).found[0]
    except DatasetError as error:
        told = error.message
    else:
        told = f"{shard} has {found.pictures} pictures"
        assert len(list(pictures_in(shard))) == found.pictures
    assert str(shard) in told


def header(name: str, **changes: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return info


def test_nothing_but_plain_files_is_taken_and_nothing_is_unpacked(tmp_path: Path, artgan_cache: Path) -> None:
    (tmp_path / "secret.png").write_bytes(flat(99))
    odd = [
        header("link.png", type=tarfile.SYMTYPE, linkname=str(tmp_path / "secret.png")),
        header("hard.png", type=tarfile.LNKTYPE, linkname="0.png"),
        header("device.png", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        header("pipe.png", type=tarfile.FIFOTYPE),
        header("folder.png", type=tarfile.DIRTYPE),
        header("empty.png"),
    ]
    with tarfile.open(tmp_path / "0.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for info in odd:
            tar.addfile(info)
        for number, name in enumerate(["/etc/0.png", "../../1.png", "a" * 300 + "/2.png", "3.front.PNG", "._4.png"]):
            tar.addfile(header(name, size=len(flat(number))), io.BytesIO(flat(number)))
        tar.addfile(header("5.png", size=len(flat(5)), pax_headers={"comment": "x" * 5000}), io.BytesIO(flat(5)))
    before = set(tmp_path.rglob("*"))
    pictures = load(tmp_path / "0.tar", labels="none")
    assert values(pictures.at([*range(len(pictures))])) == [0, 1, 2, 3, 5]
    assert {path for path in tmp_path.rglob("*") if artgan_cache not in path.parents} - before == set()
    assert {path.parent.name for path in artgan_cache.rglob("*") if path.is_file()} == {"shards", "digests"}


def with_second_header(tar: bytes, size: bytes, kind: bytes) -> bytes:
    """A tar whose second file says that it has another size and is of another kind."""
    content = bytearray(tar)
    second = 512 + -(-len(flat(0)) // 512) * 512  # where the header of the second file begins
    content[second + 124 : second + 136] = size.ljust(12, b"\0")[:12]
    content[second + 156 : second + 157] = kind
    content[second + 148 : second + 156] = b" " * 8
    checksum = sum(content[second : second + 512])
    content[second + 148 : second + 156] = f"{checksum:06o}\0 ".encode()
    return bytes(content)


@pytest.mark.parametrize("size", [b"-1000\0", b"\xff" * 10 + b"\xfa\x00", b"\x80" + b"\x7f" * 11, b"77777777777\0"])
@pytest.mark.parametrize("kind", [b"0", b"x", b"L"])
def test_a_size_that_is_a_lie_ends_nothing_but_the_tar(tmp_path: Path, size: bytes, kind: bytes) -> None:
    shard = write_shard(tmp_path / "0.tar", [{"png": flat(n)} for n in range(5)])
    shard.write_bytes(with_second_header(shard.read_bytes(), size, kind))
    refused(tmp_path / "0.tar", r"0\.tar is not a whole tar")


def test_no_more_of_a_header_is_read_than_one_can_need(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "0.tar", [{"png": flat(n)} for n in range(5)])
    shard.write_bytes(with_second_header(shard.read_bytes(), b"00007777777\0", b"x"))
    os.truncate(shard, 1 << 22)  # so much would be there
    refused(tmp_path / "0.tar", "a header of more than 1 MiB")


@pytest.mark.parametrize(
    "damage",
    ["", "[", "[]", "null", "{}", '{"version": 2, "classes": [], "shards": {}}', "[" * 100_000]
    + [
        json.dumps({"version": 1, "classes": [], "shards": {"000000.tar": {"bytes": 10240, **entry}}})
        for entry in (
            {},
            {"digest": "0", "pictures": -1, "labels": None, "captions": None},
            {"digest": "0", "pictures": 4, "labels": [0, 1], "captions": None},
            {"digest": "0", "pictures": 4, "labels": [0, 1, 2, "3"], "captions": None},
            {"digest": "0", "pictures": 4, "labels": None, "captions": [1, 2, 3, 4]},
            {"digest": "../x", "pictures": 4, "labels": None, "captions": None},
            {"digest": "0", "pictures": 2**70, "labels": None, "captions": "x"},
        )
    ]
    + ['{"version": 1, "classes": "ab", "shards": {}}', '{"version": 1, "classes": [1], "shards": []}'],
)
def test_a_damaged_index_is_named(tmp_path: Path, damage: str) -> None:
    write_shards(tmp_path, [4, 4])
    assert (tmp_path / "000000.tar").stat().st_size == 10240
    (tmp_path / "shards.json").write_text(damage)
    refused(tmp_path, r"shards\.json does not tell of shards")


def test_settings_and_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    samples = [{"png": flat(n), "cls": b"0" if n < 2 else b"7"} for n in range(4)]
    write_shard(tmp_path / "0.tar", samples)
    refused(tmp_path, "balanced", SettingError, balanced=True)
    refused(tmp_path, "table of labels", SettingError, labels="labels.csv")
    refused(tmp_path, "has a caption", captions=True)
    (tmp_path / "classes.json").write_text('["only"]')
    refused(tmp_path, "is of class 7")
    (tmp_path / "classes.json").unlink()
    write_shard(tmp_path / "0.tar", [*samples, {"png": flat(4)}, {"png": flat(5), "cls": b"cat"}])
    refused(tmp_path, "2 of 6 pictures")
    assert len(load(tmp_path, labels="none")) == 6
    write_shard(tmp_path / "0.tar", samples[:3])
    refused(tmp_path, "at least 4")


def test_reading_tells_how_far_it_is_and_can_be_stopped(shards: Path, artgan_cache: Path) -> None:
    told: list[DataEvent] = []

    def should_stop() -> bool:
        return any(isinstance(event, DecodeProgress) for event in told)

    settings = DataSettings(resolution=8, shuffle=16)
    with pytest.raises(Interrupted):
        load_pictures(shards, settings, 0, told.append, should_stop)
    assert [*artgan_cache.glob("shards/.*.tmp")] == []
    told.clear()
    load_pictures(shards, settings, 0, told.append)
    steps = [event for event in told if isinstance(event, DecodeProgress)]
    assert steps[-1].done == steps[-1].total >= 16
    assert isinstance(told[-1], DatasetReady)


def test_the_cache_is_listed_and_cleared(shards: Path, artgan_cache: Path) -> None:
    pictures = load(shards, labels="none")
    pictures.at([*range(TOTAL)])
    (entry,) = list_cache()
    assert (entry.source, entry.pictures, entry.shape) == (str(shards.resolve()), TOTAL, "8x8x3")
    assert entry.bytes == TOTAL * 8 * 8 * 3
    assert clear_cache() >= entry.bytes
    assert list_cache() == []
    assert values(pictures.batch(0, TOTAL)[0]) == values(load(shards).batch(0, TOTAL)[0]), "it is decoded again"


HOLD = """
import fcntl, pathlib, sys
file = pathlib.Path(sys.argv[1])
with file.with_suffix(".lock").open("w") as held:
    fcntl.flock(held, fcntl.LOCK_EX)
    print("held", flush=True)
    if sys.stdin.readline().strip() == "decode":
        file.write_bytes(bytes([7]) * int(sys.argv[2]))
"""


@pytest.mark.parametrize("word", ["decode", "die"])
def test_one_process_decodes_and_the_other_waits(tmp_path: Path, artgan_cache: Path, word: str) -> None:
    write_shards(tmp_path, [6])
    shards = DecodedShards(look_into([tmp_path / "000000.tar"]).found, DataSettings(resolution=8), 10**9, silent)
    file = shards._file(0)
    file.parent.mkdir()
    command = [sys.executable, "-c", HOLD, str(file), str(6 * 8 * 8 * 3)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        found: list[Any] = []
        waiting = threading.Thread(target=lambda: found.append(shards.read([0, 5])))
        waiting.start()
        time.sleep(0.05)
        assert waiting.is_alive()
        assert not found
        if word == "decode":
            other.stdin.write("decode\n")
            other.stdin.flush()
        else:
            other.kill()
        waiting.join(10)
    assert found[0][:, 0, 0].tolist() == ([[7, 7, 7]] * 2 if word == "decode" else [[0, 0, 0], [5, 0, 0]])


BOTH = """
import sys
from pathlib import Path
from artgan.config import DataSettings
from artgan.data.shard_cache import DecodedShards
from artgan.data.shards import look_into
found = look_into(sorted(Path(sys.argv[1]).glob("*.tar"))).found
shards = DecodedShards(found, DataSettings(resolution=8), 10**9, print)
decode, done = shards._decode, []
shards._decode = lambda number, *rest: (done.append(number), decode(number, *rest))
print("ready", flush=True)
sys.stdin.readline()
pixels = shards.read([*range(60)])
print(done, pixels[:, 0, 0, 0].tolist() == [*range(60)])
"""


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    write_shards(tmp_path, [6] * 10)
    command = [sys.executable, "-c", BOTH, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both: list[Any] = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].strip() for process in both]
    assert all(text.endswith("True") for text in told)
    decoded = [json.loads(text.removesuffix("True")) for text in told]
    assert sorted(decoded[0] + decoded[1]) == list(range(10))
