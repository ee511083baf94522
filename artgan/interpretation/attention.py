"""What a discriminator looks at: which pixels its judgement hangs on, and which parts convince it or give a fake away.

A judge is any function from pictures (N, C, H, W) in [-1, 1] and conditions to logits (N,); higher is more real.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from artgan.engine.seeds import Streams
from artgan.interpretation.draws import Should, Tell, Working, stop_if

Judge = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]

COPIES = 12
NOISE = 0.2
"""Standard deviation of the noise of the copies, a tenth of black to white (Smilkov et al. 2017 take 10 to 20 %)."""
PATCH = 4
"""A covered patch is a square with a quarter of the shorter side; the next one is half a patch on."""
_AT_ONCE = 32


@dataclass(frozen=True)
class Judged:
    """How a discriminator sees one picture.

    Attributes:
        title: the draw or the training picture.
        kind: real, fake, most (convincing fake) or least.
        logit: its judgement; higher is more real. Only differences mean anything.
        beats: share of the real pictures that it finds less real than this one.
        convinces, betrays: the covered places, in words, without which the picture looked least and most real to it;
            empty when there is none that matters.
    """

    title: str
    kind: str
    logit: float
    beats: float
    convinces: str
    betrays: str


@dataclass(frozen=True)
class Attention:
    """What the discriminator looks at.

    Attributes:
        told_apart: share of the pairs of a real picture and a fake in which it finds the real one more real; 0.5 is
            guessing.
        reals, fakes: how many were judged.
        real_logit, fake_logit: (lower quartile, median, upper quartile) of the logits.
        judged: the pictures shown.
    """

    told_apart: float
    reals: int
    fakes: int
    real_logit: tuple[float, float, float]
    fake_logit: tuple[float, float, float]
    judged: tuple[Judged, ...]


@dataclass(frozen=True)
class Look:
    """A picture (C, H, W) in [-1, 1], how strongly each pixel sways the logit (H, W), and what covering costs."""

    picture: torch.Tensor
    saliency: torch.Tensor
    occlusion: torch.Tensor

    @property
    def gaze(self) -> torch.Tensor:
        """The saliency (H, W) as a person can take it in: its neighbourhood's mean, above what is usual, 0 or more."""
        reach = max(1, min(self.saliency.shape) // 24)
        smooth = _blurred(self.saliency[None, None], 2 * reach)[0, 0]
        return (smooth - smooth.median()).clamp_min(0)


def logits(judge: Judge, pictures: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
    """The judgements (N,)."""
    with torch.no_grad():
        return torch.cat([judge(some, told).float() for some, told in _parts(pictures, c)])


def saliency(judge: Judge, pictures: torch.Tensor, c: torch.Tensor | None, seed: int = 0) -> torch.Tensor:
    """The gradient (N, C, H, W) of each picture's logit: which pixels would sway it (Simonyan et al. 2014, section 3).

    It is the mean over COPIES noisy copies, which takes out what flickers from pixel to pixel (SmoothGrad, Smilkov et
    al. 2017).
    """
    total = torch.zeros_like(pictures)
    for copy in range(COPIES):
        noise = Streams(seed).normal("saliency", copy, *pictures.shape).to(pictures.device)
        noisy = (pictures + NOISE * noise).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(judge(noisy, c).sum(), noisy)
        total += gradient
    return total / COPIES


def occlusion(judge: Judge, picture: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
    """How much less real one picture (1, C, H, W) looks when a place is covered, (H, W) in logits.

    Below 0 a place gives the picture away: covered, it looks more real. A patch slides over the picture (Zeiler &
    Fergus 2014, section 4.2). Instead of grey, which is foreign to most pictures, it shows the picture strongly
    blurred, and its rim is soft, so that neither its colour nor its edge is judged.
    """
    height, width = picture.shape[2:]
    patch = max(2, min(height, width) // PATCH)
    blurred = _blurred(picture, patch)
    masks = torch.stack([*_patches(height, width, patch)]).to(picture.device)
    covered = picture + (blurred - picture) * masks[:, None]
    told = c.expand(len(covered), *c.shape[1:]) if c is not None else None
    lost = logits(judge, picture, c) - logits(judge, covered, told)
    return (masks * lost[:, None, None]).sum(0) / masks.sum(0)


def judged_pairs(real: torch.Tensor, fake: torch.Tensor) -> float:
    """Share of the pairs of a real logit (N,) and a fake one (M,) in which the real one is higher; ties count half."""
    higher = (real[:, None] > fake).double() + 0.5 * (real[:, None] == fake).double()
    return float(higher.mean())


def look_at(
    judge: Judge,
    pictures: torch.Tensor,
    c: torch.Tensor | None,
    tell: Tell = lambda event: None,
    should_stop: Should = lambda: False,
) -> list[Look]:
    """Saliency and occlusion of each picture; tensors come back on the CPU.

    Raises:
        Interrupted: `should_stop` said so.
    """
    found = []
    for at, picture in enumerate(pictures.split(1)):
        stop_if(should_stop)
        told = c[at : at + 1] if c is not None else None
        strength = saliency(judge, picture, told)[0].abs().amax(0)
        found.append(Look(picture[0].cpu(), strength.cpu(), occlusion(judge, picture, told).cpu()))
        tell(Working("Asking the discriminator", at + 1, len(pictures)))
    return found


def quartiles(values: torch.Tensor) -> tuple[float, float, float]:
    """The quartiles of values (N,)."""
    low, middle, high = values.double().quantile(torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)).tolist()
    return low, middle, high


def _parts(pictures: torch.Tensor, c: torch.Tensor | None) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    for start in range(0, len(pictures), _AT_ONCE):
        yield pictures[start : start + _AT_ONCE], c[start : start + _AT_ONCE] if c is not None else None


def _blurred(picture: torch.Tensor, patch: int) -> torch.Tensor:
    """Pictures without anything smaller than a patch: two box blurs, edges repeated."""
    reach = patch // 2 + 1
    for _ in range(2):
        padded = F.pad(picture, [reach] * 4, mode="replicate")
        picture = F.avg_pool2d(padded, 2 * reach + 1, 1)
    return picture


def _patches(height: int, width: int, patch: int) -> Iterator[torch.Tensor]:
    """Masks (H, W) from 0 to 1, one per place of the patch: full in the middle, soft at the rim."""
    rise = torch.linspace(0, 1, patch + 2)[1:-1]
    window = (4 * torch.minimum(rise, 1 - rise)).clamp(max=1)
    for top in steps(height, patch):
        for left in steps(width, patch):
            mask = torch.zeros(height, width)
            mask[top : top + patch, left : left + patch] = torch.outer(window, window)
            yield mask


def steps(length: int, patch: int) -> Sequence[int]:
    """Where patches begin along a side, half a patch apart, the last one at its end."""
    return sorted({*range(0, length - patch + 1, max(1, patch // 2)), length - patch})
