"""What the user sees: sentences and bars on stderr, results on stdout. User text is never read as markup."""

import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text


def visible(text: str) -> str:
    """Text in which control characters, such as a file name may hold, are written out instead of obeyed."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def say(text: str, style: str = "") -> None:
    """One line on stderr."""
    Console(stderr=True, soft_wrap=True).print(Text(visible(text), style))


def tell_passed_over(reasons: Iterable[str]) -> None:
    """Say which newer checkpoints could not be drawn from."""
    for reason in reasons:
        say(f"{reason} Drawing from the checkpoint before it.", "yellow")


def follow(bar: Any, done: int, total: int) -> None:
    """Bring a bar of tqdm to `done` of `total`; one that begins again is reset."""
    if done < bar.n:
        bar.reset()
    bar.total = total
    bar.update(done - bar.n)


def give(text: str) -> None:
    """One line of the result, on stdout."""
    encoding = sys.stdout.encoding or "utf-8"  # a name that the terminal cannot spell is better spelt oddly than not
    Console(soft_wrap=True).print(Text(text.encode(encoding, "backslashreplace").decode(encoding)))


def give_json(value: Any) -> None:
    """The result as JSON, alone on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain) + "\n")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def give_table(columns: list[str], rows: list[list[str]]) -> None:
    """A table of the result, on stdout; its first column is never broken, and in a pipe no column is."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=any(columns))
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 1000).print(table)


@contextlib.contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C or SIGTERM came; the second one stops at once."""
    asked = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        # Not through Console or tqdm: a signal may come while they hold their locks.
        told = b"\nStopping: finishing this step and saving. Ctrl-C again stops at once.\n"
        with contextlib.suppress(OSError, ValueError):  # a stderr without a descriptor, or a closed one
            os.write(sys.stderr.fileno(), told)

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def quiet_native_code() -> Iterator[None]:
    """Send what C libraries write to file descriptor 2 (libtiff's complaints about odd files) to nowhere.

    Python's own sys.stderr goes on working, on a copy of the descriptor. Where sys.stderr is something else already
    (a test, a notebook), nothing is changed.
    """
    if not _is_descriptor_2(sys.stderr):
        yield
        return
    sys.stderr.flush()
    copy, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    ours, theirs = os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="replace"), sys.stderr
    os.dup2(nowhere, 2)
    sys.stderr = ours
    try:
        yield
    finally:
        ours.flush()
        sys.stderr = theirs
        os.dup2(copy, 2)
        for handle in (copy, nowhere):
            os.close(handle)
        ours.close()


def _is_descriptor_2(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except (OSError, ValueError):
        return False


def clock(seconds: float) -> str:
    """Seconds as 1:05 or 2:03:04."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
