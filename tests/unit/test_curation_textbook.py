"""Sets of the textbooks, from tiny files of their forms, without a network."""

import functools
import gzip
import hashlib
import http.server
import os
import pickle
import shutil
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image

from artgan.curation.begun import BEGUN, MANIFEST
from artgan.curation.report import Progress
from artgan.curation.textbook import TEXTBOOK, Name, Part, export_textbook
from artgan.data.sources import scan
from artgan.engine.vision import torchvision
from artgan.errors import DatasetError, Interrupted, StorageError, UsageError
from tests.curating import manifest, saved, textured, tree

datasets = torchvision().datasets
DIGITS = np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)
LABELS = np.array([3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0], np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (12, 3, 32, 32), np.uint8)


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a socket is opened, except by the tests that fetch."""

    def refuse(*words: object, **options: object) -> NoReturn:
        raise AssertionError("a socket was opened")

    if "server" not in request.fixturenames:
        monkeypatch.setattr(socket, "socket", refuse)


def idx(values: "np.ndarray[Any, np.dtype[np.uint8]]") -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def mnist(root: Path, folder: str = "MNIST") -> Path:
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 12), ("t10k", 5)):
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(DIGITS[:count]))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(LABELS[:count]))
    return root


def cifar(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Batches of two pictures, whose MD5s are taken for those that were published."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    md5 = {}
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        here = slice(2 * number, 2 * number + 2)
        batch = {"data": COLOURS[here].reshape(2, -1), "labels": LABELS[here].tolist()}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["frog"] * 10}))
    for path in folder.iterdir():
        md5[path.name] = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(
        datasets.CIFAR10, "train_list", [[f"data_batch_{n}", md5[f"data_batch_{n}"]] for n in range(1, 6)]
    )
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": md5["batches.meta"]})
    return root


def celeba(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four faces, of which the first three are for training."""
    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{n:06d}.jpg" for n in range(1, 5)]
    for number, name in enumerate(names):
        (folder / "img_align_celeba" / name).write_bytes(saved(textured(number, 178, 218), "JPEG"))
    lists = {
        "list_eval_partition.txt": [f"{name} {2 * (name == names[-1])}" for name in names],
        "identity_CelebA.txt": [f"{name} {n}" for n, name in enumerate(names)],
        "list_bbox_celeba.txt": ["4", "image_id x_1 y_1 width height", *(f"{name} 1 2 3 4" for name in names)],
        "list_landmarks_align_celeba.txt": ["4", "a b", *(f"{name} 1 2" for name in names)],
        "list_attr_celeba.txt": ["4", "Male Smiling", *(f"{name}  1 -1" for name in names)],
    }
    published = []
    for name, lines in lists.items():
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
        published.append(("", hashlib.md5((folder / name).read_bytes()).hexdigest(), name))
    monkeypatch.setattr(datasets.CelebA, "file_list", published)
    return root


def pixels(path: Path) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.mark.parametrize(
    ("name", "folder", "three"), [("mnist", "MNIST", "3"), ("fashion-mnist", "FashionMNIST", "dress")]
)
def test_idx_files_become_grey_pictures_in_class_folders(tmp_path: Path, name: Name, folder: str, three: str) -> None:
    done = export_textbook(name, tmp_path / "set", root=mnist(tmp_path / "root", folder))
    assert (done.folder, done.pictures, len(done.classes)) == (tmp_path / "set", 12, 10)
    lines = manifest(done.folder)
    assert list(lines) == [f"{name}/train/{index}" for index in range(12)]
    for index, line in enumerate(lines.values()):
        label = done.classes[LABELS[index]]
        assert line == {
            "file": f"{name}/train/{index}",
            "status": "kept",
            "class": label,
            "output": f"{label}/{index:02d}.png",
            "sha256": hashlib.sha256((done.folder / line["output"]).read_bytes()).hexdigest(),
            "width": 28,
            "height": 28,
        }
        assert np.array_equal(pixels(done.folder / line["output"]), DIGITS[index])
    assert sorted(path.name for path in (done.folder / three).iterdir()) == ["00.png", "04.png"]
    assert not (done.folder / BEGUN).exists()
    assert scan(done.folder).classes == tuple(sorted(done.classes))


def test_the_other_part_is_there_too(tmp_path: Path) -> None:
    assert export_textbook("mnist", tmp_path / "set", root=mnist(tmp_path / "root"), part="test").pictures == 5


@pytest.mark.parametrize(("part", "first"), [("train", 0), ("test", 10)])
def test_batches_become_pictures_in_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: Part, first: int
) -> None:
    done = export_textbook("cifar10", tmp_path / "set", root=cifar(tmp_path / "root", monkeypatch), part=part)
    lines = manifest(done.folder)
    assert done.pictures == len(lines) == (10 if part == "train" else 2)
    for index, line in enumerate(lines.values()):
        assert line["class"] == done.classes[LABELS[first + index]]
        assert np.array_equal(pixels(done.folder / line["output"]), COLOURS[first + index].transpose(1, 2, 0))
    assert lines["cifar10/train/1" if part == "train" else "cifar10/test/0"]["class"] in ("airplane", "truck")


class Payload:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["data_batch_1", "data_batch_5", "test_batch", "batches.meta"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_batch_that_is_not_the_published_one_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: Part
) -> None:
    root = cifar(tmp_path / "root", monkeypatch)
    hostile = pickle.dumps(Payload(tmp_path / "ran"))
    (root / "cifar-10-batches-py" / name).write_bytes(hostile)
    with pytest.raises(DatasetError, match="as it was published: a file is damaged, or another one") as caught:
        export_textbook("cifar10", tmp_path / "set", root=root, part=part)
    assert "--download" in caught.value.hint
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "set").exists()
    pickle.loads(hostile)
    assert (tmp_path / "ran").exists(), "the pickle was harmless, so nothing was tested"


def test_faces_are_handed_on_as_they_are_without_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = celeba(tmp_path / "root", monkeypatch)
    done = export_textbook("celeba", tmp_path / "set", root=root)
    assert (done.pictures, done.classes) == (3, ())
    outputs = [line["output"] for line in manifest(done.folder).values()]
    assert outputs == ["000001.jpg", "000002.jpg", "000003.jpg"]
    for output in outputs:
        assert (done.folder / output).read_bytes() == (root / "celeba" / "img_align_celeba" / output).read_bytes()
    assert {(line["width"], line["height"], line["class"]) for line in manifest(done.folder).values()} == {
        (178, 218, None)
    }
    assert scan(done.folder).classes == ()


@pytest.mark.parametrize("content", [b"<html>404</html>", None])
def test_a_face_that_is_broken_or_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    root = celeba(tmp_path / "root", monkeypatch)
    path = root / "celeba" / "img_align_celeba" / "000002.jpg"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"celeba/train/1 \(000002\.jpg\) cannot be read: ") as caught:
        export_textbook("celeba", tmp_path / "set", root=root)
    assert ("not a picture" if content else "No such file") in caught.value.message
    assert not (tmp_path / "set" / "000002.jpg").exists()
    assert not (tmp_path / "set" / MANIFEST).exists()


@pytest.mark.parametrize("name", TEXTBOOK)
def test_missing_files_are_named_with_their_place_and_size_and_nothing_is_fetched(
    tmp_path: Path, artgan_cache: Path, name: Name
) -> None:
    for root in (None, tmp_path / "no such folder"):
        with pytest.raises(DatasetError, match=f"{name} is not whole in {root or artgan_cache}") as caught:
            export_textbook(name, tmp_path / "set", root=root)
        assert " MB from http" in caught.value.message
        assert "--download" in caught.value.hint
        assert "--root" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_single_missing_file_is_enough(tmp_path: Path) -> None:
    root = mnist(tmp_path / "root")
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DatasetError, match="there is no MNIST/raw/t10k-labels-idx1-ubyte; all of it is about 12 MB"):
        export_textbook("mnist", tmp_path / "set", root=root)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("images-idx3", b""),
        ("images-idx3", b"<html>404 Not Found</html>"),
        ("images-idx3", idx(DIGITS)[:-1]),
        ("images-idx3", idx(DIGITS[0])),
        ("images-idx3", idx(np.zeros((12, 0, 0), np.uint8))),
        ("images-idx3", struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"x"),
        ("labels-idx1", idx(LABELS[:-1])),
        ("labels-idx1", idx(LABELS + 1)),
        ("labels-idx1", idx(DIGITS)),
    ],
)
def test_files_of_another_form_are_refused_and_nothing_is_written(tmp_path: Path, file: str, content: bytes) -> None:
    root = mnist(tmp_path / "root")
    (root / "MNIST" / "raw" / f"train-{file}-ubyte").write_bytes(content)
    with pytest.raises(DatasetError, match="MNIST/raw does not hold mnist as it was published: "):
        export_textbook("mnist", tmp_path / "set", root=root)
    assert not (tmp_path / "set").exists()


def test_what_old_versions_laid_beside_runs_nothing_and_must_be_pictures(tmp_path: Path) -> None:
    root = mnist(tmp_path / "root")
    (root / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        (root / "MNIST" / "processed" / name).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    with pytest.raises(DatasetError, match="as it was published: "):
        export_textbook("mnist", tmp_path / "set", root=root)
    assert not (tmp_path / "ran").exists()
    for name in ("training.pt", "test.pt"):
        torch.save((["no picture"], [3]), root / "MNIST" / "processed" / name)
    with pytest.raises(DatasetError, match=r"mnist/train/0 \(3/0\.png\) cannot be read: "):
        export_textbook("mnist", tmp_path / "set", root=root)


def test_an_interrupted_export_goes_on_and_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = mnist(tmp_path / "root")
    told: list[Progress] = []
    with pytest.raises(Interrupted, match="writing, 5 of 12"):
        export_textbook("mnist", tmp_path / "set", root=root, on_event=told.append, should_stop=lambda: len(told) == 5)
    assert (tmp_path / "set" / BEGUN).exists()
    assert not (tmp_path / "set" / MANIFEST).exists()
    (tmp_path / "set" / "3" / "00.png").write_bytes(b"")  # as a power cut may leave it
    before = (tmp_path / "set" / "0" / "01.png").stat().st_mtime_ns
    told.clear()
    export_textbook("mnist", tmp_path / "set", root=root, on_event=told.append)
    assert told == [Progress("Writing", done, 12) for done in range(1, 13)]
    assert (tmp_path / "set" / "0" / "01.png").stat().st_mtime_ns == before
    export_textbook("mnist", tmp_path / "other", root=root)
    assert tree(tmp_path / "set") == tree(tmp_path / "other")


def test_what_lies_in_the_folder_decides(tmp_path: Path) -> None:
    root = mnist(tmp_path / "root")
    with pytest.raises(Interrupted):
        export_textbook("mnist", tmp_path / "set", root=root, should_stop=lambda: True)
    with pytest.raises(UsageError, match="begun with other settings or pictures"):
        export_textbook("mnist", tmp_path / "set", root=root, part="test")
    raw = root / "MNIST" / "raw" / "train-images-idx3-ubyte"
    raw.write_bytes(idx(255 - DIGITS))
    with pytest.raises(UsageError, match="begun with other settings or pictures"):
        export_textbook("mnist", tmp_path / "set", root=root)
    raw.write_bytes(idx(DIGITS))
    export_textbook("mnist", tmp_path / "set", root=root)
    with pytest.raises(UsageError, match="holds a finished set"):
        export_textbook("mnist", tmp_path / "set", root=root)
    with pytest.raises(UsageError, match="is not empty"):  # which is said before anything is fetched
        export_textbook("mnist", tmp_path / "root", root=tmp_path / "nothing here", download=True)


@pytest.mark.parametrize(("name", "part"), [("imagenet", "train"), ("mnist", "valid")])
def test_names_that_are_unknown_are_refused(tmp_path: Path, name: Any, part: Any) -> None:
    with pytest.raises(UsageError, match=r"no (set 'imagenet'|part 'valid')") as caught:
        export_textbook(name, tmp_path / "set", part=part)
    assert "cifar10" in caught.value.hint


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file/set"):
        export_textbook("mnist", tmp_path / "file" / "set", root=mnist(tmp_path / "root"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are served in place of MNIST's."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    served = tmp_path / "served"
    served.mkdir()
    resources = []
    for path in sorted((mnist(tmp_path / "origin") / "MNIST" / "raw").iterdir()):
        packed = gzip.compress(path.read_bytes(), mtime=0)
        (served / f"{path.name}.gz").write_bytes(packed)
        resources.append((f"{path.name}.gz", hashlib.md5(packed).hexdigest()))
    shutil.rmtree(tmp_path / "origin")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=served)) as here:
        thread = threading.Thread(target=here.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setattr(datasets.MNIST, "mirrors", [f"http://127.0.0.1:{here.server_port}/"])
        monkeypatch.setattr(datasets.MNIST, "resources", resources)
        monkeypatch.setenv("no_proxy", "*")
        try:
            yield served
        finally:
            here.shutdown()
            thread.join()


@pytest.mark.usefixtures("server")
def test_fetching_is_told_in_events_and_not_on_the_screen(
    tmp_path: Path, artgan_cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[Progress] = []
    export_textbook("mnist", tmp_path / "set", download=True, on_event=told.append)
    assert {event.step for event in told} == {"Fetching", "Writing"}
    assert {event.total for event in told if event.step == "Fetching"} == {12}
    assert capfd.readouterr() == ("", "")
    assert list(artgan_cache.iterdir()) == [artgan_cache / "textbook"]
    shutil.rmtree(artgan_cache)

    def tell(event: Progress) -> None:
        print(event.step, file=sys.stderr if event.done else sys.stdout)

    export_textbook("mnist", tmp_path / "other", download=True, on_event=tell)
    out, err = capfd.readouterr()
    assert set(out.split()) == {"Fetching"}
    assert err.split() == ["Writing"] * 12
    export_textbook("mnist", tmp_path / "again")
    assert tree(tmp_path / "again") == tree(tmp_path / "set")


@pytest.mark.usefixtures("server")
def test_fetching_stops_when_asked_and_goes_on_later(tmp_path: Path) -> None:
    told: list[Progress] = []
    with pytest.raises(Interrupted, match="fetching, 0 of 12"):
        export_textbook("mnist", tmp_path / "set", download=True, on_event=told.append, should_stop=lambda: True)
    assert told == [Progress("Fetching", 0, 12)]
    assert not (tmp_path / "set").exists()
    assert export_textbook("mnist", tmp_path / "set", download=True).pictures == 12


def test_a_server_that_sends_something_else_is_one_error(tmp_path: Path, server: Path) -> None:
    (server / "train-images-idx3-ubyte.gz").write_bytes(b"<html>moved</html>")
    with pytest.raises(DatasetError, match="mnist cannot be fetched from http") as caught:
        export_textbook("mnist", tmp_path / "set", download=True)
    assert "by hand into" in caught.value.hint
    assert "\n" not in caught.value.message
    assert not (tmp_path / "set").exists()


def test_without_a_way_to_fetch_faces_that_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(DatasetError, match=r"celeba cannot be fetched from \S+: .*gdown"):
        export_textbook("celeba", tmp_path / "set", root=tmp_path / "root", download=True)
