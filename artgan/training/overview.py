"""What a folder of runs holds, at a glance."""

from dataclasses import dataclass
from pathlib import Path

from artgan.config import validated
from artgan.engine.checkpoint import newest_checkpoint
from artgan.engine.storage import Run, list_runs, read_json_lines
from artgan.errors import ArtganError
from artgan.presets import read_preset


@dataclass(frozen=True)
class RunOverview:
    """One run: position and length in thousands of pictures, picture size, speed, its pictures, its state in words."""

    name: str
    folder: Path
    kimg: float
    total_kimg: float
    size: str
    images_per_second: float
    data: str
    pictures: int
    state: str


def overview(runs_dir: str | Path = "runs") -> list[RunOverview]:
    """All runs in a folder, oldest first; one that cannot be read says so instead of stopping the rest."""
    return [_one(run) for run in list_runs(Path(runs_dir))]


def _one(run: Run) -> RunOverview:
    try:
        settings = validated(read_preset(run.config).values)
        data = run.read_info()["data"]
        path, pictures = str(data["path"]), int(data["pictures"])
    except (ArtganError, KeyError, TypeError, ValueError) as error:
        reason = error.message if isinstance(error, ArtganError) else "run.json is damaged"
        return RunOverview(run.name, run.folder, 0.0, 0.0, "", 0.0, "", 0, reason)
    checkpoint = newest_checkpoint(run)
    kimg = int(checkpoint.name) / 1000 if checkpoint else 0.0
    lines = read_json_lines(run.stats)
    speed = float(lines[-1].get("time", {}).get("images_per_second", 0.0)) if lines else 0.0
    width, height = settings.data.size
    total = settings.train.total_kimg
    state = "finished" if kimg >= total else "can go on" if checkpoint else "no checkpoint yet"
    return RunOverview(run.name, run.folder, kimg, total, f"{width}x{height}", speed, path, pictures, state)
