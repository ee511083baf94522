"""`tests/bench/quality.py`: its table says what was measured, and what was measured is not measured again."""

from pathlib import Path

import pytest
import torch

from artgan.data.painters import paint_collection
from artgan.engine.images import decode
from tests.bench import quality
from tests.bench.quality_table import TUTORIAL, Row, base, read_rows, table_of
from tests.bench.tutorial import Tutorial

JUDGE = """
import argparse, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("real", type=pathlib.Path)
parser.add_argument("samples", type=pathlib.Path)
args = parser.parse_args()
counts = [len(list(folder.rglob("*.png"))) for folder in (args.real, args.samples)]
print(f"real {counts[0]}  generated {counts[1]}  floor {counts[0]}.5  fd {counts[1]}.25")
"""


def row(preset: str, seed: int, judge: float, coverage: float = 0.5, alarms: int = 0) -> Row:
    figures = {"fd1k_artgan": 2 * judge, "recall1k_artgan": 0.1, "coverage1k_artgan": coverage, "judge": judge}
    return Row(f"{preset}{seed}", preset, seed, 10, 2500, 20.0, figures, {"judge": 1.5}, ["collapse"] * alarms)


def cell(table: list[list[str]], preset: str, seed: str, title: str) -> str:
    (line,) = [line for line in table if line[:2] == [preset, seed]]
    return line[table[0].index(title)]


def test_the_table_compares_with_the_tutorial_of_the_same_seed() -> None:
    rows = [row(TUTORIAL, 0, 40), row("a", 0, 10), row(TUTORIAL, 1, 80), row("a", 1, 60), row("a", 2, 5)]
    table = table_of(rows)
    assert [cell(table, "a", seed, "of tutorial") for seed in ("0", "1", "2")] == ["0.25", "0.75", ""]
    assert cell(table, "floor", "", "judge") == "1.5"
    assert cell(table, "a", "0", "kimg") == "2.5"
    assert "recall1k_artgan" not in table[0]


def test_worst_is_the_highest_distance_and_the_least_coverage() -> None:
    rows = [
        row("a", seed, judge, coverage, seed) for seed, (judge, coverage) in enumerate([(3, 0.9), (1, 0.2), (2, 0.4)])
    ]
    table = table_of(rows)
    told = {title: (cell(table, "a", "median", title), cell(table, "a", "worst", title)) for title in table[0][2:]}
    assert told["judge"] == ("2", "3")
    assert told["fd1k_artgan"] == ("4", "6")
    assert told["coverage1k_artgan"] == ("0.4", "0.2")
    assert told["alarms"] == ("1", "2")


@pytest.mark.parametrize(
    ("title", "measured"),
    [("fd1k_artgan", "fd"), ("fdinf1k_artgan", "fdinf"), ("kid60_random0", "kid"), ("fid2k", "fid"), ("kimg", "kimg")],
)
def test_a_column_is_known_by_what_it_measures(title: str, measured: str) -> None:
    assert base(title) == measured


def test_a_command_given_again_trains_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = paint_collection(tmp_path / "data", 24, 16)
    (tmp_path / "judge.py").write_text(JUDGE)
    preset = tmp_path / "small.toml"
    preset.write_text("[data]\nresolution = 16\n[model]\nbase_channels = 4\nmax_channels = 8\n[train]\nbatch = 8\n")
    out = tmp_path / "out"
    command = [str(data), "--minutes", "0.0001", "--presets", str(preset), "--samples", "20"]
    command += ["--judge", str(tmp_path / "judge.py"), "--out", str(out), "--features", "artgan"]
    with torch.random.fork_rng():
        quality.main(command)
    first = capsys.readouterr().out
    tutorial, small = rows = read_rows(out)
    assert (tutorial.preset, small.preset) == (TUTORIAL, str(preset))
    for found in rows:
        assert found.pictures == 24
        assert found.figures["judge"] == 20.25
        assert found.floors["judge"] == 24.5
        assert {"fd20_artgan", "kid20_artgan", "coverage20_artgan", "memorised20_artgan"} <= {*found.figures}
        sheet = decode(out / f"data-{Path(found.preset).stem}-seed0.png")
        assert sheet.size == (8 * 18 + 2, 6 * 18 + 2)
    assert not [*out.glob("training-*")]

    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("it is there already")

    monkeypatch.setattr(Tutorial, "train", refuse)
    monkeypatch.setattr(quality, "train", refuse)
    quality.main(command)
    assert capsys.readouterr().out == first
    preset.write_text(preset.read_text().replace("batch = 8", "batch = 4"))
    with pytest.raises(AssertionError, match="already"):
        quality.main(command)
