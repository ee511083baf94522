"""`artgan mix` as a user meets it."""

import json
import shutil
from pathlib import Path

import pytest

from tests.generators import untrained_run
from tests.running import artgan

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with runs/00000-tiny, its child 00001-child, and 00002-small."""
    monkeypatch.chdir(tmp_path)
    first = untrained_run(Path("runs"), z_dim=6)
    shutil.copytree(first, "runs/00001-child")
    info = json.loads((first / "run.json").read_text())
    Path("runs/00001-child/run.json").write_text(json.dumps({**info, "from": {"path": str(first.resolve())}}))
    untrained_run(Path("runs"), resolution=8, z_dim=6, name="small")
    return tmp_path


def test_a_mixture_is_written_and_drawn_from() -> None:
    result = artgan("mix", 0, 1, "--at", 4, "--amount", 0.5, "-o", "mixed.safetensors")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "mixed.safetensors\n"
    assert "cosine of their weights: 1.00" in result.stderr
    drawn = artgan("sample", "mixed.safetensors", "--seeds", "0-3", "-o", "sheet.png")
    assert drawn.exit_code == 0, drawn.stderr
    assert json.loads(artgan("mix", 0, 1, "--json").stdout)["file"] == "00000-tiny+00000-tiny.safetensors"


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (["0", "2"], 5, "built differently"),
        (["0", "9"], 5, "There is no run '9'"),
        (["0", "1", "--at", "32"], 2, "--at 32: there is no such layer"),
        (["0", "1", "--amount", "2"], 2, "--amount 2"),
        (["0", "1", "-o", "mixed.png"], 2, "does not end in .safetensors"),
    ],
)
def test_errors_are_one_sentence_and_one_hint(words: list[str], code: int, named: str) -> None:
    result = artgan("mix", *words)
    assert result.exit_code == code, result.stderr
    assert named in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2
