"""What a curation found."""

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artgan.curation.settings import CurateSettings
from artgan.curation.verdicts import Item, Part, Place
from artgan.data.sources import Source
from artgan.engine.storage import spelt


@dataclass(frozen=True)
class Progress:
    """`done` of `total` files; `step` in a word or two."""

    step: str
    done: int
    total: int


@dataclass(frozen=True)
class CurationReport:
    """What became of every file.

    Attributes:
        source: the folder or zip.
        folder: where the set is; None when there was only a report.
        page: the report to look at; None if none was asked for.
        settings: of the steps.
        items: one per file, sorted by name.
        groups: copies of one another, by file, the kept one first.
    """

    source: Path
    folder: Path | None
    page: Path | None
    settings: CurateSettings
    items: tuple[Item, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many files there are of each status, and how many pictures are cut."""
        found = Counter(item.status for item in self.items)
        counts = {status: found[status] for status in ("kept", "reported", "dropped", "failed", "ignored")}
        return {**counts, "cut": sum(item.crop is not None for item in self.items)}

    @property
    def in_set(self) -> int:
        """Pictures that are in the set."""
        return self.counts["kept"] + self.counts["reported"]


def manifest_lines(report: CurationReport, source: Source) -> Iterator[str]:
    """One JSON line per file of the source."""
    for entry in entries(report, source):
        yield json.dumps(entry, ensure_ascii=False) + "\n"


def entries(report: CurationReport, source: Source) -> Iterator[dict[str, Any]]:
    """What the manifest says of each file, in the order of the report's items."""
    sizes = {file.name: file.bytes for file in source.files}
    for item in report.items:
        size, date = _size_and_date(source.path / item.file) if source.path.is_dir() else (None, None)
        entry = {**_entry(item), "bytes": sizes.get(item.file, size), "date": date}
        yield {key: spelt(value) if isinstance(value, str) else value for key, value in entry.items()}


def _entry(item: Item) -> dict[str, Any]:
    width, height = item.seen.size if item.seen is not None else (0, 0)
    return {
        "file": item.file,
        "status": item.status,
        "reason": item.reason,
        "duplicate_of": item.duplicate_of,
        "class": item.label,
        "crop": _place(item.parts[0].crop if len(item.parts) == 1 else item.crop),
        "tilt": item.tilt,
        "split": item.split,
        "caption": item.caption or None,
        "output": item.output,
        "outputs": [_part(part) for part in item.parts] if len(item.parts) > 1 else None,
        "sha256": (item.seen.sha256 if item.seen is not None else "") or None,
        "width": width or None,
        "height": height or None,
    }


def _part(part: Part) -> dict[str, Any]:
    return {"output": part.output or None, "crop": _place(part.crop), "frame": part.frame}


def _place(place: Place | None) -> list[int] | None:
    return list(place) if place is not None else None


def _size_and_date(path: Path) -> tuple[int | None, str | None]:
    """Bytes of a file and when it was changed last, in UTC, where they can be told."""
    try:
        status = path.stat()
        changed = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC)
    except (OSError, ValueError, OverflowError):  # times may lie beyond the year 9999
        return None, None
    return status.st_size, changed.isoformat(timespec="seconds")
