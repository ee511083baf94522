"""`artgan.train` and `artgan.resume`: settings, pictures and a run folder come together, and the loop runs."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from artgan.config import Settings, validated, with_overrides
from artgan.data.pictures import Pictures, load_pictures
from artgan.data.shard_names import find_shards, shown, title
from artgan.engine import processes
from artgan.engine.device import Engine
from artgan.engine.storage import Run, create_run, find_run
from artgan.errors import DatasetError, SettingError
from artgan.presets import read_preset as read_config
from artgan.presets import resolve
from artgan.training.choice import TINY, choose_preset, shorter_sides
from artgan.training.events import Notice
from artgan.training.runs import describe_run, named_run, refuse_changes, run_to_continue
from artgan.training.session import Listener, TrainResult, session
from artgan.training.source import Source, begin, begun_from, inherited, read_source
from artgan.training.tensorboard import beside_tensorboard, check_tensorboard

AUTO = "auto"


def _silent(event: object) -> None:
    """Listen to nothing."""


def _never() -> bool:
    return False


def train(
    data: str | Path,
    *,
    preset: str | None = AUTO,
    overrides: Mapping[str, object] | None = None,
    kimg: float | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    resolution: int | None = None,
    shape: str | None = None,
    channels: str | None = None,
    crop: str | None = None,
    crops: int | None = None,
    labels: str | None = None,
    captions: bool | None = None,
    balanced: bool | None = None,
    mirror: bool | None = None,
    seed: int | None = None,
    device: str | None = None,
    precision: str | None = None,
    run: str | Path | None = None,
    new: bool = False,
    begin_from: str | Path | None = None,
    freeze_d: int | None = None,
    runs_dir: str | Path = "runs",
    argv: Sequence[str] | None = None,
    score_every: float | None = None,
    tensorboard: bool = False,
    on_event: Listener = _silent,
    should_stop: Callable[[], bool] = _never,
) -> TrainResult:
    """Train a GAN on a folder or zip of pictures, or go on with the latest run on the same pictures and settings.

    With `begin_from` a new run begins with the weights of a trained model instead of random ones: both networks from a
    run or a checkpoint folder, the averaged generator alone from a file. Pictures, classes and sizes may be others, as
    `artgan.models.transplant` says. Unless a preset is named, the settings `model.*` and the resolution, shape,
    channels and mirroring of the pictures are those of that model, and all others those of the preset of its size;
    overrides and flags go before both. The same call again continues the run that was so begun.

    Args:
        data: folder (of class folders, for a conditional model) or zip.
        preset: name or path of a preset; auto chooses by device, pictures and resolution, and tells why; None starts
            from the defaults.
        overrides: settings by dotted key, such as {"train.g_lr": 1e-4}.
        kimg: thousands of real pictures to show in all (train.total_kimg).
        minutes: time budget of this session; it ends cleanly when it is over.
        batch: pictures per step.
        resolution: side of the square training picture, pixels.
        shape: "WIDTHxHEIGHT", for pictures that are not square.
        channels: rgb, rgba or grey.
        crop: center or random.
        crops: crops per picture, at several scales.
        labels: auto, none, or a CSV or JSON file of file,label.
        captions: train on what texts beside the pictures, tables, or else the names of class folders say, in place of
            classes; `artgan.sample(text=...)` then draws for a text.
        balanced: show every class equally often.
        mirror: flip half of the pictures left to right.
        seed: seed of every random stream.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: auto, float32 or bf16.
        run: a run to continue (number, name or folder), or the name of a new one.
        new: start afresh even when there is a run to continue.
        begin_from: number, name or folder of a run, a checkpoint folder, or a generator.safetensors, to begin from.
        freeze_d: discriminator levels, from the picture on, that keep their weights (train.freeze_d).
        runs_dir: the folder that holds the runs.
        argv: the command line, to be kept in run.json.
        score_every: thousands of pictures between scores (score.every_kimg); the best checkpoint is kept. 0 is off.
        tensorboard: write for TensorBoard as well, into `tensorboard` in the run's folder.
        on_event: called with frozen records of `artgan.training.events` and `artgan.data.cache`.
        should_stop: asked after every step; True finishes, saves and returns.

    Raises:
        ArtganError: see `artgan.errors`; SettingError and DatasetError are the common ones.
    """
    flags = {
        "train.total_kimg": kimg,
        "train.batch": batch,
        "train.seed": seed,
        "train.freeze_d": freeze_d,
        "data.resolution": resolution,
        "data.shape": shape,
        "data.channels": channels,
        "data.crop": crop,
        "data.crops": crops,
        "data.labels": labels if labels in (None, "auto", "none") else str(Path(labels).absolute()),
        "data.captions": captions,
        "data.balanced": balanced,
        "data.mirror": mirror,
        "engine.device": device,
        "engine.precision": precision,
        "score.every_kimg": score_every,
    }
    processes.join()
    on_event = on_event if processes.leads() else _silent
    tensorboard = tensorboard and processes.leads()
    new = new and not processes.restarts()  # torchrun gives the same command again, to go on
    runs_dir = Path(runs_dir)
    source: Source | None = None  # of the lead; the others have the state from it

    def settle() -> tuple[str | None, Settings, str, Run | None]:
        nonlocal source
        if tensorboard:
            check_tensorboard()
        source = read_source(begin_from, runs_dir) if begin_from is not None else None
        chosen = named_run(run, runs_dir) if run is not None else None
        name, settings, why = _settle(preset, overrides or {}, flags, source, Path(data))
        _check_minutes(minutes)
        if settings.train.freeze_d and source is None and (chosen is None or new):
            hint = "Say what to begin from: --from RUN."
            raise SettingError("train.freeze_d keeps what was learnt, and nothing is yet.", hint)
        return name, settings, why, chosen

    preset, settings, why, named = processes.from_lead(settle)
    engine = Engine.from_settings(settings.engine, settings.train.seed)
    pictures = _load(Path(data), settings, on_event, should_stop)
    if why:
        on_event(Notice(f"Preset {preset}: {why}."))

    def open_run() -> Run:
        chosen = named
        if chosen is None and not new and run is None:
            chosen = run_to_continue(settings, pictures, runs_dir, on_event, source)
        if chosen is None or new:
            begun = begin(source, settings, engine, pictures, on_event) if source is not None else None
            of_preset = Path(preset).stem if preset else "defaults"
            label = str(run) if run is not None else f"{title(Path(data))}-{of_preset}"
            return create_run(
                runs_dir, label, lambda run: describe_run(run, settings, engine, pictures, Path(data), argv, begun)
            )
        if source is not None and begun_from(chosen.read_info()) != str(source.path):
            raise SettingError(f"{chosen.name} did not begin from {source.path}.", "Leave --from away, or add --new.")
        refuse_changes(chosen, settings, pictures)
        return chosen

    chosen = processes.from_lead(open_run)
    with beside_tensorboard(on_event, tensorboard) as listener:
        return session(chosen, settings, engine, pictures, minutes, listener, should_stop)


def resume(
    run: str | Path | None = None,
    *,
    data: str | Path | None = None,
    overrides: Mapping[str, object] | None = None,
    kimg: float | None = None,
    minutes: float | None = None,
    device: str | None = None,
    precision: str | None = None,
    runs_dir: str | Path = "runs",
    score_every: float | None = None,
    tensorboard: bool = False,
    on_event: Listener = _silent,
    should_stop: Callable[[], bool] = _never,
) -> TrainResult:
    """Go on with a run from its newest checkpoint, bit for bit as if it had never stopped.

    Args:
        run: number, name or folder; None is the latest.
        data: where the pictures are now, when they were moved.
        overrides: settings that may change (engine.*, snapshot.*, score.*, train.total_kimg) by dotted key.
        kimg: thousands of real pictures to show in all.
        minutes: time budget of this session.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: auto, float32 or bf16.
        runs_dir: the folder that holds the runs.
        score_every: thousands of pictures between scores (score.every_kimg); the best checkpoint is kept. 0 is off.
        tensorboard: write for TensorBoard as well, into `tensorboard` in the run's folder.
        on_event: called with frozen records.
        should_stop: asked after every step.

    Raises:
        CheckpointError: there is no such run, or its checkpoint is damaged.
        SettingError: a setting was given that may not change.
        DatasetError: the pictures are gone or have changed.
    """
    processes.join()
    on_event = on_event if processes.leads() else _silent
    tensorboard = tensorboard and processes.leads()
    flags = {
        "train.total_kimg": kimg,
        "engine.device": device,
        "engine.precision": precision,
        "score.every_kimg": score_every,
    }
    given = {key: value for key, value in flags.items() if value is not None}

    def settle() -> tuple[Run, Settings, Path]:
        if tensorboard:
            check_tensorboard()
        chosen = find_run(run, Path(runs_dir))
        settings = validated(with_overrides(read_config(chosen.config).values, {**(overrides or {}), **given}))
        _check_minutes(minutes)
        path = Path(data) if data is not None else Path(chosen.read_info()["data"]["path"])
        if find_shards(path) is None and not path.exists():
            raise DatasetError(
                f"The pictures of {chosen.name} are no longer at {path}.", "Say where with --data FOLDER."
            )
        return chosen, settings, path

    chosen, settings, path = processes.from_lead(settle)
    engine = Engine.from_settings(settings.engine, settings.train.seed)
    pictures = _load(path, settings, on_event, should_stop)
    processes.from_lead(lambda: refuse_changes(chosen, settings, pictures))
    with beside_tensorboard(on_event, tensorboard) as listener:
        return session(chosen, settings, engine, pictures, minutes, listener, should_stop)


def _load(path: Path, settings: Settings, on_event: Listener, should_stop: Callable[[], bool]) -> Pictures:
    """The pictures, decoded once on every machine.

    Raises:
        DatasetError: processes see different pictures.
    """
    pictures = processes.first_on_node(
        lambda: load_pictures(path, settings.data, settings.train.seed, on_event, should_stop, settings.engine.cache_gb)
    )
    seen = processes.gather((pictures.fingerprint, processes.whereabouts()))
    other = next((where for fingerprint, where in seen if fingerprint != seen[0][0]), None)
    if other is not None:
        raise DatasetError(
            f"{shown(path)} holds other pictures for {other} than for process 0.",
            "Every machine needs the same pictures at the same path.",
        )
    return pictures


def _settle(
    preset: str | None, overrides: Mapping[str, object], flags: Mapping[str, object], source: Source | None, data: Path
) -> tuple[str | None, Settings, str]:
    """Preset and settings of a run, and why that preset was chosen, if it was: flags and overrides go first.

    Next comes what the source had.
    """
    given = {**overrides, **{key: value for key, value in flags.items() if value is not None}}
    taken = inherited(source, given) if source is not None and preset in (None, AUTO) else {}
    if preset != AUTO:
        return preset, resolve(preset, {**taken, **overrides}, flags), ""
    if source is not None and source.settings.model.name != "painter":
        return TINY, resolve(TINY, {**taken, **overrides}, flags), ""  # a preset that asks least of a network
    name, why = _chosen({**taken, **given}, data)
    return name, resolve(name, {**taken, **overrides}, flags), why


def _chosen(given: Mapping[str, object], data: Path) -> tuple[str, str]:
    """The preset that goes with the settings that were given, with the device and the pictures, and why."""
    size = {key: value for key, value in given.items() if key in ("data.resolution", "data.shape")}
    asked = resolve(None, size).data.size if size else None
    engine = resolve(None, {"engine.device": given.get("engine.device", "auto")}).engine
    device = Engine.from_settings(engine).device
    return choose_preset(device, asked, [] if asked or device.type == "cpu" else shorter_sides(data))


def _check_minutes(minutes: float | None) -> None:
    if minutes is not None and not 0 < minutes < 1e6:
        raise SettingError(f"--minutes {minutes:g} is not a time.", "Give a time budget, such as --minutes 10.")
