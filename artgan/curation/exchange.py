"""How processes do their parts of the same jobs, and bring the results together in the lead, in order.

Each does its part at its own pace. In rounds, all at once, they tell what they have done since the last one; what is
told is small and often enough that the lead's memory stays flat, its progress is shown, and a stop is soon heard.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from artgan.engine import processes
from artgan.errors import ArtganError, Interrupted

Job = TypeVar("Job")
Result = TypeVar("Result")

_MOST, _SECONDS = 32, 0.5
"""A round ends for a process when it has so many results, or so long after it began."""
HINT = "The same command goes on from here."


@dataclass(frozen=True)
class _Word(Generic[Result]):
    """What a process tells in a round: results since the last one, whether there are no more, and what went wrong."""

    results: tuple[Result, ...] = ()
    last: bool = False
    problem: ArtganError | None = None


def part_of(rank: int, count: int, bunch: int) -> Iterator[int]:
    """The places of the jobs that a process does, of `count`: whole bunches, in turn with the others."""
    for start in range(rank * bunch, count, processes.size() * bunch):
        yield from range(start, min(start + bunch, count))


class Exchange(Generic[Result]):
    """The rounds in which one list of jobs is done.

    Args:
        results: of this process's part, in order.
        should_stop: asked after each of them.
    """

    def __init__(self, results: Iterator[Result], should_stop: Callable[[], bool] = lambda: False) -> None:
        self._results = results
        self._should_stop = should_stop
        self.over = False

    def rounds(self) -> Iterator[Sequence[_Word[Result]]]:
        """What all processes tell, by rank, until all have done their parts or one has a problem.

        Raises:
            ProcessLost: one of them is gone.
        """
        while not self.over:
            word = self._word()
            yield self._told(word)

    def give_up(self) -> None:
        """Tell the others, if they are still at work, that nobody wants the rest."""
        if not self.over:
            self._told(_Word(last=True, problem=Interrupted("The rest is not wanted.", HINT)))

    def _told(self, word: _Word[Result]) -> Sequence[_Word[Result]]:
        self.over = True  # when the others are lost, they are to be told nothing more
        # The lead's results stay where they are wanted.
        said = processes.gather(replace(word, results=()) if processes.leads() else word)
        said[processes.rank()] = word
        self.over = all(one.last for one in said) or any(one.problem for one in said)
        return said

    def _word(self) -> _Word[Result]:
        found: list[Result] = []
        until = time.monotonic() + _SECONDS
        try:
            for result in self._results:
                found.append(result)
                if self._should_stop():
                    raise Interrupted(f"Stopped by {processes.whereabouts()}.", HINT)
                if len(found) == _MOST or time.monotonic() > until:
                    return _Word(tuple(found))
        except ArtganError as error:
            return _Word(tuple(found), last=True, problem=error)
        return _Word(tuple(found), last=True)


def in_order(rounds: Iterable[Sequence[_Word[Result]]], count: int, bunch: int) -> Iterator[Result]:
    """The results of all processes, in the order of the `count` jobs.

    Raises:
        ArtganError: that of the first process that had a problem, after the results that were there before it.
    """
    places = [part_of(rank, count, bunch) for rank in range(processes.size())]
    ready: dict[int, Result] = {}
    following = 0
    for said in rounds:
        for word, place in zip(said, places, strict=True):
            ready.update((number, result) for result, number in zip(word.results, place, strict=False))
        while following in ready:
            yield ready.pop(following)
            following += 1
        if problem := next((word.problem for word in said if word.problem), None):
            raise problem
