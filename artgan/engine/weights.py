"""Weights that artgan can use and does not ship: found on disk, checked before they are read, fetched when asked."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from artgan.engine.storage import atomic_write, sweep
from artgan.errors import UsageError, WeightsError

if TYPE_CHECKING:
    import torch

_CHUNK = 1 << 20
_PATIENCE = 30  # seconds without a byte
_WITHOUT = "artgan's own network, the default, needs none"  # of `score --features` as of `stylize --encoder`


@dataclass(frozen=True)
class Weights:
    """A file of weights that somebody else published.

    Attributes:
        name: what artgan calls it.
        url: where it can be had.
        bytes: its size.
        sha256: digest of its content; the first eight digits stand in its name, as torch hub has it.
        licence: under which it may be used.
        purpose: what it is for.
        files: names it goes by in a torch hub cache; artgan keeps it under the first.
    """

    name: str
    url: str
    bytes: int
    sha256: str
    licence: str
    purpose: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class DownloadProgress:
    """`done` of `total` bytes have come."""

    done: int
    total: int


@dataclass(frozen=True)
class WeightsEntry:
    """One line of the list: the weights, and the file that holds them here, if any; only its size was checked."""

    name: str
    url: str
    bytes: int
    licence: str
    purpose: str
    path: Path | None


WEIGHTS = {
    "inception": Weights(
        "inception",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        95_628_359,
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "Apache-2.0",
        "artgan score --features inception: FID, KID and Inception Score as published",
        # The same file under the names that torch-fidelity and pytorch-fid give it.
        ("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth"),
    ),
    "vgg19": Weights(
        "vgg19",
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        574_673_361,
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        "BSD-3-Clause (torchvision)",
        "artgan score --features vgg19, artgan stylize --encoder vgg19",
        ("vgg19-dcbb9e9d.pth",),
    ),
}


def weights_folder() -> Path:
    """Where artgan keeps downloaded weights: $ARTGAN_WEIGHTS, or the user's data folder."""
    chosen = os.environ.get("ARTGAN_WEIGHTS")
    return Path(chosen) if chosen else platformdirs.user_data_path("artgan") / "weights"


def hub_folder() -> Path:
    """Where torch hub keeps what other tools have downloaded."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser() / "hub" / "checkpoints"


def list_weights() -> list[WeightsEntry]:
    """All weights that artgan can use, and where they are."""
    entries = []
    for known in WEIGHTS.values():
        path = _locate(known)
        there = path if path is not None and path.stat().st_size == known.bytes else None
        entries.append(WeightsEntry(known.name, known.url, known.bytes, known.licence, known.purpose, there))
    return entries


def find_weights(name: str, given: Path | None = None) -> Path:
    """The file that holds the weights `name`, its content checked against the published digest.

    Looks at `given` alone, or else in artgan's own folder and then in the cache of torch hub. Reading half a gigabyte
    to check it takes about a third of a second, so it is done each time.

    Raises:
        UsageError: there are no weights of that name.
        WeightsError: they are not there, or the file is another one or incomplete.
    """
    known = _known(name)
    path = given or _locate(known)
    if path is None:
        raise WeightsError(
            f"The weights of {name} are not here: {known.url} ({size_in_words(known.bytes)}) "
            f"belongs in {weights_folder()}.",
            f"`artgan weights get {name}` fetches them; {_WITHOUT}.",
        )
    found = _digest(path)
    if found != known.sha256:
        raise WeightsError(
            f"{path} does not hold the weights of {name}: its SHA-256 is {found[:8]}..., not {known.sha256[:8]}... "
            f"({path.stat().st_size:,} of {known.bytes:,} bytes).",
            f"Remove it; `artgan weights get {name}` fetches the right one.",
        )
    return path


def get_weights(name: str, on_progress: Callable[[DownloadProgress], None] = lambda progress: None) -> Path:
    """Fetch weights into artgan's own folder unless they are here already; returns the file.

    The file appears when all of it has come and its digest is right; what an interruption leaves is removed.

    Raises:
        UsageError: there are no weights of that name.
        WeightsError: the network or the server fails, or sends something else.
        StorageError: the disk is full or the folder cannot be written.
    """
    known = _known(name)
    for path in _places(known):
        if path.is_file() and _digest(path) == known.sha256:
            return path
    target = weights_folder() / known.files[0]
    sweep(target.parent)
    atomic_write(target, _received(known, on_progress))
    return target


def read_weights(path: Path) -> "dict[str, torch.Tensor]":
    """Named tensors of a .pth or .safetensors file, on the CPU; nothing in the file can run.

    Raises:
        WeightsError: it cannot be read, or holds something else.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged bytes make torch's readers stumble over whatever comes: EOFError, KeyError, UnpicklingError, ...
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise WeightsError(f"{path} cannot be read as weights: {reason}.", "Fetch the file again.") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise WeightsError(f"{path} holds no table of named weights.", "Give the published file.")
    return {str(key): tensor.detach() for key, tensor in tensors.items()}


def size_in_words(count: int) -> str:
    """Bytes as MB, as download pages have it."""
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count:,} bytes"


def _known(name: str) -> Weights:
    if name not in WEIGHTS:
        raise UsageError(f"There are no weights {name!r}.", f"Choose one of: {', '.join(WEIGHTS)}.")
    return WEIGHTS[name]


def _places(known: Weights) -> list[Path]:
    return [folder / file for folder in (weights_folder(), hub_folder()) for file in known.files]


def _locate(known: Weights) -> Path | None:
    return next((path for path in _places(known) if path.is_file()), None)


def _digest(path: Path) -> str:
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise WeightsError(f"There is no file {path}.", "Check the path.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.") from error


def _received(known: Weights, on_progress: Callable[[DownloadProgress], None]) -> Iterator[bytes]:
    """The content of a download, piece by piece; raises at the end when it is not what it should be."""
    digest, done = hashlib.sha256(), 0
    on_progress(DownloadProgress(0, known.bytes))
    for piece in _answer(known):
        done += len(piece)
        if done > known.bytes:
            break
        digest.update(piece)
        yield piece
        on_progress(DownloadProgress(done, known.bytes))
    if digest.hexdigest() != known.sha256:
        what = f"stopped after {done:,} of {known.bytes:,} bytes" if done < known.bytes else "sent another file"
        raise WeightsError(f"{known.url}: the server {what}; nothing was kept.", "Try again, or fetch it by hand.")


def _answer(known: Weights) -> Iterator[bytes]:
    """What the server sends. Its failures become WeightsErrors here, apart from those of the disk."""
    # Some servers refuse the name that urllib gives itself.
    request = urllib.request.Request(known.url, headers={"User-Agent": "artgan"})
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            while piece := answer.read(_CHUNK):
                yield piece
    except urllib.error.HTTPError as error:
        reason = f"the server says {error.code} {error.reason}"
        error.close()
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", "") or error or type(error).__name__)
    else:
        return
    raise WeightsError(
        f"{known.url} cannot be fetched: {reason}.",
        f"Check the connection, or put the file into {weights_folder()} yourself; {_WITHOUT}.",
    )
