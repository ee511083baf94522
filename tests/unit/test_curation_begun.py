"""Sets that are begun, gone on with, and finished."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artgan.curation.begun import BEGUN, MANIFEST, begin, finish, refuse_unfit, watched
from artgan.curation.report import Progress
from artgan.errors import Interrupted, UsageError

WHAT = {"settings": {"size": 64, "sides": (1, 2)}, "source": "grün"}


@pytest.mark.parametrize("there", [False, True])
def test_a_new_or_empty_folder_is_begun_and_gone_on_with(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "a" / "set"
    if there:
        folder.mkdir(parents=True)
    begin(folder, WHAT)
    assert [path.name for path in folder.iterdir()] == [BEGUN]
    (folder / "cats").mkdir()
    (folder / "cats" / "1.png").write_bytes(b"1")
    begin(folder, WHAT)
    assert (folder / "cats" / "1.png").read_bytes() == b"1"


def test_what_was_begun_otherwise_is_refused(tmp_path: Path) -> None:
    begin(tmp_path / "set", WHAT)
    with pytest.raises(UsageError, match="other settings or pictures"):
        begin(tmp_path / "set", {**WHAT, "source": "blue"})
    refuse_unfit(tmp_path / "set")
    begin(tmp_path / "set", WHAT)


def test_a_finished_set_has_its_manifest_and_no_marker_and_is_left_alone(tmp_path: Path) -> None:
    begin(tmp_path / "set", WHAT)
    finish(tmp_path / "set", iter(["{}\n", "{}\n"]))
    assert [path.name for path in (tmp_path / "set").iterdir()] == [MANIFEST]
    assert (tmp_path / "set" / MANIFEST).read_text() == "{}\n{}\n"
    with pytest.raises(UsageError, match="finished set"):
        begin(tmp_path / "set", WHAT)
    with pytest.raises(UsageError, match="finished set"):
        refuse_unfit(tmp_path / "set")


@pytest.mark.parametrize("marker", [None, "{ half", "[" * 100_000])
def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path, marker: str | None) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"1")
    if marker is not None:
        (tmp_path / BEGUN).write_text(marker)
    with pytest.raises(UsageError, match="is not empty"):
        begin(tmp_path, WHAT)
    with pytest.raises(UsageError, match="is not empty"):
        refuse_unfit(tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        begin(tmp_path / "holiday.jpg", WHAT)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"1"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can be asked whether a process lives")
def test_what_a_killed_run_left_half_written_is_swept_from_all_folders(tmp_path: Path) -> None:
    begin(tmp_path, WHAT)
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = [tmp_path / f".a.png.1.{int(ended.stdout)}.tmp", tmp_path / "b" / f".c.png.1.{int(ended.stdout)}.tmp"]
    ours = tmp_path / "b" / f".d.png.1.{os.getpid()}.tmp"
    (tmp_path / "b").mkdir()
    for path in [*left, ours]:
        path.write_bytes(b"half")
    begin(tmp_path, WHAT)
    assert [path.exists() for path in [*left, ours]] == [False, False, True]


def test_each_step_is_told_and_work_ends_when_asked() -> None:
    told: list[Progress] = []
    watched(told.append, lambda: False, "Writing", 1, 3)
    with pytest.raises(Interrupted, match="writing, 2 of 3") as caught:
        watched(told.append, lambda: True, "Writing", 2, 3)
    assert told == [Progress("Writing", 1, 3), Progress("Writing", 2, 3)]
    assert "goes on" in caught.value.hint
