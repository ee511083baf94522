"""Files that are whole or absent, run folders that are found again, and errors that name the path."""

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from artgan.engine.storage import (
    Run,
    append_json_line,
    atomic_folder,
    atomic_write,
    cache_folder,
    create_run,
    cut_back,
    find_run,
    holding,
    list_runs,
    read_json_lines,
    refuse_existing,
)
from artgan.errors import CheckpointError, StorageError, UsageError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that has no room left when data is to be made durable."""

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        yield


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """Runs 0, 1, 2 and 10, and things that are none."""
    folder = tmp_path / "runs"
    for name in ("00000-cats", "00001-cats-studio64", "00002-dogs", "00010-owls"):
        (folder / name).mkdir(parents=True)
        (folder / name / "run.json").write_text("{}")
    (folder / "00011-never started").mkdir()
    (folder / "notes").mkdir()
    (folder / "notes" / "run.json").write_text("{}")
    return folder


def test_a_file_is_written_with_the_folders_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    atomic_write(path, "grün")
    assert path.read_text(encoding="utf-8") == "grün"
    atomic_write(path, b"\0\xff")
    assert path.read_bytes() == b"\0\xff"
    assert names(path.parent) == ["file.txt"]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(StorageError) as caught:
        atomic_write(path, "new")
    assert str(path) in caught.value.message
    assert os.strerror(errno.ENOSPC) in caught.value.message
    assert "disk space" in caught.value.hint
    assert caught.value.exit_code == 5
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_an_interruption_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "file.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file/below") as caught:
        atomic_write(tmp_path / "file" / "below", "x")
    assert "permissions" in caught.value.hint


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    folder = tmp_path / "place" / "set"
    with atomic_folder(folder) as temporary:
        (temporary / "one").write_text("1")
        assert not folder.exists()
        (temporary / "two").write_text("2")
    assert names(folder) == ["one", "two"]
    assert names(folder.parent) == ["set"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_folder_that_fails_vanishes(tmp_path: Path, failure: type[BaseException]) -> None:
    def fail() -> None:
        with atomic_folder(tmp_path / "set") as temporary:
            (temporary / "one").write_text("1")
            raise failure

    with pytest.raises(failure):
        fail()
    assert names(tmp_path) == []


@pytest.mark.usefixtures("full_disk")
def test_a_folder_that_finds_no_room_vanishes_and_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught, atomic_folder(tmp_path / "set") as temporary:
        (temporary / "one").write_text("1")
    assert str(tmp_path / "set") in caught.value.message
    assert "disk space" in caught.value.hint
    assert names(tmp_path) == []


def test_the_folder_of_whoever_was_faster_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    with atomic_folder(folder) as temporary:
        (temporary / "mine").write_text("1")
        folder.mkdir()
        (folder / "theirs").write_text("2")
    assert names(folder) == ["theirs"]
    assert names(tmp_path) == ["set"]


def test_threads_that_make_the_same_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    both_inside = threading.Barrier(2, timeout=20)

    def make(number: int) -> None:
        with atomic_folder(folder) as temporary:
            (temporary / f"by {number}").write_text("x")
            both_inside.wait()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, range(2)))
    assert names(folder) in (["by 0"], ["by 1"])
    assert names(tmp_path) == ["set"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can be asked whether a process lives")
def test_what_a_killed_process_left_is_swept_away_and_a_living_ones_is_not(tmp_path: Path) -> None:
    unfinished = (
        "import os, pathlib, sys\n"
        "from artgan.engine.storage import atomic_folder\n"
        "with atomic_folder(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    (temporary / 'half').write_text('x')\n"
        "    os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", unfinished, str(tmp_path / "killed")], check=False)
    assert len(names(tmp_path)) == 1
    with atomic_folder(tmp_path / "living") as living:
        (living / "one").write_text("1")
        with atomic_folder(tmp_path / "other"):
            pass
        assert living.is_dir()
    assert names(tmp_path) == ["living", "other"]


def test_the_cache_is_where_the_environment_says(artgan_cache: Path) -> None:
    assert cache_folder() == artgan_cache


def test_without_a_word_from_the_environment_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARTGAN_CACHE")
    assert cache_folder().name == "artgan"
    assert cache_folder().is_absolute()


def test_json_lines_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "stats.jsonl"
    assert read_json_lines(path) == []
    records = [{"nimg": n, "loss_G": n / 7, "note": "ü\n"} for n in range(3)]
    for record in records:
        append_json_line(path, record)
    assert read_json_lines(path) == records
    with pytest.raises(StorageError, match="missing"):
        append_json_line(tmp_path / "missing" / "stats.jsonl", {})


@pytest.mark.parametrize("cut", range(0, 28, 3))
def test_cutting_back_drops_what_came_later_and_what_a_crash_cut_short(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "stats.jsonl"
    for nimg in (100, 200, 300):
        append_json_line(path, {"nimg": nimg, "loss_G": 0.5})
    whole = path.read_text()
    path.write_text(whole + json.dumps({"nimg": 150, "loss_G": 0.5})[:cut])
    cut_back(path, 200)
    assert [record["nimg"] for record in read_json_lines(path)] == [100, 200]
    append_json_line(path, {"nimg": 201})
    assert [record["nimg"] for record in read_json_lines(path)] == [100, 200, 201]


def test_cutting_back_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    cut_back(tmp_path / "stats.jsonl", 0)
    assert names(tmp_path) == []


def test_a_lock_is_held_by_one_and_let_go_of(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    file = tmp_path / "deep" / "a.lock"
    with holding(file, wait=False) as first, holding(file, wait=False) as second:
        assert (first, second) == (True, False)
    with holding(file, wait=True) as again:
        assert again


def test_on_a_disk_without_locks_everyone_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*args: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with holding(tmp_path / "a.lock", wait=False) as first, holding(tmp_path / "a.lock", wait=True) as second:
        assert first
        assert second


def test_runs_are_numbered_from_the_highest(runs_dir: Path) -> None:
    assert create_run(runs_dir, "new").name == "00012-new"  # 11 is taken, though it never started
    assert create_run(runs_dir / "deeper", "new").name == "00000-new"
    assert create_run(runs_dir, "new").checkpoints.is_dir()


def test_a_run_appears_when_it_is_described(tmp_path: Path) -> None:
    def describe(run: Run) -> None:
        assert run.name == "00000-cats"
        run.info.write_text("{}")
        assert list_runs(tmp_path / "runs") == []

    assert list_runs(tmp_path / "runs") == []
    made = create_run(tmp_path / "runs", "cats", describe)
    assert list_runs(tmp_path / "runs") == [made]
    assert names(tmp_path / "runs") == ["00000-cats"]

    def fail(run: Run) -> None:
        raise StorageError("The disk is full.", "")

    with pytest.raises(StorageError, match="full"):
        create_run(tmp_path / "runs", "dogs", fail)
    assert names(tmp_path / "runs") == ["00000-cats"]


def test_a_run_whose_number_is_taken_meanwhile_gets_the_next(tmp_path: Path) -> None:
    described = []

    def describe(run: Run) -> None:
        described.append(run.name)
        if len(described) == 1:
            (tmp_path / "runs" / "00000-cats" / "checkpoints").mkdir(parents=True)

    assert create_run(tmp_path / "runs", "cats", describe).name == "00001-cats"
    assert described == ["00000-cats", "00001-cats"]
    assert names(tmp_path / "runs") == ["00000-cats", "00001-cats"]


def test_the_numbers_go_on_above_five_digits(tmp_path: Path) -> None:
    (tmp_path / "99999-last").mkdir()
    assert create_run(tmp_path, "x").name == "100000-x"
    assert create_run(tmp_path, "x").name == "100001-x"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("cats & dogs", "00000-cats-dogs"),
        ("../../etc", "00000-etc"),
        ("a/b\\c:d", "00000-a-b-c-d"),
        ("///", "00000-run"),
        ("Käfer", "00000-Käfer"),
    ],
)
def test_a_label_becomes_a_safe_name(tmp_path: Path, label: str, name: str) -> None:
    assert create_run(tmp_path / "runs", label).name == name
    assert names(tmp_path) == ["runs"]


def test_runs_made_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    together = threading.Barrier(8, timeout=20)

    def make(_: int) -> str:
        together.wait()
        return create_run(tmp_path, "same").name

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert sorted(made) == [f"{n:05d}-same" for n in range(8)]


def test_runs_are_listed_by_number(runs_dir: Path) -> None:
    (runs_dir / "100000-late").mkdir()
    (runs_dir / "100000-late" / "run.json").write_text("{}")
    listed = [run.name for run in list_runs(runs_dir)]
    assert listed == ["00000-cats", "00001-cats-studio64", "00002-dogs", "00010-owls", "100000-late"]
    assert list_runs(runs_dir / "nowhere") == []


@pytest.mark.parametrize(
    ("meant", "name"),
    [
        (None, "00010-owls"),
        ("1", "00001-cats-studio64"),
        ("00001", "00001-cats-studio64"),
        ("10", "00010-owls"),
        ("00002-dogs", "00002-dogs"),
        ("00002-d", "00002-dogs"),
        ("00000-cats", "00000-cats"),
    ],
)
def test_a_run_is_found_by_number_or_name_and_the_latest_without(runs_dir: Path, meant: str | None, name: str) -> None:
    assert find_run(meant, runs_dir).name == name


def test_a_run_is_found_by_its_path_whatever_its_name(runs_dir: Path, tmp_path: Path) -> None:
    assert find_run(runs_dir / "notes", tmp_path / "elsewhere") == Run(runs_dir / "notes")
    assert find_run(str(runs_dir / "00002-dogs"), tmp_path / "elsewhere").name == "00002-dogs"


@pytest.mark.parametrize("meant", ["7", "nothing", "notes", "00011-never started"])
def test_a_run_that_is_not_there_is_said_so(runs_dir: Path, meant: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_run(meant, runs_dir)
    assert repr(meant) in caught.value.message
    assert "artgan runs" in caught.value.hint


def test_a_name_that_fits_several_runs_is_refused(runs_dir: Path) -> None:
    with pytest.raises(CheckpointError, match="2 runs match 'cats'"):
        find_run("cats", runs_dir)


def test_without_any_run_the_hint_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        find_run(None, tmp_path / "runs")
    assert str(tmp_path / "runs") in caught.value.message
    assert "artgan train" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_run_is_named(tmp_path: Path, content: bytes | None) -> None:
    run = Run(tmp_path / "00003-x")
    run.folder.mkdir()
    if content is not None:
        run.info.write_bytes(content)
    with pytest.raises(CheckpointError, match="00003-x"):
        run.read_info()


def test_a_users_file_is_guarded(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    refuse_existing(path, overwrite=False)
    path.touch()
    refuse_existing(path, overwrite=True)
    with pytest.raises(UsageError, match=r"out\.png"):
        refuse_existing(path, overwrite=False)


def test_a_name_of_any_length_that_the_system_allows(tmp_path: Path) -> None:
    for name in ("y" * 251 + ".mp4", "é" * 120 + ".gif"):
        atomic_write(tmp_path / name, b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 2
