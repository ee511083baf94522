"""`artgan.interpret`: a trained model on one page, for people to whom it is a black box."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from artgan.engine.device import explaining_memory
from artgan.engine.seeds import parse_seeds
from artgan.engine.storage import refuse_existing
from artgan.errors import UsageError
from artgan.interpretation.attention import Attention
from artgan.interpretation.draws import Should, Tell
from artgan.interpretation.likeness import Likeness
from artgan.interpretation.maps import Atlas
from artgan.interpretation.page import write_page
from artgan.interpretation.parts import Parts
from artgan.interpretation.skills import Skills
from artgan.interpretation.subject import open_subject
from artgan.interpretation.units import Layer

FEWEST, MOST = 16, 2000


@dataclass(frozen=True)
class InterpretResult:
    """What `artgan.interpret` found; the page shows it with pictures.

    Attributes:
        run: name of the run.
        nimg: real pictures that the model had seen.
        file: the page.
        samples: how many samples were looked at.
        layers: early layers of the generator, and in each the units that matter most.
        attention: what the discriminator looks at.
        likeness: samples beside the nearest training pictures.
        atlas: what the map shows.
        skills: what came when in training.
        missing: the parts that could not be made, None above, each with the reason in a sentence.
        notes: what the user should know.
        seconds: how long it took.
    """

    run: str
    nimg: int
    file: Path
    samples: int
    layers: tuple[Layer, ...]
    attention: Attention | None
    likeness: Likeness | None
    atlas: Atlas | None
    skills: Skills | None
    missing: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def interpret(
    run: str | Path | None = None,
    out: str | Path | None = None,
    *,
    seeds: str = "0-11",
    class_name: str | None = None,
    num: int = 300,
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Tell = lambda event: None,
    should_stop: Should = lambda: False,
) -> InterpretResult:
    """Explain a trained model on one page: its units, its discriminator, its neighbours, its map and its training.

    Args:
        run: number, name or folder of a run, RUN@KIMG, a checkpoint folder, or a generator file; None is the latest.
            From a file that was shared alone, the parts that need the discriminator, the training pictures or the
            previews say that these are missing.
        out: the page, an HTML file; None writes `interpret.html` into the run's folder, or beside the file.
        seeds: the samples that are shown beside their nearest training pictures.
        class_name: keep to one class.
        num: samples to look at in all, 16 to 2000; those of `seeds` come first.
        overwrite: replace a file that exists.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called as the work goes on.
        should_stop: asked between steps.

    Raises:
        UsageError: the arguments make no sense, the model has no such class, or the file exists.
        CheckpointError: there is no model, or it is damaged.
        Interrupted: `should_stop` said so; nothing was written.
        StorageError: the page cannot be written.
    """
    started = time.monotonic()
    asked = list(dict.fromkeys(parse_seeds(seeds)))
    if not FEWEST <= num <= MOST or len(asked) > num:
        hint = f"Give {FEWEST} to {MOST}, and no fewer than --seeds names; 300 is a good number."
        raise UsageError(f"--num {num} is not a number of samples to look at.", hint)
    if out is not None:
        refuse_existing(Path(out), overwrite)
    with explaining_memory("Use --device cpu, or a smaller --num."):
        subject = open_subject(run, class_name, Path(runs_dir), device, on_event, should_stop)
        file = Path(out) if out is not None else subject.model.home / "interpret.html"
        parts = Parts(subject, class_name, asked, num, on_event, should_stop)
        layers = parts.units()
        attention = parts.attempt("attention", parts.attention)
        likeness = parts.attempt("likeness", parts.likeness)
        atlas = parts.attempt("atlas", parts.atlas)
        skills = parts.attempt("skills", parts.skills)
    result = InterpretResult(
        run=subject.model.run,
        nimg=subject.model.nimg,
        file=file,
        samples=num,
        layers=layers,
        attention=attention,
        likeness=likeness,
        atlas=atlas,
        skills=skills,
        missing=parts.missing,
        notes=subject.notes,
        seconds=round(time.monotonic() - started, 1),
    )
    write_page(result, parts.exhibits, file)
    return result
