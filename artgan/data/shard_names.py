"""Which tars a path means: one, a folder of them, a brace list as bash has it, or a text list. Reads no tar.

Brace lists: `{000..099}` counts, with zeros where they are written, backwards too and in steps (`{0..90..10}`);
`{a,b}` names; several multiply, the last turns fastest, and one may stand inside another. A file that is there under
the very name, braces and all, goes first.
"""

import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from artgan.errors import DatasetError, UsageError

MOST_SHARDS = 1_000_000
SUFFIX, LIST = ".tar", ".txt"
_BESIDE = {".json", ".jsonl", ".html", ".txt", ".md", ".csv", ".tsv", ".idx"}
"""Endings of what lies beside shards and is no picture."""
_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_MOST_CHARACTERS = 1 << 27
_MOST_BRACES = 20
_COUNTED = re.compile(r"([0-9]{1,15})\.\.([0-9]{1,15})(?:\.\.([0-9]{1,15}))?")
_LETTERED = re.compile(r"([a-z])\.\.([a-z])|([A-Z])\.\.([A-Z])")
_ELSEWHERE = re.compile(r"pipe:|[a-zA-Z][a-zA-Z0-9+.-]+:/")
_PART = re.compile(r"(?:^|[-_.])(train|test|val|valid|validation)(?=[-_.0-9]|$)", re.IGNORECASE)
_TO_A_LIST = f"Write the paths into a text list, one on a line, and give that: shards{LIST}."


def find_shards(path: Path) -> tuple[Path, ...] | None:
    """The tars that a path means, in order, all of them there; None when it means no shards.

    Raises:
        DatasetError: a shard is missing, named twice or no tar; a text list cannot be read; a path is on the net;
            a folder or a brace list holds several parts of a split set; or there are more than MOST_SHARDS.
    """
    mode, text = _mode(path), path.as_posix()
    if stat.S_ISDIR(mode):
        found = _in_folder(path)
        return found and _checked(path, _of_one_part(path, found))
    if stat.S_ISREG(mode):
        if text.lower().endswith(_PACKED):
            raise DatasetError(f"{path} is compressed, so it cannot be read from the middle.", "Unpack it into a .tar.")
        if path.suffix.lower() == LIST:
            return _checked(path, _in_list(path))
        return (path,) if _is_tar(path) else None
    if mode:
        return None
    if _ELSEWHERE.match(text):
        raise DatasetError(
            f"{shown(text)} is on the net, and artgan has no network here.", "Copy the shards to a disk first."
        )
    expanded = _expanded(text)
    return None if expanded == [text] else _checked(path, _of_one_part(path, tuple(map(Path, expanded))))


def refuse_shards(path: Path) -> None:
    """Let no shards be taken for a folder or zip of pictures; a text file may be a list of anything.

    Raises:
        DatasetError: the path means shards, or would if they were in order.
    """
    if path.suffix.lower() != LIST and find_shards(path) is not None:
        raise DatasetError(
            f"{shown(path)} means shards (.tar), and only training streams these.",
            "Unpack them into a folder for this: tar -xf SHARD.tar -C FOLDER.",
        )


def joined(paths: Sequence[Path]) -> Path:
    """Several shards as the one path that `find_shards` takes for the same, in the same order; one is itself.

    So what the shell made of a list without quotes, or of a `*`, becomes one path again. Absolute paths among
    relative ones make all of them absolute.

    Args:
        paths: at least one.

    Raises:
        UsageError: one of several is no .tar, or has a brace or a comma in its name, as lists have.
    """
    if len(paths) == 1:
        return paths[0]
    if other := next((path for path in paths if not _is_tar(path)), None):
        raise UsageError(
            f"{shown(other)} is no {SUFFIX}, and several paths at once are for shards.",
            "Give one folder, with a folder for every class; quote a path that holds spaces.",
        )
    if any(path.is_absolute() for path in paths):
        paths = [path.absolute() for path in paths]
    texts = [path.as_posix() for path in paths]
    common = os.path.commonpath([path.parent for path in paths]).replace(os.sep, "/")
    folder = f"{common.rstrip('/')}/" if common else ""
    if odd := next((text for text in texts if set(text) & set("{}") or "," in text[len(folder) :]), None):
        raise UsageError(f"{shown(odd)} has a brace or a comma in its name.", _TO_A_LIST)
    return Path(_counting(texts) or _naming(texts, folder))


def _counting(texts: Sequence[str]) -> str | None:
    """Texts that differ in one number, which counts up or down, as one."""
    split = [re.split(r"([0-9]+)", text) for text in texts]
    if len(set(map(len, split))) > 1:
        return None
    columns = list(zip(*split, strict=True))
    differing = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    if len(differing) != 1 or not differing[0] % 2:
        return None
    (place,) = differing
    counted = f"{columns[place][0]}..{columns[place][-1]}"
    if _sequence(counted) != list(columns[place]):
        return None
    return "".join([*split[0][:place], "{", counted, "}", *split[0][place + 1 :]])


def _naming(texts: Sequence[str], folder: str) -> str:
    """Texts below a folder, one after the other, as one."""
    last = SUFFIX if all(text.endswith(SUFFIX) for text in texts) else ""  # others may be written .TAR
    return f"{folder}{{{','.join(text[len(folder) :].removesuffix(last) for text in texts)}}}{last}"


def title(path: Path) -> str:
    """A short name for what a path means: of the folder around a brace list or numbered shard, or else its own."""
    if not _mode(path):
        start = path.as_posix().partition("{")[0]
        return Path(f"{start}_").absolute().parent.name or "shards"
    whole = path.resolve()
    return whole.parent.name or "shards" if _is_tar(whole) and whole.stem.isdecimal() else whole.stem


def lasting(path: Path) -> Path:
    """The same pictures or shards as an absolute path, which means them from any working folder."""
    if _mode(path):
        return path.resolve()
    expanded = _expanded(path.as_posix())
    # Where alternatives begin the path, some of them may be absolute and others not.
    return joined([Path(each).absolute() for each in expanded]) if path.parts[0][0] == "{" else path.absolute()


def shown(path: Path | str) -> str:
    """A path for a sentence: of a long list, its beginning and its end."""
    text = str(path)
    return text if len(text) <= 200 else f"{text[:90]}...{text[-90:]}"


def _mode(path: Path) -> int:
    """What kind of file there is, as `stat` tells it; 0 where there is none, or none that we may see."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # too long, a loop of links, a name with a zero in it
        return 0


def _is_tar(path: Path) -> bool:
    return path.suffix.lower() == SUFFIX


def _in_folder(folder: Path) -> tuple[Path, ...] | None:
    """The tars of a folder, sorted by name; None when there are none, or other things that may be pictures."""
    found = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if _is_tar(path) and not stat.S_ISDIR(_mode(path)):
            found.append(path)
        elif path.suffix.lower() not in _BESIDE:
            return None
    return tuple(sorted(found)) or None


def _in_list(path: Path) -> tuple[Path, ...]:
    """The paths that a text list names, relative to its own folder."""
    try:
        if path.stat().st_size > _MOST_CHARACTERS:
            raise ValueError("it is too large")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is no list of shards: {error}.", "Write one path on a line, in UTF-8.") from error
    found = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if _ELSEWHERE.match(text):
            raise DatasetError(
                f"Line {number} of {path} is on the net, and artgan has no network here.",
                "Copy the shards to a disk first, and name them there.",
            )
        if not _is_tar(Path(text)) or len(text) > 4096 or not text.isprintable():
            raise DatasetError(
                f"Line {number} of {path} names no {SUFFIX}: {shown(text)!r}.", "A list names one shard on a line."
            )
        found.append(path.parent / text)
    return tuple(found)


def _of_one_part(path: Path, shards: tuple[Path, ...]) -> tuple[Path, ...]:
    """The same shards, unless they are several parts of a set, whose test pictures would be learnt."""
    parts: dict[str, list[Path]] = {}
    for shard in shards:
        if told := _PART.search(shard.stem):
            parts.setdefault(told[1].lower(), []).append(shard)
    if len(parts) > 1:
        one = joined(parts.get("train") or next(iter(parts.values())))
        raise DatasetError(
            f"{shown(path)} is split into parts: {', '.join(sorted(parts))}.",
            f"Take one of them: '{shown(one)}'.",
        )
    return shards


def _checked(path: Path, shards: tuple[Path, ...]) -> tuple[Path, ...]:
    """The same shards, unless they are none, too many, named twice, not tars, or not there."""
    name = shown(path)
    if not shards:
        raise DatasetError(f"{name} names no shards.", "Write one path on a line.")
    if len(shards) > MOST_SHARDS:
        raise _too_many(name)
    if other := next((shard for shard in shards if not _is_tar(shard)), None):
        raise DatasetError(
            f"{name} means {shown(other)}, which is no {SUFFIX}.", f"Lists are for shards, which end in {SUFFIX}."
        )
    if twice := _first_twice(shards):
        raise DatasetError(f"{name} means {shown(twice)} more than once.", "Name every shard once.")
    missing = [shard for shard in shards if not stat.S_ISREG(_mode(shard))]
    if missing:
        raise DatasetError(
            f"{len(missing)} of the {len(shards)} shards in {name} cannot be found, the first is {shown(missing[0])}.",
            "Check the path and the numbers, or wait until all are copied.",
        )
    return shards


def _first_twice(shards: Iterable[Path]) -> Path | None:
    seen: set[Path] = set()
    for shard in shards:
        if shard in seen:
            return shard
        seen.add(shard)
    return None


def _too_many(text: str) -> DatasetError:
    return DatasetError(
        f"{shown(text)} means more files than can be.", f"At most {MOST_SHARDS:,} shards make a set; check the braces."
    )


def _expanded(text: str) -> list[str]:
    """What bash makes of a text with braces, in its order; the text alone when it has none that mean something."""
    if text.count("{") > _MOST_BRACES:
        raise DatasetError(
            f"{shown(text)} has more than {_MOST_BRACES} braces.", "Write the shards into a text list, one on a line."
        )
    group = _first_group(text)
    if group is None:
        return [text]
    start, end, middles = group
    rests = _expanded(text[end:])
    count = len(middles) * len(rests)
    if count > MOST_SHARDS or count * (start + max(map(len, middles)) + max(map(len, rests))) > _MOST_CHARACTERS:
        raise _too_many(text)
    return [text[:start] + middle + rest for middle in middles for rest in rests]


def _first_group(text: str) -> tuple[int, int, list[str]] | None:
    """Where the first braces that mean something begin and end, and what they stand for."""
    for opening in re.finditer(r"\{", text):
        depth, commas, start = 0, [opening.start()], opening.start()
        for place in range(start, len(text)):
            depth += (text[place] == "{") - (text[place] == "}")
            if text[place] == "," and depth == 1:
                commas.append(place)
            if depth == 0:
                ends = [*commas[1:], place]
                parts = [text[begin + 1 : end] for begin, end in zip(commas, ends, strict=True)]
                middles = _alternatives(parts) if len(parts) > 1 else _sequence(parts[0])
                if middles:
                    return start, place + 1, middles
                break
    return None


def _alternatives(parts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        found += _expanded(part)
        if len(found) > MOST_SHARDS:
            raise _too_many("{" + ",".join(parts) + "}")
    return found


def _sequence(text: str) -> list[str]:
    """What `000..099`, `9..0`, `0..90..10` or `a..e` count out; nothing when the text is none of these."""
    if letters := _LETTERED.fullmatch(text):
        start, end = map(ord, filter(None, letters.groups()))
        return [chr(number) for number in _between(start, end, 1)]
    counted = _COUNTED.fullmatch(text)
    if counted is None:
        return []
    first, last, step = counted[1], counted[2], int(counted[3] or 1) or 1
    padded = any(len(number) > 1 and number[0] == "0" for number in (first, last))
    width = max(len(first), len(last)) if padded else 0
    numbers = _between(int(first), int(last), step)
    if len(numbers) > MOST_SHARDS:
        raise _too_many("{" + text + "}")
    return [f"{number:0{width}d}" for number in numbers]


def _between(first: int, last: int, step: int) -> range:
    return range(first, last + 1, step) if first <= last else range(first, last - 1, -step)
