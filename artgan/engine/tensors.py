"""Files and bytes of safetensors: nothing but numbers and a header of texts, so that reading one can run no code."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save

from artgan.engine.storage import parse_json, spelt
from artgan.errors import CheckpointError

MAX_HEADER_BYTES = 1 << 24
"""Ours take some KiB. The library allows 100 MB, which takes it half a minute and 3 GB of memory to understand."""
MOST_ROWS, LONGEST_NAME = 256, 80
"""Directions that a file may name, and letters of a name."""
Tensors = Mapping[str, torch.Tensor]


def plain(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Tensors as a file holds them: on the CPU, laid out one row after another."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def in_order(text: bytes) -> bytes:
    """The text of a header with its own entries in order, as the library shuffles them."""
    header = json.loads(text)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(len(text))
    assert len(ordered) == len(text)
    return ordered


def tensor_bytes(tensors: Tensors, header: Mapping[str, str]) -> bytes:
    """A safetensors file; the same tensors and header, which may not be empty, are the same bytes."""
    raw = save(plain(tensors), dict(header))
    length = int.from_bytes(raw[:8], "little")
    return raw[:8] + in_order(raw[8 : 8 + length]) + raw[8 + length :]


def named_rows(rows: torch.Tensor | None, names: str, path: Path) -> dict[str, torch.Tensor]:
    """Named directions as the file at `path` has them: rows (N,) of a float32 tensor (K, N), K names as a JSON list.

    Raises:
        CheckpointError: they do not go together, or are none.
    """
    try:
        named = parse_json(names)
    except ValueError:
        named = None
    if rows is None or rows.dim() != 2 or rows.dtype != torch.float32:
        problem = "it has no directions of the right form"
    elif not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        problem = "the names of its directions are not a list of names"
    elif not 0 < len(named) == len({*named}) == len(rows) <= MOST_ROWS:
        problem = f"{len(named)} names and {len(rows)} directions do not go together"
    elif any(not name.strip() or len(name) > LONGEST_NAME for name in named):
        problem = "the name of a direction is empty or too long"
    elif not rows.isfinite().all():
        problem = "a direction holds what is no number"
    else:
        return {spelt(name): row for name, row in zip(named, rows, strict=True)}
    raise CheckpointError(f"{path} is damaged: {problem}.", "Use another copy of it.")


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors, mapped and not yet read, and the header of a safetensors file.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    hint = "Use another checkpoint of the run."
    if not path.is_file():
        raise CheckpointError(f"{path} is not there.", hint)
    try:
        with path.open("rb") as raw:
            if int.from_bytes(raw.read(8), "little") > MAX_HEADER_BYTES:
                raise CheckpointError(f"{path} is not a checkpoint of artgan: its header is too large.", hint)
            # Linux allows names that are no UTF-8; the library does not, but takes the open file itself.
            name = str(path) if spelt(str(path)) == str(path) else f"/proc/self/fd/{raw.fileno()}"
            with safe_open(name, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError, RuntimeError) as error:  # RuntimeError: too large to be mapped
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} cannot be read: {reason}.", hint) from error


def parse_tensors(raw: bytes, name: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors and the header in the bytes of a safetensors file, which errors call `name`.

    Raises:
        CheckpointError: it is damaged.
    """
    length = int.from_bytes(raw[:8], "little")
    hint = "Use another copy of it."
    if length > MAX_HEADER_BYTES:
        raise CheckpointError(f"{name} is not a checkpoint of artgan: its header is too large.", hint)
    try:
        tensors = load(raw)
        header = parse_json(raw[8 : 8 + length].decode()).get("__metadata__", {})
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:  # KeyError: a number format torch lacks
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{name} cannot be read: {reason}.", hint) from error
    return tensors, header
