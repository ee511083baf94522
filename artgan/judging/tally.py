"""`artgan.tally`: what raters answered, joined with what they were shown."""

import glob
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from artgan.errors import UsageError
from artgan.judging.figures import d_prime, fleiss_kappa, interval, sign_test
from artgan.judging.papers import Answers, Key, Mode, Shown, ballot_of, check_answers, read_answers, read_key

FEW_RATERS = 5
Vote = str
"""a, b, painted, generated or skip."""
Votes = Sequence[Sequence[Vote | None]]
Judge = Callable[[Vote, Shown], bool | None]
VOTES: dict[Mode, tuple[Vote, ...]] = {"pairs": ("a", "b", "skip"), "turing": ("painted", "generated", "skip")}


@dataclass(frozen=True)
class Share:
    """A share of answers.

    Attributes:
        name: in one word.
        value: from 0 to 1.
        low, high: its 95 % interval.
        chosen: answers that make it up.
        answers: of so many.
        meaning: in plain words.
    """

    name: str
    value: float
    low: float
    high: float
    chosen: int
    answers: int
    meaning: str


@dataclass(frozen=True)
class RaterTally:
    """One rater.

    Attributes:
        rater: name, or what the page called them.
        file: their answers.
        answered: questions they answered, those asked again included.
        skipped: how many of these they had no answer to.
        share: of their other answers, those that prefer A; in turing mode those that are right. None without any.
        same: questions asked twice that they answered alike both times.
        twice: questions asked twice that they answered both times.
        with_others: how often another rater gave the same answer to the same question; None alone.
        seconds: half of their answers took longer than that.
    """

    rater: str
    file: Path
    answered: int
    skipped: int
    share: float | None
    same: int
    twice: int
    with_others: float | None
    seconds: float


@dataclass(frozen=True)
class TallyResult:
    """What `artgan.tally` found.

    Attributes:
        mode: pairs or turing.
        question: what was asked.
        a, b: what was compared.
        questions: how many the ballot has, without those that are asked again.
        answers: how many answers count: without those to questions asked again, and without skips.
        skipped: answers that choose neither.
        shares: the one that answers the question first.
        p: how often chance alone would give so uneven answers; None when nothing is left to count.
        d_prime: how far apart painted and generated are to the eye; None for pairs, or when one of them was not judged.
        kappa: agreement of several raters beyond chance; None when it is not defined.
        shared: questions that two or more raters answered.
        same, twice: over all raters, see `RaterTally`.
        raters: one each, by name.
        notes: what the user should know of these figures.
    """

    mode: Mode
    question: str
    a: str
    b: str
    questions: int
    answers: int
    skipped: int
    shares: tuple[Share, ...]
    p: float | None
    d_prime: float | None
    kappa: float | None
    shared: int
    same: int
    twice: int
    raters: tuple[RaterTally, ...]
    notes: tuple[str, ...]


def tally(answers: str | Path | Sequence[str | Path], *, key: str | Path | None = None) -> TallyResult:
    """Count what people answered on a page of `artgan.judge`.

    Shares come with a 95 % interval: Wilson's for one rater, the pigeonhole bootstrap over raters and questions for
    several (see `artgan.judging.figures.interval`). The first answer to a question counts; the second, to a question
    that is asked again, only tells how sure a rater is. Skips are counted apart.

    Args:
        answers: files that raters saved, or patterns such as `answers*.json`.
        key: the .key.json of the ballot; None looks for it beside the answers and in the working folder.

    Raises:
        UsageError: a file is missing or damaged, or answers another ballot; or nobody answered anything.
    """
    files = _files([answers] if isinstance(answers, str | Path) else answers)
    given = [(file, read_answers(file)) for file in files]
    paper = read_key(Path(key) if key is not None else _find_key(files, given[0][1].ballot))
    for file, one in given:
        check_answers(file, one, paper)
    latest, notes = _latest(given)
    fresh = [shown for shown in paper.questions if shown.repeats is None]
    said = [{each.question: each.answer for each in one.answers} for _, one in latest]
    if not any(said):
        raise UsageError(f"{files[0]} holds no answers.", "Answer some questions first, then save.")
    votes = [[_meant(own.get(shown.id), shown) for shown in fresh] for own in said]
    raters = [_rater(number, latest, votes, paper) for number in range(len(latest))]
    if 1 < len(raters) < FEW_RATERS:
        notes.append(f"{len(raters)} raters say little of the taste of others: the more, the surer the interval.")
    missing = sum(vote is None for row in votes for vote in row)
    if missing:
        notes.append(f"{missing} question{'s were' if missing > 1 else ' was'} left unanswered; the others count.")
    counts = np.array([[column.count(vote) for vote in VOTES[paper.mode]] for column in zip(*votes, strict=True)])
    shares = tuple(_shares(votes, fresh, paper.mode))
    leading = _preferring if paper.mode == "pairs" else _right
    return TallyResult(
        mode=paper.mode,
        question=paper.question,
        a=paper.a,
        b=paper.b,
        questions=len(fresh),
        answers=sum(vote not in (None, "skip") for row in votes for vote in row),
        skipped=sum(row.count("skip") for row in votes),
        shares=shares,
        p=sign_test(_marks(votes, fresh, leading)),
        d_prime=_sensitivity({share.name: share for share in shares}),
        kappa=fleiss_kappa(counts),
        shared=int((counts.sum(1) >= 2).sum()),
        same=sum(rater.same for rater in raters),
        twice=sum(rater.twice for rater in raters),
        raters=tuple(raters),
        notes=tuple(notes),
    )


def _files(specs: Sequence[str | Path]) -> list[Path]:
    """The files that are meant, each once; patterns are for shells that hand them on, as that of Windows."""
    found: dict[Path, None] = {}
    for spec in specs:
        matching = [Path(spec)] if Path(spec).exists() else sorted(map(Path, glob.glob(str(spec))))  # noqa: PTH207
        if not matching:
            raise UsageError(f"There are no answers at {spec}.", "Name the files that raters saved: answers*.json.")
        found.update(dict.fromkeys(matching))
    if not found:
        raise UsageError("No answers are named.", "Name the files that raters saved: answers*.json.")
    return list(found)


def _find_key(files: Sequence[Path], ballot: str) -> Path:
    """The key of a ballot, beside the answers or in the working folder."""
    for folder in dict.fromkeys([*(file.parent for file in files), Path()]):
        for path in sorted(folder.glob("*.key.json")):
            if ballot_of(path) == ballot:
                return path
    raise UsageError(
        f"The key of the ballot that {files[0]} answers is not here.",
        "Name it: --key judge.key.json; it was written beside the page.",
    )


def _latest(given: Sequence[tuple[Path, Answers]]) -> tuple[list[tuple[Path, Answers]], list[str]]:
    """One file for each rater, the one saved last, by name; and what is passed over."""
    notes = []
    found: dict[str, tuple[Path, Answers]] = {}
    for file, answers in sorted(given, key=lambda one: one[1].saved):
        if answers.rater in found:
            notes.append(f"{file} counts for {answers.rater!r}, not {found[answers.rater][0]}, which was saved before.")
        found[answers.rater] = file, answers
    return [found[rater] for rater in sorted(found)], notes


def _meant(answer: str | None, shown: Shown) -> Vote | None:
    """What an answer says: the side that is preferred, or what a picture is called."""
    if answer in ("left", "right"):
        return shown.sides[answer == "right"]
    return answer


def _preferring(vote: Vote, shown: Shown) -> bool | None:
    return vote == "a"


def _on_the_left(vote: Vote, shown: Shown) -> bool | None:
    return vote == shown.sides[0]


def _fooled(vote: Vote, shown: Shown) -> bool | None:
    return vote == "painted" if shown.sides == "a" else None


def _recognised(vote: Vote, shown: Shown) -> bool | None:
    return vote == "painted" if shown.sides == "b" else None


def _right(vote: Vote, shown: Shown) -> bool | None:
    return (vote == "painted") == (shown.sides == "b")


SHARES: dict[Mode, dict[str, tuple[Judge, str]]] = {
    "pairs": {
        "preferred": (_preferring, "Share of answers that prefer A; half is no difference."),
        "left": (_on_the_left, "Share of answers that chose the left one; far from half is a habit."),
    },
    "turing": {
        "fooled": (_fooled, "Share of generated pictures that were called painted: the fooling rate."),
        "recognised": (_recognised, "Share of real pictures that were called painted."),
        "right": (_right, "Share of right answers; half is what guessing gives."),
    },
}


def _marks(votes: Votes, fresh: Sequence[Shown], judge: Judge) -> NDArray[np.float64]:
    """1 and 0 for yes and no, (raters, questions); NaN for what was skipped, not answered or is not asked about."""

    def mark(vote: Vote | None, shown: Shown) -> float:
        judged = judge(vote, shown) if vote is not None and vote != "skip" else None
        return float("nan") if judged is None else float(judged)

    return np.array([[mark(vote, shown) for vote, shown in zip(row, fresh, strict=True)] for row in votes])


def _shares(votes: Votes, fresh: Sequence[Shown], mode: Mode) -> Iterator[Share]:
    for name, (judge, meaning) in SHARES[mode].items():
        marks = _marks(votes, fresh, judge)
        known = ~np.isnan(marks)
        if known.any():
            marks = marks[known.any(1)][:, known.any(0)]
            chosen, count = int(np.nansum(marks)), int(known.sum())
            yield Share(name, chosen / count, *interval(marks), chosen, count, meaning)


def _sensitivity(shares: dict[str, Share]) -> float | None:
    if "fooled" not in shares or "recognised" not in shares:
        return None
    generated, real = shares["fooled"], shares["recognised"]
    return d_prime(generated.answers - generated.chosen, generated.answers, real.answers - real.chosen, real.answers)


def _rater(number: int, latest: Sequence[tuple[Path, Answers]], votes: Votes, paper: Key) -> RaterTally:
    file, answers = latest[number]
    given = {each.question: each for each in answers.answers}
    shown = {each.id: each for each in paper.questions}
    fresh = [each for each in paper.questions if each.repeats is None]
    marks = _marks([votes[number]], fresh, _preferring if paper.mode == "pairs" else _right)
    twice = [
        _meant(given[each.id].answer, each) == _meant(given[each.repeats].answer, shown[each.repeats])
        for each in paper.questions
        if each.repeats in given and each.id in given
    ]
    others = [
        vote == other
        for place, row in enumerate(votes)
        for vote, other in zip(votes[number], row, strict=True)
        if place != number and vote is not None and other is not None
    ]
    return RaterTally(
        rater=answers.rater,
        file=file,
        answered=len(given),
        skipped=sum(each.answer == "skip" for each in answers.answers),
        share=float(np.nanmean(marks)) if not np.isnan(marks).all() else None,
        same=sum(twice),
        twice=len(twice),
        with_others=statistics.fmean(others) if others else None,
        seconds=statistics.median(each.ms for each in answers.answers) / 1000 if given else 0.0,
    )
