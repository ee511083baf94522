"""The training loop, from top to bottom. It knows run folders and networks; it does not know command lines."""

import time
from collections.abc import Callable
from typing import Literal

import torch

from artgan.config import Settings
from artgan.data.pictures import Pictures
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.engine.storage import Run, append_json_line
from artgan.training.augment import augment
from artgan.training.events import Event, Stats, Step
from artgan.training.losses import LOSSES, accuracy, gradient_penalty, interpolated_penalty
from artgan.training.snapshots import Previewer, crossed, preview_due, save_state
from artgan.training.state import TrainState, update_average

Ending = Literal["kimg", "minutes", "asked"]


def train_loop(  # noqa: PLR0912, PLR0915 - one loop, read from top to bottom
    settings: Settings,
    pictures: Pictures,
    engine: Engine,
    state: TrainState,
    run: Run,
    minutes: float | None,
    on_event: Callable[[Event], None],
    should_stop: Callable[[], bool],
) -> Ending:
    """Train until `train.total_kimg`, until `minutes` are over, or until `should_stop()`; then save.

    Every random draw is a function of (seed, name, nimg), and so is everything that touches the networks: stopping,
    saving and going on at any step leaves no trace in the result.

    Returns:
        What ended it.
    """
    train, snapshot, policy = settings.train, settings.snapshot, settings.augment.policy
    G, D, G_ema, opt_G, opt_D = state.G, state.D, state.G_ema, state.opt_G, state.opt_D
    loss, batch, conditional = LOSSES[train.loss], train.batch, bool(pictures.classes)
    streams = Streams(train.seed)
    total_nimg = round(train.total_kimg * 1000)
    previewer = Previewer(settings, pictures, engine, run, on_event)
    if state.nimg == 0:
        previewer.save_reals()
        previewer.save(G_ema, 0)

    started = saved_at = told_at = time.monotonic()
    told_nimg = state.nimg
    ending: Ending | None = None
    while ending is None and state.nimg < total_nimg:
        # --- discriminator: d_steps batches of real pictures, each against as many generated ones
        D.requires_grad_(True)
        for turn in range(train.d_steps):
            at = state.nimg + turn * batch
            real_bytes, labels = pictures.batch(at, batch)
            real_img = engine.pictures(real_bytes)
            c = labels.to(engine.device) if conditional else None
            z = streams.normal("latents", at, batch, settings.model.z_dim).to(engine.device)

            # The last batch also serves the generator's step below, so only that one records its graph.
            with torch.set_grad_enabled(turn == train.d_steps - 1), engine.autocast():
                gen_img = G(z, c).float()
            real_seen = augment(real_img, policy, streams.generator("augment real", at))
            gen_seen = augment(gen_img.detach(), policy, streams.generator("augment gen", at))
            with engine.autocast():
                real_logits, gen_logits = D(real_seen, c), D(gen_seen, c)
            loss_D = loss.loss_D(real_logits, gen_logits)
            opt_D.zero_grad(set_to_none=True)
            loss_D.backward()

            # Penalties differentiate twice; they run in float32, to be on the safe side, and seldom.
            if crossed(at, at + batch, batch * train.penalty_interval):
                for name, gamma, seen in (("r1", train.r1_gamma, real_seen), ("r2", train.r2_gamma, gen_seen)):
                    if gamma:
                        penalty = gradient_penalty(lambda x: D(x, c), seen)  # noqa: B023
                        (penalty * (gamma / 2 * train.penalty_interval)).backward()
                        state.observe({name: penalty})
            if train.loss == "wgan-gp":
                mix = torch.rand(batch, generator=streams.generator("mix", at)).to(engine.device)
                penalty = interpolated_penalty(lambda x: D(x, c), real_seen, gen_seen, mix)  # noqa: B023
                (penalty * train.gp_lambda).backward()
                state.observe({"gp": penalty})
            opt_D.step()
            if train.loss == "wgan":  # Arjovsky et al. 2017, algorithm 1
                with torch.no_grad():
                    torch._foreach_clamp_min_(list(D.parameters()), -train.clip)
                    torch._foreach_clamp_max_(list(D.parameters()), train.clip)

        # --- generator: no gradients of D's weights are computed, only those that lead to the picture
        D.requires_grad_(False)
        gen_seen = augment(gen_img, policy, streams.generator("augment G", at))
        with engine.autocast():
            gen_logits_G = D(gen_seen, c)
            with torch.no_grad():
                real_logits_G = D(real_seen, c) if loss.pairs else real_logits
        loss_G = loss.loss_G(real_logits_G, gen_logits_G)
        opt_G.zero_grad(set_to_none=True)
        loss_G.backward()
        opt_G.step()

        before, state.nimg = state.nimg, state.nimg + batch * train.d_steps
        update_average(G_ema, G, state.nimg, batch * train.d_steps, train.ema_kimg * 1000)

        # --- what to remember of this step
        real_acc, gen_acc = accuracy(loss, real_logits, gen_logits)
        state.observe(
            {
                "loss_D": loss_D,
                "loss_G": loss_G,
                "real_acc": real_acc,
                "gen_acc": gen_acc,
                "real_logit": real_logits.mean(),
                "gen_logit": gen_logits.mean(),
            }
        )
        on_event(Step(state.nimg))
        now = time.monotonic()
        if crossed(before, state.nimg, snapshot.stats_kimg * 1000):
            speed = (state.nimg - told_nimg) / max(now - told_at, 1e-9)
            means = state.take_means()
            times = {"images_per_second": round(speed, 1), "unix": round(time.time(), 1)}
            append_json_line(run.stats, {"nimg": state.nimg, **means, "time": times})
            on_event(Stats(state.nimg, means, speed))
            told_nimg, told_at = state.nimg, now

        # --- look and save
        if state.nimg >= total_nimg:
            ending = "kimg"
        elif minutes is not None and now - started >= minutes * 60:
            ending = "minutes"
        elif should_stop():
            ending = "asked"
        if ending or preview_due(before, state.nimg, snapshot.preview_kimg * 1000):
            previewer.save(G_ema, state.nimg)
        late = now - saved_at >= snapshot.checkpoint_minutes * 60
        if ending or late or crossed(before, state.nimg, snapshot.checkpoint_kimg * 1000):
            save_state(settings, pictures, state, run, on_event)
            saved_at = time.monotonic()
    return ending or "kimg"
