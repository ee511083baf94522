"""Everything that changes while training, and nothing else: what a checkpoint must hold to go on bit for bit."""

import copy
import math

import torch
from torch import nn

from artgan.config import Settings, TrainSettings
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.errors import CheckpointError
from artgan.models import build_discriminator, build_generator

METERS = ("loss_D", "loss_G", "real_acc", "gen_acc", "real_logit", "gen_logit", "r1", "r2", "gp")


class TrainState:
    """Both networks, the averaged generator, both optimisers, the position, and the unfinished means of statistics."""

    def __init__(self, settings: Settings, shape: tuple[int, int, int], c_dim: int, engine: Engine) -> None:
        with torch.random.fork_rng(devices=[]):  # networks are drawn on the CPU: the same on every device
            torch.manual_seed(Streams(engine.seed).generator("weights").initial_seed())
            self.G = engine.place(build_generator(settings.model, shape, c_dim))
            self.D = engine.place(build_discriminator(settings.model, shape, c_dim))
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self.opt_G = build_optimizer(self.G, settings.train, settings.train.g_lr)
        self.opt_D = build_optimizer(self.D, settings.train, settings.train.d_lr)
        self.nimg = 0
        self.sums = torch.zeros(len(METERS), device=engine.device)
        self.counts = torch.zeros(len(METERS), device=engine.device)

    def observe(self, values: dict[str, torch.Tensor]) -> None:
        """Add one step's values to the running means, without waiting for the device."""
        for name, value in values.items():
            at = METERS.index(name)
            self.sums[at] += value.detach()
            self.counts[at] += 1

    def take_means(self) -> dict[str, float]:
        """The means since the last call, of whatever was observed."""
        pairs = zip(METERS, self.sums.tolist(), self.counts.tolist(), strict=True)
        means = {name: total / count for name, total, count in pairs if count}
        self.sums.zero_()
        self.counts.zero_()
        return means

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of the state as named tensors."""
        found = {
            "nimg": torch.tensor(self.nimg),
            "meters.sums": self.sums,
            "meters.counts": self.counts,
        }
        for name, network in (("G", self.G), ("D", self.D), ("G_ema", self.G_ema)):
            found |= {f"{name}.{key}": value for key, value in network.state_dict().items()}
        for name, network, optimizer in (("opt_G", self.G, self.opt_G), ("opt_D", self.D, self.opt_D)):
            for key, parameter in network.named_parameters():
                for slot, value in optimizer.state[parameter].items():
                    found[f"{name}.{key}.{slot}"] = value
        return found

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take over the state that `tensors` returned.

        Raises:
            CheckpointError: names or shapes do not fit these networks.
        """
        try:
            for name, network in (("G", self.G), ("D", self.D), ("G_ema", self.G_ema)):
                network.load_state_dict(_below(tensors, name))
            for name, network, optimizer in (("opt_G", self.G, self.opt_G), ("opt_D", self.D, self.opt_D)):
                for key, parameter in network.named_parameters():
                    slots = _below(tensors, f"{name}.{key}")
                    # In the memory layout of the parameter, which the fused optimiser counts on.
                    optimizer.state[parameter] = {
                        slot: torch.empty_like(parameter).copy_(value).detach()
                        if value.dim()
                        else value.clone().to(parameter.device)
                        for slot, value in slots.items()
                        if "." not in slot
                    }
            self.nimg = int(tensors["nimg"])
            self.sums.copy_(tensors["meters.sums"])
            self.counts.copy_(tensors["meters.counts"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"The checkpoint does not fit the networks of these settings: {str(error).splitlines()[0]}",
                "Resume with the settings in the run's config.toml.",
            ) from error


def _below(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) + 1 :]: value for name, value in tensors.items() if name.startswith(prefix + ".")}


def build_optimizer(network: nn.Module, settings: TrainSettings, lr: float) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015), or RMSprop as in the WGAN paper."""
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr=lr)
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(settings.beta1, settings.beta2), fused=True)


@torch.no_grad()
def update_average(G_ema: nn.Module, G: nn.Module, nimg: int, batch: int, half_life: float) -> None:
    """Move the averaged generator towards G; parameters and batch-norm buffers alike.

    The decay is a function of nimg: half of the old is forgotten in `half_life` pictures, or in a tenth of the
    pictures shown so far while that is less (Karras et al. 2020 warm up likewise, with a twentieth).
    """
    half_life = min(half_life, nimg / 10)
    weight = 1 - 0.5 ** (batch / half_life) if half_life > 0 and math.isfinite(half_life) else 1.0
    ours, theirs = [*G_ema.parameters(), *G_ema.buffers()], [*G.parameters(), *G.buffers()]
    smooth = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in smooth], [b for _, b in smooth], weight)
    for a, b in zip(ours, theirs, strict=True):
        if not a.is_floating_point():  # batch norm's count of batches
            a.copy_(b)
