"""Pictures per second from files to Inception features: the plain loop of pytorch-fid against `artgan score`.

    python -m tests.bench.fid [--rounds 3] [--pictures 50]

Both use torch-fidelity's layers with the same random weights, in float32, and read the same files: generated pictures
of 64 and of 256 px, half of them PNG, half JPEG. The plain loop decodes with Pillow in the main process, computes in
batches of 50 with the extractor as it comes and collects with numpy. Rounds alternate; medians are compared. The last
line is what else bf16 would give.
"""

import argparse
import dataclasses
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from artgan.data.painters import paint_collection
from artgan.engine.device import Engine
from artgan.engine.vision import torch_fidelity
from artgan.metrics.features import look
from artgan.metrics.frechet import frechet_distance, moments
from artgan.metrics.networks import FeatureNetwork, inception_network
from artgan.metrics.sets import folder_set

SIZES = (64, 256)


def random_extractor() -> Any:
    """torch-fidelity's own extractor with weights drawn here, batch norms that do something among them."""
    fidelity = torch_fidelity()

    class Unread(fidelity.FeatureExtractorInceptionV3):  # type: ignore[name-defined, misc]
        def load_state_dict(self, *words: Any, **named: Any) -> None:
            """Leave the weights as they are."""

    file = io.BytesIO()
    torch.save({}, file)
    file.seek(0)
    network = Unread("inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=file)
    draw = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, generator=draw)
        elif isinstance(module, nn.BatchNorm2d):
            for tensor, low, high in (
                *((module.running_mean, -0.3, 0.3), (module.running_var, 0.5, 2.0)),
                *((module.weight, 0.5, 1.5), (module.bias, -0.3, 0.3)),
            ):
                assert tensor is not None
                tensor.data.uniform_(low, high, generator=draw)
    nn.init.normal_(network.fc.bias, generator=draw)
    return network


def make_files(folder: Path, count: int, side: int) -> list[Path]:
    """`count` pictures in one folder, every second one a JPEG."""
    made = []
    for number, file in enumerate(sorted(paint_collection(folder / "painted", count, side).rglob("*.png"))):
        target = folder / "files" / f"{number:05d}{('.png', '.jpg')[number % 2]}"
        target.parent.mkdir(exist_ok=True)
        with Image.open(file) as picture:
            picture.save(target, quality=92)
        made.append(target)
    return made


def plain(files: list[Path], extractor: Any) -> NDArray[np.float32]:
    """Features (N, 2048), the usual way."""
    found = []
    with torch.no_grad():
        for start in range(0, len(files), 50):
            pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files[start : start + 50]]
            batch = torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2))
            found.append(extractor(batch)[0].numpy())
    return np.concatenate(found)


def ours(folder: Path, network: FeatureNetwork) -> NDArray[np.float32]:
    """Features (N, 2048) as `artgan score` computes them when they are not in its cache."""
    pictures = dataclasses.replace(folder_set(folder), key=None)
    return look(pictures, network, None).values.numpy()


Found = dict[int, NDArray[np.float32]]


def distances(found: Found) -> list[float]:
    """Frechet distances: of the two sizes, and of every second picture to the others, which are much alike."""
    of_sizes = [torch.from_numpy(found[side]) for side in SIZES]
    together = torch.cat(of_sizes)
    pairs = (of_sizes, [together[::2], together[1::2]])
    return [frechet_distance(moments(a), moments(b)) for a, b in pairs]


def report(found: dict[str, Found], speeds: dict[str, dict[int, float]]) -> None:
    """Print the speeds, and how far features and distances are from the plain loop's."""
    wanted = found["plain"]
    lengths = {side: np.linalg.norm(values, axis=1) for side, values in wanted.items()}
    figures = distances(wanted)
    for name, values in found.items():
        told = "  ".join(f"{side} px: {speed:5.1f}/s" for side, speed in speeds[name].items())
        ratio = min(speeds[name][side] / speeds["plain"][side] for side in SIZES)
        rows = max(float((np.linalg.norm(values[side] - wanted[side], axis=1) / lengths[side]).max()) for side in SIZES)
        off = max(abs(ours / theirs - 1) for ours, theirs in zip(distances(values), figures, strict=True))
        print(f"{name:16} {told}   at least {ratio:.2f} times the plain loop   features {rows:.0e}, FD {off:.0e} off")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=50, help="Of each size.")
    args = parser.parse_args()
    extractor = random_extractor()
    weights = extractor.state_dict()
    networks = {
        "artgan, float32": inception_network(weights, "random", Engine.detect("cpu", "float32")),
        "artgan, bf16": inception_network(weights, "random", Engine.detect("cpu", "bf16")),
    }
    seconds: dict[str, dict[int, list[float]]] = {name: {s: [] for s in SIZES} for name in ("plain", *networks)}
    found: dict[str, Found] = {name: {} for name in seconds}
    with tempfile.TemporaryDirectory() as temporary:
        files = {}
        for side in SIZES:
            (Path(temporary) / str(side)).mkdir()
            files[side] = make_files(Path(temporary) / str(side), args.pictures, side)
        for _ in range(args.rounds):
            for side in SIZES:
                for name, times in seconds.items():
                    start = time.perf_counter()
                    if name == "plain":
                        found[name][side] = plain(files[side], extractor)
                    else:
                        found[name][side] = ours(files[side][0].parent, networks[name])
                    times[side].append(time.perf_counter() - start)
    print(f"{torch.get_num_threads()} threads, {args.pictures} pictures of each size, median of {args.rounds} rounds")
    speeds = {
        name: {side: args.pictures / statistics.median(times[side]) for side in SIZES}
        for name, times in seconds.items()
    }
    report(found, speeds)


if __name__ == "__main__":
    main()
