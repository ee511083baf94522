"""One training step, from top to bottom: the discriminator's turns, the generator's turn, the average."""

import contextlib
import math
from dataclasses import dataclass

import torch
from torch import nn

from artgan.config import Settings
from artgan.data.pictures import Pictures
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.training.augment import Draws, augment, draw, noise_at
from artgan.training.losses import accuracy, game, gradient_penalty, interpolated_penalty
from artgan.training.repairs import Plan
from artgan.training.state import TrainState, update_average

LAST_RATE = 0.01


def crossed(before: int, after: int, interval: float) -> bool:
    """Whether a multiple of `interval` lies in (before, after]."""
    return after // interval > before // interval


def rate(lr: float, nimg: int, cosine_kimg: float) -> float:
    """The learning rate at `nimg`: lr, or on a cosine from lr to a hundredth of it at `cosine_kimg`.

    Loshchilov & Hutter 2017, equation 5, without restarts.
    """
    if not cosine_kimg:
        return lr
    done = min(1.0, nimg / (1000 * cosine_kimg))
    return lr * (LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * done)) / 2)


@dataclass(frozen=True)
class Batch:
    """All that a turn draws by chance: pictures, labels, latents, and the views of them that D gets."""

    real_img: torch.Tensor
    c: torch.Tensor | None
    z: torch.Tensor
    real_view: Draws
    gen_view: Draws
    view_for_G: Draws
    mix: torch.Tensor

    def part(self, rows: slice) -> "Batch":
        """Some pictures of the batch."""
        return Batch(
            self.real_img[rows],
            None if self.c is None else self.c[rows],
            self.z[rows],
            self.real_view.part(rows),
            self.gen_view.part(rows),
            self.view_for_G.part(rows),
            self.mix[rows],
        )

    def parts(self, count: int) -> "list[tuple[Batch, float]]":
        """The batch in `count` parts as even as can be, each with its share of the whole."""
        total = len(self.z)
        edges = [total * number // count for number in range(count + 1)]
        return [
            (self.part(slice(start, end)), (end - start) / total) for start, end in zip(edges, edges[1:], strict=False)
        ]


def draw_batch(settings: Settings, pictures: Pictures, engine: Engine, at: int) -> Batch:
    """The batch of the turn that begins at `at` pictures shown: a function of seed and position."""
    train, streams = settings.train, Streams(settings.train.seed)
    real_bytes, labels = pictures.batch(at, train.batch)
    noise = noise_at(at, settings.augment.noise, settings.augment.noise_kimg)
    size = (train.batch, *pictures.shape)
    return Batch(
        real_img=engine.pictures(real_bytes),
        c=labels.to(engine.device) if pictures.classes else None,
        z=streams.normal("latents", at, train.batch, settings.model.z_dim).to(engine.device),
        real_view=draw(streams, "augment real", at, size, noise),
        gen_view=draw(streams, "augment gen", at, size, noise),
        view_for_G=draw(streams, "augment G", at, size, noise),
        mix=torch.rand(train.batch, generator=streams.generator("mix", at)).to(engine.device),
    )


def train_step(  # noqa: PLR0915 - one step, read from top to bottom
    settings: Settings, pictures: Pictures, engine: Engine, state: TrainState, plan: Plan
) -> None:
    """Show `train.d_steps` batches to D, then let G answer; `state` moves on by as many pictures.

    With `plan.parts` above 1 each batch is computed in parts and their gradients are added up: where no layer looks at
    the batch as a whole (batch norm) or moves with every call (spectral norm, dropout), that is the same step, to
    rounding.
    """
    train, policy = settings.train, settings.augment.policy
    G, D, opt_G, opt_D = state.G, state.D, state.opt_G, state.opt_D
    loss = game(train.loss, train.label_smoothing)
    state.set_rates(*(rate(lr, state.nimg, train.cosine_kimg) * plan.rate_scale for lr in (train.g_lr, train.d_lr)))
    dropout = Streams(train.seed).as_global("dropout", state.nimg, engine.device)
    with dropout if settings.model.d_dropout else contextlib.nullcontext():
        # --- discriminator: d_steps batches of real pictures, each against as many generated ones
        D.requires_grad_(True)
        for turn in range(train.d_steps):
            at = state.nimg + turn * train.batch
            parts = draw_batch(settings, pictures, engine, at).parts(plan.parts)
            penalise = crossed(at, at + train.batch, train.batch * train.penalty_interval)
            # The last batch also serves the generator's turn; in one part, its pictures need not be made again.
            keep = turn == train.d_steps - 1 and len(parts) == 1
            opt_D.zero_grad(set_to_none=True)
            logits: list[tuple[torch.Tensor, torch.Tensor]] = []
            for part, share in parts:
                with torch.set_grad_enabled(keep), engine.autocast():
                    gen_img = G(part.z, part.c).float()
                real_seen = augment(part.real_img, policy, part.real_view)
                gen_seen = augment(gen_img.detach(), policy, part.gen_view)
                with engine.autocast():
                    real_logits, gen_logits = D(real_seen, part.c), D(gen_seen, part.c)
                loss_D = loss.loss_D(real_logits, gen_logits)
                (loss_D * share).backward()

                # Penalties differentiate twice; they run in float32, to be on the safe side, and seldom.
                for name, gamma, seen in (("r1", train.r1_gamma, real_seen), ("r2", train.r2_gamma, gen_seen)):
                    if gamma and penalise:
                        penalty = gradient_penalty(lambda x: D(x, part.c), seen)  # noqa: B023
                        (penalty * (share * gamma / 2 * train.penalty_interval)).backward()
                        state.observe({name: penalty}, share)
                if train.loss == "wgan-gp":
                    penalty = interpolated_penalty(lambda x: D(x, part.c), real_seen, gen_seen, part.mix)  # noqa: B023
                    (penalty * (share * train.gp_lambda)).backward()
                    state.observe({"gp": penalty}, share)

                real_acc, gen_acc = accuracy(loss, real_logits, gen_logits)
                values = {"loss_D": loss_D, "real_acc": real_acc, "gen_acc": gen_acc}
                means = {"real_logit": real_logits.mean(), "gen_logit": gen_logits.mean()}
                state.observe({**values, **means}, share)
                logits.append((real_logits.detach(), gen_logits.detach()))
            real_all, gen_all = (torch.cat(found) for found in zip(*logits, strict=True))
            state.observe({"real_std": real_all.std(correction=0), "gen_std": gen_all.std(correction=0)})
            state.observe({"D_grad": _clipped(D, train.grad_clip)})
            opt_D.step()
            if train.loss == "wgan":  # Arjovsky et al. 2017, algorithm 1
                with torch.no_grad():
                    torch._foreach_clamp_min_(list(D.parameters()), -train.clip)
                    torch._foreach_clamp_max_(list(D.parameters()), train.clip)

        # --- generator: no gradients of D's weights are computed, only those that lead to the picture
        D.requires_grad_(False)
        opt_G.zero_grad(set_to_none=True)
        for part, share in parts:
            with engine.autocast():
                gen_img = gen_img if keep else G(part.z, part.c).float()
                gen_logits = D(augment(gen_img, policy, part.view_for_G), part.c)
                with torch.no_grad():
                    if loss.pairs:
                        real_seen = real_seen if keep else augment(part.real_img, policy, part.real_view)
                        real_logits = D(real_seen, part.c)
            loss_G = loss.loss_G(real_logits, gen_logits)
            (loss_G * share).backward()
            state.observe({"loss_G": loss_G}, share)
        state.observe({"G_grad": _clipped(G, train.grad_clip)})
        opt_G.step()

    shown = train.batch * train.d_steps
    state.nimg += shown
    update_average(state.G_ema, G, state.nimg, shown, train.ema_kimg * 1000)


def _clipped(network: nn.Module, longest: float) -> torch.Tensor:
    """Norm of the gradient of all weights together, which is then shortened to `longest` (Pascanu et al. 2013)."""
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    if longest:
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)
    return norm
