"""`artgan.mix`: one model of two relatives, coarse layers of one and fine layers of the other.

Layer swapping after Pinkney & Adler 2020, "Resolution dependent GAN interpolation for controllable image synthesis
between domains". It needs relatives: networks of the same form whose units still mean the same, because one was begun
from the other, or both from the same weights.
"""

import copy
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from artgan.engine.checkpoint import GeneratorFile, generator_bytes
from artgan.engine.storage import atomic_write, read_json, refuse_existing, spelt
from artgan.engine.tensors import parse_tensors, tensor_bytes
from artgan.errors import CheckpointError, UsageError
from artgan.latent.directions import draws
from artgan.models.anatomy import known_layers, layers_of, shapes_of
from artgan.models.trained import LoadedGenerator, load

KIN = 0.3
"""Cosine between the weights of two networks below which they are strangers: those of strangers are about 0."""
SETTLED = 512


@dataclass(frozen=True)
class MixResult:
    """The file, the models it was mixed of, how alike their weights are (cosine), and the share of B's weights in it.

    `passed_over` as in `SampleResult`, of both.
    """

    file: Path
    runs: tuple[str, str]
    kinship: float
    share: float
    passed_over: tuple[str, ...] = ()


def mix(
    run_a: str | Path,
    run_b: str | Path,
    *,
    at: int | str | None = None,
    amount: float | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
) -> MixResult:
    """Mix two fine-tuned relatives into one generator file, which `artgan.sample` and all others draw from.

    Args:
        run_a: number, name or folder of a run, a checkpoint folder, or a generator file: what gives form and classes.
        run_b: its relative: what gives the finer layers.
        at: the layer up to which A's weights stay, by the shorter side of its maps, such as 16; everything finer
            becomes B's. None is everything.
        amount: how far it becomes B's, 0 to 1: 1 swaps layers, 0.5 is halfway between both. None is 1 with `at`, and
            0.5 without.
        out: the .safetensors to write; None is A+B.safetensors, with their names, in the current folder.
        overwrite: replace a file that exists.
        runs_dir: the folder that holds the runs.

    Raises:
        UsageError: an argument makes no sense, or the file exists.
        CheckpointError: there is no model, or the two are strangers.
    """
    far = amount if amount is not None else 0.5 if at is None else 1.0
    if not 0 <= far <= 1:
        raise UsageError(f"--amount {far:g} is not between 0 and 1.", "1 swaps layers, 0.5 is halfway.")
    a, b = (load(run, runs_dir=runs_dir, device="cpu") for run in (run_a, run_b))
    cut = None if at is None else _cut(a, str(at))
    path = Path(out) if out is not None else Path(spelt(f"{a.run[:80]}+{b.run[:80]}.safetensors"))
    if path.suffix != ".safetensors":
        raise UsageError(f"{path} does not end in .safetensors.", "Generators are written as such files.")
    refuse_existing(path, overwrite)
    kinship = kin(a, b)
    if kinship < KIN or strangers(a.home, b.home):
        raise CheckpointError(
            f"{a.run} and {b.run} are strangers: neither began from the other, nor both from a third.",
            f"Mix models of which one was trained with --from the other: `artgan train FOLDER --from {a.run}`.",
        )
    tensors, share = mixed(a, b, cut, far)
    if 0 < share < 1:
        tensors = settled(a, tensors)
    settings = {**a.settings.model_dump(mode="json"), "shape": list(shapes_of(a)[""])}
    name = spelt(path.stem)[:200]
    file = GeneratorFile(tensors, settings, a.classes, a.nimg, name, a.texts, dict(a.directions))
    told = {"of": [a.run, b.run], "nimg": [a.nimg, b.nimg], "at": None if at is None else str(at), "amount": far}
    held, header = parse_tensors(generator_bytes(file), path)
    atomic_write(path, tensor_bytes(held, {**header, "mixed": json.dumps(told)}))
    return MixResult(path, (a.run, b.run), kinship, share, a.passed_over + b.passed_over)


def strangers(*homes: Path) -> bool:
    """Whether two runs are known to have nothing in common: they say what they began from, and it is never the same.

    Two runs of one seed begin from the same weights, and after a short training their cosine was 0.91 here; still their
    units had come to mean different things, and mixtures of them were a grey weave.
    """
    families = [_family(home) for home in homes]
    return all(families) and not set.intersection(*families)


def _family(home: Path) -> set[Path]:
    """A run's folder and all it began from, as far as that is still there; empty for a file without a run."""
    family: set[Path] = set()
    here: Path | None = home.resolve()
    while here is not None and here not in family:
        folder = here if here.is_dir() or not here.suffix else here.parent
        folder = folder.parent.parent if folder.parent.name == "checkpoints" else folder
        try:
            info = read_json(folder / "run.json")
        except (OSError, ValueError):
            return {*family, folder} if family else family
        family |= {here, folder}
        origin = info.get("from") if isinstance(info, dict) else None
        path = origin.get("path") if isinstance(origin, dict) else None
        here = Path(path) if isinstance(path, str) else None
    return family


@torch.no_grad()
def settled(model: LoadedGenerator, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a mixture of `model`, with the statistics of batch norm measured anew, over SETTLED latents.

    What comes from one model's layers is not what the other's statistics were made of; mixtures looked faded with them.
    """
    network = copy.deepcopy(model.network)
    network.load_state_dict(tensors)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.reset_running_stats()
            module.momentum = None  # a plain average
    counts = {name: tensor for name, tensor in tensors.items() if name.endswith("num_batches_tracked")}
    z, c = draws(model, SETTLED, [*model.names] or [None], 0, "mix/latents")
    network.train()
    for start in range(0, SETTLED, 64):
        here = slice(start, start + 64)
        network(z[here], c[here] if c is not None else None)
    return {**network.state_dict(), **counts}


def _cut(model: LoadedGenerator, at: str) -> int:
    """Up to which side of maps A's weights stay.

    Raises:
        UsageError: there is no such layer.
    """
    layers = [layer for layer in layers_of(model) if len(layer.shape) == 3]
    names = [layer.name for layer in layers]
    if not names:
        raise UsageError(f"--at {at}: {model.run} has no layers of different resolution.", "Leave --at away.")
    if at not in names:
        raise UsageError(f"--at {at[:40]}: there is no such layer.", known_layers(at, names))
    return int(at)


def kin(a: LoadedGenerator, b: LoadedGenerator) -> float:
    """How alike the weights of two networks are, as a cosine: about 0 for strangers, towards 1 for relatives.

    Of convolutions and full layers only: gains and statistics of norms are alike in any two networks.

    Raises:
        CheckpointError: the networks are not of the same form.
    """
    ours, theirs = a.network.state_dict(), b.network.state_dict()
    wrong = next((name for name in {**ours, **theirs} if not _fits(name, ours, theirs)), None)
    if wrong is not None:
        raise CheckpointError(
            f"{a.run} and {b.run} are built differently ({wrong} does not fit): there is nothing to mix.",
            "Mix models of which one was trained with --from the other, at the same size.",
        )
    names = [
        f"{name}.weight"
        for name, module in a.network.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    ]
    rows = [torch.cat([state[name].flatten().double() for name in names]) for state in (ours, theirs)]
    return float(torch.cosine_similarity(rows[0], rows[1], 0))


def _fits(name: str, ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Whether both networks have a tensor, of one shape; classes may be others, and stay A's then."""
    both = name in ours and name in theirs
    return both and (ours[name].shape == theirs[name].shape or name.endswith("embedding.weight"))


def mixed(
    a: LoadedGenerator, b: LoadedGenerator, cut: int | None, amount: float
) -> tuple[dict[str, torch.Tensor], float]:
    """The tensors of the mixture, and the share of B's weights among them.

    Args:
        a: gives what comes before `cut`: the mapping network and what stands for classes as well.
        b: gives what comes after it.
        cut: shorter side of the maps up to which A's stay; None is none.
        amount: how far the others become B's, 0 to 1.
    """
    ours, theirs, shapes = a.network.state_dict(), b.network.state_dict(), shapes_of(a)
    changed, weights = 0, 0
    for name, tensor in ours.items():
        weights += tensor.numel()
        same_classes = a.classes == b.classes or not name.endswith("embedding.weight")
        if same_classes and (cut is None or _side(name, a.network, shapes) > cut):
            changed += tensor.numel()
            other = theirs[name]
            ours[name] = torch.lerp(tensor, other, amount) if tensor.is_floating_point() else tensor
    return {name: tensor.clone() for name, tensor in ours.items()}, amount * changed / max(1, weights)


def _side(name: str, network: nn.Module, shapes: dict[str, tuple[int, ...]]) -> int:
    """The shorter side of the maps that the part of a network makes to which a tensor belongs; 0 where there are none.

    The outermost part counts: what modulates maps belongs to them.
    """
    parts = name.split(".")
    for count in range(1, len(parts)):
        place = ".".join(parts[:count])
        shape = shapes.get(place, ())
        if len(shape) == 3 and not isinstance(network.get_submodule(place), nn.Sequential):
            return min(shape[1:])
    return 0
