"""Frames for tests of films, and films decoded again."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from artgan.engine.video import Frame

COLORS = [(200, 30, 40), (30, 160, 60), (40, 60, 210), (240, 220, 40), (20, 20, 20), (250, 250, 250)]


def plain(count: int, height: int = 24, width: int = 32) -> Iterator[Frame]:
    """Frames of one colour each."""
    for number in range(count):
        yield np.full((height, width, 3), COLORS[number % len(COLORS)], np.uint8)


def noise(count: int, height: int = 24, width: int = 32) -> Iterator[Frame]:
    draw = np.random.default_rng(0)
    for _ in range(count):
        yield draw.integers(0, 256, (height, width, 3), np.uint8)


def waves(count: int, height: int = 48, width: int = 64) -> Iterator[Frame]:
    """Soft colours that move, as a walk does."""
    y, x = np.mgrid[:height, :width]
    for number in range(count):
        phases = (x / 9 + number / 5, y / 7 + number / 9, (x + y) / 11 - number / 4)
        yield np.stack([127.5 + 120 * np.sin(phase) for phase in phases], axis=-1).astype(np.uint8)


def run_ffmpeg(*words: str | Path) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words], capture_output=True, check=False)


def described(path: Path) -> str:
    """What ffmpeg says of a file."""
    return run_ffmpeg("-hide_banner", "-i", f"file:{path}").stderr.decode(errors="replace")


def decoded_film(path: Path) -> Frame:
    """All frames (N, H, W, 3) of an MP4, MOV or MKV, as a player shows them."""
    found = re.search(r"Video: .*?, (\d+)x(\d+)", described(path))
    assert found
    fine = "scale=flags=accurate_rnd+full_chroma_int+full_chroma_inp"  # ffmpeg's usual ways smear colours
    form = ("-vf", fine, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    raw = run_ffmpeg("-v", "error", "-i", f"file:{path}", *form).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, int(found[2]), int(found[1]), 3)


def decoded_picture(path: Path) -> tuple[list[Frame], list[float]]:
    """All frames of a GIF, WebP or APNG, and how long each is shown, in milliseconds."""
    with Image.open(path) as film:
        frames, delays = [], []
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")))
            delays.append(float(film.info.get("duration", "nan")))
    return frames, delays


def decoded_frames(path: Path) -> list[Frame]:
    """All frames of a film of any format."""
    if path.is_dir():
        return [np.asarray(Image.open(file).convert("RGB")) for file in sorted(path.iterdir())]
    return list(decoded_film(path)) if path.suffix.lower() in (".mp4", ".mov", ".mkv") else decoded_picture(path)[0]


def write_tone(path: Path, seconds: float, rate: int = 44100, channels: int = 2, pitch: float = 440) -> Path:
    """A sound file whose format its suffix names."""
    tone = f"sine=frequency={pitch}:sample_rate={rate}:duration={seconds}"
    made = run_ffmpeg("-v", "error", "-y", "-f", "lavfi", "-i", tone, "-ac", str(channels), f"file:{path}")
    assert made.returncode == 0, made.stderr
    return path
