"""`artgan.train` and `artgan.resume`: settings, pictures and a run folder come together, and the loop runs."""

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import artgan
from artgan.config import Settings, differences, flat, validated, with_overrides
from artgan.data.pictures import Pictures, load_pictures
from artgan.engine.background import Background
from artgan.engine.device import Engine
from artgan.engine.storage import Run, atomic_write, create_run, find_run, list_runs
from artgan.errors import CheckpointError, DatasetError, SettingError
from artgan.presets import read_preset as read_config
from artgan.presets import resolve
from artgan.training.choice import TINY, choose_preset, shorter_sides
from artgan.training.events import Notice
from artgan.training.session import Listener, TrainResult, session, write_config
from artgan.training.snapshots import TEXTS, save_state
from artgan.training.source import Source, begin, begun_from, inherited, read_source
from artgan.training.state import TrainState
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
    if tensorboard:
        check_tensorboard()
    runs_dir = Path(runs_dir)
    source = read_source(begin_from, runs_dir) if begin_from is not None else None
    preset, settings, why = _settle(preset, overrides or {}, flags, source, Path(data))
    _check_minutes(minutes)
    chosen = _named_run(run, runs_dir) if run is not None else None
    if settings.train.freeze_d and source is None and (chosen is None or new):
        hint = "Say what to begin from: --from RUN."
        raise SettingError("train.freeze_d keeps what was learnt, and nothing is yet.", hint)
    engine = Engine.from_settings(settings.engine, settings.train.seed)
    pictures = load_pictures(Path(data), settings.data, settings.train.seed, on_event, should_stop)
    if why:
        on_event(Notice(f"Preset {preset}: {why}."))
    if chosen is None and not new and run is None:
        chosen = _run_to_continue(settings, pictures, runs_dir, on_event, source)
    if chosen is None or new:
        begun = begin(source, settings, engine, pictures, on_event) if source is not None else None
        label = (
            str(run)
            if run is not None
            else f"{Path(data).resolve().stem}-{Path(preset).stem if preset else 'defaults'}"
        )
        chosen = create_run(runs_dir, label)
        _describe_run(chosen, settings, engine, pictures, Path(data), argv, begun)
        del begun  # the session reads it back: the memory is wanted there
    else:
        if source is not None and begun_from(chosen.read_info()) != str(source.path):
            raise SettingError(f"{chosen.name} did not begin from {source.path}.", "Leave --from away, or add --new.")
        _refuse_changes(chosen, settings, pictures)
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
    if tensorboard:
        check_tensorboard()
    chosen = find_run(run, Path(runs_dir))
    flags = {
        "train.total_kimg": kimg,
        "engine.device": device,
        "engine.precision": precision,
        "score.every_kimg": score_every,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    settings = validated(with_overrides(read_config(chosen.config).values, {**(overrides or {}), **given}))
    _check_minutes(minutes)
    engine = Engine.from_settings(settings.engine, settings.train.seed)
    path = Path(data) if data is not None else Path(chosen.read_info()["data"]["path"])
    if not path.exists():
        raise DatasetError(f"The pictures of {chosen.name} are no longer at {path}.", "Say where with --data FOLDER.")
    pictures = load_pictures(path, settings.data, settings.train.seed, on_event, should_stop)
    _refuse_changes(chosen, settings, pictures)
    with beside_tensorboard(on_event, tensorboard) as listener:
        return session(chosen, settings, engine, pictures, minutes, listener, should_stop)


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


def _named_run(name: str | Path, runs_dir: Path) -> Run | None:
    """The run meant by `--run`, or None when it is the name of one that does not exist yet."""
    exact = [run for run in list_runs(runs_dir) if str(name) in (run.name, run.name.partition("-")[2])]
    if exact:
        return exact[-1]
    if str(name).isdecimal() or Path(name).name != str(name) or (Path(name) / "run.json").is_file():
        return find_run(name, runs_dir)  # a number or a path means a run that is there
    return None


def _run_to_continue(
    settings: Settings, pictures: Pictures, runs_dir: Path, on_event: Listener, source: Source | None
) -> Run | None:
    """The latest run on these pictures and settings; tells when one differs only in settings or only in pictures.

    A run that began from another source, or from none, is a different one.
    """
    origin = str(source.path) if source is not None else None
    near: str | None = None
    for run in reversed(list_runs(runs_dir)):
        try:
            info, old = run.read_info(), validated(read_config(run.config).values)
            same_data = info["data"]["fingerprint"] == pictures.fingerprint
            same_path = info["data"]["path"] == str(pictures.ready.source.resolve())
        except (CheckpointError, SettingError, KeyError, TypeError):
            continue  # a damaged run is not one to go on with
        if begun_from(info) != origin:
            continue
        changed = differences(old, settings)
        if same_data and not changed:
            return run
        if same_data or (same_path and not changed):
            what = "other settings (" + ", ".join(changed) + ")" if same_data else "other pictures or labels"
            near = (
                near or f"Starting a new run: {run.name} has {what}. `artgan resume {run.name}` goes on with that one."
            )
    if near:
        on_event(Notice(near))
    return None


def _refuse_changes(run: Run, settings: Settings, pictures: Pictures) -> None:
    old = validated(read_config(run.config).values, where=str(run.config))
    changed = differences(old, settings)
    if changed:
        before, now = dict(flat(old)), dict(flat(settings))
        told = ", ".join(f"{key} ({before[key]} in the run, now {now[key]})" for key in changed)
        raise SettingError(
            f"{run.name} cannot go on with other settings: {told}.", "Leave them as they are, or add --new."
        )
    if run.read_info()["data"]["fingerprint"] != pictures.fingerprint:
        raise DatasetError(
            f"The pictures in {pictures.ready.source}, or what is said of them, are not those of {run.name}.",
            "Bring back the old ones, or start a new run with `artgan train`.",
        )


def _describe_run(
    run: Run,
    settings: Settings,
    engine: Engine,
    pictures: Pictures,
    data: Path,
    argv: Sequence[str] | None,
    begun: tuple[TrainState, dict[str, Any]] | None,
) -> None:
    info: dict[str, Any] = {
        "artgan": artgan.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "argv": list(argv) if argv is not None else None,
        "engine": engine.describe(),
        "data": {
            "path": str(data.resolve()),
            "fingerprint": pictures.fingerprint,
            "pictures": len(pictures),
            "classes": pictures.ready.classes,
            **({"captions": [pictures.captions[c] for c in pictures.commonest(TEXTS)]} if pictures.captions else {}),
            "skipped": [list(pair) for pair in pictures.ready.skipped],
        },
    }
    write_config(run, settings)
    if begun is not None:
        # The first checkpoint, so that the run stands on its own: it goes on, or back to its start, when its source is
        # trained further, moved or deleted.
        state, info["from"] = begun
        with Background() as background:
            save_state(settings, pictures, state, run, background)
    atomic_write(run.info, json.dumps(info, indent=2))  # last: a folder without it is not a run
