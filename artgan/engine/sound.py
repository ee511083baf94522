"""Sound for films: how long it is, and its samples. Files come from anywhere and are not trusted."""

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artgan.engine.codecs import GAPLESS
from artgan.engine.ffmpeg import literal, read_output
from artgan.errors import UsageError

MOST_SECONDS = 3600.0
_HINT = "Give a sound file, such as a .wav, .mp3, .flac or .m4a."
# No playlists, which name other files and addresses.
_READ = "aac,ac3,aiff,asf,au,avi,caf,eac3,flac,matroska,mov,mp3,ogg,w64,wav"


def check_sound(path: Path) -> None:
    """Refuse a file that has no sound to give, by decoding its first second.

    Raises:
        UsageError: it is missing, broken, or without sound.
        StorageError: there is no ffmpeg.
    """
    _decode(path, ["-t", "1", "-f", "s16le"], 1 << 26)


def sound_length(path: Path, most_seconds: float = MOST_SECONDS) -> float:
    """How many seconds the sound of a file lasts: counted, as what a file says of itself may be a guess.

    Raises:
        UsageError: it is missing, broken, without sound or longer than `most_seconds`.
        StorageError: there is no ffmpeg.
    """
    told = _decode(path, ["-af", GAPLESS, "-t", f"{most_seconds + 1:g}", "-progress", "pipe:1", "-f", "null"], 1 << 26)
    times = [line[12:] for line in told.splitlines() if line.startswith(b"out_time_us=")]
    seconds = int(times[-1]) / 1e6 if times and times[-1].isdigit() else 0.0
    if seconds == 0:
        raise UsageError(f"{path} has no sound.", _HINT)
    _refuse_long(path, seconds, most_seconds)
    return seconds


def read_sound(path: Path, rate: int, most_seconds: float = MOST_SECONDS) -> NDArray[np.float32]:
    """The sound of a file, its channels mixed to one: samples in about [-1, 1], `rate` of them a second.

    Raises:
        UsageError: it is missing, broken, without sound or longer than `most_seconds`; no more than that is decoded.
        StorageError: there is no ffmpeg.
    """
    most = math.floor(most_seconds * rate)
    form = ["-ac", "1", "-ar", str(rate), "-f", "f32le", "-c:a", "pcm_f32le"]
    samples = np.frombuffer(_decode(path, form, 4 * (most + 1)), np.dtype("<f4")).astype(np.float32, copy=False)
    _refuse_long(path, len(samples) / rate, most_seconds)
    return np.nan_to_num(samples, copy=False, posinf=0.0, neginf=0.0)  # a WAV of floats may hold anything


def sound_source(path: Path, start: float = 0.0) -> list[str]:
    """A sound file as an input of ffmpeg, from so many seconds on; no names in it to other files are followed."""
    return [
        *(["-ss", f"{start:.6f}"] if start else []),
        "-protocol_whitelist",
        "file",
        "-format_whitelist",
        _READ,
        "-i",
        literal(path),
    ]


def _refuse_long(path: Path, seconds: float, most_seconds: float) -> None:
    if seconds > most_seconds:
        raise UsageError(f"The sound of {path} is longer than {most_seconds:g} seconds.", "Cut it first.")


def _decode(path: Path, form: list[str], most_bytes: int) -> bytearray:
    if not path.exists():
        raise UsageError(f"There is no sound file {path}.", _HINT)
    if not path.is_file():  # opening a pipe would wait for ever
        raise UsageError(f"{path} is not a sound file.", _HINT)
    try:
        found = read_output(path, [*sound_source(path), "-map", "0:a:0", *form, "pipe:1"], most_bytes)
    except ValueError as error:
        if "matches no streams" in str(error):
            raise UsageError(f"{path} has no sound.", _HINT) from error
        reason = str(error).partition("\n")[0].rstrip(".") or "it is broken"
        raise UsageError(f"The sound of {path} cannot be read: {reason}.", _HINT) from error
    if not found:
        raise UsageError(f"{path} has no sound.", _HINT)
    return found
