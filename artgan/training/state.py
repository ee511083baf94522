"""Everything that changes while training, and nothing else: what a checkpoint must hold to go on bit for bit."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import nn

from artgan.config import Settings, TrainSettings
from artgan.engine import processes
from artgan.engine.checkpoint import misfit
from artgan.engine.device import Engine
from artgan.engine.seeds import Streams
from artgan.engine.sums import add_up
from artgan.errors import CheckpointError
from artgan.models import build_discriminator, build_generator
from artgan.models.norm import share_norms
from artgan.training.augment import adapted
from artgan.training.finetune import trainable
from artgan.training.matching import Matching

METERS = (
    *("loss_D", "loss_G", "real_acc", "gen_acc", "real_logit", "gen_logit", "real_std", "gen_std"),
    *("G_grad", "D_grad", "r1", "r2", "gp", "match"),
)
SLOTS: dict[type, tuple[str, ...]] = {torch.optim.Adam: ("exp_avg", "exp_avg_sq"), torch.optim.RMSprop: ("square_avg",)}
"""What an optimiser remembers of each parameter, beside the count of its steps."""
ADAPT_EVERY = 4
"""Batches between two movements of the augmentation's p."""


class TrainState:
    """Both networks, the averaged generator, both optimisers, the position, p, and the unfinished means of statistics.

    `p` is the probability of each augmentation, without a dimension, and `won` the sum of `real_acc` since it moved.
    """

    def __init__(self, settings: Settings, shape: tuple[int, int, int], c_dim: int, engine: Engine) -> None:
        with torch.random.fork_rng(devices=[]):  # networks are drawn on the CPU: the same on every device
            torch.manual_seed(Streams(engine.seed).generator("weights").initial_seed())
            G = build_generator(settings.model, shape, c_dim)
            D = build_discriminator(settings.model, shape, c_dim)
        if processes.size() > 1 and settings.train.sync_norm:
            share_norms(G)
            share_norms(D)
        self.G, self.D = engine.place(G), engine.place(D)
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self.opt_G = build_optimizer([*self.G.parameters()], settings.train, settings.train.g_lr)
        self.opt_D = build_optimizer(trainable(self.D, settings.train.freeze_d), settings.train, settings.train.d_lr)
        self.matching = Matching(shape, c_dim, engine) if settings.train.match else None
        self.nimg = 0
        self.p = torch.tensor(0.0 if settings.augment.adaptive else settings.augment.p, device=engine.device)
        self.won = torch.zeros((), device=engine.device)
        self.sums = torch.zeros(len(METERS), device=engine.device)
        self.counts = torch.zeros(len(METERS), device=engine.device)
        self._own = torch.zeros(2, len(METERS), device=engine.device)
        self._worst = torch.zeros((), device=engine.device)

    def set_rates(self, g_lr: float, d_lr: float) -> None:
        """Set both learning rates."""
        for optimizer, lr in ((self.opt_G, g_lr), (self.opt_D, d_lr)):
            for group in optimizer.param_groups:
                group["lr"] = lr

    @property
    def rates(self) -> dict[str, float]:
        """The learning rates of the last step."""
        return {"g_lr": self.opt_G.param_groups[0]["lr"], "d_lr": self.opt_D.param_groups[0]["lr"]}

    def adapt(self, real_acc: torch.Tensor, at: int, settings: Settings) -> None:
        """Let p follow the discriminator's overfitting, every fourth batch; never waits for the device.

        Args:
            real_acc: share of the reals of the whole batch that D told from generated pictures, see `accuracy`.
            at: pictures shown before that batch.
            settings: nothing happens unless its `augment.adaptive` is set.
        """
        batch = settings.train.batch
        if not settings.augment.adaptive:
            return
        self.won = self.won + real_acc.detach()
        if (at // batch + 1) % ADAPT_EVERY == 0:
            self.p = adapted(self.p, self.won / ADAPT_EVERY, ADAPT_EVERY * batch, settings.augment)
            self.won = torch.zeros_like(self.won)

    def observe(self, values: dict[str, torch.Tensor], share: float | None = None) -> None:
        """Add values of a step to the running means; never waits for the device.

        Args:
            values: of the whole batch, the same in all processes; or of a part of it.
            share: of that part in the batch.
        """
        sums, counts = (self.sums, self.counts) if share is None else self._own
        weight = 1.0 if share is None else share
        for name, value in values.items():
            at = METERS.index(name)
            sums[at] += value.detach() * weight
            counts[at] += weight
            if name.startswith("loss"):
                self._worst = torch.maximum(self._worst, value.detach().abs())
            elif name.endswith("grad"):  # a gradient may be long, but it has to be a number
                self._worst = torch.maximum(self._worst, value.detach() * 0)

    def add_up_gradients(self, network: nn.Module, meters: bool = False) -> None:
        """Make the gradients of a network those of the whole batch, of which every process computed its part.

        Once for all that a turn adds to them, in one exchange: torch's DistributedDataParallel exchanges in every
        backward pass, and cannot look into penalties. With `meters`, what was observed of parts goes along.
        """
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        add_up([*gradients, self._own] if meters else gradients)
        if meters:
            self._settle()

    def _settle(self) -> None:
        self.sums += self._own[0]
        self.counts += self._own[1]
        self._own.zero_()

    def take_worst(self) -> float:
        """The largest absolute loss since the last call, NaN when a loss or gradient was; waits for the device."""
        worst = float(self._worst)
        self._worst = torch.zeros_like(self._worst)
        return worst

    def take_means(self) -> dict[str, float]:
        """The means since the last call, of whatever was observed."""
        self._settle()
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
            "augment.p": self.p,
            "augment.won": self.won,
        }
        if self.matching is not None:
            found |= {f"matching.{name}": value for name, value in self.matching.tensors().items()}
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
            CheckpointError: a name, a shape or a number format does not fit; this state is then as it was.
        """
        tensors = {"augment.p": self.p, "augment.won": self.won} | tensors  # older checkpoints have none
        for name in ("meters.sums", "meters.counts"):  # and those before the painter had one meter less, the last
            if name in tensors and tensors[name].shape == (len(METERS) - 1,):
                tensors[name] = F.pad(tensors[name], (0, 1))
        stepped = any(name.startswith("opt_") for name in tensors)
        problem = misfit(tensors, self._layout(stepped))
        if not problem and (tensors["nimg"] < 0 or (tensors["nimg"] > 0 and not stepped)):
            problem = "its nimg or its optimisers are damaged"
        if problem:
            raise CheckpointError(
                f"The checkpoint does not fit the networks of these settings: {problem}.",
                "Resume with the settings in the run's config.toml.",
            )
        for name, network in (("G", self.G), ("D", self.D), ("G_ema", self.G_ema)):
            network.load_state_dict({key: tensors[f"{name}.{key}"] for key in network.state_dict()})
        for name, network, optimizer in (("opt_G", self.G, self.opt_G), ("opt_D", self.D, self.opt_D)):
            optimizer.state.clear()
            for key, parameter in _moved(network, optimizer) if stepped else ():
                # In the memory layout of the parameter, which the fused optimiser counts on.
                optimizer.state[parameter] = {
                    slot: torch.empty_like(parameter).copy_(tensors[f"{name}.{key}.{slot}"]).detach()
                    for slot in SLOTS[type(optimizer)]
                } | {"step": tensors[f"{name}.{key}.step"].clone().to(parameter.device)}
        if self.matching is not None:
            self.matching.load({name: tensors[f"matching.{name}"] for name in self.matching.tensors()})
        self.nimg = int(tensors["nimg"])
        self.sums.copy_(tensors["meters.sums"])
        self.counts.copy_(tensors["meters.counts"])
        self.p, self.won = (tensors[f"augment.{name}"].clone().to(self.sums.device) for name in ("p", "won"))

    def _layout(self, stepped: bool) -> dict[str, torch.Tensor]:
        """Tensors of the names, shapes and formats of a checkpoint, from before or after the optimisers' first step."""
        layout = {name: value for name, value in self.tensors().items() if not name.startswith("opt_")}
        for name, network, optimizer in (("opt_G", self.G, self.opt_G), ("opt_D", self.D, self.opt_D)):
            for key, parameter in _moved(network, optimizer) if stepped else ():
                layout[f"{name}.{key}.step"] = torch.zeros(())
                layout |= {f"{name}.{key}.{slot}": parameter for slot in SLOTS[type(optimizer)]}
        return layout


def _moved(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[tuple[str, nn.Parameter]]:
    """The parameters of the network that the optimiser moves, by name: all but frozen ones."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return [(name, parameter) for name, parameter in network.named_parameters() if id(parameter) in held]


def build_optimizer(parameters: list[nn.Parameter], settings: TrainSettings, lr: float) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015), or RMSprop as in the WGAN paper."""
    if settings.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr)
    return torch.optim.Adam(parameters, lr=lr, betas=(settings.beta1, settings.beta2), fused=True)


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
