"""A curation by several processes: the lead decides and writes the report; all do what is done to each file.

The lead runs `curate` as a process does that is alone, and whenever there is work for each of many files, it tells the
others, the followers, which wait for nothing else, and every process does its part.
"""

import contextlib
import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ParamSpec

from artgan.curation.report import CurationReport
from artgan.curation.workers import Task, Workers
from artgan.engine import processes
from artgan.engine.images import quiet_decoding
from artgan.errors import ArtganError, ProcessLost

P = ParamSpec("P")


@dataclass(frozen=True)
class _Ended:
    """How the lead came to an end: with a report, or why not."""

    report: CurationReport | None = None
    problem: ArtganError | None = None


def led(work: Callable[P, CurationReport]) -> Callable[P, CurationReport]:
    """Have the lead of several processes do `work`, and the others their parts of it.

    All return its report, the followers without what reading the files told, or raise what it raises. `work` takes
    `processes` and `should_stop` by name, as `curate` does.
    """

    @functools.wraps(work)
    def by_all(*args: P.args, **kwargs: P.kwargs) -> CurationReport:
        processes.join()
        if not processes.leads():
            named: dict[str, Any] = dict(kwargs)
            return _follow(named.get("processes"), named.get("should_stop", lambda: False))
        try:
            report = work(*args, **kwargs)
        except ArtganError as error:
            if not isinstance(error, ProcessLost):
                processes.agreed(_Ended(problem=error))
            raise
        if processes.size() > 1:
            items = tuple(replace(item, seen=None) for item in report.items)
            with contextlib.suppress(ProcessLost):  # the set is whole: they are not needed any more
                processes.agreed(_Ended(replace(report, items=items)))
        return report

    return by_all


def _follow(count: int | None, should_stop: Callable[[], bool]) -> CurationReport:
    """Do what the lead hands out until it ends."""
    with quiet_decoding(), contextlib.ExitStack() as stack:
        workers: Workers | None = None
        while not isinstance(told := _told(), _Ended):
            workers = workers or stack.enter_context(Workers(told.source, count))
            workers.help(told, should_stop)
    if told.problem is not None:
        raise told.problem
    assert told.report is not None
    return told.report


def _told() -> _Ended | Task[Any, Any]:
    return processes.agreed(_Ended())  # the lead's, not this one
