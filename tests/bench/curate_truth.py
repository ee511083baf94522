"""What a curation makes of messy folders whose truth is known, and of pictures that are no copies of one another."""

import csv
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import artgan
from artgan.curation.report import CurationReport
from artgan.curation.verdicts import IN_A_SET, Item

Truth = Mapping[str, tuple[str, str]]
"""For each file its kind and the original it was made of."""


def make_messy(shared: Path, out: Path, seed: int, originals: int = 60) -> Truth:
    """Make a messy folder, and read what lies in it."""
    tool, paintings = shared / "tools/make_messy.py", shared / "data/paintings"
    command = [sys.executable, str(tool), str(paintings), str(out), "--seed", str(seed), "--originals", str(originals)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with Path(f"{out}.tsv").open(encoding="utf-8", newline="") as table:
        rows = csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["file"]: (row["kind"], row["of"]) for row in rows}


def ends_at(items: Mapping[str, Item], name: str) -> str:
    """The file that stands for another in the end."""
    while (after := items[name].duplicate_of) is not None:
        name = after
    return name


@dataclass(frozen=True)
class Verdict:
    """How a curation did on one messy folder: (good, all) by what is counted, and what went wrong, in words."""

    counts: Mapping[str, tuple[int, int]]
    wrong: tuple[str, ...]


def judged(truth: Truth, report: CurationReport) -> Verdict:
    """Compare a curation with the truth."""
    items = {item.file: item for item in report.items}
    good: Counter[str] = Counter()
    total: Counter[str] = Counter()
    wrong = []

    def count(what: str, right: bool, words: str) -> None:
        good[what] += right
        total[what] += 1
        if not right:
            wrong.append(f"{what}: {words}")

    def of_its_group(name: str, of: str) -> bool:
        lead = ends_at(items, name)
        return name != lead and of in (lead, truth[lead][1])

    for name, (kind, of) in truth.items():
        item = items[name]
        said = f"{name}: {item.status}, {item.reason or 'no reason'}"
        if kind == "original":
            group = [
                name,
                *(other for other, (how, whose) in truth.items() if whose == name and how in ("exact", "near")),
            ]
            stay = [other for other in group if items[other].status in IN_A_SET]
            count("groups of which one stays", len(stay) == 1, f"{name}: {stay or 'nothing'} stays")
            count("groups not lost", bool(stay), said)
        elif kind in ("exact", "near"):
            # Of a group one stays, and it need not be the original.
            lead = of if items[of].status in IN_A_SET else ends_at(items, of)
            count("copies found", item.status == "dropped" or name == lead, f"{said} ({of})")
        elif kind == "variant":
            count("variants reported", item.status == "reported" and of_its_group(name, of), f"{said} ({of})")
        elif kind == "scan":
            count("scans known as copies", of_its_group(name, of), f"{said} ({of})")
        else:
            expected = {"broken": ("failed",), "notimage": ("ignored",), "lowinfo": ("reported", "dropped")}[kind]
            count(f"{kind} named", item.status in expected and bool(item.reason), said)
    return Verdict({what: (good[what], total[what]) for what in total}, tuple(wrong))


def measure_messy(shared: Path, work: Path, seeds: Iterable[int]) -> None:
    """Curate the messy folders of several seeds, and say what was found of what is there."""
    good: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for seed in seeds:
        folder = work / f"messy{seed}"
        truth = make_messy(shared, folder, seed)
        report = artgan.curate(folder)
        verdict = judged(truth, report)
        for what, (right, every) in verdict.counts.items():
            good[what] += right
            total[what] += every
        print(f"  seed {seed}: {len(truth)} files, {len(report.items)} in the report, {len(verdict.wrong)} wrong")
        for words in verdict.wrong:
            print(f"    {words}")
    for what in total:
        print(f"  {what:28} {good[what]:4} of {total[what]:4}  {good[what] / total[what]:6.1%}")


def measure_false(shared: Path) -> None:
    """Name the copies and variants that are found among pictures of which each is there once."""
    for name in ("paintings", "pomological"):
        report = artgan.curate(shared / "data" / name)
        items = {item.file: item for item in report.items}
        pairs = [item for item in items.values() if item.duplicate_of is not None]
        cut = sum(item.crop is not None for item in items.values())
        unlike = sum("unlike the rest" in item.reason for item in items.values())
        print(f"  {name}: {len(items)} files, {len(pairs)} copies or variants, {cut} cut, {unlike} unlike the rest")
        for item in pairs:
            print(f"    {item.status} {item.file}: {item.reason}")
