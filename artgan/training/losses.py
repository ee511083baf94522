"""GAN losses on logits, and penalties on D's gradient. Each formula names its paper.

Every loss takes logits (N,) of reals and of generated pictures and returns a scalar to be made smaller.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
DiscriminatorFunction = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Loss:
    """One game.

    Attributes:
        loss_D: (real_logits, gen_logits) to the discriminator's loss.
        loss_G: (real_logits, gen_logits) to the generator's loss.
        boundary: the logit at which D calls a picture real; None where only differences of logits mean something.
        pairs: whether the generator's loss looks at the reals' logits too.
    """

    loss_D: LossFunction
    loss_G: LossFunction
    boundary: float | None = 0.0
    pairs: bool = False


def bce_D(real: torch.Tensor, gen: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """-log D(x) - log(1 - D(G(z))) with D = sigmoid (Goodfellow et al. 2014, equation 1).

    With `smoothing` s the target of reals is 1 - s: -(1 - s) log D(x) - s log(1 - D(x)), one-sided (Salimans et al.
    2016, section 3.4).
    """
    # log(1 - D(x)) is log D(x) - x: one softplus serves both terms.
    return (F.softplus(-real) + smoothing * real).mean() + F.softplus(gen).mean()


def minimax_G(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """log(1 - D(G(z))), the original, which saturates when D is sure (Goodfellow et al. 2014, equation 1)."""
    return -F.softplus(gen).mean()


def bce_G(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """-log D(G(z)), the non-saturating form (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-gen).mean()


def lsgan_D(real: torch.Tensor, gen: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """((D(x) - 1)^2 + D(G(z))^2) / 2 (Mao et al. 2017, equation 9); with `smoothing` s the 1 becomes 1 - s."""
    return 0.5 * ((real - (1 - smoothing)).square().mean() + gen.square().mean())


def lsgan_G(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """(D(G(z)) - 1)^2 / 2 (Mao et al. 2017, equation 9)."""
    return 0.5 * (gen - 1).square().mean()


def wgan_D(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """D(G(z)) - D(x) (Arjovsky et al. 2017, equation 3)."""
    return gen.mean() - real.mean()


def linear_G(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """-D(G(z)) (Arjovsky et al. 2017; also the generator's side of the hinge loss)."""
    return -gen.mean()


def hinge_D(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))) (Miyato et al. 2018, equation 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + gen).mean()


def rpgan_D(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """softplus(-(D(x) - D(G(z)))) on pairs (Jolicoeur-Martineau 2019; Huang et al. 2024, equation 2)."""
    return F.softplus(gen - real).mean()


def rpgan_G(real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """softplus(-(D(G(z)) - D(x))) on pairs (Jolicoeur-Martineau 2019; Huang et al. 2024, equation 2)."""
    return F.softplus(real - gen).mean()


LOSSES = {
    "minimax": Loss(bce_D, minimax_G),
    "bce": Loss(bce_D, bce_G),
    "lsgan": Loss(lsgan_D, lsgan_G, boundary=0.5),
    "wgan": Loss(wgan_D, linear_G, boundary=None),
    "wgan-gp": Loss(wgan_D, linear_G, boundary=None),
    "hinge": Loss(hinge_D, linear_G),
    "rpgan": Loss(rpgan_D, rpgan_G, boundary=None, pairs=True),
}


def game(name: str, smoothing: float = 0.0) -> Loss:
    """The loss called `name`, the target of its reals lowered by `smoothing` (only where it has one, see config)."""
    loss = LOSSES[name]
    if not smoothing:
        return loss
    smooth = {"minimax": bce_D, "bce": bce_D, "lsgan": lsgan_D}[name]
    return replace(loss, loss_D=partial(smooth, smoothing=smoothing))


def accuracy(loss: Loss, real: torch.Tensor, gen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Share of reals that D calls real, and of generated pictures that it calls generated, both in [0, 1].

    Where logits have no fixed zero (wgan, rpgan) D can only compare: both are the share of pairs, a real and a
    generated picture of the same class, in which it prefers the real one (Jolicoeur-Martineau 2019, section 3).
    """
    if loss.boundary is None:
        preferred = (real > gen).float().mean()
        return preferred, preferred
    return (real > loss.boundary).float().mean(), (gen < loss.boundary).float().mean()


def exchange(loss: Loss, real: torch.Tensor, gen: torch.Tensor) -> torch.Tensor:
    """(dL_G / dlogit) / (dL_D / dlogit) for each generated picture (N,): what turns D's gradient into G's.

    Shen et al. 2021, equation 6. For losses whose loss_D never stops falling with a generated picture's logit: see
    `artgan.config.ONE_PASS`.
    """
    real, gen = real.detach().float(), gen.detach().float().requires_grad_()
    with torch.enable_grad():
        (for_D,) = torch.autograd.grad(loss.loss_D(real, gen), gen)
        (for_G,) = torch.autograd.grad(loss.loss_G(real, gen), gen)
    return for_G / for_D


def gradient_penalty(D: DiscriminatorFunction, pictures: torch.Tensor) -> torch.Tensor:
    """E |grad D(x)|^2 at `pictures` (N, ...): R1 on reals, R2 on generated ones (Mescheder et al. 2018, equation 9).

    Without the gamma / 2 before it.
    """
    pictures = pictures.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(pictures).sum(), pictures, create_graph=True)
    return gradient.float().square().flatten(1).sum(1).mean()


def interpolated_penalty(
    D: DiscriminatorFunction, real: torch.Tensor, gen: torch.Tensor, mix: torch.Tensor
) -> torch.Tensor:
    """E (|grad D(x')| - 1)^2 with x' between a real and a generated picture (Gulrajani et al. 2017, equation 3).

    Args:
        D: pictures to logits.
        real: (N, ...).
        gen: (N, ...).
        mix: (N,) in [0, 1], the share of the real picture.
    """
    mix = mix.view(-1, *[1] * (real.dim() - 1))
    between = (mix * real + (1 - mix) * gen).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    # The root has no derivative at 0; a clamp keeps one flat spot from turning every weight into NaN.
    norm = gradient.float().square().flatten(1).sum(1).clamp_min(1e-12).sqrt()
    return (norm - 1).square().mean()
