"""`artgan.curate`: from a messy folder to a training set."""

import functools
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from artgan.curation.album import Album
from artgan.curation.begun import BEGUN, MANIFEST, PAGE, begin, finish, in_sight, refuse_unfit, watched
from artgan.curation.framing import Crop
from artgan.curation.outliers import BATCH, LEAST, embedded, reason
from artgan.curation.outliers import outliers as far_out
from artgan.curation.packing import Sample, pack_shards, pack_zip
from artgan.curation.page import write_page
from artgan.curation.relatives import relatives
from artgan.curation.report import CurationReport, Progress, entries, manifest_lines
from artgan.curation.settings import Answer, CurateSettings, Format
from artgan.curation.survey import Seen, survey
from artgan.curation.team import led
from artgan.curation.verdicts import IN_A_SET, Copies, Item, defects_of, verdicts
from artgan.curation.workers import Workers
from artgan.curation.writing import Job, is_handed_on, named, parted, sharpened, write_pictures
from artgan.data.captions import Captions, captions_beside
from artgan.data.sources import Source, scan
from artgan.engine.images import quiet_decoding
from artgan.engine.storage import atomic_write, naming_the_path, refuse_existing
from artgan.errors import DatasetError, UsageError

Watch = Callable[[str, int, int], None]


@led
def curate(
    src: str | Path,
    dst: str | Path | None = None,
    *,
    dry_run: bool = False,
    page: str | Path | None = None,
    copies: Answer = "drop",
    variants: Answer = "report",
    defects: Answer = "report",
    outliers: Answer = "report",
    scans: bool = True,
    least_side: int = 64,
    size: int | tuple[int, int] | None = None,
    crop: Crop = "keep",
    multi_crop: int = 1,
    frames: int = 1,
    background: str = "white",
    per_class: int | None = None,
    split: str | None = None,
    captions: str | Path | None = None,
    labels: Literal["auto", "none"] = "auto",
    format: Format | None = None,  # noqa: A002 - it is what everybody calls it
    overwrite: bool = False,
    processes: int | None = None,
    on_event: Callable[[Progress], None] = lambda event: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> CurationReport:
    """Sort out a folder or zip of pictures, and write what is left as a training set. The source is never changed.

    Processes that `torchrun` started do it together, and what is made is the same to the byte. Those on other machines
    must see `src` and `dst` by the same paths. All return the report; only that of the lead says what was seen.

    Args:
        src: a folder (all levels) or a zip.
        dst: a folder or zip that does not exist, or a folder that is empty or holds what an interrupted run of the same
            settings wrote; None only reports.
        dry_run: only report, whatever `dst` is.
        page: where to write the report to look at; by default report.html in `dst`, and none without it.
        copies: drop, report or off: what to do with all but the best of pictures that are saved more than once.
        variants: the same for mirrored, turned and grey ones.
        defects: the same for pictures that are too small, blurred, nearly flat, black, white or extreme in shape.
        outliers: the same for pictures that are unlike the rest, as the embedded encoder sees them.
        scans: cut off paper, frames and bars around pictures, and straighten them.
        least_side: pixels that the shorter side needs not to be called too small.
        size: (width, height), or one number for both, that pictures are brought down to; none is enlarged.
        crop: keep leaves shapes as they are, and `size` is that of the shorter side; centre and salient cut pictures to
            the shape of `size` (or square), in their middle or where most is to be seen; pad adds to them.
        multi_crop: cut so many pieces at most from each picture, where few large ones are all there is.
        frames: take so many pictures at most from each animation.
        background: a colour to lay under what is transparent, or "keep".
        per_class: keep so many pictures at most of each class.
        split: shares of the parts of the set, as in "0.9/0.1" (train, test) or "80/10/10" (train, val, test).
        captions: a table (CSV, TSV, JSON) of what pictures show; else tables and texts beside the pictures tell, or the
            pictures themselves (XMP, IPTC, EXIF).
        labels: auto keeps class folders as classes; none does not speak of them.
        format: folder, zip or webdataset; by default a zip where `dst` ends in .zip.
        overwrite: replace a `page` that exists; a set is never written over.
        processes: how many read at once; all cores by default. Each of several that `torchrun` started has so many, by
            default its share of the cores of its machine.
        on_event: called as files are done.
        should_stop: asked between files; True ends the work, and the same call goes on.

    Raises:
        UsageError: an argument makes no sense, or `dst` holds something else.
        DatasetError: there is no picture in `src`.
        StorageError: the disk is full, or a process was killed, or a machine does not see the folders.
        ProcessLost: one of several processes is gone; the same call goes on.
        Interrupted: it was stopped.
    """
    target = None if dst is None or dry_run else Path(dst)
    shape = (size, size) if isinstance(size, int) else size
    packed = format or ("zip" if target is not None and target.suffix.lower() == ".zip" else "folder")
    settings = CurateSettings(
        *(copies, variants, defects, outliers, scans, least_side, shape, crop, multi_crop, frames, background),
        *(per_class, split, labels, packed),
    ).checked()
    place = Path(src)
    report_page, folder = Path(page) if page is not None else _page_of(target, packed), _folder_of(target, packed)
    if report_page is not None and (target is None or report_page.parent != target):
        refuse_existing(report_page, overwrite)
        _refuse_inside(place, report_page)
    if target is not None:
        _refuse_inside(place, target)
        _refuse_finished(target, packed)
        _refuse_packed(report_page, target, packed)
    source = scan(place, labels=labels)
    if not source.files:
        raise DatasetError(f"There is no picture in {place}.", "Give the folder that holds the pictures.")
    told = captions_beside(source, source.reader(), Path(captions) if captions is not None else None)
    if folder is not None:
        begin(folder, {"settings": settings.plain(), "source": source.fingerprint})
    watch = functools.partial(watched, on_event, should_stop)
    with quiet_decoding(), Workers(source, processes) as workers:
        found, items = _judged(workers, settings, told, watch)
        if folder is not None:
            items = named(items, settings, (MANIFEST, PAGE, BEGUN))
            _write(items, workers, settings, folder, watch)
    names = [file.name for file in source.files]
    grouped = tuple((names[group.kept], *(names[other] for other in group.others)) for group in found.groups)
    report = CurationReport(place, target, report_page, settings, tuple(items), grouped)
    if folder is not None:
        _finish(report, source, folder, on_event, should_stop)
    elif report_page is not None:
        write_page(report_page, report)
    return report


def _page_of(target: Path | None, packed: Format) -> Path | None:
    """Where the report goes when nobody says: into the set, or beside a zip."""
    if target is None:
        return None
    return target.with_suffix(".html") if packed == "zip" else target / PAGE


def _folder_of(target: Path | None, packed: Format) -> Path | None:
    """Where the pictures are written: what is packed in the end is first a hidden folder beside it."""
    return target if target is None or packed == "folder" else target.with_name(f".{target.name}.curating")


def _refuse_inside(src: Path, dst: Path) -> None:
    """Keep source and set apart.

    Raises:
        UsageError: one lies in the other.
    """
    one, two = Path(os.path.realpath(src)), Path(os.path.realpath(dst))
    if one == two or one in two.parents or two in one.parents:
        raise UsageError(f"{dst} and {src} lie within one another.", "Write it somewhere else.")


def _refuse_finished(target: Path, packed: Format) -> None:
    """Let no set be written over.

    Raises:
        UsageError: there is one, or something else.
    """
    if packed == "zip" and target.suffix.lower() != ".zip":
        raise UsageError(f"{target} is not the name of a zip.", f"Call it {target.name}.zip.")
    if packed == "zip" and target.exists():
        raise UsageError(f"{target} exists.", "Choose another name.")
    if packed == "webdataset" and target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not an empty folder.", "Choose a folder that is new or empty.")
    if packed == "folder":
        refuse_unfit(target)


def _refuse_packed(page: Path | None, target: Path, packed: Format) -> None:
    """Let no report be asked for in a set where it cannot lie.

    Raises:
        UsageError: it is.
    """
    inside = page is not None and target in page.parents and packed != "folder" and page != _page_of(target, packed)
    if page == target or inside:
        raise UsageError(f"There can be no report at {page}.", f"Write it somewhere else than to {target}.")


def _judged(workers: Workers, settings: CurateSettings, told: Captions, watch: Watch) -> tuple[Copies, list[Item]]:
    """What was found out about copies, and what becomes of every file; nothing is written."""
    source = workers.source
    looks = settings.outliers != "off" and len(source.files) >= LEAST
    through = functools.partial(embedded, scans=settings.scans) if looks else None
    seen: list[Seen] = []
    embeddings: list[NDArray[np.float16] | None] = []
    for one in survey(workers, settings, Album(), through, BATCH):
        seen.append(replace(one, embedding=None))
        embeddings.append(one.embedding)
        watch("Reading", len(seen), len(source.files))
    wrong = defects_of(seen, settings)
    found = Copies()
    if (settings.copies, settings.variants) != ("off", "off"):
        found = relatives(seen, wrong, workers, functools.partial(watch, "Comparing"))
    items = verdicts(source, seen, found, wrong, _unlike(found, embeddings), told, settings)
    items = _cut(items, workers, settings, watch)
    return found, [replace(item, parts=parted(item)) for item in items]


def _unlike(found: Copies, embeddings: Sequence[NDArray[np.float16] | None]) -> dict[int, str]:
    """Why pictures are unlike the rest, by number. Copies are left out: each would be near to another."""
    copied = {other for group in found.groups for other in group.others}
    rows = {number: row for number, row in enumerate(embeddings) if row is not None and number not in copied}
    numbers = list(rows)
    return {numbers[place]: reason(score) for place, score in far_out(np.array(list(rows.values())))}


def _cut(items: list[Item], workers: Workers, settings: CurateSettings, watch: Watch) -> list[Item]:
    """Items with the place of the picture in each scan, to the pixel."""
    files = {file.name: file for file in workers.source.files}
    scanned = [
        (number, files[item.file], item.seen.found)
        for number, item in enumerate(items)
        if settings.scans and item.status in IN_A_SET and item.seen is not None and item.seen.found is not None
    ]
    found = list(items)
    places = workers.each(sharpened, [(file, place) for _, file, place in scanned])
    for done, ((number, _, _), place) in enumerate(zip(scanned, places, strict=True), 1):
        found[number] = replace(items[number], crop=place.box, tilt=place.tilt)
        watch("Cutting", done, len(scanned))
    return found


def _write(items: Sequence[Item], workers: Workers, settings: CurateSettings, folder: Path, watch: Watch) -> None:
    """Write all pictures of the set."""
    files = {file.name: file for file in workers.source.files}
    jobs = [
        Job(files[item.file], item.seen.size, item.tilt, item.parts, is_handed_on(item, settings))
        for item in items
        if item.parts and item.seen is not None
    ]
    work = functools.partial(write_pictures, settings=settings, folder=folder)
    for done, _ in enumerate(workers.each(work, jobs, functools.partial(in_sight, folder=folder)), 1):
        watch("Writing", done, len(jobs))


def _finish(
    report: CurationReport,
    source: Source,
    folder: Path,
    on_event: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> None:
    """Write the report and the manifest, and pack what is to be packed."""
    assert report.folder is not None
    assert report.page is not None  # a set has one
    packed = report.folder != folder
    write_page(folder / PAGE if packed else report.page, report)
    if not packed:
        finish(folder, manifest_lines(report, source))
        return
    atomic_write(folder / MANIFEST, manifest_lines(report, source))
    if report.settings.format == "zip":
        names = [part.output for item in report.items for part in item.parts]
        pack_zip(folder, report.folder, [*names, MANIFEST, PAGE], on_event=on_event, should_stop=should_stop)
    else:
        pack_shards(folder, report.folder, _samples(report, source), on_event=on_event, should_stop=should_stop)
    if report.page != report.folder / PAGE:  # only now: one that exists is not written over when the same is run again
        atomic_write(report.page, (folder / PAGE).read_bytes())
    with naming_the_path(folder):
        shutil.rmtree(folder)


def _samples(report: CurationReport, source: Source) -> list[Sample]:
    """The pictures of the set, each with what is known of it."""
    return [
        Sample(part.output, item.label, item.caption or None, item.split, str(entry["sha256"]), entry)
        for item, entry in zip(report.items, entries(report, source), strict=True)
        for part in item.parts
    ]
