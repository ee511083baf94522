"""What `tests/bench/quality.py` found: a row for each training, kept in a file and printed as a table."""

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from artgan.engine.storage import read_json_lines

TUTORIAL = "tutorial"
SHOWN = ("fd", "fid", "kid", "coverage", "memorised", "judge")
MORE_IS_BETTER = ("images/s", "kimg", "coverage")


@dataclass(frozen=True)
class Row:
    """What one training came to; `key` changes with all that it depends on but the code."""

    key: str
    preset: str
    seed: int
    pictures: int
    nimg: int
    speed: float
    figures: dict[str, float]
    floors: dict[str, float]
    alarms: list[str]


def read_rows(out: Path) -> list[Row]:
    """What earlier runs found; a line that was cut short is left out."""
    return [Row(**record) for record in read_json_lines(out / "rows.jsonl")]


def cells(row: Row, tutorials: Mapping[int, Row]) -> dict[str, float]:
    """The numbers of a row by the title of their column; `tutorials` by seed."""
    shown = {name: value for name, value in row.figures.items() if base(name) in SHOWN}
    found = {"pictures": row.pictures, "images/s": row.speed, "kimg": row.nimg / 1000, **shown}
    if "judge" in row.figures and row.seed in tutorials:
        found["of tutorial"] = row.figures["judge"] / tutorials[row.seed].figures["judge"]
    return {**found, "alarms": len(row.alarms)}


def base(title: str) -> str:
    """What a column measures: fd of fd1k_artgan."""
    return title if title in ("images/s", "of tutorial") else re.split(r"\d", title)[0]


def table_of(rows: Sequence[Row]) -> list[list[str]]:
    """Titles; what real pictures reach; every row; and of each preset the median over seeds and the worst."""
    tutorials = {row.seed: row for row in rows if row.preset == TUTORIAL}
    numbers = [cells(row, tutorials) for row in rows]
    columns = [*dict.fromkeys(title for found in numbers for title in found)]
    lines = [("floor", "", rows[0].floors)]
    lines += [(row.preset, str(row.seed), found) for row, found in zip(rows, numbers, strict=True)]
    for preset in dict.fromkeys(row.preset for row in rows):
        own = [found for row, found in zip(rows, numbers, strict=True) if row.preset == preset]
        by_column = {title: [found[title] for found in own if title in found] for title in columns}
        by_column = {title: values for title, values in by_column.items() if values}
        lines.append((preset, "median", {title: statistics.median(values) for title, values in by_column.items()}))
        worst = {title: (min if base(title) in MORE_IS_BETTER else max) for title in by_column}
        lines.append((preset, "worst", {title: worst[title](values) for title, values in by_column.items()}))
    told = [[name, seed, *(f"{found[t]:.4g}" if t in found else "" for t in columns)] for name, seed, found in lines]
    return [["preset", "seed", *columns], *told]


def print_table(rows: Sequence[Row], markdown: bool) -> None:
    """Print what is known, in columns or as Markdown."""
    table = table_of(rows)
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    padded = [[text.rjust(width) for text, width in zip(line, widths, strict=True)] for line in table]
    if markdown:
        padded.insert(1, ["-" * (width - 1) + ":" for width in widths])
    for line in padded:
        print(f"| {' | '.join(line)} |" if markdown else "  ".join(line))
    for row in rows:
        if row.alarms:
            print(f"{row.preset}, seed {row.seed}, raised: {', '.join(row.alarms)}")
