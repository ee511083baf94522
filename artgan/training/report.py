"""`report.html`: a training run on one page that needs nothing but itself, to look at while it trains and to send on.

Numbers and pictures are prepared here; the words, the layout and the few controls stand in `report.html.jinja`.
"""

import base64
import contextlib
import functools
import io
import json
import math
import re
import shlex
import statistics
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from artgan.engine.checkpoint import best_checkpoint
from artgan.engine.images import decode
from artgan.engine.storage import RUN_NAME, Run, atomic_write, read_json_lines
from artgan.errors import ArtganError
from artgan.training.curves import Axis, figure, number, plot
from artgan.training.health import Alarm

State = Literal["training", "stopped", "finished"]

PICTURE_BYTES = 8_000_000  # all pictures as data URIs; curves and settings then stay far below the two that are left
MOST_PREVIEWS = 200
MOST_SCORES = 6
LARGEST = (900, 1800)
SCORE = re.compile(r"(kid|fd)\d{1,5}k?_artgan\d{1,4}")
OPTION = re.compile(r"(--set [\w.]+(?:=\S*[^\s,;.])?|--[\w-]+(?: \d[\w.]*)?)")


class Report:
    """Writes a run's page again and again, from one thread: only new pictures cost time, and PICTURE_BYTES memory."""

    def __init__(self, run: Run) -> None:
        self.run, self.album = run, Album()

    def write(self, alarms: Sequence[Alarm], state: State) -> Path:
        """Write `report.html` from what lies in the run folder; whatever is missing or damaged there is left out.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        folder = self.run.folder
        self.album.update(folder)
        config, info = _read(self.run.config, tomllib.loads), _read(self.run.info, json.loads)
        records = {name: _records(folder / f"{name}.jsonl") for name in ("stats", "metrics")}
        nimg = max([0, *self.album.previews, *(lines[-1]["nimg"] for lines in records.values() if lines)])
        previews = [picture for _, picture in sorted(self.album.previews.items())]
        across = Axis(0.0, nimg / 1000 or 1.0)
        pieces = _template().generate(
            run=self.run.name,
            state=state,
            now=time.strftime("%Y-%m-%d %H:%M"),
            progress=_progress(self.run, config, records["stats"], nimg, state),
            alarms=sorted(alarms, key=lambda alarm: (alarm.until is not None, alarm.since)),
            previews=previews,
            reals=self.album.reals,
            rows=_row_names([*previews, *self.album.reals], config, info),
            across=across,
            scores=_scores(self.run, config, records["metrics"]),
            plot=lambda source, *curves, **options: plot(records[source], across, curves, **options),
            settings={name: keys for name, keys in config.items() if isinstance(keys, dict)},
            info=info,
            engine=_dict(info.get("engine")),
            data=_dict(info.get("data")),
        )
        atomic_write(folder / "report.html", pieces, durable=False)
        return folder / "report.html"


class Picture(NamedTuple):
    """A preview sheet: pictures shown when it was made, its data URI, and the size of its file in pixels."""

    nimg: int
    uri: str
    width: int
    height: int


class Album:
    """The previews of a run by nimg, spread evenly over time when there are too many, and its training pictures."""

    def __init__(self) -> None:
        self.previews: dict[int, Picture] = {}
        self.reals: list[Picture] = []
        self._seen: dict[Path, tuple[int, int]] = {}

    def update(self, folder: Path) -> None:
        """Take in files that are new or changed; let go of those that are gone."""
        paths = Run(folder).previews()
        real = folder / "reals.png"
        seen: dict[Path, tuple[int, int]] = {}
        for path in (real, *paths.values()):
            with contextlib.suppress(OSError):  # not there yet, or there no longer
                seen[path] = path.stat().st_mtime_ns, path.stat().st_size
        fresh = {path for path, stamp in seen.items() if self._seen.get(path) != stamp}
        if self._seen.get(real) != seen.get(real):
            self.reals = [picture for picture in [encoded(real, 0)] if picture]
        self._seen = seen
        wanted = sorted(n for n, path in paths.items() if path in fresh or (path in seen and n in self.previews))
        self.previews = {n: self.previews[n] for n in wanted if paths[n] not in fresh}
        for nimg in reversed(wanted.copy()):  # the last first: its weight tells how many there is room for
            self._make_room(wanted)
            if nimg in wanted and nimg not in self.previews:
                if picture := encoded(paths[nimg], nimg):
                    self.previews[nimg] = picture
                else:
                    wanted.remove(nimg)
        self._make_room(wanted)

    def _make_room(self, wanted: list[int]) -> None:
        """Thin out `wanted` until it fits, going by the mean weight of those that are encoded already."""
        reals = sum(len(picture.uri) for picture in self.reals)
        while len(wanted) > 2:
            mean = sum(len(picture.uri) for picture in self.previews.values()) / max(1, len(self.previews))
            if len(wanted) <= MOST_PREVIEWS and len(wanted) * mean + reals <= PICTURE_BYTES:
                break
            wanted.remove(nimg := most_crowded(wanted))
            self.previews.pop(nimg, None)


def most_crowded(numbers: Sequence[int]) -> int:
    """The one of at least three ascending numbers, neither the first nor the last, whose neighbours lie closest."""
    gaps = {number: after - before for before, number, after in zip(numbers, numbers[1:], numbers[2:], strict=False)}
    return min(gaps, key=gaps.__getitem__)


def encoded(path: Path, nimg: int) -> Picture | None:
    """A picture file as a small WebP data URI; None when it cannot be read."""
    try:
        picture = decode(path)
    except ArtganError:
        return None
    width, height = picture.size
    picture.thumbnail(LARGEST)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=90 if width < 300 else 75, method=2)  # 2: half the usual time, hardly larger
    return Picture(nimg, "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode(), width, height)


def _row_names(sheets: Sequence[Picture], config: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """The classes or captions beside the rows of the sheets; empty without either."""
    shape = re.fullmatch(r"\d+x(\d{1,4})", str(_dict(config.get("data")).get("shape", "")))
    width, height = sheets[0][2:] if sheets else (0, 0)
    cell = int(shape[1]) if shape else (width - 2) // 8 - 2  # eight columns, two pixels around each picture
    rows = max(0, (height - 2) // (max(cell, 1) + 2))
    data = _dict(info.get("data"))
    captions = data.get("captions")
    names = captions if isinstance(captions, list) else sorted(_dict(data.get("classes")))
    return [str(name) for name in names[:rows]]


class Score(NamedTuple):
    """A figure of `metrics.jsonl`: metric, key, and kimg of the best checkpoint where it was chosen by this figure."""

    metric: str
    key: str
    best: float | None


def _scores(run: Run, config: Mapping[str, Any], metrics: Sequence[Mapping[str, Any]]) -> list[Score]:
    """The figures that were measured, the one that the best checkpoint is chosen by first."""
    keys = dict.fromkeys(key for record in metrics for key in record if SCORE.fullmatch(key))
    chosen, folder = _dict(config.get("score")).get("metric"), best_checkpoint(run)
    found = []
    for key in list(keys)[:MOST_SCORES]:
        metric = "kid" if key.startswith("kid") else "fd"
        marked = [r["nimg"] / 1000 for r in metrics if key in r and folder and r["nimg"] == int(folder.name)]
        found.append(Score(metric, key, marked[0] if marked and metric == chosen else None))
    return sorted(found, key=lambda score: score.metric != chosen)


def _progress(run: Run, config: dict[str, Any], stats: list[dict[str, Any]], nimg: int, state: State) -> dict[str, Any]:
    """How far the run is, how fast, how long it still takes, and the command that goes on with it."""
    speeds = [number(record, "time.images_per_second") or 0.0 for record in stats[-5:]]
    speed = statistics.median([value for value in speeds if value > 0] or [0.0])
    total = max(0.0, number(_dict(config.get("train")), "total_kimg") or 0.0) * 1000
    left = duration((total - nimg) / speed) if speed and total > nimg and state == "training" else ""
    match, parent = RUN_NAME.fullmatch(run.name), run.folder.parent
    elsewhere = "" if parent == Path("runs") else f" --runs {shlex.quote(str(parent.resolve()))}"
    command = "artgan resume " + (f"{int(match[1])}{elsewhere}" if match else shlex.quote(str(run.folder.resolve())))
    if total and state == "finished":
        command += f" --kimg {total / 500:g}"  # twice as long
    return {"nimg": nimg, "total": total, "speed": figure(speed) if speed else "", "left": left, "command": command}


def kimg(nimg: float) -> str:
    """Pictures shown, in thousands; the first thousand exactly, because the first previews lie close together."""
    return f"{nimg / 1000:,.1f}" if nimg >= 1000 else f"{nimg / 1000:g}"


def duration(seconds: float) -> str:
    """A stretch of time in words, about."""
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    days = f"{hours / 24:.1f} days" if hours >= 48 else ""
    return days or (f"{hours} h {minutes} min" if hours else f"{minutes} min")


def visible(value: object) -> object:
    """Text with control characters written out, so that a name can neither hide nor turn around what follows."""
    if isinstance(value, str) and not hasattr(value, "__html__") and not value.isprintable():
        return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in value)
    return value


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return _dict(parse(path.read_text(encoding="utf-8")))
    return {}


def _records(path: Path) -> list[dict[str, Any]]:
    return sorted((r for r in read_json_lines(path) if 0 <= r["nimg"] < 10**12), key=lambda record: record["nimg"])


@functools.cache
def _template() -> Template:
    folder = FileSystemLoader(Path(__file__).parent)
    house = Environment(loader=folder, autoescape=True, finalize=visible, undefined=StrictUndefined, trim_blocks=True)
    house.filters |= {"kimg": kimg, "options": OPTION.split, "join_shell": shlex.join}
    return house.get_template("report.html.jinja")
