"""The card of a packed model: what it is, what it learnt from, how good it is, what one may do with it, in Markdown."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import artgan
from artgan.engine.pages import short, visible
from artgan.engine.storage import Run, read_json_lines, spelt
from artgan.errors import CheckpointError, UsageError
from artgan.models.trained import LoadedGenerator

_FIGURE = re.compile(r"(kid|fd)\d+k?_artgan\d+")
_LONGEST = 5000
_MOST_CLASSES = 100
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Words:
    """What only the artist can say of a model; None is not stated.

    Attributes:
        title: what to call it.
        description: what it draws.
        licence: of the model and its pictures.
        data: what the training pictures are and where they come from.
        data_licence: of the training pictures.
        use: what the model is for.
    """

    title: str | None = None
    description: str | None = None
    licence: str | None = None
    data: str | None = None
    data_licence: str | None = None
    use: str | None = None

    def checked(self) -> "Words":
        """The same words on one line each.

        Raises:
            UsageError: some are very long.
        """
        kept: dict[str, str] = {}
        for name, text in vars(self).items():
            if text is not None and text.strip():
                if len(text) > _LONGEST:
                    option = "--" + name.replace("_", "-")
                    raise UsageError(f"{option} has {len(text)} letters.", f"Say it in {_LONGEST}.")
                kept[name] = str(visible(spelt(" ".join(text.split()))))
        return Words(**kept)


@dataclass(frozen=True)
class Record:
    """What a run remembers of its training; all of it may be unknown, as of a file that was shared without its run.

    Attributes:
        pictures: how many it learnt from.
        counts: pictures by class.
        fingerprint: digest of the training pictures.
        scores: figures by name of the checkpoint, or of the nearest one before it that was scored.
        scored_at: nimg of that checkpoint.
    """

    pictures: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    scored_at: int = 0


def read_record(model: LoadedGenerator) -> Record:
    """What the run folder of a model says; nothing when it has none. Paths and arguments are left where they are."""
    run = Run(model.home)
    try:
        data: dict[str, Any] = run.read_info()["data"]
    except CheckpointError:
        return Record()
    told = data.get("classes")
    counts = {name: count for name, count in told.items() if type(count) is int} if isinstance(told, dict) else {}
    scored = [record for record in read_json_lines(run.metrics) if record["nimg"] <= model.nimg and _figures(record)]
    last = max(scored, key=lambda record: int(record["nimg"]), default={"nimg": 0})
    return Record(data["pictures"], counts, data["fingerprint"] or None, _figures(last), last["nimg"])


def _figures(record: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: value
        for name, value in record.items()
        if _FIGURE.fullmatch(name) and type(value) is float and math.isfinite(value)
    }


def write_card(model: LoadedGenerator, sliders: Sequence[str], words: Words, record: Record, file: str) -> str:
    """The card, in Markdown; the same model and words are the same card.

    Args:
        model: the generator.
        sliders: names of its directions.
        words: of the artist, checked.
        record: of its run.
        file: name of the pack.
    """
    title = words.title or model.run
    parts = [
        f"# {title}",
        *([words.description] if words.description else []),
        "![What it draws from the first seeds](samples.png)",
        "## The model",
        _list(_model(model, sliders)),
        "## What it learnt from",
        _list(_data(model, words, record)),
        "## How good it is",
        _score(record, model),
        "## Intended use",
        words.use or "Pictures, films and prints by people who look at what they publish.",
        "## Limits",
        "It knows nothing but its training pictures: what they leave out it cannot draw, and what they favour it "
        "favours. With few training pictures, some of its own can come close to one of them: `artgan score` names such "
        "pairs. It is no source of facts about what it depicts.",
        "## Licence",
        words.licence or f"{NOT_STATED.capitalize()}: ask whoever published it before you use it.",
        "## How to use it",
        _usage(model, file),
    ]
    return "\n\n".join(parts) + "\n"


def _list(rows: Iterator[tuple[str, str]]) -> str:
    return "\n".join(f"- {name}: {text}" for name, text in rows)


def _model(model: LoadedGenerator, sliders: Sequence[str]) -> Iterator[tuple[str, str]]:
    width, height = model.settings.data.size
    yield "draws", f"{width} x {height} pixels, {model.settings.data.channels}"
    if model.classes:
        yield "classes", _named(model.classes)
    if model.takes_text:
        yield "texts", "one's own; it has learnt, among others, " + (_named(model.texts[:10]) or "none")
    if sliders:
        yield "sliders", _named(sliders)
    yield "network", f"the averaged generator of a GAN, kind {model.settings.model.name}"
    yield "training", f"{model.nimg:,} training pictures shown, in the run {model.run}"
    yield "made with", f"artgan {artgan.__version__}; format artgan-model/1, safetensors, no code"


def _data(model: LoadedGenerator, words: Words, record: Record) -> Iterator[tuple[str, str]]:
    yield "description", words.data or NOT_STATED
    yield "licence", words.data_licence or NOT_STATED
    yield "pictures", f"{record.pictures:,}" if record.pictures else "not known"
    if record.counts and model.classes:
        yield "by class", ", ".join(f"{_plain(name)} {n:,}" for name, n in [*record.counts.items()][:_MOST_CLASSES])
    width, height = model.settings.data.size
    yield "seen as", f"{width} x {height} pixels{', also mirrored' if model.settings.data.mirror else ''}"
    if record.fingerprint:
        yield "fingerprint", record.fingerprint


def _score(record: Record, model: LoadedGenerator) -> str:
    if not record.scores:
        return "It was not scored while it was trained. `artgan score` measures it beside real pictures."
    figures = "\n".join(f"- {name}: {value:.4g}" for name, value in record.scores.items())
    at = "" if record.scored_at == model.nimg else f", after {record.scored_at:,} pictures shown"
    return (
        f"Distance from the training pictures, as artgan's own small encoder sees them{at}; lower is better, and this "
        f"is no FID.\n\n{figures}"
    )


def _usage(model: LoadedGenerator, file: str) -> str:
    name = f' --text "{model.texts[0]}"' if model.texts else f' --class "{model.classes[0]}"' if model.classes else ""
    return (
        f"```\npip install artgan\nartgan sample {file} --seeds 0-15{name}\nartgan walk out.mp4 --run {file}\n"
        f"artgan export {file} -f html\n```\n\nThe same seed is the same picture. Opening the file never runs code: it "
        "is a zip of numbers and texts, which are checked against `manifest.json`."
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_CLASSES:,} more" if len(names) > _MOST_CLASSES else ""
    return ", ".join(map(_plain, names[:_MOST_CLASSES])) + more


def _plain(name: str) -> str:
    return short(str(visible(name)), 80)
