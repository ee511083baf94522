"""Which device computes, in which number format, and why."""

import contextlib
import os
import platform
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, TypeVar

import psutil
import torch

from artgan.config import DEVICES, EngineSettings
from artgan.engine.processes import launched, local_rank, size
from artgan.errors import DeviceError

M = TypeVar("M", bound=torch.nn.Module)


@dataclass(frozen=True)
class Engine:
    """A device, a number format for the heavy arithmetic, and the reasons for both in words.

    Attributes:
        device: where tensors live.
        dtype: float32, or bfloat16 under autocast (weights and optimisers stay float32).
        channels_last: whether pictures lie in memory pixel by pixel.
        seed: the seed of the run.
        deterministic: whether operations whose results vary from run to run are refused.
        threads: CPU threads; results are bit-equal only for equal counts.
        why: one sentence per decision.
    """

    device: torch.device
    dtype: torch.dtype
    channels_last: bool
    seed: int
    deterministic: bool
    threads: int
    why: tuple[str, ...]

    @classmethod
    def detect(
        cls,
        device: str = "auto",
        precision: Literal["auto", "float32", "bf16"] = "auto",
        seed: int = 0,
        deterministic: bool = False,
    ) -> "Engine":
        """Choose the best device and number format of this machine, or check the ones asked for.

        Args:
            device: auto, cpu, cuda, cuda:N or mps.
            precision: auto, float32 or bf16. There is no fp16: its range is too small for GAN losses without scaling.
            seed: seed of the run.
            deterministic: refuse operations that vary from run to run on a GPU (slower there, free on a CPU).

        Raises:
            DeviceError: the device or number format asked for is not there.
        """
        chosen, device_why = _choose_device(device)
        dtype, dtype_why = _choose_dtype(chosen, precision)
        # studio64 on 2 AVX512-BF16 cores: 186 against 178 images/s in bf16, no difference in float32.
        channels_last = chosen.type == "cuda" or (chosen.type == "cpu" and dtype == torch.bfloat16)
        why = [device_why, dtype_why]
        if channels_last:
            why.append(
                f"channels last in memory: the layout for {chosen.type} convolutions in {precision_name(dtype)}."
            )
        if chosen.type == "cuda":
            torch.set_float32_matmul_precision("high")
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True)
            why.append("deterministic: operations that vary from run to run are refused.")
        return cls(chosen, dtype, channels_last, seed, deterministic, torch.get_num_threads(), tuple(why))

    @classmethod
    def from_settings(cls, settings: EngineSettings, seed: int = 0) -> "Engine":
        """Detect with the values of the settings section `engine`."""
        return cls.detect(settings.device, settings.precision, seed, settings.deterministic)

    def autocast(self) -> AbstractContextManager[None]:
        """A block in which convolutions and matrix products use the engine's number format."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def place(self, module: M) -> M:
        """Move a network to the device, in the memory layout that is fast there."""
        module = module.to(self.device)
        return module.to(memory_format=torch.channels_last) if self.channels_last else module  # type: ignore[call-overload]

    def pictures(self, batch: torch.Tensor) -> torch.Tensor:
        """uint8 pictures (N, C, H, W) as float32 in [-1, 1] on the device."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return batch.to(self.device, non_blocking=True).to(torch.float32, memory_format=layout).div_(127.5).sub_(1)

    def describe(self) -> dict[str, object]:
        """The engine as plain values, for `run.json` and `artgan doctor`."""
        return {
            "device": str(self.device),
            "name": device_name(self.device),
            "precision": precision_name(self.dtype),
            "channels_last": self.channels_last,
            "deterministic": self.deterministic,
            "threads": self.threads,
            "processes": size(),
            "why": list(self.why),
        }


def _choose_device(asked: str) -> tuple[torch.device, str]:
    if asked == "auto":
        if torch.cuda.is_available():
            device = _own_gpu()
            return device, f"{device_name(device)}: an NVIDIA GPU is here."
        if torch.backends.mps.is_available() and not launched():
            return torch.device("mps"), "mps: an Apple GPU is here."
        return torch.device("cpu"), f"cpu ({torch.get_num_threads()} threads): no GPU that PyTorch can use is here."
    if not re.fullmatch(DEVICES, asked):
        raise DeviceError(f"There is no kind of device {asked!r}.", "Use auto, cpu, cuda, cuda:N or mps.")
    device = torch.device(asked)
    if device.type == "mps" and launched():
        raise DeviceError(
            f"{size()} processes cannot share an Apple GPU: nothing carries sums between them there.",
            "Train in one process, or add --device cpu.",
        )
    there = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
    }
    if not there[device.type]:
        built = "" if device.type != "cuda" or torch.version.cuda else " (this PyTorch is built without CUDA)"
        raise DeviceError(f"The device {asked} is not here{built}.", "Leave --device away, or see `artgan doctor`.")
    if device.type == "cuda" and launched():
        if device.index is not None:
            raise DeviceError(
                f"The device {asked} is one GPU, and there are {size()} processes.",
                "Use --device cuda, which gives each its own.",
            )
        device = _own_gpu()
    return device, f"{asked}: you asked for it."


def _own_gpu() -> torch.device:
    """The GPU of this process: the only one it needs, or one for each process of a team on this machine."""
    if not launched():
        return torch.device("cuda")
    if local_rank() >= torch.cuda.device_count():
        raise DeviceError(
            f"This machine has {torch.cuda.device_count()} GPUs, and process {local_rank()} (from 0) has none.",
            f"Start with --nproc-per-node {torch.cuda.device_count()}, or add --device cpu.",
        )
    return torch.device("cuda", local_rank())


def _choose_dtype(device: torch.device, asked: str) -> tuple[torch.dtype, str]:
    native, reason = bf16_support(device)
    if asked == "float32":
        return torch.float32, "float32: you asked for it."
    if asked == "bf16":
        if device.type == "mps":
            raise DeviceError("precision bf16 is not offered on mps.", "Leave --precision away.")
        return torch.bfloat16, "bf16: you asked for it." if native else f"bf16: you asked for it, though {reason}."
    return (torch.bfloat16, f"bf16: {reason}.") if native else (torch.float32, f"float32: {reason}.")


def bf16_support(device: torch.device) -> tuple[bool, str]:
    """Whether the device multiplies bfloat16 in hardware, and how that is known."""
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        return major >= 8, f"this GPU has compute capability {major}.{minor}; bf16 needs 8.0"
    if device.type == "mps":
        return False, "bf16 is not offered on Apple GPUs, where it was not tried"
    capabilities = torch.cpu.get_capabilities()
    found = [name for name in ("amx_bf16", "avx512_bf16") if capabilities.get(name)]
    if found:
        return True, f"this processor multiplies bfloat16 in hardware ({found[0]})"
    return False, "this processor has no hardware for bf16 (AVX512-BF16 or AMX)"


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return f"Apple GPU ({platform.machine()})"
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def precision_name(dtype: torch.dtype) -> str:
    """The word used in settings for a number format."""
    return "bf16" if dtype == torch.bfloat16 else "float32"


def memory_in_use(device: torch.device) -> int:
    """Bytes that this process holds: of the GPU's memory, or of the machine's when there is none."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return int(torch.mps.driver_allocated_memory())
    return int(psutil.Process().memory_info().rss)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory is full, on any device."""
    # The CPU allocator, MPS and the libraries of CUDA raise a plain RuntimeError.
    signs = (
        *("can't allocate memory", "not enough memory: you tried to allocate", "MPS backend out of memory"),
        *("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"),
    )
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
    )


@contextlib.contextmanager
def explaining_memory(hint: str) -> Iterator[None]:
    """Turn running out of memory, on any device, into a DeviceError with `hint`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError("The memory of the device is full.", hint) from error
