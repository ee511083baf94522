"""One training step, from top to bottom: the discriminator's turns, the generator's turn, the average."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from artgan.config import Settings
from artgan.data.pictures import Pictures
from artgan.engine import processes
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.engine.sums import put_together
from artgan.training.augment import Draws, augment, draw, noise_at
from artgan.training.finetune import thaw
from artgan.training.losses import Loss, accuracy, exchange, game, gradient_penalty, interpolated_penalty
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
    """All that a turn draws by chance: pictures, labels, latents, and the views of them that D gets.

    `share` is that of its pictures in the whole batch, 1 in a process that is alone.
    """

    real_img: torch.Tensor
    c: torch.Tensor | None
    z: torch.Tensor
    real_view: Draws
    gen_view: Draws
    view_for_G: Draws
    mix: torch.Tensor
    share: float

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
            self.share * len(self.z[rows]) / len(self.z),
        )

    def parts(self, count: int) -> "list[tuple[Batch, float]]":
        """These pictures in `count` parts as even as can be, each with its share of the whole batch."""
        edges = [len(self.z) * number // count for number in range(count + 1)]
        parts = [self.part(slice(start, end)) for start, end in zip(edges, edges[1:], strict=False)]
        return [(part, part.share) for part in parts]


def draw_batch(settings: Settings, pictures: Pictures, engine: Engine, at: int) -> Batch:
    """What this process computes of the batch of the turn that begins at `at` pictures shown.

    The batch is a function of seed and position, whoever computes it: of N processes, each takes every Nth picture.
    """
    train, streams = settings.train, Streams(settings.train.seed)
    rows = slice(processes.rank(), None, processes.size())
    real_bytes, labels = pictures.batch(at, train.batch, rows)
    c = pictures.conditions(labels)
    noise = noise_at(at, settings.augment.noise, settings.augment.noise_kimg)
    size = (train.batch, *pictures.shape)
    return Batch(
        real_img=engine.pictures(real_bytes),
        c=c.to(engine.device) if c is not None else None,
        z=streams.normal("latents", at, train.batch, settings.model.z_dim)[rows].to(engine.device),
        real_view=draw(streams, "augment real", at, size, noise).part(rows),
        gen_view=draw(streams, "augment gen", at, size, noise).part(rows),
        view_for_G=draw(streams, "augment G", at, size, noise).part(rows),
        mix=torch.rand(train.batch, generator=streams.generator("mix", at))[rows].to(engine.device),
        share=len(labels) / train.batch,
    )


def train_step(settings: Settings, pictures: Pictures, engine: Engine, state: TrainState, plan: Plan) -> None:
    """Show `train.d_steps` batches to D and let G answer; `state` moves on by as many pictures.

    With `plan.parts` above 1 each batch is computed in parts and their gradients are added up: where nothing looks at
    the batch as a whole (batch norm, moment matching) or moves with every call (spectral norm, dropout), that is the
    same step, to rounding. Likewise for a team of processes, each of which computes its part of every batch: there
    only dropout differs, as its masks are drawn by layers that see no more than a part.
    """
    train = settings.train
    policy, p = plan.augmentation(settings.augment, state.p)
    rules = Rules(game(train.loss, train.label_smoothing), policy, p, plan.r1_gamma(train))
    g_lr, d_lr = (rate(lr, state.nimg, train.cosine_kimg) * plan.rate_scale for lr in (train.g_lr, train.d_lr))
    state.set_rates(g_lr, d_lr * plan.d_rate_scale)
    parts_here = -(-plan.parts // processes.size())
    masks = f"dropout {processes.rank()}" if processes.rank() else "dropout"
    dropout = Streams(train.seed).as_global(masks, state.nimg, engine.device)
    with dropout if settings.model.d_dropout else contextlib.nullcontext():
        if train.one_pass:
            parts = draw_batch(settings, pictures, engine, state.nimg).parts(parts_here)
            _turn_of_both(settings, engine, state, rules, parts)
        else:
            for turn in range(train.d_steps):
                at = state.nimg + turn * train.batch
                parts = draw_batch(settings, pictures, engine, at).parts(parts_here)
                # The last batch also serves the generator's turn; in one part, its pictures need not be made again.
                keep = turn == train.d_steps - 1 and len(parts) == 1
                kept = _turn_of_D(settings, engine, state, rules, parts, at, keep)
            _turn_of_G(settings, engine, state, rules, parts, kept)
    shown = train.batch * train.d_steps
    state.nimg += shown
    update_average(state.G_ema, state.G, state.nimg, shown, train.ema_kimg * 1000)


@dataclass(frozen=True)
class Rules:
    """What holds for one step: the game, the augmentations that D sees and how often each, and R1's strength."""

    loss: Loss
    policy: Sequence[str]
    p: float | torch.Tensor
    r1_gamma: float

    def view(self, pictures: torch.Tensor, draws: Draws) -> torch.Tensor:
        """What D sees of pictures."""
        return augment(pictures, self.policy, draws, self.p)


def _turn_of_D(
    settings: Settings,
    engine: Engine,
    state: TrainState,
    rules: Rules,
    parts: Sequence[tuple[Batch, float]],
    at: int,
    keep: bool,
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """A batch of real pictures against as many generated ones.

    Returns:
        Generated pictures, and what D saw of the real ones, when G's turn shall `keep` them.
    """
    G, D = state.G, state.D
    thaw(D, settings.train.freeze_d)
    state.opt_D.zero_grad(set_to_none=True)
    logits = []
    for part, share in parts:
        with torch.set_grad_enabled(keep), engine.autocast():
            gen_img = G(part.z, part.c).float()
        real_seen, gen_seen = rules.view(part.real_img, part.real_view), rules.view(gen_img.detach(), part.gen_view)
        with engine.autocast():
            real_logits, gen_logits = D(real_seen, part.c), D(gen_seen, part.c)
        loss_D = rules.loss.loss_D(real_logits, gen_logits)
        (loss_D * share).backward()
        _penalise(settings, state, rules, part, share, real_seen, gen_seen, at)
        state.observe({"loss_D": loss_D}, share)
        logits.append((real_logits.detach(), gen_logits.detach()))
    _end_turn_of_D(settings, state, rules, logits, at)
    return (gen_img, real_seen) if keep else None


def _turn_of_G(
    settings: Settings,
    engine: Engine,
    state: TrainState,
    rules: Rules,
    parts: Sequence[tuple[Batch, float]],
    kept: tuple[torch.Tensor, torch.Tensor] | None,
) -> None:
    """G answers D, which has just moved. No gradients of D's weights are computed, only those that lead to pictures."""
    G, D, loss = state.G, state.D, rules.loss
    D.requires_grad_(False)
    state.opt_G.zero_grad(set_to_none=True)
    for part, share in parts:
        with engine.autocast():
            gen_img = kept[0] if kept is not None else G(part.z, part.c).float()
            gen_logits = D(rules.view(gen_img, part.view_for_G), part.c)
            real_logits = torch.zeros_like(gen_logits)
            if loss.pairs:
                with torch.no_grad():
                    real_seen = kept[1] if kept is not None else rules.view(part.real_img, part.real_view)
                    real_logits = D(real_seen, part.c)
        loss_G = loss.loss_G(real_logits, gen_logits)
        ((loss_G + _off(settings, state, gen_img, part.c)) * share).backward()
        state.observe({"loss_G": loss_G}, share)
    state.add_up_gradients(G, meters=True)
    state.observe({"G_grad": _clipped(G, settings.train.grad_clip)})
    state.opt_G.step()


def _turn_of_both(
    settings: Settings, engine: Engine, state: TrainState, rules: Rules, parts: Sequence[tuple[Batch, float]]
) -> None:
    """Both players learn from one pass through D (Shen et al. 2021, section 3.2): a third less arithmetic.

    A logit of D depends on one picture alone. So what G's loss would send back into a generated picture is what D's
    loss sends back, times (dL_G / dlogit) / (dL_D / dlogit). D has not moved yet when G learns from it, and both
    learn from the same view of a picture.
    """
    G, D, loss, at = state.G, state.D, rules.loss, state.nimg
    thaw(D, settings.train.freeze_d)
    state.opt_D.zero_grad(set_to_none=True)
    state.opt_G.zero_grad(set_to_none=True)
    logits = []
    for part, share in parts:
        with engine.autocast():
            gen_img = G(part.z, part.c).float()
        real_seen, gen_view = rules.view(part.real_img, part.real_view), rules.view(gen_img, part.gen_view)
        gen_seen = gen_view.detach().requires_grad_()
        with engine.autocast():
            real_logits, gen_logits = D(real_seen, part.c), D(gen_seen, part.c)
        loss_D = loss.loss_D(real_logits, gen_logits)
        (loss_D * share).backward()
        assert gen_seen.grad is not None
        for_G = gen_seen.grad * exchange(loss, real_logits, gen_logits)[:, None, None, None]
        _penalise(settings, state, rules, part, share, real_seen, gen_seen.detach(), at)
        ((gen_view * for_G).sum() + _off(settings, state, gen_img, part.c) * share).backward()
        state.observe({"loss_D": loss_D, "loss_G": loss.loss_G(real_logits, gen_logits)}, share)
        logits.append((real_logits.detach(), gen_logits.detach()))
    _end_turn_of_D(settings, state, rules, logits, at)
    state.add_up_gradients(G, meters=True)
    state.observe({"G_grad": _clipped(G, settings.train.grad_clip)})
    state.opt_G.step()


def _penalise(
    settings: Settings,
    state: TrainState,
    rules: Rules,
    part: Batch,
    share: float,
    real_seen: torch.Tensor,
    gen_seen: torch.Tensor,
    at: int,
) -> None:
    """Add the gradients of the penalties. They differentiate twice: in float32, to be on the safe side, and seldom."""
    train = settings.train

    def D(pictures: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = state.D(pictures, part.c)
        return logits

    if crossed(at, at + train.batch, train.batch * train.penalty_interval):
        for name, gamma, seen in (("r1", rules.r1_gamma, real_seen), ("r2", train.r2_gamma, gen_seen)):
            if gamma:
                penalty = gradient_penalty(D, seen)
                (penalty * (share * gamma / 2 * train.penalty_interval)).backward()
                state.observe({name: penalty}, share)
    if train.loss == "wgan-gp":
        penalty = interpolated_penalty(D, real_seen, gen_seen, part.mix)
        (penalty * (share * train.gp_lambda)).backward()
        state.observe({"gp": penalty}, share)


def _end_turn_of_D(
    settings: Settings,
    state: TrainState,
    rules: Rules,
    logits: Sequence[tuple[torch.Tensor, torch.Tensor]],
    at: int,
) -> None:
    """Look at the logits of a batch, and move D."""
    D, train = state.D, settings.train
    own = torch.stack([torch.cat(found) for found in zip(*logits, strict=True)], 1)
    real, gen = put_together(own.float(), train.batch).T
    state.add_up_gradients(D)
    real_acc, gen_acc = accuracy(rules.loss, real, gen)
    state.observe({"real_acc": real_acc, "gen_acc": gen_acc, "real_logit": real.mean(), "gen_logit": gen.mean()})
    state.observe({"real_std": real.std(correction=0), "gen_std": gen.std(correction=0)})
    state.adapt(real_acc, at, settings)
    state.observe({"D_grad": _clipped(D, train.grad_clip)})
    state.opt_D.step()
    if train.loss == "wgan":  # Arjovsky et al. 2017, algorithm 1
        with torch.no_grad():
            moved: list[torch.Tensor] = [parameter for parameter in D.parameters() if parameter.requires_grad]
            torch._foreach_clamp_min_(moved, -train.clip)
            torch._foreach_clamp_max_(moved, train.clip)


def _off(settings: Settings, state: TrainState, gen_img: torch.Tensor, c: torch.Tensor | None) -> torch.Tensor:
    """How far the moments of what G paints are off, weighted; a share of a batch will do to see it.

    Of a team, each process looks at its own pictures among the first of the whole batch.
    """
    if state.matching is None:
        return gen_img.new_zeros(())
    batch, share, team = settings.train.batch, settings.train.match_share, processes.size()
    if len(gen_img) == len(range(processes.rank(), batch, team)):
        count = len(range(processes.rank(), max(2, team, round(batch * share)), team))
    else:  # a part of what is this process's
        count = max(2, round(len(gen_img) * share))
    off = state.matching.loss(gen_img[:count], c[:count] if c is not None else None) * settings.train.match
    state.observe({"match": off})
    return off


def _clipped(network: nn.Module, longest: float) -> torch.Tensor:
    """Norm of the gradient of all weights together, which is then shortened to `longest` (Pascanu et al. 2013)."""
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters if parameter.grad is not None])
    if longest:
        torch.nn.utils.clip_grads_with_norm_(parameters, longest, norm)
    return norm
