"""Processes that read one source: what they do, how they start, and how they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from artgan.curation.album import Album
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import survey
from artgan.curation.workers import Reader, Workers, again
from artgan.data.sources import PictureFile, scan
from artgan.errors import DatasetError, StorageError
from tests.curating import make, saved, textured

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Files enough for several processes, two of which are broken."""
    files = {f"{number:02}.png": saved(textured(number, 48, 40), "PNG") for number in range(28)}
    return make(tmp_path / "many", {**files, "03.png": b"no picture", "09.png": files["09.png"][:300]})


def tell(job: str, reader: Reader) -> tuple[str, int, str, list[str | None], bool]:
    """What a process is like: the job, its id, what it is called, its threads, whether it hears Ctrl-C."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, []) if os.name == "posix" else {signal.SIGINT}
    name = sys.modules["__main__"].__name__
    return job, os.getpid(), name, [os.environ.get(name) for name in BLAS], signal.SIGINT not in blocked


def first_bytes(file: PictureFile, reader: Reader) -> bytes:
    return reader(file)[:4]


def stumble(job: int, reader: Reader) -> int:
    if job == 20:
        raise DatasetError("twenty is broken.", "Take another one.")
    return job


def test_few_jobs_are_done_here_until_there_are_processes(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(BLAS, ("7", None, "3"), strict=True):
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    before, main = dict(os.environ), sys.modules["__main__"]
    jobs = [str(number) for number in range(30)]
    with Workers(scan(many), 2) as workers:
        assert {pid for _, pid, *_ in workers.each(tell, jobs[:23])} == {os.getpid()}
        found = list(workers.each(tell, jobs))
        assert [job for job, *_ in found] == jobs, "in order"
        others = {pid for _, pid, *_ in found}
        assert os.getpid() not in others
        assert 1 <= len(others) <= 2
        assert {tuple(threads) for *_, threads, _ in found} == {("1", "1", "1")}
        assert {heard for *_, heard in found} == {False}
        assert {pid for _, pid, *_ in workers.each(tell, jobs[:3])} <= {*others, *_children(workers)}
        assert len(_children(workers)) <= 2, "started once"
        assert list(workers.each(first_bytes, workers.source.files[:3])) == [b"\x89PNG"] * 3
        assert list(workers.each(tell, [])) == []
    assert (dict(os.environ), sys.modules["__main__"]) == (before, main)
    if os.name == "posix":
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        for pid in others:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


def _children(workers: Workers) -> set[int]:
    assert workers._pool is not None
    return {process.pid or 0 for process in workers._pool._processes.values()}


def test_one_process_is_this_one(many: Path) -> None:
    with Workers(scan(many), 1) as workers:
        found = list(workers.each(tell, [str(number) for number in range(40)]))
    assert {pid for _, pid, *_ in found} == {os.getpid()}
    assert Workers(scan(many)).count == os.cpu_count()


def test_what_goes_wrong_in_a_process_goes_wrong_here(many: Path) -> None:
    for processes in (1, 2):
        with Workers(scan(many), processes) as workers:
            results = workers.each(stumble, range(40))
            with pytest.raises(DatasetError, match="twenty is broken") as caught:
                list(results)
        assert caught.value.hint == "Take another one."


def test_several_processes_tell_what_one_tells(many: Path) -> None:
    source = scan(many)
    told = []
    for processes in (1, 2):
        with Workers(source, processes) as workers:
            seen = list(survey(workers, CurateSettings(crop="salient"), Album()))
        told.append([(one.sha256, one.reason, one.look, one.quality, one.boxes, bytes(one.thumbnail)) for one in seen])
    assert told[0] == told[1]
    assert [bool(reason) for _, reason, *_ in told[0]] == [number in (3, 9) for number in range(28)]


def test_a_file_that_is_gone_is_named(many: Path) -> None:
    source = scan(many)
    (many / "05.png").unlink()
    with pytest.raises(DatasetError, match=r"05\.png cannot be read any more"):
        again(source.reader(), source.files[5])
    assert again(source.reader(), source.files[6]) == (many / "06.png").read_bytes()


@posix
def test_a_killed_process_is_one_sentence_and_no_hang(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = ProcessPoolExecutor.map

    def murder(self: ProcessPoolExecutor, *words: object, **options: object) -> Iterator[object]:
        found: Iterator[object] = started(self, *words, **options)  # type: ignore[arg-type]
        for process in self._processes.values():
            os.kill(process.pid or 0, signal.SIGKILL)
        return found

    monkeypatch.setattr(ProcessPoolExecutor, "map", murder)
    with (
        pytest.raises(StorageError, match="A process that read pictures was killed") as caught,
        Workers(scan(many), 2) as workers,
    ):
        list(workers.each(first_bytes, workers.source.files))
    assert "--processes 1" in caught.value.hint


def test_who_takes_no_more_results_need_not_wait_for_all(many: Path, tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    jobs = [tmp_path / "done" / str(number) for number in range(400)]
    with Workers(scan(many), 2) as workers:
        assert next(workers.each(touch, jobs)) == jobs[0]
    assert 1 <= len(list((tmp_path / "done").iterdir())) < 200


def touch(job: Path, reader: Reader) -> Path:
    time.sleep(0.02)
    job.touch()
    return job


def test_a_script_without_a_main_guard_may_curate(many: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import artgan\n"
        "print('once')\n"
        f"print(artgan.curate({str(many)!r}, processes=2, copies='off', outliers='off').counts['failed'])\n"
    )
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, ["once", "2"]), done.stderr


def test_processes_need_no_torch() -> None:
    check = "import sys, artgan.curation.relatives, artgan.curation.writing; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", check], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
