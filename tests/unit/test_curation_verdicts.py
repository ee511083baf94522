"""What becomes of each file, given what was found out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artgan.curation.borders import Found
from artgan.curation.copies import Group
from artgan.curation.quality import Quality
from artgan.curation.settings import CurateSettings
from artgan.curation.survey import Seen
from artgan.curation.verdicts import Copies, Item, Variant, defects_of, verdicts
from artgan.data.sources import BESIDE, PictureFile, Source
from artgan.errors import UsageError

NAMES = ("a.png", "b.png", "c.png", "d.png")
GOOD = Quality(200, 100, 0.7, 0.1, 0.5, 2.0, 8.0)
SOURCE = Source(
    Path("messy"),
    tuple(PictureFile(name, "cats", "", 9) for name in NAMES),
    ("cats",),
    (("e.png", "empty file"),),
    ("Thumbs.db",),
)
WHOLE = Seen("0" * 64, "", (200, 100), ".png", quality=GOOD)
NONE = Copies()
GROUPED = Copies((Group(1, (0, 2), ()),), frozenset({(1, 2)}))


def judged(found: Copies = NONE, seen: dict[int, Seen] | None = None, **settings: Any) -> dict[str, Item]:
    chosen = CurateSettings(**settings)
    told = [(seen or {}).get(number, WHOLE) for number in range(len(NAMES))]
    return {item.file: item for item in verdicts(SOURCE, told, found, defects_of(told, chosen), chosen)}


def test_every_file_has_one_line_sorted_by_name() -> None:
    found = judged(seen={3: Seen("0", "not a picture")})
    assert list(found) == sorted([*NAMES, "e.png", "Thumbs.db"])
    assert {name: (item.status, item.reason) for name, item in found.items()} == {
        "Thumbs.db": ("ignored", BESIDE),
        "a.png": ("kept", ""),
        "b.png": ("kept", ""),
        "c.png": ("kept", ""),
        "d.png": ("failed", "not a picture"),
        "e.png": ("failed", "empty file"),
    }
    assert [found[name].label for name in ("a.png", "d.png", "e.png")] == ["cats", "cats", None]


@pytest.mark.parametrize(("answer", "status"), [("drop", "dropped"), ("report", "reported"), ("off", "kept")])
def test_copies_are_dropped_reported_or_left(answer: str, status: str) -> None:
    found = judged(GROUPED, copies=answer)
    assert [found[name].status for name in NAMES] == [status, "kept", status, "kept"]
    said = ["", ""] if answer == "off" else ["a copy of b.png", "the same pixels as b.png"]
    assert [found[name].reason for name in ("a.png", "c.png")] == said
    assert found["a.png"].duplicate_of == (None if answer == "off" else "b.png")
    assert found["b.png"].duplicate_of is None


@pytest.mark.parametrize(("answer", "status"), [("drop", "dropped"), ("report", "reported"), ("off", "kept")])
def test_variants_are_dropped_reported_or_left(answer: str, status: str) -> None:
    found = judged(Copies(variants=(Variant(0, 3, "mirrored"),)), variants=answer)
    assert [found[name].status for name in NAMES] == ["kept", "kept", "kept", status]
    assert found["d.png"].reason == ("" if answer == "off" else "a.png, mirrored")
    assert found["d.png"].duplicate_of == (None if answer == "off" else "a.png")


def test_nothing_is_dropped_as_a_variant_of_what_is_itself_dropped() -> None:
    chain = (Variant(0, 1, "mirrored"), Variant(1, 2, "grey"))
    found = judged(Copies(variants=chain), variants="drop")
    assert [found[name].status for name in NAMES] == ["kept", "dropped", "kept", "kept"]
    copy = judged(replace(GROUPED, variants=(Variant(0, 3, "grey"),)), variants="drop")
    assert copy["d.png"].status == "kept"


@pytest.mark.parametrize(("answer", "status"), [("drop", "dropped"), ("report", "reported"), ("off", "kept")])
def test_defects_are_dropped_reported_or_left(answer: str, status: str) -> None:
    small = replace(WHOLE, quality=replace(GOOD, width=90, height=50))
    found = judged(seen={2: small}, defects=answer)
    assert [found[name].status for name in NAMES] == ["kept", "kept", status, "kept"]
    assert ("too small: 90 x 50 px" in found["c.png"].reason) == (answer != "off")
    assert judged(seen={2: small}, least_side=50)["c.png"].status == "kept"


def test_a_scan_is_kept_and_says_what_is_cut() -> None:
    paper = replace(WHOLE, found=Found((0.1, 0.1, 0.9, 0.9), 0.0, ("margin",), 1.0, "margin around the picture"))
    assert judged(seen={0: paper})["a.png"].status == "kept"
    assert judged(seen={0: paper})["a.png"].reason == "margin around the picture"
    assert judged(seen={0: paper}, scans=False)["a.png"].reason == ""
    both = judged(GROUPED, seen={0: paper})["a.png"]
    assert both.reason == "a copy of b.png; margin around the picture"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"copies": "keep"}, "--copies 'keep' is unknown"),
        ({"variants": ""}, "--variants '' is unknown"),
        ({"least_side": 0}, "--least-side 0 is not between"),
        ({"size": 7}, "--size 7 is not between"),
        ({"size": 20_000}, "--size 20000 is not between"),
    ],
)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        CurateSettings(**settings).checked()
