"""Processes that curate together, played by threads: who does what, in which order it comes, how all end."""

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from artgan.curation.begun import begin, in_sight
from artgan.curation.report import CurationReport
from artgan.curation.settings import CurateSettings
from artgan.curation.team import led
from artgan.curation.verdicts import Item
from artgan.curation.workers import Reader, Workers
from artgan.data.sources import Source
from artgan.engine import processes
from artgan.errors import ArtganError, DatasetError, Interrupted, StorageError

JOBS = range(100)


class Team:
    """Threads that exchange values as processes do."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.here = threading.local()
        self.values: list[Any] = [None] * count
        self.met = threading.Barrier(count, timeout=20)

    def gather(self, value: Any) -> list[Any]:
        self.values[self.here.rank] = value
        self.met.wait()
        found = list(self.values)
        self.met.wait()
        return found

    def all_do(self, work: Callable[[int], Any]) -> list[Any]:
        """What `work` returns, or the ArtganError that it raises, in each thread, given its rank."""

        def one(rank: int) -> Any:
            self.here.rank = rank
            try:
                return work(rank)
            except ArtganError as error:
                return error

        with ThreadPoolExecutor(self.count) as threads:
            return list(threads.map(one, range(self.count)))


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Team:
    found = Team(3)
    played: dict[str, Callable[..., Any]] = {
        "join": lambda: None,
        "size": lambda: found.count,
        "rank": lambda: found.here.rank,
        "leads": lambda: found.here.rank == 0,
        "gather": found.gather,
        "agreed": lambda value: found.gather(value)[0],
    }
    for name, function in played.items():
        monkeypatch.setattr(processes, name, function)
    return found


def same(job: int, reader: Reader) -> int:
    return job


def stumble(job: int, reader: Reader) -> int:
    if job in (50, 70):
        raise DatasetError(f"{job} is broken.", "Take another one.")
    return job


def signed(results: Iterator[int], at_once: int) -> Iterator[int]:
    """Results with the rank of the process that they went through as their last digit."""
    for result in results:
        yield 10 * result + processes.rank()


def report(place: Path, counts: int) -> CurationReport:
    return CurationReport(place, None, None, CurateSettings(), (Item(f"{counts}", "kept"),), ())


def leading(work: Callable[[Workers], int], place: Path) -> Callable[..., CurationReport]:
    """What a lead does with workers, as `curate` has it; its report has one file, named for what `work` returns."""

    @led
    def curation(*, processes: int = 1, should_stop: Callable[[], bool] = lambda: False) -> CurationReport:
        with Workers(Source(place, (), (), (), ()), processes) as workers:
            return report(place, work(workers))

    return functools.partial(curation, processes=1)


@pytest.mark.parametrize("bunch", [1, 8])
def test_each_does_its_bunches_and_the_lead_gets_all_in_order(bunch: int, team: Team, tmp_path: Path) -> None:
    found: list[list[int]] = []

    def work(workers: Workers) -> int:
        found.extend(list(workers.each(same, JOBS, signed, bunch)) for _ in range(2))
        found.append(list(workers.each(same, JOBS[:5], signed, bunch)))
        return 7

    ended = team.all_do(lambda rank: leading(work, tmp_path)())
    shared = [10 * job + job // bunch % 3 for job in JOBS]
    assert found == [shared, shared, [10 * job for job in JOBS[:5]]], "few are done by the lead alone"
    assert [one.items[0].file for one in ended] == ["7"] * 3


def test_what_goes_wrong_in_one_process_goes_wrong_in_all_after_what_came_before(team: Team, tmp_path: Path) -> None:
    found: list[int] = []

    def work(workers: Workers) -> int:
        found.extend(workers.each(stumble, JOBS))
        return 0

    ended = team.all_do(lambda rank: leading(work, tmp_path)())
    assert [str(error) for error in ended] == [str(ended[0])] * 3
    assert isinstance(ended[0], DatasetError)
    assert ended[0].hint == "Take another one."
    assert found == list(range(len(found)))
    assert len(found) <= 50


def test_any_process_that_is_asked_to_stop_ends_all(team: Team, tmp_path: Path) -> None:
    ended = team.all_do(
        lambda rank: leading(lambda workers: len(list(workers.each(same, JOBS))), tmp_path)(
            should_stop=lambda: rank == 2
        )
    )
    assert [type(error) for error in ended] == [Interrupted] * 3
    assert {error.message for error in ended} == {ended[0].message}
    assert "goes on" in ended[0].hint


@pytest.mark.parametrize("then", ["another task", "the end", "an error"])
def test_a_lead_that_wants_no_more_keeps_nobody_waiting(then: str, team: Team, tmp_path: Path) -> None:
    calls: list[int] = []

    def slowly(job: int, reader: Reader) -> int:
        calls.append(job)
        threading.Event().wait(0.02)
        return job

    def work(workers: Workers) -> int:
        assert next(workers.each(slowly, range(3000))) == 0
        if then == "an error":
            raise Interrupted("Stopped.", "Go on.")
        return len(list(workers.each(same, JOBS))) if then == "another task" else 1

    ended = team.all_do(lambda rank: leading(work, tmp_path)())
    assert len(calls) < 1500
    if then == "an error":
        assert [str(error) for error in ended] == ["Stopped."] * 3
    else:
        assert [one.items[0].file for one in ended] == ["100" if then == "another task" else "1"] * 3


def test_a_process_that_does_not_see_the_folders_says_so(team: Team, tmp_path: Path) -> None:
    (error, *_) = team.all_do(lambda rank: leading(lambda workers: len([*workers.each(same, JOBS)]), tmp_path / "x")())
    assert isinstance(error, StorageError)
    assert f"There is no {tmp_path / 'x'} for process 0 of 3" in error.message
    begin(tmp_path / "set", {})
    assert list(in_sight(iter([1, 2]), 1, tmp_path / "set")) == [1, 2]
    team.here.rank = 2
    with pytest.raises(StorageError, match="elsewhere cannot be seen by process 2 of 3"):
        list(in_sight(iter([1, 2]), 1, tmp_path / "elsewhere"))
