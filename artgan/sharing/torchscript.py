"""TorchScript: a generator that libtorch runs without Python."""

import contextlib
import io
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping

import torch
from torch import nn

LABEL = "artgan.json"
"""The extra file of the archive that says what the model is."""


@torch.no_grad()
def torchscript_bytes(network: nn.Module, inputs: tuple[torch.Tensor, ...], label: Mapping[str, str]) -> bytes:
    """A frozen TorchScript of any batch.

    Args:
        network: in evaluation mode, on the CPU.
        inputs: some for it, of a batch of two or more.
        label: what it says of itself, as JSON in LABEL.
    """
    buffer = io.BytesIO()
    with _deprecation_ignored():
        traced = torch.jit.freeze(torch.jit.trace(network, inputs, check_trace=False))
        torch.jit.save(traced, buffer, {LABEL: json.dumps(label).encode()})
    return _without_paths(buffer.getvalue())


@torch.no_grad()
def run_torchscript(raw: bytes, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """What such a file makes of inputs."""
    with _deprecation_ignored():
        pictures: torch.Tensor = torch.jit.load(io.BytesIO(raw))(*inputs)
    return pictures


@contextlib.contextmanager
def _deprecation_ignored() -> Iterator[None]:
    """PyTorch would have torch.export instead, whose files the programs of artists do not read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        yield


def _without_paths(raw: bytes) -> bytes:
    """The archive without its debug files, which hold the paths of the sources on the machine that wrote it."""
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(kept, "w", zipfile.ZIP_STORED) as clean:
        for entry in archive.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                clean.writestr(zipfile.ZipInfo(entry.filename, (1980, 1, 1, 0, 0, 0)), archive.read(entry))
    return kept.getvalue()
