"""Settings: frozen, validated, written to TOML. Presets are files of these. This module knows nothing of torch."""

import difflib
import re
import reprlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from artgan.errors import ArtganError, SettingError, UsageError

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
SMOOTHED = ("minimax", "bce", "lsgan")
"""Losses with a target for reals, which label smoothing can lower."""
SMALLEST_MATCHED = 16
"""Sides of pictures that the embedded encoder can read, pixels."""
ONE_PASS = ("minimax", "bce", "wgan", "rpgan")
"""Losses whose gradient at a generated picture is never 0 for D, so that G's can be had from it."""
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120
DEVICES = r"auto|cpu|mps|cuda(:\d{1,3})?"


class Section(BaseModel):
    """A group of settings: frozen, and closed to names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EngineSettings(Section):
    """Where the arithmetic happens. May change when a run is resumed."""

    device: str = Field("auto", pattern=rf"^({DEVICES})$", description="auto, cpu, cuda, cuda:1 or mps")
    precision: Literal["auto", "float32", "bf16"] = Field("auto", description="number format of the heavy arithmetic")
    deterministic: bool = Field(False, description="refuse operations whose results vary between GPU runs")
    cache_gb: Positive = Field(20.0, description="what decoded shards may take on disk, in 10^9 bytes")


class DataSettings(Section):
    """How pictures become training examples."""

    resolution: int = Field(64, ge=8, le=1024, description="side of the square training picture, pixels")
    shape: str = Field("", pattern=r"^(|\d+x\d+)$", description="WIDTHxHEIGHT for pictures that are not square")
    channels: Literal["rgb", "rgba", "grey"] = Field("rgb", description="keep alpha (rgba) or train in grey")
    crop: Literal["center", "random"] = Field("center", description="where the first crop of a picture is taken")
    crops: int = Field(1, ge=1, le=1000, description="crops per picture, at several scales; for few large pictures")
    labels: str = Field("auto", description="auto (class folders), none, or a CSV or JSON file of file,label")
    captions: bool = Field(False, description="paint what a text says: captions of the pictures in place of classes")
    balanced: bool = Field(False, description="show every class equally often")
    mirror: bool = Field(False, description="flip half of the pictures left to right")
    shuffle: Count = Field(16384, description="shards: so many pictures at least are mixed among one another")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a training picture, pixels."""
        if not self.shape:
            return self.resolution, self.resolution
        width, height = self.shape.split("x")
        return int(width), int(height)


class ModelSettings(Section):
    """The two networks."""

    name: Literal["dcgan", "mlp", "painter"] = Field(
        "dcgan", description="dcgan (convolutions), painter (our own, for few pictures) or mlp (fully connected)"
    )
    z_dim: int = Field(128, ge=1, le=4096, description="numbers in a latent")
    base_channels: int = Field(64, ge=4, le=512, description="channels at the highest resolution")
    max_channels: int = Field(512, ge=4, le=2048, description="channels are never more than this")
    embed_dim: int = Field(32, ge=1, le=1024, description="numbers that stand for a class beside the latent")
    d_norm: Literal["batch", "none", "spectral"] = Field("none", description="normalisation in the discriminator")
    d_dropout: float = Field(0.0, ge=0, lt=1, description="share of the discriminator's features blanked at random")


class TrainSettings(Section):
    """Loss, optimisers and length."""

    loss: Literal["minimax", "bce", "lsgan", "wgan", "wgan-gp", "hinge", "rpgan"] = Field("rpgan", description="loss")
    optimizer: Literal["adam", "rmsprop"] = Field("adam", description="adam, or rmsprop as in the WGAN paper")
    g_lr: Positive = Field(2e-4, description="learning rate of the generator")
    d_lr: Positive = Field(2e-4, description="learning rate of the discriminator")
    beta1: Momentum = Field(0.5, description="Adam: memory of the gradient")
    beta2: Momentum = Field(0.99, description="Adam: memory of the squared gradient")
    batch: int = Field(64, ge=2, le=4096, description="pictures per step")
    accumulate: Count = Field(1, description="parts a batch is computed in: the same step with less memory")
    freeze_d: int = Field(
        0, ge=0, le=16, description="discriminator levels, from the picture on, that keep their weights; needs --from"
    )
    d_steps: int = Field(1, ge=1, le=100, description="discriminator steps per generator step")
    r1_gamma: NotNegative = Field(1.0, description="strength of the R1 penalty on real pictures; 0 is off")
    r2_gamma: NotNegative = Field(0.0, description="strength of the R2 penalty on generated pictures; 0 is off")
    penalty_interval: int = Field(8, ge=1, le=1000, description="steps between R1 and R2 penalties (lazy)")
    gp_lambda: NotNegative = Field(10.0, description="wgan-gp: strength of the gradient penalty")
    clip: Positive = Field(0.01, description="wgan: weights of the critic are clipped to this")
    grad_clip: NotNegative = Field(0.0, description="gradients longer than this are shortened to it; 0 is off")
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="minimax, bce, lsgan: reals count as real by 1 minus this"
    )
    cosine_kimg: NotNegative = Field(
        0.0, description="learning rates fall along a cosine to 1 % at this kimg; 0 is off"
    )
    one_pass: bool = Field(False, description="both networks learn from one pass through the discriminator: faster")
    sync_norm: bool = Field(
        True, description="under torchrun, batch norm looks at the batches of all processes: as one would have it"
    )
    match: NotNegative = Field(
        0.0, description="weight of matching what the embedded encoder sees in generated and in real pictures; 0 is off"
    )
    match_share: float = Field(0.5, gt=0, le=1, description="share of a batch that is looked at for it")
    ema_kimg: NotNegative = Field(10.0, description="half-life of the averaged generator, thousands of pictures")
    total_kimg: Positive = Field(1000.0, description="thousands of real pictures to show in all")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of every random stream of the run")
    remedies: bool = Field(
        True, description="slower, more augmentation, stronger R1: tried in turn when an alarm does not go away"
    )


class AugmentSettings(Section):
    """What the discriminator sees instead of the bare pictures."""

    policy: tuple[Literal["color", "translation", "cutout"], ...] = Field(
        (), description="DiffAugment on reals and fakes, for small sets: any of color, translation, cutout"
    )
    p: Share = Field(1.0, description="how often each of them is applied to a picture, 0 to 1; adaptive sets it itself")
    adaptive: bool = Field(False, description="augment only as often as the discriminator's overfitting asks for")
    target: float = Field(
        0.6, gt=-1, lt=1, description="adaptive: overfitting to keep to; 0 is a coin toss, 1 is right on every real"
    )
    ada_kimg: Positive = Field(100.0, description="adaptive: thousands of pictures in which p can go from 0 to 1")
    p_max: Share = Field(0.8, description="adaptive: p never goes above this")
    noise: NotNegative = Field(0.0, description="instance noise: standard deviation, where black to white is 2")
    noise_kimg: Positive = Field(100.0, description="instance noise fades to nothing at this kimg")


class SnapshotSettings(Section):
    """When to look and when to save. May change when a run is resumed."""

    preview_kimg: Positive = Field(20.0, description="longest distance between previews, thousands of pictures")
    checkpoint_kimg: Positive = Field(100.0, description="distance between checkpoints, thousands of pictures")
    checkpoint_minutes: Positive = Field(5.0, description="longest time between checkpoints, minutes")
    stats_kimg: Positive = Field(1.0, description="distance between lines of stats.jsonl, thousands of pictures")
    health_kimg: Positive = Field(2.0, description="distance between lines of metrics.jsonl, thousands of pictures")


class ScoreSettings(Section):
    """How near the pictures come while they are being learnt. May change when a run is resumed."""

    every_kimg: NotNegative = Field(
        0.0, description="thousands of pictures between scores, seen at 64 px (hence kid500_artgan64); 0 is off"
    )
    num: int = Field(500, ge=2, le=50_000, description="pictures drawn for each score, from the seeds 0 up")
    metric: Literal["kid", "fd"] = Field("kid", description="what the best checkpoint is chosen by; kid is fair to few")


class Settings(Section):
    """All settings of a training run."""

    engine: EngineSettings = EngineSettings()
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    train: TrainSettings = TrainSettings()
    augment: AugmentSettings = AugmentSettings()
    snapshot: SnapshotSettings = SnapshotSettings()
    score: ScoreSettings = ScoreSettings()

    @model_validator(mode="after")
    def _fits_together(self) -> "Settings":
        if self.train.loss == "wgan-gp" and self.model.d_norm == "batch":
            # Gulrajani et al. 2017, section 4: the penalty is per picture, batch norm ties pictures together.
            raise SettingError(
                "train.loss wgan-gp does not work with model.d_norm batch.", 'Use --set model.d_norm="none".'
            )
        if self.train.label_smoothing and self.train.loss not in SMOOTHED:
            raise SettingError(
                f"train.label_smoothing does not go with train.loss {self.train.loss}.",
                f"Use it with one of {', '.join(SMOOTHED)}.",
            )
        _check_one_pass(self.train, self.model)
        if self.train.match and min(self.data.size) < SMALLEST_MATCHED:
            raise SettingError(
                f"train.match needs pictures of {SMALLEST_MATCHED} px and more.", "Use --set train.match=0."
            )
        if self.augment.adaptive and not self.augment.policy:
            raise SettingError(
                "augment.adaptive has nothing to adapt: augment.policy is empty.",
                'Add --set augment.policy=["color","translation","cutout"].',
            )
        if self.train.accumulate > self.train.batch // 2:
            raise SettingError(
                f"train.accumulate {self.train.accumulate} leaves less than two pictures per part.",
                f"Choose at most {self.train.batch // 2} for a batch of {self.train.batch}.",
            )
        if self.data.captions and self.data.labels != "auto":
            raise SettingError(
                "data.captions does not go with data.labels: captions take the place of classes.",
                'Leave --labels and --no-labels away, or add --set data.labels="auto".',
            )
        width, height = self.data.size
        if not 8 <= min(width, height) <= max(width, height) <= 1024:
            raise SettingError(f"data.shape {width}x{height} is outside 8 to 1024 pixels.", "Try 96x64.")
        if self.model.name != "mlp":
            base_grid(width, height)
        return self


def _check_one_pass(train: TrainSettings, model: ModelSettings) -> None:
    """One pass serves both networks where a logit depends on one picture, and both take turns one by one."""
    if not train.one_pass:
        return
    if train.loss not in ONE_PASS:
        raise SettingError(
            f"train.one_pass does not go with train.loss {train.loss}.", f"Use it with one of {', '.join(ONE_PASS)}."
        )
    if model.d_norm == "batch":
        raise SettingError("train.one_pass does not go with model.d_norm batch.", 'Use --set model.d_norm="none".')
    if train.d_steps > 1:
        raise SettingError("train.one_pass does not go with train.d_steps above 1.", "Use --set train.d_steps=1.")


# What may differ between a run's saved settings and the settings it is resumed with. Where the label table lies may
# change; what it says is part of the fingerprint of the pictures.
MAY_CHANGE = re.compile(r"engine\..*|snapshot\..*|score\..*|train\.total_kimg|data\.labels")


def base_grid(width: int, height: int) -> tuple[int, int, int]:
    """The smallest grid of a convolutional network for a picture, and how often it is doubled.

    Returns:
        (grid width, grid height, doublings): width = grid width * 2**doublings, and likewise the height. The shorter
        side of the grid is 3 to 5 cells (a 64 px picture starts from 4 x 4), the longer at most 16.

    Raises:
        SettingError: no such grid exists; the hint names the nearest size that has one.
    """
    grids = [(2**doublings, doublings) for doublings in range(8, 0, -1)]
    for cell, doublings in grids:
        grid = (width // cell, height // cell)
        if width % cell == 0 and height % cell == 0 and _is_base(*grid):
            return *grid, doublings
    near = [(max(3, round(width / cell)) * cell, max(3, round(height / cell)) * cell) for cell, _ in grids]
    near = [size for size, (cell, _) in zip(near, grids, strict=True) if _is_base(size[0] // cell, size[1] // cell)]
    closest = min(near, key=lambda size: abs(size[0] - width) + abs(size[1] - height), default=(128, 64))
    raise SettingError(
        f"No dcgan or painter makes pictures of {width}x{height} pixels: sides are 3 to 5 cells, doubled often.",
        f"The nearest that works is --shape {closest[0]}x{closest[1]}; --preset mlp28 takes any small size.",
    )


def _is_base(columns: int, rows: int) -> bool:
    return 3 <= min(columns, rows) <= 5 and max(columns, rows) <= 16


def with_overrides(values: Mapping[str, Any], overrides: Mapping[str, object]) -> dict[str, Any]:
    """A copy of nested settings `values` with dotted keys replaced."""
    merged: dict[str, Any] = {
        section: dict(keys) if isinstance(keys, Mapping) else keys for section, keys in values.items()
    }
    for key, value in overrides.items():
        section, _, name = key.partition(".")
        if not name:
            raise unknown_key(key)
        merged.setdefault(section, {})[name] = value
    return merged


def parse_sets(pairs: Sequence[str]) -> dict[str, object]:
    """Read `--set section.key=value` pairs; values are TOML, and a bare word is a string.

    Raises:
        UsageError: a pair has no `=`.
    """
    parsed: dict[str, object] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair!r} has no '='.", "Write --set train.g_lr=0.0001.")
        try:
            parsed[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):  # not TOML, or TOML that asks for too much
            parsed[key.strip()] = text.strip()
    return parsed


def validated(values: Mapping[str, Any], where: str = "") -> Settings:
    """Check nested settings.

    Raises:
        SettingError: names the first key that is wrong and, for a mistyped key, the nearest real one.
    """
    try:
        settings = Settings.model_validate(values)
        if settings.data.labels != settings.data.labels.encode("utf-8", "replace").decode():
            raise SettingError("data.labels is a name that is not UTF-8.", "Rename the label table.")
        return settings
    except ArtganError as error:
        raise type(error)(f"{where}: {error.message}" if where else error.message, error.hint) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part)[:80] for part in first["loc"] if not isinstance(part, int))
        prefix = f"In {where}, " if where else ""
        if first["type"] == "extra_forbidden":
            if "." not in key and isinstance(first["input"], Mapping):  # a section that does not exist
                key = ".".join([key, *[str(name)[:80] for name in first["input"]][:1]])
            problem = unknown_key(key)
            raise SettingError(prefix + problem.message, problem.hint) from None
        description = field_descriptions().get(key, "")
        message = f"{prefix}{key} is {_short.repr(first['input'])}: {first['msg'].lower()}."
        raise SettingError(message, f"{key}: {description}." if description else "See `artgan presets show`.") from None


def unknown_key(key: str) -> SettingError:
    """The answer to a setting that does not exist: the nearest one that does."""
    known = list(field_descriptions())
    near = [name for name in known if name.partition(".")[2] == key.rpartition(".")[2]]  # right name, wrong section
    near = near or difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else "`artgan presets show` lists every setting."
    return SettingError(f"There is no setting {key!r}.", hint)


def field_descriptions() -> dict[str, str]:
    """Every setting as `section.key`, with its one-line description."""
    return {
        f"{section}.{name}": field.description or ""
        for section, group in Settings.model_fields.items()
        for name, field in type(group.default).model_fields.items()
    }


def flat(settings: Settings) -> Iterator[tuple[str, object]]:
    """Every setting as (`section.key`, value)."""
    for section, keys in settings.model_dump(mode="json").items():
        for name, value in keys.items():
            yield f"{section}.{name}", value


def differences(old: Settings, new: Settings) -> list[str]:
    """Dotted keys that differ and may not change within a run."""
    before = dict(flat(old))
    return [key for key, value in flat(new) if value != before[key] and not MAY_CHANGE.fullmatch(key)]


def to_toml(settings: Settings, **header: str) -> str:
    """Settings as a TOML preset file, `header` (title, description) first."""
    return tomli_w.dumps({**header, **settings.model_dump(mode="json")})
