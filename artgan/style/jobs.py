"""Which pictures are painted after which styles, and into which files."""

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from artgan.data.sources import scan
from artgan.engine.artwork import SUFFIXES
from artgan.engine.codecs import FORMATS, PICTURES
from artgan.engine.footage import VIDEOS, is_still
from artgan.engine.images import read_recipe
from artgan.engine.video import read_film_recipe
from artgan.errors import DatasetError, UsageError

_LONGEST_NAME = 180  # bytes; file systems have room for 255, and "-again", "-sheet" or a temporary name come to it
_OURS = {"stylize", "stylize-film", "sheet", "preview"}  # they lie beside what they were made from
_PICTURES = {".bmp", ".avif", ".heic", ".jp2", ".ppm", ".tga", ".psd", ".pdf", ".webm", ".avi", ".m4v", ".mpg"}
FILMS = tuple(suffix for suffix in FORMATS if suffix not in SUFFIXES)
"""Suffixes that say that a film shall be written."""


@dataclass(frozen=True)
class StyleFile:
    """A style picture, the weight it was given, and its share: the shares of a job's styles add up to 1."""

    path: Path
    weight: float
    share: float


@dataclass(frozen=True)
class Job:
    """One picture to paint.

    Attributes:
        content: the picture.
        styles: what it is painted after.
        out: the file that it becomes.
        place: `out` as seen from the folder that all outputs lie in.
    """

    content: Path
    styles: tuple[StyleFile, ...]
    out: Path
    place: Path

    @property
    def is_film(self) -> bool:
        """Whether frames are painted: the content is a video, or a film was asked for."""
        return self.content.suffix.lower() in VIDEOS or self.out.suffix.lower() in FILMS


@dataclass(frozen=True)
class Plan:
    """All jobs, and files in a folder of contents that are not painted, as (name, reason).

    `many` says that the user did not name each picture: then one that is done, or cannot be painted, is passed over.
    """

    jobs: tuple[Job, ...]
    passed_over: tuple[tuple[str, str], ...]
    many: bool


def parse_style(text: str) -> tuple[Path, float]:
    """Read `style.jpg` or `style.jpg:2`; a file whose name ends in a colon and a number is found if it exists.

    Raises:
        UsageError: the weight is not above 0, or out of all proportion.
    """
    match = re.fullmatch(r"(.+):(-?[0-9.]+(?:e[-+]?[0-9]+)?)", text, flags=re.DOTALL)
    if match is None or Path(text).exists():
        return Path(text), 1.0
    try:
        weight = float(match[2])
    except ValueError:
        return Path(text), 1.0
    if not 0 < weight < 1e6:
        raise UsageError(f"The weight of {text} is not above 0 and below a million.", "Write style.jpg:2 for twice.")
    return Path(match[1]), weight


def plan(
    contents: Sequence[str | Path],
    styles: Sequence[str | Path],
    out: Path | None,
    all_pairs: bool,
) -> Plan:
    """What there is to paint.

    Args:
        contents: files, folders (all levels) and globs.
        styles: files, each perhaps with `:weight`; with `all_pairs` folders and globs too.
        out: a file, for one picture, or a folder; None is beside each content.
        all_pairs: paint each content once after each style, instead of once after all of them together.

    Raises:
        UsageError: there is nothing to paint or to paint after, or `out` suits neither.
        DatasetError: a file or folder is not there.
    """
    found: dict[str, tuple[Path, Path]] = {}  # each content, and where it lies below the folder it was found in
    passed_over: list[tuple[str, str]] = []
    for text in contents:
        pictures, others = _pictures(text) if not _is_reel(text, out) else ([(Path(text), Path(Path(text).name))], [])
        for content, below in pictures:
            found.setdefault(os.path.abspath(content), (content, below))  # noqa: PTH100 - without following links
        passed_over += others
    if not found:
        raise UsageError(f"There is no picture in {contents[0]}." if contents else "There is nothing to paint.", _HINT)
    mixes = _mixes(styles, all_pairs)
    pairs = [(content, below, mix) for content, below in found.values() for mix in mixes]
    # One that was found in a folder today may be one of two tomorrow.
    several = [text for text in contents if not _is_reel(text, out)] + all_pairs * list(styles)
    many = len(pairs) > 1 or any(map(_means_several, several))
    one = _as_file(out, many, pairs[0][0])
    outs = [one] if one is not None else _own_names(pairs, out)
    home = _shared_folder(outs)
    jobs = [
        Job(content, mix, target, _below(target, home)) for (content, _, mix), target in zip(pairs, outs, strict=True)
    ]
    return Plan(tuple(jobs), tuple(passed_over), many)


_HINT = "Give a picture, a folder of pictures, or a pattern in quotes such as 'photos/*.jpg'."


def _is_reel(text: str | Path, out: Path | None) -> bool:
    """Whether it is a folder whose pictures are the frames of the film asked for."""
    return out is not None and out.suffix.lower() in FILMS and not out.is_dir() and Path(text).is_dir()


def _means_several(text: str | Path) -> bool:
    """Whether it is a folder or a glob; a name with brackets that matches nothing is a name."""
    path = Path(text)
    if path.exists():
        return path.is_dir()
    return bool({"*", "?"} & set(str(text))) or (glob.has_magic(str(text)) and bool(_matches(text)))


def _matches(text: str | Path) -> list[Path]:
    return [Path(match) for match in sorted(glob.glob(str(text), recursive=True))]  # noqa: PTH207 - a path may begin anywhere


def _pictures(text: str | Path) -> tuple[list[tuple[Path, Path]], list[tuple[str, str]]]:
    """The pictures meant by a file, a folder or a glob, and what lies beside them unused."""
    path = Path(text)
    if not _means_several(text):
        return [(path, Path(path.name))], []
    if path.is_dir():
        source = scan(path, labels="none")
        found = [(path / file.name, Path(file.name)) for file in source.files]
        others = list(source.passed_over)
    else:
        found, others = [(match, Path(match.name)) for match in _matches(text) if match.is_file()], []
    ours = [file for file, _ in found if kind_of(file) in _OURS]
    if ours:
        one = len(ours) == 1
        others.append(
            (str(ours[0]) if one else f"{len(ours)} pictures in {text}", "artgan painted " + ("it" if one else "them"))
        )
    theirs = set(ours)
    return [(file, below) for file, below in found if file not in theirs], others


def kind_of(path: Path) -> str | None:
    """What `artgan` says a picture of its own is (stylize, sheet, preview, sample, ...); None for other pictures."""
    if path.suffix.lower() not in (*SUFFIXES, *FILMS):
        return None
    try:
        return str((read_recipe if path.suffix.lower() in SUFFIXES else read_film_recipe)(path).get("kind"))
    except UsageError:
        return None


def _mixes(styles: Sequence[str | Path], all_pairs: bool) -> list[tuple[StyleFile, ...]]:
    """The styles of each job."""
    read: list[tuple[Path, float]] = []
    for text in styles:
        path, weight = parse_style(str(text))
        if _means_several(path):
            if not all_pairs:
                raise UsageError(
                    f"{path} stands for several styles.", "Add --all-pairs for one picture after each of them."
                )
            found = [style for style, _ in _pictures(path)[0]]
            if not found:
                raise UsageError(f"There is no style in {path}.", _HINT)
            read += [(style, weight) for style in found]
        else:
            require(path, "style")
            read.append((path, weight))
    if not read:
        raise UsageError("There is no style to paint after.", "Give one: artgan stylize content.jpg style.jpg")
    if all_pairs:
        return [(StyleFile(path, 1.0, 1.0),) for path, _ in dict.fromkeys(read)]
    total = sum(weight for _, weight in read)
    return [tuple(StyleFile(path, weight, weight / total) for path, weight in read)]


def _own_names(pairs: Sequence[tuple[Path, Path, tuple[StyleFile, ...]]], out: Path | None) -> list[Path]:
    """A file for each pair, `content-style.png`, no two alike.

    a.jpg and a.png would be painted into one file: then both keep their suffix. Where that does not help, as with two
    styles of one name from two folders, the names get a few digits that stand for the paths.
    """
    levels = [0] * len(pairs)
    while True:
        targets = [
            (content.parent if out is None else out / below.parent) / _name(content, mix, level)
            for (content, below, mix), level in zip(pairs, levels, strict=True)
        ]
        taken = Counter(str(target).casefold() for target in targets)
        raised = [
            level + (taken[str(target).casefold()] > 1 and level < _DISTINCT)
            for target, level in zip(targets, levels, strict=True)
        ]
        if raised == levels:
            return targets
        levels = raised


_DISTINCT = 3


def _name(content: Path, styles: tuple[StyleFile, ...], level: int) -> str:
    """`content-style.png`, as long as file systems allow, and the more exact the higher the level; .mp4 of a film."""
    words = [content.name if level > 0 else content.stem]
    words += [style.path.name if level > 1 else style.path.stem for style in styles]
    name = "-".join(words)
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = os.fsencode(name)[:_LONGEST_NAME].decode("utf-8", "ignore")
    suffix = ".mp4" if content.suffix.lower() in VIDEOS else ".png"
    if level < _DISTINCT:
        return f"{name}{suffix}"
    paths = "\0".join(os.path.abspath(path) for path in (content, *(style.path for style in styles)))  # noqa: PTH100
    return f"{name}-{hashlib.sha256(os.fsencode(paths)).hexdigest()[:8]}{suffix}"


def _shared_folder(files: Sequence[Path]) -> str:
    """The innermost folder that all files lie in; empty where there is none (Windows: two drives)."""
    try:
        return os.path.commonpath([os.path.abspath(file.parent) for file in files])  # noqa: PTH100
    except ValueError:
        return ""


def _below(file: Path, folder: str) -> Path:
    return Path(os.path.relpath(file, folder)) if folder else Path(file.name)


def _as_file(out: Path | None, many: bool, content: Path) -> Path | None:
    """`out`, if it names a file, or the new folder for the frames of one video.

    Raises:
        UsageError: it does, and there are several pictures, or it is a kind that cannot be written.
    """
    if out is None or (out.is_dir() and not (out / "00000.png").is_file()):
        return None
    suffix = out.suffix.lower()
    if suffix in _PICTURES:
        films = f" For a film, give {', '.join(FILMS[:-1])} or {FILMS[-1]}."
        raise UsageError(f"-o {out}: {suffix} cannot be written.", f"Give .png, .tif or .jpg, or a folder.{films}")
    if suffix in FILMS and not many and content.is_file() and is_still(content):
        raise UsageError(f"-o {out} is a film, and {content} one picture.", "Give a film, or -o NAME.png.")
    if suffix not in (*SUFFIXES, *FILMS):
        if suffix == PICTURES and not many and content.suffix.lower() in VIDEOS:
            return out
        if out.exists():
            raise UsageError(f"-o {out} is a file that is no picture.", "Give .png, .tif or .jpg, or a folder.")
        return None
    if many:
        raise UsageError(f"-o {out} is one file, and there are several pictures to paint.", "Give a folder: -o out/")
    return out


def require(path: Path, what: str) -> None:
    """Ask for a plain file.

    Raises:
        DatasetError: there is none.
    """
    if not path.is_file():
        there = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
        raise DatasetError(f"The {what} {path} {there}.", "Check the path; quote it when it holds spaces.")
