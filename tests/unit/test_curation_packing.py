"""Sets in one zip, and in shards that are read back by the convention of WebDataset."""

import errno
import hashlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artgan.curation.begun import MANIFEST, PAGE
from artgan.curation.packing import CLASSES, INDEX, Sample, pack_shards, pack_zip
from artgan.curation.report import Progress
from artgan.data.shards import check_unchanged, look_into
from artgan.data.sources import scan
from artgan.errors import DatasetError, Interrupted, StorageError, UsageError
from tests.curating import make, tree

FILES = {
    "cats/a.png": b"\x89PNG a",
    "cats/b. v1.5.jpg": b"\xff\xd8 b",
    "cats/grün.jpeg": b"\xff\xd8 c",
    "dogs/a.png": b"\x89PNG another a",
    "dogs/twin.png": b"\x89PNG a",
    MANIFEST: b'{"file": "x"}\n' * 50,
    PAGE: b"<html>" * 50,
}
OUTPUTS = [name for name in FILES if "/" in name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "set", FILES)


def sample(folder: Path, output: str, *, split: str | None = None, caption: str | None = None) -> Sample:
    digest = hashlib.sha256((folder / output).read_bytes()).hexdigest()
    label = output.split("/", maxsplit=1)[0] if "/" in output else None
    return Sample(output, label, caption, split, digest, {"file": f"src/{output}", "output": output})


def samples(folder: Path) -> list[Sample]:
    return [sample(folder, output) for output in OUTPUTS]


def grouped(shard: Path) -> dict[str, dict[str, bytes]]:
    """Samples of a shard as WebDataset has them: neighbours with one key, split at the first dot of the last part."""
    found: dict[str, dict[str, bytes]] = {}
    before = None
    with tarfile.open(shard) as tar:
        for member in tar:
            split = re.fullmatch(r"((?:.*/)?[^./]+)\.([^/]*)", member.name)
            content = tar.extractfile(member)
            assert split is not None
            assert content is not None
            assert split[1] == before or split[1] not in found, "files of one sample lie apart"
            assert split[2] not in found.setdefault(split[1], {}), "two files have one name"
            found[split[1]][split[2]] = content.read()
            before = split[1]
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_zip_holds_what_the_folder_holds(folder: Path, tmp_path: Path) -> None:
    pack_zip(folder, tmp_path / "new" / "set.zip", list(FILES))
    with zipfile.ZipFile(tmp_path / "new" / "set.zip") as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES
        assert archive.namelist() == sorted(FILES)
        kinds = {info.filename: info.compress_type for info in archive.infolist()}
    assert {name for name, kind in kinds.items() if kind == zipfile.ZIP_STORED} == set(OUTPUTS)
    assert {name for name, kind in kinds.items() if kind == zipfile.ZIP_DEFLATED} == {MANIFEST, PAGE}
    assert names(tmp_path / "new") == ["set.zip"]


def test_a_zip_is_read_by_the_trainer_like_the_folder(folder: Path, tmp_path: Path) -> None:
    pack_zip(folder, tmp_path / "set.zip", list(FILES))
    one, two = scan(folder), scan(tmp_path / "set.zip")
    assert [(file.name, file.label) for file in one.files] == [(file.name, file.label) for file in two.files]
    assert one.classes == two.classes == ("cats", "dogs")
    assert two.passed_over == ()
    read = two.reader()
    assert {file.name: read(file) for file in two.files} == {name: FILES[name] for name in OUTPUTS}


def test_the_same_set_gives_the_same_bytes_whenever_and_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "elsewhere" / "set", dict(reversed(FILES.items())))
    for number, path in enumerate(other.rglob("*")):
        os.utime(path, (1_000_000_000 + number, 1_500_000_000 + number))
        path.chmod(0o700)
    pack_zip(folder, tmp_path / "one.zip", list(FILES))
    pack_zip(other, tmp_path / "two.zip", list(reversed(FILES)))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    pack_shards(folder, tmp_path / "one", samples(folder), 20_000)
    pack_shards(other, tmp_path / "two", list(reversed(samples(other))), 20_000)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert len(tree(tmp_path / "one")) >= 4


def test_shards_hold_each_picture_once_with_its_class_caption_and_line(folder: Path, tmp_path: Path) -> None:
    told = [sample(folder, output, caption="ein Hündchen" if "dogs" in output else None) for output in OUTPUTS]
    (shard,) = pack_shards(folder, tmp_path / "shards", told)
    assert shard == tmp_path / "shards" / "000000.tar"
    assert names(tmp_path / "shards") == ["000000.tar", CLASSES, MANIFEST, PAGE, INDEX]
    assert (tmp_path / "shards" / MANIFEST).read_bytes() == FILES[MANIFEST]
    assert json.loads((tmp_path / "shards" / CLASSES).read_text(encoding="utf-8")) == ["cats", "dogs"]
    found = {json.loads(files["json"])["output"]: files for files in grouped(shard).values()}
    assert found.keys() == set(OUTPUTS)
    for output, files in found.items():
        (picture,) = files.keys() & {"png", "jpg"}
        assert picture == ("png" if output.endswith("png") else "jpg")
        assert files[picture] == FILES[output]
        assert files["cls"] == (b"0" if output.startswith("cats/") else b"1")
        assert files.get("txt") == ("ein Hündchen".encode() if "dogs" in output else None)
        assert json.loads(files["json"]) == {"file": f"src/{output}", "output": output}
    with tarfile.open(shard) as tar:
        kinds = {(info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode, info.type) for info in tar}
    assert kinds == {(0, 0, 0, "", "", 0o644, tarfile.REGTYPE)}


def test_without_classes_or_a_report_there_is_nothing_about_them(tmp_path: Path) -> None:
    folder = make(tmp_path / "set", {"a.png": b"1"})
    (shard,) = pack_shards(folder, tmp_path / "shards", [sample(folder, "a.png")])
    assert [sorted(files) for files in grouped(shard).values()] == [["json", "png"]]
    assert names(tmp_path / "shards") == ["000000.tar", INDEX]
    index = json.loads((tmp_path / "shards" / INDEX).read_text())
    assert index["classes"] == []
    assert {index["shards"]["000000.tar"][told] for told in ("labels", "captions")} == {None}


@pytest.mark.parametrize("limit", [1, 20_000, 50_000])
def test_no_shard_is_larger_than_asked_unless_one_picture_is(tmp_path: Path, limit: int) -> None:
    draw = np.random.default_rng(0)
    files = {f"{kind}/{n}.png": draw.bytes(int(draw.integers(1, 9000))) for kind in "ab" for n in range(20)}
    folder = make(tmp_path / "set", {**files, "b/large.png": draw.bytes(60_000)})
    told = [sample(folder, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*.png"))]
    shards = pack_shards(folder, tmp_path / "shards", told, limit)
    assert [shard.name for shard in shards] == [f"{n:06d}.tar" for n in range(len(shards))]
    held = [grouped(shard) for shard in shards]
    assert sorted(json.loads(one["json"])["output"] for found in held for one in found.values()) == sorted(
        one.output for one in told
    )
    keys = [key for found in held for key in found]
    assert len(set(keys)) == len(keys) == 41
    for shard, found in zip(shards, held, strict=True):
        assert shard.stat().st_size <= limit or len(found) == 1
    full = [shard.stat().st_size for shard in shards if shard.stat().st_size <= limit]
    if limit > 1:  # none is left half empty for nothing: no picture but the large one needs 20 blocks
        assert min(full[:-1]) > limit - 2 * tarfile.RECORDSIZE - 12_000


def test_classes_are_mixed_over_the_shards(tmp_path: Path) -> None:
    files = {f"{kind}/{n:03d}.png": f"{kind}{n}".encode() for kind in ("a", "b") for n in range(200)}
    folder = make(tmp_path / "set", files)
    shards = pack_shards(folder, tmp_path / "shards", [sample(folder, output) for output in files], 100_000)
    assert len(shards) > 4
    order = [one["cls"] for shard in shards for one in grouped(shard).values()]
    changes = sum(one != two for one, two in itertools.pairwise(order))
    assert 150 < changes < 250  # 199.5 of a fair coin, with a deviation of 10; sorted by class there is one


def test_parts_of_a_set_have_shards_of_their_own(folder: Path, tmp_path: Path) -> None:
    told = [sample(folder, output, split="val" if "dogs" in output else "train") for output in OUTPUTS]
    shards = pack_shards(folder, tmp_path / "shards", told)
    inside = {shard.name: {json.loads(one["json"])["output"] for one in grouped(shard).values()} for shard in shards}
    assert inside == {
        "train-000000.tar": {output for output in OUTPUTS if "cats" in output},
        "val-000000.tar": {"dogs/a.png", "dogs/twin.png"},
    }
    assert json.loads((tmp_path / "shards" / CLASSES).read_text()) == ["cats", "dogs"]
    small = pack_shards(folder, tmp_path / "small", told, 1)
    assert [shard.name for shard in small] == [
        *("train-000000.tar", "train-000001.tar", "train-000002.tar", "val-000000.tar", "val-000001.tar")
    ]


@pytest.mark.parametrize("limit", [1, 1_000_000])
def test_the_index_says_what_reading_all_shards_would_say(folder: Path, tmp_path: Path, limit: int) -> None:
    (folder / "loose.png").write_bytes(b"\x89PNG loose")
    told = [sample(folder, output, caption="Hündchen" if "dogs" in output else None) for output in OUTPUTS]
    shards = pack_shards(folder, tmp_path / "shards", [*told, sample(folder, "loose.png")], limit)
    index = json.loads((tmp_path / "shards" / INDEX).read_text(encoding="utf-8"))
    assert (index["version"], index["classes"]) == (1, ["cats", "dogs"])
    assert list(index["shards"]) == [shard.name for shard in shards]
    assert len(shards) == (len(OUTPUTS) + 1 if limit == 1 else 1)
    for shard in shards:
        entry, found = index["shards"][shard.name], list(grouped(shard).values())
        assert entry["bytes"] == shard.stat().st_size
        assert entry["digest"] == hashlib.blake2b(shard.read_bytes(), digest_size=16).hexdigest()
        assert entry["pictures"] == len(found)
        numbers = [int(files.get("cls", b"-1")) for files in found]
        captions = [files.get("txt", b"").decode() for files in found]
        assert entry["labels"] == (numbers if set(numbers) != {-1} else None)
        assert entry["captions"] == (captions if set(captions) != {""} else None)
    labels = [entry["labels"] for entry in index["shards"].values()]
    if limit == 1:
        assert sorted(map(str, labels)) == ["None", "[0]", "[0]", "[0]", "[1]", "[1]"]
    else:
        assert sorted(labels[0]) == [-1, 0, 0, 0, 1, 1]


def test_the_trainer_reads_the_index_as_it_is_meant(folder: Path, tmp_path: Path) -> None:
    told = [sample(folder, output, caption="Hündchen" if "dogs" in output else None) for output in OUTPUTS]
    shards = pack_shards(folder, tmp_path / "shards", told)
    by_index = look_into(shards)
    (tmp_path / "shards" / INDEX).unlink()
    by_headers = look_into(shards)
    assert by_index.names == by_headers.names == ("cats", "dogs")
    (one,), (other,) = by_index.found, by_headers.found
    assert (one.exact, other.exact) == (True, False)
    assert (one.pictures, one.labels, one.captions) == (other.pictures, other.labels, other.captions)
    check_unchanged(one)


def zipped(folder: Path, target: Path, **options: Any) -> None:
    pack_zip(folder, target, list(FILES), **options)


def sharded(folder: Path, target: Path, **options: Any) -> None:
    pack_shards(folder, target, samples(folder), 1, **options)


both = pytest.mark.parametrize("pack", [zipped, sharded])


@both
def test_stopping_leaves_nothing_and_the_same_call_does_it_all(
    folder: Path, tmp_path: Path, pack: Callable[..., None]
) -> None:
    told: list[Progress] = []
    with pytest.raises(Interrupted, match="packing, 2 of"):
        pack(folder, tmp_path / "out", on_event=told.append, should_stop=lambda: len(told) == 2)
    assert names(tmp_path) == ["set"]
    assert tree(folder).keys() == FILES.keys()
    told.clear()
    pack(folder, tmp_path / "out", on_event=told.append)
    assert [event.done for event in told] == list(range(1, told[0].total + 1))
    assert names(tmp_path) == ["out", "set"]


@both
def test_what_is_there_is_never_written_over(folder: Path, tmp_path: Path, pack: Callable[..., None]) -> None:
    (tmp_path / "file").write_text("mine")
    make(tmp_path / "filled", {"mine": b"1"})
    for name in ("file", "filled"):
        with pytest.raises(UsageError, match=name):
            pack(folder, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    assert names(tmp_path / "filled") == ["mine"]


def test_shards_may_go_into_an_empty_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    shards = pack_shards(folder, tmp_path / "shards", samples(folder))
    assert all(shard.is_file() for shard in shards)


@both
def test_a_picture_that_is_gone_is_named(folder: Path, tmp_path: Path, pack: Callable[..., None]) -> None:
    def remove(event: Progress) -> None:
        (folder / last).unlink(missing_ok=True)

    last = "dogs/twin.png" if pack is zipped else max(samples(folder), key=lambda one: (one.digest, one.output)).output
    with pytest.raises(DatasetError, match=f"{last} cannot be read any more: No such file"):
        pack(folder, tmp_path / "out", on_event=remove)
    assert names(tmp_path) == ["set"]


@both
def test_a_disk_that_is_full_when_all_is_written_leaves_nothing(
    folder: Path, tmp_path: Path, pack: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="out cannot be written") as caught:
            pack(folder, tmp_path / "out")
    assert "disk space" in caught.value.hint
    assert names(tmp_path) == ["set"]


PACK = (
    "import hashlib, sys, warnings\n"
    "from pathlib import Path\n"
    "from artgan.curation.packing import Sample, pack_shards, pack_zip\n"
    "folder, target = Path(sys.argv[1]), Path(sys.argv[2])\n"
    "outputs = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*.png'))\n"
    "def digest(name): return hashlib.sha256((folder / name).read_bytes()).hexdigest()\n"
    "told = [Sample(name, None, None, None, digest(name), {}) for name in outputs]\n"
    "def pack(**options):\n"
    "    if target.suffix == '.zip': pack_zip(folder, target, outputs, **options)\n"
    "    else: pack_shards(folder, target, told, 1, **options)\n"
)
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX limits and signals")
targets = pytest.mark.parametrize("target", ["out.zip", "out"])


def in_a_process(folder: Path, target: Path, last: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-W", "error", "-c", PACK + last, str(folder), str(target)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@posix
@targets
def test_a_disk_that_fills_up_halfway_is_one_error_and_leaves_nothing(tmp_path: Path, target: str) -> None:
    draw = np.random.default_rng(1)
    folder = make(tmp_path / "set", {f"{n}.png": draw.bytes(3000 + 30_000 * (n == 5)) for n in range(12)})
    limited = (
        "import resource\n"
        "from artgan.errors import StorageError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "try:\n    pack()\n"
        "except StorageError as error:\n    print(error.message, error.hint)\n"
    )
    done = in_a_process(folder, tmp_path / target, limited)
    assert done.stdout.startswith(f"{tmp_path / target} cannot be written: "), done.stderr
    assert "disk space" in done.stdout
    assert done.stderr == ""
    assert names(tmp_path) == ["set"]


@posix
@targets
def test_a_run_killed_while_packing_is_repeated(tmp_path: Path, target: str) -> None:
    folder = make(tmp_path / "set", {f"{n}.png": b"%d" % n for n in range(12)})
    killing = "import os, signal\npack(on_event=lambda event: event.done < 6 or os.kill(os.getpid(), signal.SIGKILL))\n"
    assert in_a_process(folder, tmp_path / target, killing).returncode == -signal.SIGKILL
    (left,) = [path for path in tmp_path.iterdir() if path.name != "set"]
    assert left.name.startswith(f".{target}.")
    done = in_a_process(folder, tmp_path / target, "pack()\n")
    assert done.returncode == 0, done.stderr
    assert names(tmp_path) == sorted(["set", target])
    for other in ("one", "two"):
        (tmp_path / other).mkdir()
    (tmp_path / target).rename(tmp_path / "one" / target)
    assert in_a_process(folder, tmp_path / "two" / target, "pack()\n").returncode == 0
    assert len(tree(tmp_path / "one")) == (1 if target == "out.zip" else 12 + 1)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
