"""Files that are whole or absent, and run folders. Knows nothing of torch."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from artgan.errors import CheckpointError, StorageError, UsageError

RUN_NAME = re.compile(r"(\d{5,})-(.+)")
_PREVIEW = re.compile(r"fakes(\d{1,12})\.png")


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

RUNS_HINT = "`artgan runs` lists the runs in ./runs; --runs names another folder."
_MACHINE = hashlib.blake2b(socket.gethostname().encode(), digest_size=4).hexdigest()
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def naming_the_path(path: Path) -> Iterator[None]:
    """Turn an OSError into one sentence that names `path`."""
    try:
        yield
    except OSError as error:
        hint = "Free some disk space." if error.errno in _FULL else "Check the path and its permissions."
        raise StorageError(f"{path} cannot be written: {error.strerror or error}.", hint) from error


def atomic_write(path: Path, data: bytes | str | Iterable[bytes | str], durable: bool = True) -> None:
    """Write a file so that a reader, or a crash at any instant, sees the old file or the new one and nothing between.

    It may come piece by piece, so that a large page need not be in memory at once. With `durable`, it also waits
    until the disk has it, so that a power cut cannot take it back.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    pieces = [data] if isinstance(data, bytes | str) else data
    temporary = beside(path)
    with naming_the_path(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                for piece in pieces:
                    file.write(piece.encode() if isinstance(piece, str) else piece)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(path.parent)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to read, write and seek in, which gets its name when the block ends well, and vanishes otherwise.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    temporary = beside(path)
    with naming_the_path(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        try:
            with temporary.open("w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `folder` when the block ends well, and vanishes when it does not.

    When `folder` has come into being meanwhile (another process was faster), that one is kept.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    temporary = beside(folder)
    with naming_the_path(folder):
        try:
            sweep(folder.parent)
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.iterdir():
                with file.open("rb+") as handle:
                    os.fsync(handle.fileno())
            _sync_folder(temporary)
            try:
                temporary.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _sync_folder(folder.parent)


def beside(path: Path) -> Path:
    """A temporary name in the same folder that no other thread, process or machine uses."""
    return path.with_name(f".{_fitting(path.name)}.{threading.get_ident()}-{_MACHINE}.{os.getpid()}.tmp")


def _fitting(name: str) -> str:
    """A name, or a digest in place of one that would be too long for a system with more around it."""
    encoded = os.fsencode(name)
    return name if len(encoded) <= 200 else hashlib.blake2b(encoded, digest_size=16).hexdigest()


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove temporary files and folders that a killed process left here, all or those that were to get a name.

    Those of another machine, in a folder that both share, are left alone: its processes cannot be asked for.
    """
    for path in folder.glob(".*.tmp" if name is None else f".{glob.escape(_fitting(name))}.*.*.tmp"):
        thread, owner = path.name.split(".")[-3:-1]
        machine = thread.partition("-")[2]
        if machine in ("", _MACHINE) and owner.isdecimal() and not _alive(int(owner)):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if os.name != "posix":
        return True  # asking would end the process there; `artgan cache clear` removes what is left
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, where the system can (Windows cannot open a folder)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def holding(file: Path, wait: bool) -> Iterator[bool]:
    """Hold the lock of a file, which the system lets go of however the process ends.

    Yields False when another process has it and `wait` is off. Windows and some network disks have no such locks:
    there everyone gets it.

    Raises:
        StorageError: the file cannot be made.
    """
    with naming_the_path(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        held = file.open("w")
    with held:
        ours = True
        if fcntl is not None:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                ours = not isinstance(error, BlockingIOError)
        yield ours


def cache_folder() -> Path:
    """Where decoded pictures are kept: $ARTGAN_CACHE, or the user's cache folder."""
    chosen = os.environ.get("ARTGAN_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("artgan")


def append_json_line(path: Path, record: Mapping[str, Any]) -> None:
    """Add one record to a JSON-lines file.

    Raises:
        StorageError: the disk is full or the file cannot be written.
    """
    with naming_the_path(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def spelt(name: str) -> str:
    """A name with its bytes that are no UTF-8 written out, as neither a PNG nor a safetensors file can hold them."""
    return name.encode("utf-8", "backslashreplace").decode()


def parse_json(text: str) -> Any:
    """Like json.loads, for text that may be hostile: whatever is wrong with it is a ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path, most_bytes: int = 1 << 28) -> Any:
    """What a JSON file says.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, not a plain file, or larger than `most_bytes`.
    """
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise ValueError("it is not a file")
    if path.stat().st_size > most_bytes:
        raise ValueError(f"it is larger than {most_bytes >> 20} MiB")
    return parse_json(path.read_text(encoding="utf-8-sig"))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """All whole records of a JSON-lines file that say their nimg; a line that a crash cut short is left out."""
    records = []
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    record = parse_json(line)
                    if _is_record(record):
                        records.append(record)
    return records


def _is_record(value: object) -> bool:
    """Whether a line has our form: it says its nimg, and its `time`, if any, is made of numbers."""
    if not isinstance(value, dict) or type(value.get("nimg")) is not int or not 0 <= value["nimg"] < 2**63:
        return False
    times = value.get("time", {})
    return isinstance(times, dict) and all(
        isinstance(number, int | float) and abs(number) < 1e18 for number in times.values()
    )


def cut_back(path: Path, nimg: int) -> None:
    """Drop the records of a JSON-lines file that lie after `nimg`, so that a resumed run writes them once."""
    if path.exists():
        kept = [record for record in read_json_lines(path) if record["nimg"] <= nimg]
        atomic_write(path, "".join(json.dumps(record) + "\n" for record in kept))


@dataclass(frozen=True)
class Run:
    """A training run on disk; see the README for what each file is."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's own name, such as `00007-paintings-studio64`."""
        return self.folder.name

    @property
    def config(self) -> Path:
        """The resolved settings, a TOML file that works as a preset."""
        return self.folder / "config.toml"

    @property
    def info(self) -> Path:
        """Versions, device, arguments and the fingerprint of the data."""
        return self.folder / "run.json"

    @property
    def stats(self) -> Path:
        """One line of losses and accuracies per `snapshot.stats_kimg`."""
        return self.folder / "stats.jsonl"

    def preview(self, nimg: int) -> Path:
        """The preview that was drawn after `nimg` pictures shown."""
        return self.folder / f"fakes{nimg:09d}.png"

    def previews(self) -> dict[int, Path]:
        """All previews that are there, by nimg."""
        return {int(match[1]): path for path in self.folder.iterdir() if (match := _PREVIEW.fullmatch(path.name))}

    @property
    def metrics(self) -> Path:
        """Diversity and nearness to the training pictures per `snapshot.health_kimg`, scores per `score.every_kimg`."""
        return self.folder / "metrics.jsonl"

    @property
    def best(self) -> Path:
        """Name of the checkpoint that scored best, beside `latest`, which names the newest."""
        return self.folder / "best"

    @property
    def repairs(self) -> Path:
        """One line for each time that training went back and mended itself."""
        return self.folder / "repairs.jsonl"

    @property
    def checkpoints(self) -> Path:
        """One folder per checkpoint, named by nimg."""
        return self.folder / "checkpoints"

    def read_info(self) -> dict[str, Any]:
        """What `run.json` says.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        try:
            info = read_json(self.info)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.folder} is not a run: {self.info.name} cannot be read.", RUNS_HINT) from error
        data = info.get("data") if isinstance(info, dict) else None
        form = {"path": str, "fingerprint": str, "pictures": int}
        if (
            not isinstance(data, dict)
            or not all(isinstance(data.get(key), kind) for key, kind in form.items())
            or not isinstance(info.get("engine"), dict)
        ):
            raise CheckpointError(f"{self.info} is damaged.", RUNS_HINT)
        return dict(info)


@contextlib.contextmanager
def only_one(run: Run) -> Iterator[None]:
    """Hold a run for this process.

    Raises:
        StorageError: another process is training it.
    """
    with holding(run.folder / ".lock", wait=False) as ours:
        if not ours:
            raise StorageError(
                f"{run.name} is being trained by another process.", "Stop that one first, or start afresh with --new."
            )
        yield


def create_run(runs_dir: Path, label: str, describe: Callable[[Run], None] = lambda run: None) -> Run:
    """Make the next run folder, `NNNNN-label`; two processes at once get two folders.

    Args:
        runs_dir: where runs lie.
        label: what to call it; what a folder cannot be called is left out.
        describe: writes what belongs into the folder, which appears when that is done and not before.

    Raises:
        StorageError: the folder cannot be made.
    """
    safe = re.sub(r"[^\w.-]+", "-", label).strip("-.")[:60] or "run"
    hidden = beside(runs_dir / "new")
    with naming_the_path(runs_dir):
        try:
            while True:
                hidden.mkdir(parents=True, exist_ok=True)
                sweep(runs_dir)
                taken = [int(match[1]) for path in runs_dir.iterdir() if (match := RUN_NAME.fullmatch(path.name))]
                run = Run(hidden / f"{max(taken, default=-1) + 1:05d}-{safe}")
                run.checkpoints.mkdir(parents=True)
                describe(run)
                final = runs_dir / run.name
                try:
                    run.folder.rename(final)
                except OSError:
                    if not final.is_dir():
                        raise
                    shutil.rmtree(run.folder)  # another process took the number: look again
                else:
                    _sync_folder(runs_dir)
                    return Run(final)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)


def list_runs(runs_dir: Path) -> list[Run]:
    """The runs in a folder, oldest first."""
    if not runs_dir.is_dir():
        return []
    found = [path for path in runs_dir.iterdir() if RUN_NAME.fullmatch(path.name) and (path / "run.json").is_file()]
    return [Run(path) for path in sorted(found, key=lambda path: int(path.name.partition("-")[0]))]


def find_run(name: str | Path | None, runs_dir: Path) -> Run:
    """The run meant by a path, a number (`7`), a name or part of one, or None for the latest.

    Raises:
        CheckpointError: there is no such run, or several.
    """
    runs = list_runs(runs_dir)
    if name is None:
        if not runs:
            raise CheckpointError(f"There is no run in {runs_dir} yet.", "`artgan train FOLDER` makes one.")
        return runs[-1]
    with contextlib.suppress(OSError):  # a name that is too long, or leads where we may not look
        if (Path(name) / "run.json").is_file():
            return Run(Path(name) if RUN_NAME.fullmatch(Path(name).name) else Path(name).resolve())
    text = str(name)
    number = int(text) if text.isdecimal() and len(text) < 20 else None
    meant = [run for run in runs if int(run.name.partition("-")[0]) == number]
    meant = meant or [run for run in runs if run.name == text] or [run for run in runs if text and text in run.name]
    if len(meant) == 1:
        return meant[0]
    problem = f"{len(meant)} runs match {text!r}" if meant else f"There is no run {text[:200]!r} in {runs_dir}"
    raise CheckpointError(f"{problem}.", RUNS_HINT)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Guard a user's file.

    Raises:
        UsageError: `path` exists and `overwrite` is off.
    """
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists.", "Choose another name, or add --overwrite.")
