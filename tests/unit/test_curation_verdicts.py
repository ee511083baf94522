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
from artgan.data.captions import Captions
from artgan.data.sources import BESIDE, HIDDEN, PictureFile, Source

NAMES = ("a.png", "b.png", "c.png", "d.png")
GOOD = Quality(200, 100, 0.7, 0.1, 0.5, 2.0, 8.0)
SOURCE = Source(
    Path("messy"),
    tuple(PictureFile(name, "cats", "", 9) for name in NAMES),
    ("cats",),
    (("e.png", "empty file"),),
    ("Thumbs.db",),
    (".DS_Store",),
)
WHOLE = Seen("0" * 64, "", (200, 100), ".png", quality=GOOD)
NONE, UNTOLD = Copies(), Captions({}, ())
GROUPED = Copies((Group(1, (0, 2), ()),), frozenset({(1, 2)}))


def judged(
    found: Copies = NONE,
    seen: dict[int, Seen] | None = None,
    unlike: dict[int, str] | None = None,
    told: Captions = UNTOLD,
    **settings: Any,
) -> dict[str, Item]:
    chosen = CurateSettings(**settings)
    every = [(seen or {}).get(number, WHOLE) for number in range(len(NAMES))]
    items = verdicts(SOURCE, every, found, defects_of(every, chosen), unlike or {}, told, chosen)
    return {item.file: item for item in items}


def test_every_file_has_one_line_sorted_by_name() -> None:
    found = judged(seen={3: Seen("0", "not a picture")})
    assert list(found) == sorted([*NAMES, "e.png", "Thumbs.db", ".DS_Store"])
    assert {name: (item.status, item.reason) for name, item in found.items()} == {
        ".DS_Store": ("ignored", HIDDEN),
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


@pytest.mark.parametrize(("answer", "status"), [("drop", "dropped"), ("report", "reported")])
def test_pictures_unlike_the_rest_are_dropped_or_reported(answer: str, status: str) -> None:
    found = judged(unlike={1: "unlike the rest"}, outliers=answer)
    assert [found[name].status for name in NAMES] == ["kept", status, "kept", "kept"]
    assert found["b.png"].reason == "unlike the rest"


def test_of_several_variants_only_the_best_is_said() -> None:
    found = judged(Copies(variants=(Variant(0, 1, "mirrored"), Variant(0, 2, "grey"), Variant(1, 2, "mirrored, grey"))))
    assert [found[name].reason for name in NAMES] == ["", "a.png, mirrored", "a.png, grey", ""]
    assert [found[name].duplicate_of for name in NAMES] == [None, "a.png", "a.png", None]
    gone = judged(Copies(variants=(Variant(0, 1, "mirrored"), Variant(0, 2, "grey"))), variants="drop")
    assert [gone[name].status for name in NAMES] == ["kept", "dropped", "dropped", "kept"]


def test_what_others_say_of_a_picture_counts_more_than_what_it_says_itself() -> None:
    own = replace(WHOLE, caption="from the camera")
    told = Captions({"a.png": "a quince", "c.png": ""}, (("Thumbs.db", "not a table"),))
    found = judged(seen={0: own, 1: own, 3: Seen("0", "broken", caption="lost")}, told=told)
    assert [found[name].caption for name in NAMES] == ["a quince", "from the camera", "", ""]
    assert found["Thumbs.db"].reason == f"{BESIDE}; not a table"


def several(count: int) -> dict[int, Seen]:
    return {number: replace(WHOLE, sha256=f"{number:064x}") for number in range(count)}


def test_so_many_of_a_class_stay_by_their_content_and_not_by_their_name() -> None:
    found = judged(seen=several(4), per_class=3)
    assert sorted(item.status for item in found.values()) == ["dropped", "failed", "ignored", "ignored", *["kept"] * 3]
    (gone,) = (name for name in NAMES if found[name].status == "dropped")
    assert found[gone].reason == "beyond the 3 of its class"
    backwards = judged(seen={3 - number: one for number, one in several(4).items()}, per_class=3)
    assert backwards[NAMES[3 - NAMES.index(gone)]].status == "dropped"
    assert [judged(seen=several(4), per_class=9)[name].status for name in NAMES] == ["kept"] * 4


def test_what_is_dropped_anyway_takes_no_place_of_its_class() -> None:
    found = judged(GROUPED, seen=several(4), per_class=2)
    assert [found[name].status for name in NAMES] == ["dropped", "kept", "dropped", "kept"]
    both = judged(GROUPED, seen=several(4), per_class=1, copies="report")
    assert sum(both[name].status == "dropped" for name in NAMES) == 3
    said = [both[name].reason for name in NAMES if both[name].status == "dropped"]
    assert all(reason.endswith("beyond the 1 of its class") for reason in said)
    assert any("; " in reason for reason in said), "beside what was said before"


def test_each_picture_of_the_set_is_in_a_part_and_families_are_not_torn() -> None:
    chain = Copies((Group(1, (0,), ()),), frozenset(), (Variant(1, 2, "mirrored"),))
    for key in range(8):
        seen = {number: replace(WHOLE, sha256=f"{key}{number:063x}") for number in range(4)}
        found = judged(chain, seen=seen, split="0.5/0.5", copies="report")
        assert found["a.png"].split == found["b.png"].split == found["c.png"].split
        assert {found[name].split for name in NAMES} == {"train", "test"}
        assert [found[name].split for name in ("Thumbs.db", ".DS_Store", "e.png")] == [None] * 3
    dropped = judged(chain, seen=several(4), split="0.5/0.5")
    assert dropped["a.png"].split is None
    assert judged(seen=several(4))["a.png"].split is None


def test_equal_files_train_or_test_together_though_nobody_looked_for_copies() -> None:
    for key in range(8):
        seen = {number: replace(WHOLE, sha256=f"{key}{min(number, 2):063x}") for number in range(4)}
        found = judged(seen=seen, split="0.5/0.5", copies="off", variants="off")
        assert found["c.png"].split == found["d.png"].split


def test_a_variant_of_what_was_dropped_stays_with_the_family() -> None:
    """b is dropped for its defects; its copies in other colours still show what it shows."""
    small = replace(several(4)[0], quality=replace(GOOD, width=90, height=50))
    found = judged(
        Copies(variants=(Variant(0, 1, "grey"), Variant(0, 2, "mirrored"))),
        seen={**several(4), 0: small},
        defects="drop",
        split="0.5/0.5",
    )
    assert found["a.png"].status == "dropped"
    assert found["b.png"].split == found["c.png"].split


def test_a_family_stays_together_however_its_members_are_tied() -> None:
    """A picture that is a variant of two strangers, or near to a copy of another, ties them."""
    keys = [f"{number:064x}" for number in range(4)]
    told = {number: replace(WHOLE, sha256=key) for number, key in enumerate(keys)}
    both = Copies(variants=(Variant(0, 2, "mirrored"), Variant(1, 2, "grey")), ties=((3, 1),))
    found = judged(both, told, split="0.5/0.5")
    assert len({found[name].split for name in NAMES}) == 1
    assert len({item.split for item in judged(NONE, told, split="0.5/0.5").values() if item.split}) == 2
    same = dict.fromkeys(range(4), WHOLE)  # one file four times, and nobody looked for copies
    assert len({found.split for found in judged(NONE, same, split="0.5/0.5").values() if found.split}) == 1
