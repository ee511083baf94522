"""ffmpeg, run as a program of its own: fed with frames, or read from; its failures become one sentence.

It is run here rather than through imageio's writer, which does not look at the exit code: a disk that filled up at the
end would leave half a film behind, and nobody would be told.
"""

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from artgan.engine.feeding import Frame, Handed, hand_over
from artgan.errors import StorageError

_HINT = "`pip install imageio[ffmpeg]` brings an ffmpeg; the variable IMAGEIO_FFMPEG_EXE names another."
_CHUNK = 1 << 20


class _GaveUp(Exception):
    """ffmpeg takes no more frames; its exit code and its words say why."""


@dataclass(frozen=True)
class _Process:
    """A running ffmpeg and the file that takes down what it says."""

    running: "subprocess.Popen[bytes]"
    words: IO[bytes]

    def failed(self) -> bool:
        """Wait for its end, and tell whether it was a bad one."""
        return self.running.wait() != 0

    def said(self) -> list[str]:
        """What it said, a line each, without the addresses of its inner parts."""
        self.words.seek(0)
        lines = self.words.read(_CHUNK).decode(errors="replace").splitlines()
        return [re.sub(r"^\[[^]]*\]\s*", "", line).strip() for line in lines if line.strip()]


def literal(path: Path) -> str:
    """A file as ffmpeg takes it literally: without the prefix, `a:b.mp4` would be an address."""
    return f"file:{path}"


def run(
    path: Path,
    arguments: list[str],
    frames: Iterable[Frame] = (),
    *,
    prepare: Callable[[Frame], Frame] = lambda frame: frame,
    keep_partial: bool = False,
    on_frame: Callable[[int], None] | None = None,
) -> Handed:
    """Run ffmpeg for `path`, feeding it `frames`; `on_frame` hears how many it has written.

    Args:
        path: the film that it is all for, named when something fails.
        arguments: what ffmpeg shall do; frames come in by `pipe:0`.
        frames: pictures (H, W, 3).
        prepare: done to every frame in the thread that feeds.
        keep_partial: a stop by the user ends the frames and not the film.
        on_frame: called with the number of frames that ffmpeg has written.

    Raises:
        StorageError: it is missing or fails; the sentence names `path` and ends with ffmpeg's own last words.
    """
    telling = ["-progress", "pipe:1"] if on_frame else []
    with _started(path, [*telling, *arguments]) as process:
        assert process.running.stdin is not None
        assert process.running.stdout is not None
        try:
            handed = _feed(process.running, process.running.stdin, frames, prepare, keep_partial)
        except _GaveUp:
            process.failed()
            raise _failure(path, process.said()) from None
        for line in process.running.stdout:  # empty, unless it was told to tell
            if on_frame and line.startswith(b"frame="):
                on_frame(int(line[6:]))
        if process.failed():
            raise _failure(path, process.said())
    return handed


def read_output(path: Path, arguments: list[str], most: int) -> bytearray:
    """What ffmpeg writes to `pipe:1` when it reads `path`: at most `most` bytes, and the rest is not even made.

    Raises:
        ValueError: it fails; with ffmpeg's own words.
        StorageError: it is missing.
    """
    found = bytearray()
    with _started(path, arguments) as process:
        assert process.running.stdin is not None
        assert process.running.stdout is not None
        process.running.stdin.close()
        while len(found) < most and (piece := process.running.stdout.read(min(_CHUNK, most - len(found)))):
            found += piece
        if len(found) < most and process.failed():
            raise ValueError("\n".join(process.said()))
    return found


def read_words(path: Path, arguments: list[str]) -> list[str]:
    """What ffmpeg says of `path`, a line each, whether it likes it or not.

    Raises:
        StorageError: it is missing.
    """
    with _started(path, ["-hide_banner", "-v", "info", *arguments]) as process:
        assert process.running.stdin is not None
        process.running.stdin.close()
        process.failed()
        return process.said()


def read_frames(path: Path, arguments: list[str]) -> Iterator[Frame]:
    """The frames (H, W, 3) that ffmpeg makes of `path`, one by one; it waits while nobody takes them.

    Raises:
        ValueError: it fails; with ffmpeg's own words.
        StorageError: it is missing.
    """
    form = ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"]  # every frame says its size
    with _started(path, [*arguments, *form]) as process:
        assert process.running.stdin is not None
        assert process.running.stdout is not None
        process.running.stdin.close()
        pipe = process.running.stdout
        while pipe.readline() == b"P6\n":
            width, height = map(int, pipe.readline().split())
            pipe.readline()  # the largest value, 255
            values = pipe.read(width * height * 3)
            if len(values) < width * height * 3:
                break
            yield np.frombuffer(values, np.uint8).reshape(height, width, 3)
        if process.failed():
            raise ValueError("\n".join(process.said()))


@contextlib.contextmanager
def _started(path: Path, arguments: list[str]) -> Iterator[_Process]:
    """Start ffmpeg; it has ended when the block has, by force if need be."""
    command = [_program(path), "-v", "error", "-nostdin", *arguments]
    with tempfile.TemporaryFile() as words:
        try:
            # In a session of its own, so that Ctrl-C reaches only us: who asked for the film decides how it ends.
            running = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, start_new_session=True
            )
        except OSError as error:
            raise StorageError(f"{command[0]} does not start: {error.strerror}.", _HINT) from error
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            yield _Process(running, words)
        finally:
            running.kill()
            with contextlib.suppress(OSError):
                running.stdin.close()
            running.stdout.close()
            running.wait()


def _feed(
    running: "subprocess.Popen[bytes]",
    pipe: IO[bytes],
    frames: Iterable[Frame],
    prepare: Callable[[Frame], Frame],
    keep_partial: bool,
) -> Handed:
    def write(_: int, frame: Frame) -> None:
        ready = prepare(frame)
        try:
            pipe.write(np.ascontiguousarray(ready).data)
        except OSError:
            raise _GaveUp from None

    def let_go(error: BaseException) -> None:
        """End an ffmpeg that may not be reading, while the writer waits for it; one that gave up ends by itself."""
        if not isinstance(error, _GaveUp):
            running.kill()

    handed = hand_over(frames, write, keep_partial=keep_partial, on_failure=let_go)
    with contextlib.suppress(OSError):
        pipe.close()
    return handed


def _failure(path: Path, lines: list[str]) -> StorageError:
    full = next((line for line in lines if re.search("No space left|quota exceeded|File too large", line)), None)
    if full is not None:
        reason = full.rpartition(": ")[2]
        return StorageError(f"{path} cannot be written: {reason}.", "Free some disk space.")
    reason = lines[-1].rstrip(".") if lines else "it ended without a word"
    return StorageError(f"ffmpeg could not write {path}: {reason}.", "Try another format, such as .mp4 or .gif.")


def _program(path: Path) -> str:
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise StorageError(f"{path} cannot be written: there is no ffmpeg.", _HINT) from error
