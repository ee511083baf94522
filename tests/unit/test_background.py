"""Work in the background: done in order, handed back once, and never lost when it goes wrong."""

import threading
import time
from functools import partial

import pytest

from artgan.engine.background import Background


def test_work_is_done_in_order_by_another_thread_and_handed_back_once() -> None:
    done: list[int] = []
    threads: set[int] = set()

    def work(number: int) -> int:
        time.sleep(0.002 * (5 - number))  # the first takes longest
        threads.add(threading.get_ident())
        done.append(number)
        return number

    with Background() as background:
        for number in range(5):
            background.submit(partial(work, number))
        background.wait()
        assert done == background.finished() == [0, 1, 2, 3, 4]
        assert background.finished() == []
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_asking_does_not_wait() -> None:
    allowed = threading.Event()
    with Background() as background:
        background.submit(lambda: "first")
        background.submit(partial(allowed.wait, 20))
        background.submit(lambda: "last")
        found: list[object] = []
        while not found:
            found += background.finished()
        assert found == ["first"]
        assert background.finished() == []
        allowed.set()
        background.wait()
        assert background.finished() == [True, "last"]


def fail(message: str) -> None:
    raise ValueError(message)


def test_what_goes_wrong_is_raised_where_it_is_asked_for() -> None:
    done: list[str] = []
    with Background() as background:
        background.submit(lambda: "before")
        background.submit(partial(fail, "in between"))
        background.submit(lambda: done.append("after"))
        background.wait()
        assert done == ["after"], "one failure does not keep the rest from being done"
        with pytest.raises(ValueError, match="in between"):
            background.finished()
        assert background.finished() == [None], "it is raised once"


def test_waiting_itself_raises_nothing() -> None:
    background = Background()
    background.wait()
    background.submit(partial(fail, "later"))
    background.wait()
    with pytest.raises(ValueError, match="later"):
        background.finished()
    with background:
        pass


def test_leaving_finishes_what_was_begun() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.01)
        done.append(number)

    with Background() as background:
        for number in range(3):
            background.submit(partial(work, number))
    assert done == [0, 1, 2]


def test_leaving_raises_what_nobody_asked_for() -> None:
    with pytest.raises(ValueError, match="unasked"), Background() as background:
        background.submit(partial(fail, "unasked"))


@pytest.mark.parametrize("error", [KeyError("first"), KeyboardInterrupt("first")])
def test_an_error_inside_wins_and_the_work_is_finished_all_the_same(error: BaseException) -> None:
    done: list[int] = []

    def go() -> None:
        with Background() as background:
            background.submit(partial(fail, "second"))
            background.submit(lambda: done.append(1))
            raise error

    with pytest.raises(type(error), match="first"):
        go()
    assert done == [1]
