"""The two sides of a comparison: what a model draws, a folder or zip, or what a run was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from artgan.data.cache import DataEvent
from artgan.engine.storage import find_run
from artgan.errors import UsageError
from artgan.metrics.sets import (
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

POOL = 4096
"""A model's pictures are chosen from those of so many seeds."""


@dataclass(frozen=True)
class Side:
    """One side: its pictures, and of what kind each is, so that like is compared with like; None is never shown."""

    pictures: PictureSet
    kinds: tuple[str | None, ...]


def open_sides(
    a: str | Path,
    b: str | Path | None,
    *,
    against_real: bool,
    class_name: str | None,
    runs_dir: Path,
    device: str,
    on_event: Callable[[DataEvent], None],
    should_stop: Callable[[], bool],
) -> tuple[Side, Side, tuple[str, ...]]:
    """What is compared, and what the user should know of it.

    Args:
        a: run, RUN@KIMG, checkpoint, generator.safetensors, or a folder or zip of pictures.
        b: the same; with `against_real` a run stands for the pictures it was trained on, and None for those of `a`.
        against_real: whether `b` are the real pictures that `a` imitates.
        class_name: show this class alone.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called while training pictures are read.
        should_stop: asked now and then.

    Raises:
        DatasetError: there are no pictures.
        CheckpointError: there is no model to draw from.
        UsageError: a side has no such class.
    """

    def reals(spec: str | Path) -> PictureSet:
        refuse_missing(Path(spec))
        if is_pictures(Path(spec)):
            return folder_set(Path(spec))
        return training_set(find_run(spec, runs_dir), on_event, should_stop)

    first = _open(a, runs_dir, device)
    other = b if b is not None else _home(first, a)
    second = reals(other) if against_real else _open(other, runs_dir, device)
    sets = _drawn(first, second, class_name), _drawn(second, first, class_name)
    kinds, told = _kinds(*sets, class_name, by_name=not against_real)
    notes = dict.fromkeys((*sets[0].notes, *sets[1].notes, *told))
    return Side(sets[0], kinds[0]), Side(sets[1], kinds[1]), tuple(notes)


def _home(first: PictureSet | LoadedGenerator, spec: str | Path) -> Path:
    """The run that a model comes from, whose training pictures it imitates."""
    if isinstance(first, LoadedGenerator) and (first.home / "run.json").is_file():
        return first.home
    raise UsageError(
        f"{spec} stands alone, and what to compare it with is not known.", "Name a second one, such as ./paintings."
    )


def _open(spec: str | Path, runs_dir: Path, device: str) -> PictureSet | LoadedGenerator:
    refuse_missing(Path(spec))
    if is_pictures(Path(spec)):
        return folder_set(Path(spec))
    return load(newest_of(*find_checkpoints(spec, runs_dir)), device=device)


def _drawn(
    side: PictureSet | LoadedGenerator, other: PictureSet | LoadedGenerator, class_name: str | None
) -> PictureSet:
    """The pictures of a side: a model draws classes and texts as the other side shows them."""
    if isinstance(side, PictureSet):
        return side
    texts: Sequence[str] = ()
    balance = None
    if class_name is not None:
        chosen = side.class_index(class_name)
        balance = [float(number == chosen) for number in range(len(side.classes))]
    elif isinstance(other, PictureSet):
        texts = other.texts
        counts = [sum(other.classes[label] == name for label in other.labels) for name in side.classes]
        balance = [count / sum(counts) for count in counts] if sum(counts) else None
    else:
        texts = [text for text in side.texts if text in other.texts]
    drawn = sample_set(side, POOL, balance, texts)
    notes = [f"{reason} Drawing from the checkpoint before it." for reason in side.passed_over]
    if isinstance(other, PictureSet):
        notes += drawn.notes[len(notes) :]  # of texts, when the other side has none
    return replace(drawn, notes=tuple(notes))


def _kinds(
    a: PictureSet, b: PictureSet, class_name: str | None, by_name: bool
) -> tuple[tuple[tuple[str | None, ...], tuple[str | None, ...]], list[str]]:
    """The kind of every picture of both sides, and what is left out for having no counterpart."""
    if class_name is not None:
        return (_of_class(a, class_name), _of_class(b, class_name)), []
    ours, theirs = _said_kinds(a), _said_kinds(b)
    shared = sorted(set(ours) & set(theirs))
    if shared:
        told = f"Only kinds that both sides have are shown: {', '.join(shared)[:200]}."
        left_out = len(set(ours) | set(theirs)) > len(shared)
        return (_among(ours, shared), _among(theirs, shared)), [told] if left_out else []
    if by_name and not ours and not theirs:
        ours, theirs = _stems(a), _stems(b)
        shared = sorted(set(ours) & set(theirs))
        if shared and len(shared) == min(len(set(ours)), len(set(theirs))):  # the same motifs in two ways
            return (_among(ours, shared), _among(theirs, shared)), ["Pictures of the same name are compared."]
    return (("",) * a.count, ("",) * b.count), []


def _said_kinds(pictures: PictureSet) -> Sequence[str]:
    """The class or text of every picture; empty when there is neither."""
    if pictures.labels:
        return [pictures.classes[label] for label in pictures.labels]
    if pictures.texts:
        return pictures.texts
    if pictures.nimg is not None:  # samples say in their titles what they were drawn for
        said = [pictures.title(place).partition(", ")[2] for place in range(pictures.count)]
        return said if any(said) else ()
    return ()


def _stems(pictures: PictureSet) -> Sequence[str]:
    """The names of pictures in folders, without their endings; empty for other sets, whose names say nothing."""
    if pictures.shape is not None:
        return ()
    return [pictures.title(place).rpartition(".")[0] for place in range(pictures.count)]


def _of_class(pictures: PictureSet, class_name: str) -> tuple[str | None, ...]:
    kinds = _among([pictures.classes[label] for label in pictures.labels], [class_name])
    if not any(kinds):
        known = f"It has: {', '.join(pictures.classes)[:200]}." if pictures.classes else "Leave --class away."
        raise UsageError(f"--class {class_name!r}: {pictures.name} has no pictures of that class.", known)
    return kinds


def _among(kinds: Sequence[str], shared: Sequence[str]) -> tuple[str | None, ...]:
    wanted = set(shared)
    return tuple(kind if kind in wanted else None for kind in kinds)
