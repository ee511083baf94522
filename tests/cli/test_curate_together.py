"""`artgan curate` by several processes: the same set as by one, also after one of them was killed."""

import os
import zipfile
from pathlib import Path

import pytest

from tests.cli.test_program import wait_for
from tests.curating import manifest, saved, textured, tree
from tests.processes import finish, start, together
from tests.running import artgan

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def test_two_processes_make_the_set_that_one_makes_also_after_one_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "messy.zip", "w") as archive:
        for number in range(30):
            archive.writestr(f"{'cats' if number % 3 else 'dogs'}/{number:02}.png", saved(textured(number), "PNG"))
        archive.writestr("cats/again.jpg", saved(textured(5), "JPEG", quality=90))
        archive.writestr("dogs/404.png", b"<html>")
        archive.writestr("dogs/cut off.png", saved(textured(50), "PNG")[:900])
    words = ["curate", "../messy.zip", "sorted", "--size", "48", "--processes", "1"]
    for name in ("one", "two"):
        (tmp_path / name).mkdir()

    team = start(words, 2, tmp_path / "two")
    wait_for(tmp_path / "two", "sorted/.curation.json", team[0])
    team[1].kill()
    lead, _ = finish(team)
    assert lead.returncode == 6, lead.stderr
    assert "lost the others" in lead.stderr
    assert "Traceback" not in lead.stderr
    assert not (tmp_path / "two/sorted/manifest.jsonl").exists()

    lead, follower = together(words, 2, tmp_path / "two")
    assert (lead.returncode, follower.returncode) == (0, 0), lead.stderr + follower.stderr
    assert lead.stdout == "sorted\n"
    assert follower.stdout == ""

    monkeypatch.chdir(tmp_path / "one")
    assert artgan(*words).exit_code == 0
    assert tree(tmp_path / "two") == tree(tmp_path / "one")
    statuses = [line["status"] for line in manifest(tmp_path / "two/sorted").values()]
    assert (statuses.count("failed"), statuses.count("dropped"), len(statuses)) == (2, 1, 33)
