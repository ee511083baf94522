"""`artgan.judge`: a page of blind questions about two sides, and the key to it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import artgan
from artgan.data.cache import DataEvent
from artgan.engine.device import explaining_memory
from artgan.engine.images import quiet_decoding
from artgan.engine.seeds import Streams
from artgan.engine.storage import atomic_write, refuse_existing
from artgan.errors import Interrupted, UsageError
from artgan.judging.ballot import Couple, Question, couple, deal, names
from artgan.judging.page import Paper, write_page
from artgan.judging.papers import MOST_QUESTIONS, Key, Mode, Shown
from artgan.judging.prints import choose_size, find_usable, prints
from artgan.judging.sides import open_sides
from artgan.metrics.sets import PictureSet

QUESTIONS: dict[Mode, str] = {"pairs": "Which do you like better?", "turing": "Painted or generated?"}
_LONGEST_QUESTION = 200


@dataclass(frozen=True)
class JudgeProgress:
    """So many more pictures of the set called `name` were read."""

    name: str
    count: int


@dataclass(frozen=True)
class BallotResult:
    """What `artgan.judge` wrote.

    Attributes:
        page: the page to send to people; it does not say what is compared.
        key: what `artgan.tally` needs to read their answers.
        ballot: digest that binds page, key and answers together.
        mode: pairs or turing.
        question: what is asked.
        a, b: what is compared.
        questions: how many there are, without those that are asked again.
        repeats: how many are asked again.
        size: (width, height) of every picture on the page.
        notes: what the user should know of them.
    """

    page: Path
    key: Path
    ballot: str
    mode: Mode
    question: str
    a: str
    b: str
    questions: int
    repeats: int
    size: tuple[int, int]
    notes: tuple[str, ...]


def judge(
    a: str | Path,
    b: str | Path | None = None,
    *,
    mode: Mode | None = None,
    num: int = 60,
    size: int | None = None,
    question: str | None = None,
    class_name: str | None = None,
    seed: int = 0,
    out: str | Path = "judge.html",
    overwrite: bool = False,
    runs_dir: str | Path = "runs",
    device: str = "auto",
    on_event: Callable[[JudgeProgress | DataEvent], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> BallotResult:
    """Write a page on which people judge pictures without knowing where they come from.

    Like is compared with like: the same class, text or, in two folders, file name, where both sides have them. All
    pictures are brought to one size and one format. The key, which says what was shown, is written beside the page,
    to OUT.key.json.

    Args:
        a: run, RUN@KIMG, checkpoint, generator.safetensors, or a folder or zip of pictures.
        b: the same. In turing mode the real pictures: a folder, a zip, or a run, which stands for the pictures it was
            trained on; None are those of `a`.
        mode: pairs asks which of two is liked better, turing whether one is painted or generated. None is pairs with
            `b`, turing without.
        num: questions, 1 to 1000; a tenth of them is asked again later.
        size: longer side of all pictures in pixels, 16 to 2048; None is that of the smaller side, 512 at most.
        question: what to ask, instead of "Which do you like better?".
        class_name: show this class alone.
        seed: another one chooses other pictures.
        out: the page, .html.
        overwrite: replace files that exist.
        runs_dir: the folder that holds the runs.
        device: auto, cpu, cuda, cuda:N or mps.
        on_event: called as pictures are made ready.
        should_stop: asked now and then.

    Raises:
        DatasetError: a side has no pictures that can be read.
        CheckpointError: there is no model to draw from.
        UsageError: the arguments make no sense, alone or together, or a file exists.
    """
    mode = mode if mode is not None else "pairs" if b is not None else "turing"
    asked = _check(mode, b, num, size, question)
    page = Path(out)
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"-o {page} is not a name for a page.", "Let it end in .html.")
    key_file = page.with_name(f"{page.stem}.key.json")
    for file in (page, key_file):
        refuse_existing(file, overwrite)

    def read(pictures: PictureSet, places: Sequence[int]) -> Sequence[Image.Image | str]:
        if should_stop():
            raise Interrupted("Stopped before the page was written.", "Give the same command to start again.")
        found = pictures.read(places)
        on_event(JudgeProgress(pictures.name, len(places)))
        return found

    with explaining_memory("Judge with --device cpu, or fewer pictures with --num."), quiet_decoding():
        *sides, notes = open_sides(
            a,
            b,
            against_real=mode == "turing",
            class_name=class_name,
            runs_dir=Path(runs_dir),
            device=device,
            on_event=on_event,
            should_stop=should_stop,
        )
        sets = sides[0].pictures, sides[1].pictures
        # The names are part of what is drawn by, so that nobody can work out the order from the page and the seed.
        stream = Streams(seed).generator(f"ballot of {sets[0].name} and {sets[1].name}")
        draw = random.Random(stream.initial_seed())
        usable = find_usable(
            couple(sides[0].kinds, sides[1].kinds, draw), num if mode == "pairs" else (num + 1) // 2, sets, read
        )
        view, told = choose_size(usable.sizes, size)
        printed = [[*prints(each, [pair[n] for pair in usable.couples], view, read)] for n, each in enumerate(sets)]
    questions = deal(len(usable.couples), mode, draw)
    paper = Paper(mode, asked, view, *_laid_out(questions, printed, names(len(questions), draw)))
    key = _key(paper, questions, usable.couples, sets)
    atomic_write(key_file, key.model_dump_json(indent=1) + "\n")
    write_page(paper, page)
    fresh = sum(each.repeats is None for each in questions)
    few = [f"There are pictures for {fresh} questions, not for {num}."] if fresh < num else []
    return BallotResult(
        page=page,
        key=key_file,
        ballot=paper.digest,
        mode=mode,
        question=asked,
        a=key.a,
        b=key.b,
        questions=fresh,
        repeats=len(questions) - fresh,
        size=view,
        notes=(*notes, *usable.notes, *few, *told),
    )


def _laid_out(
    questions: Sequence[Question], printed: Sequence[Sequence[bytes]], ids: Sequence[str]
) -> tuple[list[bytes], list[tuple[str, list[int]]]]:
    """The pictures in the order in which they first appear, and every question with the numbers of its pictures."""
    places: dict[tuple[int, str], int] = {}
    for each in questions:
        for side in each.sides:
            places.setdefault((each.couple, side), len(places))
    shown = [[places[each.couple, side] for side in each.sides] for each in questions]
    return [printed["ab".index(side)][number] for number, side in places], list(zip(ids, shown, strict=True))


def _key(
    paper: Paper, questions: Sequence[Question], couples: Sequence[Couple], sets: tuple[PictureSet, PictureSet]
) -> Key:
    """What the page does not say."""
    ids = [name for name, _ in paper.questions]

    def title(each: Question, side: str) -> str:
        number = "ab".index(side)
        return _spelt(sets[number].title(couples[each.couple][number]))

    shown = [
        Shown.model_validate(
            {
                "id": name,
                "sides": each.sides,
                "pictures": [title(each, side) for side in each.sides],
                "repeats": ids[each.repeats] if each.repeats is not None else None,
            }
        )
        for name, each in zip(ids, questions, strict=True)
    ]
    return Key(
        artgan=artgan.__version__,
        ballot=paper.digest,
        mode=paper.mode,
        question=paper.question,
        a=_spelt(sets[0].name),
        b=_spelt(sets[1].name),
        questions=tuple(shown),
    )


def _spelt(name: str) -> str:
    """A name as it can stand in a file, which not every name of a file can."""
    return name.encode("utf-8", "backslashreplace").decode()[:1000]


def _check(mode: Mode, b: str | Path | None, num: int, size: int | None, question: str | None) -> str:
    """The question to ask, once the arguments make sense."""
    if mode == "pairs" and b is None:
        raise UsageError("Pairs need two sides, and only one is named.", "Name a second one, or use --mode turing.")
    if not 1 <= num <= MOST_QUESTIONS:
        raise UsageError(f"--num {num} is not a number of questions.", "60 take about five minutes; 1000 are the most.")
    if size is not None and not 16 <= size <= 2048:
        raise UsageError(f"--size {size} is not a size in pixels.", "Give 16 to 2048.")
    asked = " ".join((question if question is not None else QUESTIONS[mode]).split())
    if not 1 <= len(asked) <= _LONGEST_QUESTION:
        raise UsageError(f"--question has {len(asked)} letters.", f"Ask something in 1 to {_LONGEST_QUESTION} letters.")
    return asked
