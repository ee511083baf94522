"""Which run a training is: one that goes on, or a new one and what is written down of it."""

import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import artgan
from artgan.config import Settings, differences, flat, validated
from artgan.data.pictures import Pictures
from artgan.data.shard_names import lasting, shown
from artgan.engine.background import Background
from artgan.engine.device import Engine
from artgan.engine.storage import Run, atomic_write, find_run, list_runs
from artgan.errors import CheckpointError, DatasetError, SettingError
from artgan.presets import read_preset as read_config
from artgan.training.events import Event, Notice
from artgan.training.session import write_config
from artgan.training.snapshots import TEXTS, save_state
from artgan.training.source import Source, begun_from
from artgan.training.state import TrainState


def named_run(name: str | Path, runs_dir: Path) -> Run | None:
    """The run meant by `--run`, or None when it is the name of one that does not exist yet."""
    exact = [run for run in list_runs(runs_dir) if str(name) in (run.name, run.name.partition("-")[2])]
    if exact:
        return exact[-1]
    if str(name).isdecimal() or Path(name).name != str(name) or (Path(name) / "run.json").is_file():
        return find_run(name, runs_dir)  # a number or a path means a run that is there
    return None


def run_to_continue(
    settings: Settings, pictures: Pictures, runs_dir: Path, on_event: Callable[[Event], None], source: Source | None
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
            same_path = info["data"]["path"] == str(lasting(pictures.ready.source))
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


def refuse_changes(run: Run, settings: Settings, pictures: Pictures) -> None:
    """See to it that a run goes on with what it began with.

    Raises:
        SettingError: a setting differs that may not change.
        DatasetError: the pictures, or what is said of them, are others.
    """
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
            f"The pictures in {shown(pictures.ready.source)}, or what is said of them, are not those of {run.name}.",
            "Bring back the old ones, or start a new run with `artgan train`.",
        )


def describe_run(
    run: Run,
    settings: Settings,
    engine: Engine,
    pictures: Pictures,
    data: Path,
    argv: Sequence[str] | None,
    begun: tuple[TrainState, dict[str, Any]] | None,
) -> None:
    """Write down what a new run is: its settings, this machine, the pictures, and the state it began with, if any."""
    info: dict[str, Any] = {
        "artgan": artgan.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "argv": list(argv) if argv is not None else None,
        "engine": engine.describe(),
        "data": {
            "path": str(lasting(data)),
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
