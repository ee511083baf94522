"""`artgan.export`: a generator in a file that other programs open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.engine.checkpoint import generator_bytes
from artgan.engine.storage import atomic_write, refuse_existing
from artgan.errors import UsageError
from artgan.models.trained import LoadedGenerator, load
from artgan.sharing.label import generator_file, label_of
from artgan.sharing.onnx_file import need_onnx, onnx_bytes, run_onnx
from artgan.sharing.page import halved, page_html
from artgan.sharing.plan import carry_out, plan_of
from artgan.sharing.shipped import Shipped, example, input_names
from artgan.sharing.torchscript import run_torchscript, torchscript_bytes

Format = Literal["onnx", "torchscript", "safetensors", "html"]
SUFFIXES: Mapping[Format, str] = {
    "onnx": ".onnx",
    "torchscript": ".pt",
    "safetensors": ".safetensors",
    "html": ".html",
}
_CLOSE = 1 / 127.5
"""One step of 255: halves are good enough for a page whose pictures are no farther than this from PyTorch's."""
_CHECKED = 16
Directions = Mapping[str, torch.Tensor]
Pictures = NDArray[np.float32]


@dataclass(frozen=True)
class ExportResult:
    """A file that was written.

    Attributes:
        file: the file.
        format: onnx, torchscript, safetensors or html.
        run: name of the run.
        nimg: real pictures that its model was trained on.
        inputs: shape of each input by name, N the pictures of a batch; empty for safetensors, which holds no graph.
        output: shape of `picture`, in [-1, 1].
        sliders: names of the directions, in the order of the columns of `sliders`.
        difference: largest difference of a value in [-1, 1] from PyTorch's; None when it could not be checked.
        size: of the file, bytes.
        passed_over: newer checkpoints of the run that could not be used, each with its reason.
    """

    file: Path
    format: Format
    run: str
    nimg: int
    inputs: Mapping[str, tuple[str | int, ...]]
    output: tuple[str | int, ...]
    sliders: tuple[str, ...]
    difference: float | None
    size: int
    passed_over: tuple[str, ...] = ()


def export(
    run: str | Path | None = None,
    out: str | Path | None = None,
    format: Format | None = None,  # noqa: A002 - the word of the command line
    *,
    title: str | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
) -> ExportResult:
    """Write the averaged generator for other programs, conditions and named directions as inputs, and check the file.

    Args:
        run: number, name or folder of a run, a checkpoint folder, a generator.safetensors or a model.artgan; None is
            the latest run.
        out: the file; None is the run's name in the working folder.
        format: onnx; torchscript, for libtorch; safetensors, which artgan itself draws from, directions included; or
            html, a page that draws in a browser. None follows from the suffix of `out`, and is else onnx.
        title: heading of the page; None is the run's name.
        overwrite: replace a file that exists.
        runs_dir: the folder that holds the runs.

    Raises:
        UsageError: the file exists, its suffix is of another format, or the package onnx is not installed.
        CheckpointError: there is no model, or it is damaged.
        StorageError: the file cannot be written.
    """
    chosen, target = _meant(format, Path(out) if out is not None else None)
    if title is not None and chosen != "html":
        raise UsageError("--title is the heading of a page.", "Leave it away, or add --format html.")
    if chosen == "onnx":
        need_onnx()
    if target is not None:
        refuse_existing(target, overwrite)
    model = load(run, runs_dir=runs_dir, device="cpu")
    target = target or Path(model.run + SUFFIXES[chosen])
    refuse_existing(target, overwrite)
    directions = model.directions
    raw, difference = _WRITERS[chosen](model, directions, title)
    atomic_write(target, raw)
    inputs = example(model, directions, 1) if chosen != "safetensors" else ()
    named = zip(input_names(model, directions), inputs, strict=False)
    return ExportResult(
        file=target,
        format=chosen,
        run=model.run,
        nimg=model.nimg,
        inputs={name: ("N", *value.shape[1:]) for name, value in named},
        output=("N", *model.shape),
        sliders=tuple(directions),
        difference=difference,
        size=len(raw),
        passed_over=model.passed_over,
    )


def _meant(asked: Format | None, out: Path | None) -> tuple[Format, Path | None]:
    """The format, and the file if it is named."""
    formats = get_args(Format)
    if asked is not None and asked not in formats:
        raise UsageError(f"--format {asked!r} is not known.", f"Choose one of: {', '.join(formats)}.")
    if out is None:
        return asked or "onnx", None
    by_suffix: dict[str, Format] = {suffix: name for name, suffix in SUFFIXES.items()}
    found = by_suffix.get(out.suffix.lower())
    if found is None or asked not in (None, found):
        wanted = f"Let it end in {SUFFIXES[asked]}." if asked else f"Let it end in {', '.join(by_suffix)}."
        raise UsageError(f"--out {str(out)[:200]}: that ending is of {found or 'no format'}.", wanted)
    return found, out


@torch.no_grad()
def _pictures(model: LoadedGenerator, directions: Directions, count: int) -> tuple[dict[str, torch.Tensor], Pictures]:
    """Inputs by name, and what PyTorch makes of them."""
    inputs = example(model, directions, count)
    pictures: Pictures = Shipped(model, directions)(*inputs).numpy()
    return dict(zip(input_names(model, directions), inputs, strict=True)), pictures


def _apart(found: Pictures, wanted: Pictures) -> float:
    return float(np.abs(found - wanted).max())


def _onnx(model: LoadedGenerator, directions: Directions, _: str | None) -> tuple[bytes, float | None]:
    names, label = input_names(model, directions), label_of(model, directions)
    sizes = {"z": model.settings.model.z_dim, "sliders": len(directions)}
    raw = onnx_bytes(plan_of(model, directions), names, sizes, model.shape, label)
    inputs, wanted = _pictures(model, directions, 3)
    found = run_onnx(raw, {name: value.numpy() for name, value in inputs.items()})
    return raw, None if found is None else _apart(found, wanted)


def _torchscript(model: LoadedGenerator, directions: Directions, _: str | None) -> tuple[bytes, float]:
    raw = torchscript_bytes(Shipped(model, directions), example(model, directions, 2), label_of(model, directions))
    inputs, wanted = _pictures(model, directions, 3)
    return raw, _apart(run_torchscript(raw, tuple(inputs.values())).numpy(), wanted)


def _safetensors(model: LoadedGenerator, directions: Directions, _: str | None) -> tuple[bytes, float]:
    return generator_bytes(generator_file(model, directions)), 0.0  # the very weights


def _html(model: LoadedGenerator, directions: Directions, title: str | None) -> tuple[bytes, float]:
    plan = plan_of(model, directions)
    small = halved(plan)
    inputs, wanted = _pictures(model, directions, _CHECKED)
    difference = _apart(carry_out(small, inputs).numpy(), wanted)
    half = difference <= _CLOSE
    if not half:
        difference = _apart(carry_out(plan, inputs).numpy(), wanted)
    page = page_html(small if half else plan, half, model, directions, title)
    return page.encode(), difference


_WRITERS: Mapping[Format, Callable[[LoadedGenerator, Directions, str | None], tuple[bytes, float | None]]] = {
    "onnx": _onnx,
    "torchscript": _torchscript,
    "safetensors": _safetensors,
    "html": _html,
}
