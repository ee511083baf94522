"""Teach the embedded encoder: `python -m artgan.models.train_encoder --teacher FILE --out FILE FOLDER...`.

The teacher is SqueezeNet v1.0, trained on ImageNet (Iandola et al. 2016), as compressed by Han et al. 2016
(`compressed_SqueezeNet.net`, 676 kB, BSD, from songhan/SqueezeNet-Deep-Compression). The student starts from the
teacher's fire modules; its stem is drawn anew. First the stem alone learns the maps of the teacher's first layer, then
everything learns all nine maps and their averages over the picture (knowledge distillation with hints, Romero et al.
2015), on what `artgan.models.lessons` draws from the pictures in FOLDERs. About every fifth picture is withheld; the
figures in the file's metadata are of those.

The shipped file was made from 180 public-domain paintings, 1,615 watercolours of the US Department of Agriculture and
400 pictures of artgan's own painters, in that order of FOLDERs; its metadata (`artgan.models.encoder.origin()`) tells
seed, steps, time and hardware. Nothing of artgan imports this module.
"""

import argparse
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from artgan.engine.device import Engine
from artgan.engine.storage import atomic_write
from artgan.models.encoder import FIRES, Encoder
from artgan.models.lessons import draw_batches, read_folders

Layers = list[tuple[torch.Tensor, torch.Tensor]]
Maps = list[torch.Tensor]
N = TypeVar("N", bound=np.generic)
STEM_SHARE = 0.1
"""Share of the steps in which the stem learns alone."""
STEM_RATE, FIRES_RATE = 4e-3, 8e-4
MEAN = (104.0, 117.0, 123.0)
"""What the teacher was trained to have taken from blue, green and red."""
NOTICE = (
    "SqueezeNet v1.0 trained on ImageNet (Iandola et al. 2016, https://github.com/forresti/SqueezeNet), as compressed "
    "by Han et al. 2016 (https://github.com/songhan/SqueezeNet-Deep-Compression); its fire modules are where the "
    "student began, so that its licence goes with these weights."
)
LICENCE = """\
BSD LICENSE.

Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions
and the following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions
and the following disclaimer in the documentation and/or other materials provided with the
distribution.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


# --- the teacher


def read_teacher(path: Path) -> Layers:
    """The convolutions but for the classifier as (weight, bias): conv1, then squeeze, 1 x 1 and 3 x 3 of each fire.

    The file begins with how many weights each layer kept. Then it holds, layer by layer, a codebook of 256 values, the
    biases, an index into the codebook per kept weight, and the gaps before the kept weights, four bits each (Han et al.
    2016, section 3).

    Raises:
        ValueError: it is not that file.
    """
    shapes = [(96, 3, 7, 7)]
    for channels, squeezed, expanded in FIRES:
        shapes += [(squeezed, channels, 1, 1), (expanded, squeezed, 1, 1), (expanded, squeezed, 3, 3)]
    stream = io.BytesIO(path.read_bytes())

    def take(kind: type[N], count: int) -> NDArray[N]:
        raw = stream.read(np.dtype(kind).itemsize * count)
        if len(raw) != np.dtype(kind).itemsize * count:
            raise ValueError(f"{path} is too short")
        return np.frombuffer(raw, kind)

    layers: Layers = []
    kept = take(np.uint32, len(shapes) + 1)  # the last one is the classifier's, which is not read
    for shape, count in zip(shapes, kept.tolist(), strict=False):
        codebook, bias = take(np.float32, 256), take(np.float32, shape[0])
        codes, packed = take(np.uint8, count), take(np.uint8, (count + 1) // 2).astype(np.int64)
        gaps = np.stack([packed & 15, packed >> 4], 1).ravel()[:count]
        places = np.cumsum(gaps + 1) - 1
        if count and places[-1] >= math.prod(shape):
            raise ValueError(f"{path} has weights that lie beyond their layer")
        index = np.zeros(math.prod(shape), np.uint8)
        index[places] = codes
        layers.append((torch.from_numpy(codebook[index].reshape(shape)), torch.from_numpy(bias.copy())))
    return layers


@torch.no_grad()
def teacher_maps(layers: Layers, x: torch.Tensor, most: int = 9) -> Maps:
    """The first `most` of conv1 and fire2 to fire9 for pictures (N, 3, H, W) in [-1, 1], sides multiples of 16.

    The teacher has no padding in its stem. Here pictures are padded, and the second pooling begins one cell earlier, so
    that cell (0, 0) of every map lies over the top left corner, as it does in the student's.
    """
    x = (x[:, [2, 1, 0]] + 1) * 127.5 - torch.tensor(MEAN, device=x.device).view(1, 3, 1, 1)
    maps = [F.relu(F.conv2d(F.pad(x, (3, 2, 3, 2), mode="reflect"), *layers[0], stride=2))]
    for number in range(most - 1):
        x = maps[-1]
        if number in (0, 7):
            x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        elif number == 3:
            x = F.max_pool2d(x, 3, 2, 1)
        squeeze, one, three = layers[1 + 3 * number : 4 + 3 * number]
        x = F.relu(F.conv2d(x, *squeeze))
        maps.append(F.relu(torch.cat([F.conv2d(x, *one), F.conv2d(x, *three, padding=1)], 1)))
    return maps


# --- the lessons


class Yardstick:
    """How far the student's maps are from the teacher's, measured in the spread of the teacher's own.

    Maps are divided by their root mean square (`scale`), so that they all are of the same size.
    """

    def __init__(self, layers: Layers, pictures: Sequence[torch.Tensor]) -> None:
        found = [*zip(*(teacher_maps(layers, batch) for batch in pictures), strict=True)]
        cells = [torch.cat([m.transpose(0, 1).flatten(1) for m in maps], 1) for maps in found]
        means = [torch.cat([m.mean((2, 3)) for m in maps]).T for maps in found]
        self.scale = [float(values.square().mean().sqrt()) for values in cells]
        self.cell, self.mean = self._spread(cells), self._spread(means)

    def _spread(self, values: Maps) -> Maps:
        """Per map the variance of each channel (C,); weak ones count too, if not as much as they would by their own."""
        found = [(v / scale).var(1) for v, scale in zip(values, self.scale, strict=True)]
        return [variance + variance.mean() for variance in found]

    def loss(self, student: Maps, teacher: Maps) -> torch.Tensor:
        """The sum over maps; averages over the picture count beside the cells, those of the last map most."""
        total = student[0].new_zeros(())
        for number, (o, t) in enumerate(zip(student, teacher, strict=True)):
            error = o.float() - t / self.scale[number]
            total = total + (error.square().mean((0, 2, 3)) / self.cell[number]).mean()
            weight = 2.0 if number == len(self.scale) - 1 else 0.3
            total = total + weight * (error.mean((2, 3)).square().mean(0) / self.mean[number]).mean()
        return total


def explained(student: Maps, teacher: Maps, scale: Sequence[float]) -> list[float]:
    """Share of the variance of each of the teacher's maps that the student's explains; 1 is all."""
    return [
        1 - float((o - t / s).square().mean() / (t / s).var((0, 2, 3), correction=0).mean())
        for o, t, s in zip(student, teacher, scale, strict=True)
    ]


def begin(encoder: Encoder, layers: Layers, scale: Sequence[float]) -> None:
    """Draw the stem (He et al. 2015) and take over the teacher's fire modules, each map divided by its scale."""
    for stem in (encoder.first, encoder.second, encoder.third):
        nn.init.kaiming_normal_(stem.weight)
        nn.init.zeros_(stem.get_parameter("bias"))
    with torch.no_grad():
        for number, fire in enumerate(encoder.fires):
            before, after = scale[number], scale[number + 1]
            sizes = {"squeeze": (before, before), "one": (before, after), "three": (before, after)}
            taken = layers[1 + 3 * number : 4 + 3 * number]
            for (name, (size_in, size_out)), (weight, bias) in zip(sizes.items(), taken, strict=True):
                fire.get_parameter(f"{name}.weight").copy_(weight * (size_in / size_out))
                fire.get_parameter(f"{name}.bias").copy_(bias / size_out)


def teach(teacher: Path, folders: Sequence[Path], out: Path, steps: int, seed: int) -> None:
    """Teach a student and write it to `out`, every 250 steps and at the end.

    Raises:
        ValueError: `teacher` is not the teacher's file.
        DatasetError: a file in `folders` is not a picture.
        StorageError: `out` cannot be written.
    """
    started = time.monotonic()
    engine = Engine.detect(seed=seed)
    layers = [(weight.to(engine.device), bias.to(engine.device)) for weight, bias in read_teacher(teacher)]
    batches = draw_batches(read_folders(folders), seed)
    examples = draw_batches(read_folders(folders, withheld=True), seed + 1)
    yardstick = Yardstick(layers, [next(batches).to(engine.device) for _ in range(8)])
    tests = [next(examples).to(engine.device) for _ in range(6)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        student = Encoder()
        begin(student, layers, yardstick.scale)
    student = engine.place(student).train()
    average = AveragedModel(student, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    taught = average.module
    assert isinstance(taught, Encoder)
    stem = [*student.first.parameters(), *student.second.parameters(), *student.third.parameters()]
    optimizer = torch.optim.AdamW([{"params": stem}, {"params": [*student.fires.parameters()]}], weight_decay=1e-4)
    seen, alone = 0, round(STEM_SHARE * steps)
    for step in range(steps):
        fall = 0.5 + 0.5 * math.cos(math.pi * step / steps)
        for group, rate, start in zip(optimizer.param_groups, (STEM_RATE, FIRES_RATE), (0, alone), strict=True):
            group["lr"] = rate * fall * min(1.0, max(0.0, (step - start) / 100))
        x = next(batches).to(engine.device)
        most = 1 if step < alone else 9
        with engine.autocast():
            found = student.all_maps(x, most + 1)[1:]
        loss = yardstick.loss(found, teacher_maps(layers, x, most))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        average.update_parameters(student)
        seen += len(x)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            figures = examine(taught, layers, tests, yardstick.scale)
            minutes = (time.monotonic() - started) / 60
            told = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
            print(f"{minutes:.1f} min  step {step + 1}  loss {float(loss.detach()):.3f}  {told}", flush=True)
            facts = {
                "teacher": NOTICE,
                "licence": LICENCE,
                "recipe": "artgan/models/train_encoder.py",
                "folders": ", ".join(folder.name for folder in folders),
                "seed": seed,
                "steps": step + 1,
                "pictures": seen,
                "minutes": round(minutes),
                "hardware": "; ".join(engine.why),
                "explained": {name: round(value, 3) for name, value in figures.items()},
            }
            write(out, taught, facts)


@torch.no_grad()
def examine(
    student: Encoder, layers: Layers, tests: Sequence[torch.Tensor], scale: Sequence[float]
) -> dict[str, float]:
    """Share of the variance that the student explains, by the names of the teacher's maps, and of the embedding."""
    rows, ours, theirs = [], [], []
    for x in tests:
        found, wanted = student.all_maps(x)[1:], teacher_maps(layers, x)
        rows.append(explained(found, wanted, scale))
        ours.append(found[-1].mean((2, 3)))
        theirs.append(wanted[-1].mean((2, 3)) / scale[-1])
    names = ["conv1", *(f"fire{number}" for number in range(2, 10))]
    figures = dict(zip(names, torch.tensor(rows).mean(0).tolist(), strict=True))
    o, t = torch.cat(ours), torch.cat(theirs)
    figures["embedding"] = 1 - float((o - t).square().mean() / t.var(0, correction=0).mean())
    return figures


def write(out: Path, student: Encoder, facts: Mapping[str, object]) -> None:
    """Write the student's weights in half precision, and `facts` as metadata (what is no text becomes JSON)."""
    tensors = {name: value.half().cpu().contiguous() for name, value in student.state_dict().items()}
    metadata = {name: fact if isinstance(fact, str) else json.dumps(fact) for name, fact in facts.items()}
    atomic_write(out, save(tensors, metadata))


def main() -> None:
    """Read the command line and teach."""
    parser = argparse.ArgumentParser(description="Teach the embedded encoder.")
    parser.add_argument("folders", type=Path, nargs="+", help="folders of pictures; most crops come from the first")
    parser.add_argument("--teacher", type=Path, required=True, help="compressed_SqueezeNet.net")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    teach(given.teacher, given.folders, given.out, given.steps, given.seed)


if __name__ == "__main__":
    main()
