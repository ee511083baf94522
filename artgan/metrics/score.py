"""`artgan.score`: how near a model's pictures come to real ones, and what the figures are worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from artgan.data.cache import DataEvent
from artgan.engine import processes
from artgan.engine.device import Engine, explaining_memory
from artgan.engine.storage import Run, find_run, refuse_existing
from artgan.errors import ArtganError, UsageError
from artgan.metrics.features import ScoreProgress, Seen, View, in_turns, look, view_of
from artgan.metrics.figures import (
    FEW,
    ClassScore,
    Evidence,
    Figure,
    find_evidence,
    find_modes,
    halves,
    measure,
    measure_classes,
    measure_floors,
    measure_moments,
    name_of,
)
from artgan.metrics.frechet import Moments, moments
from artgan.metrics.networks import FeatureNetwork, open_network
from artgan.metrics.page import write_page
from artgan.metrics.saved import read_statistics, write_statistics
from artgan.metrics.sets import (
    MOST_REAL,
    PictureSet,
    find_checkpoints,
    folder_set,
    is_pictures,
    newest_of,
    refuse_missing,
    sample_set,
    training_set,
)
from artgan.models.trained import LoadedGenerator, load

Listener = Callable[[ScoreProgress | DataEvent], None]


@dataclass(frozen=True)
class SetScore:
    """The figures of one set of samples.

    Attributes:
        name: the folder, or run@nimg.
        nimg: how far the generator was trained; None for a folder.
        count: samples that were looked at.
        figures: the most telling first.
        classes: the same distance class by class; empty without labels on both sides.
        evidence: pictures to look at; None for saved statistics.
    """

    name: str
    nimg: int | None
    count: int
    figures: tuple[Figure, ...]
    classes: tuple[ClassScore, ...] = ()
    evidence: Evidence | None = None


@dataclass(frozen=True)
class ScoreResult:
    """What `artgan.score` found.

    Attributes:
        features: the feature network in words.
        view: (width, height) that pictures were brought to; None is their own size.
        real: the real pictures.
        real_count: how many of them were looked at.
        floor_counts: (real, real) pictures that the floors were measured with; None without floors.
        sets: one per set of samples, in the order they were trained.
        notes: what the user should know of these figures.
        html: the report, when one was asked for.
        saved: the statistics, when they were asked for.
    """

    features: str
    view: View
    real: str
    real_count: int
    floor_counts: tuple[int, int] | None
    sets: tuple[SetScore, ...]
    notes: tuple[str, ...]
    html: Path | None = None
    saved: Path | None = None


@dataclass(frozen=True)
class _Side:
    """One side of a comparison: pictures that were looked at, or saved statistics without pictures."""

    name: str
    moments: Moments
    seen: Seen | None = None
    pictures: PictureSet | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The class of every row; empty without labels."""
        if self.pictures is None or self.seen is None or not self.pictures.labels:
            return ()
        return tuple(self.pictures.classes[self.pictures.labels[place]] for place in self.seen.places)


def score(
    run: str | Path | None = None,
    *,
    real: str | Path | None = None,
    fake: str | Path | None = None,
    every: bool = False,
    num: int = 2000,
    features: str = "artgan",
    weights: str | Path | None = None,
    html: str | Path | None = None,
    save: str | Path | None = None,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    precision: Literal["auto", "float32", "bf16"] = "float32",
    on_event: Listener = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> ScoreResult:
    """Measure how near samples come to real pictures.

    The processes of a team (`torchrun -m artgan score ...`) share the work, and each is given the whole result. The
    lead alone writes files and calls `on_event`.

    Args:
        run: a run, whose averaged generator is sampled; the same as `fake`. None, without `fake`, is the latest run.
        real: folder, zip, saved statistics (.npz), or a run, which means the pictures it was trained on. None is what
            the run of `fake` was trained on.
        fake: folder, zip, saved statistics, run, RUN@KIMG, checkpoint folder or generator.safetensors.
        every: score all checkpoints of the run.
        num: samples to draw from a generator, from the seeds 0 up.
        features: artgan, inception, vgg19 or random:SEED; see `artgan.metrics.networks`.
        weights: file of the weights of inception or vgg19.
        html: write a report with pictures here.
        save: write the statistics of the real side here (.npz), to be given as `real` again.
        overwrite: replace files that exist.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        precision: auto, float32 or bf16; figures of bf16 differ slightly.
        on_event: called as pictures are looked at.
        should_stop: asked now and then.

    Raises:
        DatasetError: a side has fewer than two usable pictures.
        CheckpointError: there is no model to draw from.
        WeightsError: weights are missing or damaged.
        UsageError: the arguments make no sense together.
        Interrupted: `should_stop` said so, in any process.
    """
    processes.join()
    if run is not None and fake is not None:
        raise UsageError("RUN and --fake both say what to score.", "Give one of them.")
    if not 2 <= num <= 1_000_000:
        raise UsageError(f"--num {num} is not a number of samples.", "Give 2 or more; 2000 is a good start.")
    processes.from_lead(lambda: _refuse_existing(html, save, overwrite))
    listen: Listener = on_event if processes.leads() else lambda event: None
    engine = Engine.detect(device, precision)
    network = open_network(features, engine, Path(weights) if weights is not None else None)
    with explaining_memory("Score with --device cpu, or draw fewer samples with --num."):
        trained_on, models, given = _samples(run if run is not None else fake, every, Path(runs_dir), device)
        base = _real(real, trained_on, Path(runs_dir), listen, should_stop)
        shapes = [model.settings.data.size for model in models[:1]]
        shapes += [side.shape for side in (given, base) if isinstance(side, PictureSet) and side.shape]
        view = view_of(network.side, shapes[0] if shapes else None)

        def see(side: PictureSet | Path) -> _Side:
            if isinstance(side, Path):
                return _Side(side.name, *processes.from_lead(lambda: read_statistics(side, network)))
            seen = look(side, network, view, listen, should_stop, together=True)
            return _Side(side.name, moments(seen.values), seen, side)

        of_real = see(base)
        texts = of_real.pictures.texts if of_real.pictures is not None else ()
        drawn = [sample_set(model, num, _balance(of_real, model.classes), texts) for model in models]
        fakes = [see(side) for side in ([given] if given is not None else drawn)]
        result = ScoreResult(
            features=network.title,
            view=view,
            real=of_real.name,
            real_count=of_real.moments.count,
            floor_counts=_floor_counts(of_real, fakes[-1]),
            sets=_compare(of_real, fakes, network),
            notes=_notes(of_real, fakes),
            html=Path(html) if html is not None else None,
            saved=Path(save) if save is not None else None,
        )
        processes.from_lead(lambda: _write(result, of_real, fakes, network))
    return result


def _write(result: ScoreResult, real: _Side, fakes: list[_Side], network: FeatureNetwork) -> None:
    """The files that were asked for."""
    if result.saved is not None:
        write_statistics(result.saved, real.moments, real.seen, network)
    if result.html is not None:
        write_page(result, real.pictures, [side.pictures for side in fakes], result.html)


def _refuse_existing(html: str | Path | None, save: str | Path | None, overwrite: bool) -> None:
    for path in (html, save):
        if path is not None:
            refuse_existing(Path(path), overwrite)


def _samples(
    spec: str | Path | None, every: bool, runs_dir: Path, device: str
) -> tuple[Run | None, list[LoadedGenerator], PictureSet | Path | None]:
    """What `fake` means: the run it comes from, the generators to sample, or the pictures or statistics themselves."""
    path = Path(spec) if spec is not None else None
    if path is not None and path.suffix.lower() == ".npz":
        return None, [], path
    if path is not None and is_pictures(path):
        if every:
            raise UsageError("--every goes with a run.", "Name one: artgan score RUN --every.")
        return None, [], processes.first_on_node(lambda: folder_set(path))
    if path is not None:
        refuse_missing(path)
    run, files = processes.from_lead(lambda: find_checkpoints(spec, runs_dir))
    if every:
        return run, [load(file, device=device) for file in files], None
    return run, [load(newest_of(run, files), device=device)], None


def _real(
    spec: str | Path | None,
    trained_on: Run | None,
    runs_dir: Path,
    on_event: Listener,
    should_stop: Callable[[], bool],
) -> PictureSet | Path:
    if spec is None:
        if trained_on is None:
            raise UsageError("--real is missing.", "Name the folder or zip of real pictures: --real ./paintings.")
        return processes.first_on_node(lambda: training_set(trained_on, on_event, should_stop))
    path = Path(spec)
    if path.suffix.lower() == ".npz":
        return path
    if is_pictures(path):
        return processes.first_on_node(lambda: folder_set(path))
    refuse_missing(path)
    return processes.first_on_node(lambda: training_set(find_run(spec, runs_dir), on_event, should_stop))


def _balance(real: _Side, classes: tuple[str, ...]) -> list[float] | None:
    """Samples show each class as often as the real pictures do, where these have the same classes."""
    counts = [real.labels.count(name) for name in classes]
    return [count / sum(counts) for count in counts] if sum(counts) else None


def _compare(real: _Side, fakes: list[_Side], network: FeatureNetwork) -> tuple[SetScore, ...]:
    """The figures of every set, and the floors, which are as much work; a team shares these tasks."""
    tasks: list[Callable[[], Any]] = [partial(_figures, real, fake, network) for fake in fakes]
    counts: list[int] = []
    if real.seen is not None:
        counts = sorted({len(fake.seen) for fake in fakes if fake.seen is not None})  # one for all checkpoints of a run
        tasks += [partial(measure_floors, real.seen, count) for count in counts]
    found = _shared(tasks)
    floors = dict(zip(counts, found[len(fakes) :], strict=True))
    return tuple(_with_floors(scores, floors.get(scores.count, {}), network) for scores in found[: len(fakes)])


def _shared(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """What the tasks return, in their order; every process of a team does some, and all are given everything.

    Raises:
        ArtganError: one of them did; all processes raise it.
    """
    found: list[Any] = []
    failed: ArtganError | None = None
    try:
        found = [task() for task in tasks[processes.rank() :: processes.size()]]
    except ArtganError as error:
        failed = error
    dealt = processes.gather((found, failed))
    for _, problem in dealt:
        if problem is not None:
            raise problem
    return in_turns([results for results, _ in dealt])


def _figures(real: _Side, fake: _Side, network: FeatureNetwork) -> SetScore:
    """All but the floors."""
    nimg = fake.pictures.nimg if fake.pictures is not None else None
    if real.seen is None or fake.seen is None:
        return SetScore(fake.name, nimg, fake.moments.count, measure_moments(real.moments, fake.moments, network))
    modes = find_modes(real.seen, fake.seen)
    return SetScore(
        fake.name,
        nimg,
        len(fake.seen),
        measure(real.seen, fake.seen, modes, network, {}),
        measure_classes(real.seen, real.labels, fake.seen, fake.labels),
        find_evidence(real.seen, fake.seen, modes) if real.pictures is not None and fake.pictures is not None else None,
    )


def _with_floors(scores: SetScore, floors: dict[str, float], network: FeatureNetwork) -> SetScore:
    named = {name_of(base, scores.count, network.name): floor for base, floor in floors.items()}
    figures = tuple(replace(figure, floor=named.get(figure.name)) for figure in scores.figures)
    return replace(scores, figures=figures)


def _floor_counts(real: _Side, fake: _Side) -> tuple[int, int] | None:
    parts = halves(real.seen, fake.moments.count) if real.seen is not None and fake.seen is not None else None
    return (len(parts[0]), len(parts[1])) if parts is not None else None


def _notes(real: _Side, fakes: list[_Side]) -> tuple[str, ...]:
    """What the user should know of the figures."""
    notes: list[str] = []
    for side in (real, *fakes):
        if side.pictures is not None:
            notes += side.pictures.notes
            if side.pictures.count > MOST_REAL:
                notes.append(f"{side.name}: {MOST_REAL} of {side.pictures.count} pictures were drawn to stand for all.")
        if side.seen is not None and side.seen.skipped:
            name, reason = side.seen.skipped[0]
            more = f" and {len(side.seen.skipped) - 1} more" if len(side.seen.skipped) > 1 else ""
            notes.append(f"{side.name}: left out {name} ({reason}){more}.")
        if side.seen is None:
            notes.append(f"{side.name} holds a mean and a covariance only, which allow no more than one figure.")
    fewest = min(side.moments.count for side in (real, *fakes))
    if 0 < fewest < FEW:
        notes.append(
            f"KID leads: with {fewest} pictures on a side the Frechet distance is well above 0 even between two sets "
            "of one source (see the floor); KID is not."
        )
    return tuple(dict.fromkeys(notes))
