"""`artgan.diagnose`: what this machine offers, how fast it is, and what is wrong with it."""

import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F

import artgan
from artgan.engine.device import Engine, device_name, precision_name
from artgan.engine.storage import cache_folder
from artgan.engine.vision import state as torchvision_state
from artgan.errors import ArtganError


@dataclass(frozen=True)
class Check:
    """One thing looked at: its name, what was found, whether it is well, and what to do when it is not."""

    name: str
    found: str
    well: bool = True
    hint: str = ""


def diagnose(seconds: float = 5.0, folder: Path | None = None) -> tuple[Check, ...]:
    """Look at versions, device, number formats, caches, film encoder, disk and speed.

    Args:
        seconds: time for the speed test; 0 leaves it out.
        folder: where runs would be written; the current folder by default.
    """
    engine = Engine.detect()
    checks = [
        Check("artgan", artgan.__version__),
        Check("Python", f"{platform.python_version()} ({sys.executable})"),
        Check("system", platform.platform()),
        Check("PyTorch", f"{torch.__version__}{'' if torch.version.cuda is None else f', CUDA {torch.version.cuda}'}"),
        _vision(),
        Check("device", f"{engine.device} ({device_name(engine.device)})"),
        *(Check("why", reason) for reason in engine.why),
        _threads(engine),
        _film(),
        disk("cache", cache_folder()),
        disk("this folder", folder or Path.cwd()),
    ]
    if seconds > 0:
        checks += _speed(engine, seconds)
    return tuple(checks)


def _vision() -> Check:
    try:
        return Check("torchvision", torchvision_state())
    except (ImportError, RuntimeError) as error:
        return Check(
            "torchvision", f"cannot be imported: {error}", False, "Reinstall artgan: its torchvision fits its torch."
        )


def _threads(engine: Engine) -> Check:
    cores = os.cpu_count() or 1
    found = f"{engine.threads} of {cores} logical processors"
    if engine.device.type == "cpu" and engine.threads < cores // 2:
        return Check("threads", found, False, "OMP_NUM_THREADS holds PyTorch back; unset it.")
    return Check("threads", found)


def _film() -> Check:
    try:
        import imageio_ffmpeg

        return Check("ffmpeg", f"{imageio_ffmpeg.get_ffmpeg_version()} ({imageio_ffmpeg.get_ffmpeg_exe()})")
    except (ImportError, RuntimeError, OSError) as error:
        return Check("ffmpeg", f"not found: {error}", False, "`pip install imageio[ffmpeg]` brings one.")


def disk(name: str, folder: Path) -> Check:
    """Whether a folder, which need not be there yet, can be written, and how much room there is."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free / 2**30
    found = f"{folder} ({free:.1f} GiB free)"
    if not os.access(there, os.W_OK):
        hint = "Set ARTGAN_CACHE to a folder of your own." if name == "cache" else "Change to a folder of your own."
        return Check(name, found + ", not writable", False, hint)
    if free < 1:
        return Check(name, found, False, "Free some space; `artgan cache clear` empties artgan's cache.")
    return Check(name, found)


def _speed(engine: Engine, seconds: float) -> list[Check]:
    """Train one convolution as a 64-px network has them, in float32 and in bf16."""
    speeds: dict[str, float] = {}
    precisions: tuple[Literal["float32", "bf16"], ...] = ("float32", "bf16")
    for precision in precisions:
        try:
            candidate = Engine.detect(str(engine.device), precision)
        except ArtganError:
            continue
        speeds[precision] = _convolution_speed(candidate, seconds / 2)
    chosen = precision_name(engine.dtype)
    told = ", ".join(f"{name} {speed:.0f} GFLOP/s" for name, speed in speeds.items())
    best = max(speeds, key=lambda name: speeds[name])
    if speeds[best] > 1.2 * speeds[chosen]:
        return [
            Check("speed", told, False, f"{best} is faster here than the {chosen} that was chosen: --precision {best}.")
        ]
    if engine.device.type == "cpu" and speeds[chosen] < 20:
        return [Check("speed", told, False, "This is slow: close other programs, or train at --resolution 32.")]
    return [Check("speed", told)]


def _convolution_speed(engine: Engine, seconds: float) -> float:
    """GFLOP/s of a 4x4 convolution with stride 2, forwards and backwards, 64 pictures at a time."""
    convolution = engine.place(torch.nn.Conv2d(64, 128, 4, 2, 1))
    pictures = engine.pictures(torch.zeros(64, 64, 32, 32, dtype=torch.uint8)).requires_grad_()
    operations = 3 * 2 * 64 * 64 * 128 * 16 * 16 * 16  # forward and two backward passes
    steps = 0
    started = time.perf_counter()
    while True:
        with engine.autocast():
            loss = F.relu(convolution(pictures)).float().square().mean()
        loss.backward()
        loss.item()  # waits for the device
        steps += 1
        if steps == 1:
            started = time.perf_counter()  # the first step also chooses the algorithm
        elif (spent := time.perf_counter() - started) >= seconds:
            return (steps - 1) * operations / spent / 1e9
