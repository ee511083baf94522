"""The sets that textbooks train on, as folders of pictures. torchvision reads (and, when told to, fetches) them."""

import contextlib
import functools
import hashlib
import io
import json
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from artgan.curation.begun import begin, finish, refuse_unfit, watched
from artgan.curation.report import Progress
from artgan.engine.images import decode, quiet_decoding
from artgan.engine.storage import atomic_write, cache_folder
from artgan.errors import ArtganError, DatasetError, UsageError

Name = Literal["mnist", "fashion-mnist", "cifar10", "celeba"]
Part = Literal["train", "test"]
TEXTBOOK: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True)
class _Known:
    """What artgan knows of a set.

    Attributes:
        dataset: the class in torchvision.datasets.
        url: where its files come from.
        megabytes: of them, as they are fetched.
        folder: in which torchvision looks for them, inside its root.
        files: that have to be there.
        fetched: the files that come, inside the root, as a pattern.
        classes: the folders of its classes, in the order of its labels; none when all pictures lie together.
    """

    dataset: str
    url: str
    megabytes: int
    folder: str
    files: tuple[str, ...]
    fetched: str
    classes: tuple[str, ...]


_IDX = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
_FASHION = ("t-shirt-top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
_CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
_LISTS = (
    *("list_attr_celeba.txt", "identity_CelebA.txt", "list_bbox_celeba.txt"),
    *("list_landmarks_align_celeba.txt", "list_eval_partition.txt"),
)
_FACES = "img_align_celeba"
_KNOWN: dict[Name, _Known] = {
    "mnist": _Known(
        dataset="MNIST",
        url="https://ossci-datasets.s3.amazonaws.com/mnist/",
        megabytes=12,
        folder="MNIST/raw",
        files=_IDX,
        fetched="MNIST/raw/*.gz",
        classes=tuple("0123456789"),
    ),
    "fashion-mnist": _Known(
        dataset="FashionMNIST",
        url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        megabytes=31,
        folder="FashionMNIST/raw",
        files=_IDX,
        fetched="FashionMNIST/raw/*.gz",
        classes=_FASHION,
    ),
    "cifar10": _Known(
        dataset="CIFAR10",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        megabytes=170,
        folder="cifar-10-batches-py",
        files=_BATCHES,
        fetched="cifar-10-python.tar.gz",
        classes=_CIFAR,
    ),
    "celeba": _Known(
        dataset="CelebA",
        url="http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        megabytes=1490,
        folder="celeba",
        files=(*_LISTS, _FACES),
        fetched="celeba/*",
        classes=(),
    ),
}


@dataclass(frozen=True)
class Exported:
    """A set that was written: its folder, how many pictures it has, and its class folders."""

    folder: Path
    pictures: int
    classes: tuple[str, ...]


def export_textbook(
    name: Name,
    dst: str | Path,
    *,
    root: str | Path | None = None,
    download: bool = False,
    part: Part = "train",
    on_event: Callable[[Progress], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Exported:
    """Write a set of the textbooks as class folders of PNGs, with a manifest.

    Pixels are those of the set, grey ones in grey. CelebA has forty attributes for each face and no classes, so its
    faces go into one folder, as the JPEGs that they are; it is for research that is not commercial.

    CIFAR-10 comes as pickles, which may run code when they are read. torchvision reads none before the MD5 of each is
    that of the published file, and to make another file of a given MD5 is beyond anybody's means.

    Args:
        name: of the set, one of TEXTBOOK.
        dst: a folder that does not exist, is empty, or holds what an interrupted export of the same left.
        root: the folder that holds the files of the set as torchvision lays them; by default one in artgan's cache.
        download: fetch files that are missing into `root`; without it nothing is ever fetched.
        part: that the authors of the set meant for training, or for testing; CelebA's third part is left out.
        on_event: called as megabytes come ("Fetching") and as pictures are written ("Writing").
        should_stop: asked between pictures; True ends the work, and the same call goes on.

    Raises:
        UsageError: there is no such set, or `dst` holds something else.
        DatasetError: files are missing, cannot be fetched, or are not those that were published.
        StorageError: the disk is full or `dst` cannot be written.
        Interrupted: it was stopped.
    """
    if name not in _KNOWN or part not in get_args(Part):
        problem = f"There is no part {part!r}" if name in _KNOWN else f"There is no set {name!r}"
        raise UsageError(f"{problem}.", f"Sets are {', '.join(TEXTBOOK)}; parts are {', '.join(get_args(Part))}.")
    known, folder = _KNOWN[name], Path(dst)
    place = cache_folder() / "textbook" if root is None else Path(root)
    refuse_unfit(folder)
    data = _opened(name, place, part, download, _Asked(on_event, should_stop, place, known))
    files = [place / known.folder / file for file in known.files if file != _FACES]
    begin(folder, {"from": name, "part": part, "files": _digest(files)})
    lines = []
    with quiet_decoding():
        for index in range(len(data)):
            lines.append(_exported(data, index, f"{name}/{part}/{index}", known, folder))
            watched(on_event, should_stop, "Writing", index + 1, len(data))
    finish(folder, lines)
    return Exported(folder, len(lines), known.classes)


def _opened(name: Name, root: Path, part: Part, download: bool, asked: "_Asked") -> Any:
    """The data set of torchvision, checked: its files are there, and there is a known label for each picture."""
    from artgan.engine.vision import torchvision

    known = _KNOWN[name]
    missing = [file for file in known.files if not (root / known.folder / file).exists()]
    if missing and not download:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DatasetError(
            f"{name} is not whole in {root}: there is no {known.folder}/{missing[0]}{more}; "
            f"all of it is about {known.megabytes} MB from {known.url}.",
            "Add --download, or --root DIR with a folder that holds its files.",
        )
    dataset = getattr(torchvision().datasets, known.dataset)
    which = {"split": part} if name == "celeba" else {"train": part == "train"}
    try:
        with asked.instead_of_a_screen(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of NumPy, about how old pickles spell their types
            data = dataset(root, download=download, **which)
        labels = [int(label) for label in data.targets] if known.classes else []
        if known.classes and not (len(labels) == len(data) and set(labels) <= set(range(len(known.classes)))):
            raise ValueError("its labels do not fit its pictures")
    except ArtganError:
        raise
    except Exception as error:  # torchvision meets a bad file or line with whatever it stumbles over
        reason = "a file is damaged, or another one" if "download=True" in str(error) else _reason(error)
        if missing:
            problem = f"{name} cannot be fetched from {known.url}: {reason}."
            hint = f"Check the connection, or fetch its files by hand into {root}."
        else:
            problem = f"{root / known.folder} does not hold {name} as it was published: {reason}."
            hint = "Remove that folder and add --download, or give --root DIR with one that holds the original files."
        raise DatasetError(problem, hint) from error
    return data


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:160].rstrip(".") or type(error).__name__


class _Asked(io.TextIOBase):
    """What stands for the screen while torchvision fetches: its bar is drawn nowhere, and each stroke is an event.

    Nothing else runs meanwhile, so it is also where to ask whether to stop.
    """

    def __init__(
        self, on_event: Callable[[Progress], None], should_stop: Callable[[], bool], root: Path, known: _Known
    ) -> None:
        self._watch = functools.partial(watched, on_event, should_stop, "Fetching")
        self._root, self._known = root, known
        self._thread = threading.get_ident()

    @contextlib.contextmanager
    def instead_of_a_screen(self) -> Iterator[None]:
        self._screen = sys.stdout, sys.stderr
        with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
            yield

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:  # tqdm has another one, which draws bars that stand still
            there = sum(path.stat().st_size for path in self._root.glob(self._known.fetched) if path.is_file())
            out, err = self._screen
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):  # whoever is told may use the screen
                self._watch(min(there // 1_000_000, self._known.megabytes), self._known.megabytes)
        return len(text)


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def _exported(data: Any, index: int, file: str, known: _Known, folder: Path) -> str:
    """Write one picture unless an earlier run did; returns its line of the manifest."""
    digits = len(str(len(data) - 1))
    label = known.classes[int(data.targets[index])] if known.classes else None
    output = f"{label}/{index:0{digits}d}.png" if label is not None else str(data.filename[index])
    try:
        earlier = _written(folder / output)
        content = earlier or _content(data, index, known)
        width, height = decode(content).size
    except DatasetError as error:
        raise DatasetError(f"{file} ({output}) cannot be read: {error.message}.", error.hint) from error
    if earlier is None:
        atomic_write(folder / output, content, durable=False)
    entry = {
        "file": file,
        "status": "kept",
        "class": label,
        "output": output,
        "sha256": hashlib.sha256(content).hexdigest(),
        "width": width,
        "height": height,
    }
    return json.dumps(entry) + "\n"


def _written(path: Path) -> bytes | None:
    """What an earlier run wrote; nothing unless it is whole, for a power cut may leave less."""
    try:
        content = path.read_bytes()
        decode(content)
    except (OSError, DatasetError):
        return None
    return content


def _content(data: Any, index: int, known: _Known) -> bytes:
    """One picture as a file: its own, or a PNG of its pixels.

    Raises:
        DatasetError: it cannot be read, or has no pixels.
    """
    try:
        if not known.classes:
            return (Path(data.root) / known.folder / _FACES / str(data.filename[index])).read_bytes()
        buffer = io.BytesIO()
        data[index][0].save(buffer, "PNG")
    except Exception as error:  # as in `_opened`
        raise DatasetError(_reason(error), "Give the files of the set as they were published.") from error
    return buffer.getvalue()
