"""Damaged files of every kind are read or refused with a reason; they never raise. The long run is in `tests/bench`."""

import pytest
from PIL import Image

from artgan.engine.images import quiet_decoding, stderr_shut
from tests.bench.fuzz_reader import case, read, whole_files

CASES = 400


@pytest.fixture(autouse=True)
def small_pictures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged header claims a hundred megapixels now and then: within Pillow's guard, but slow."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200_000)


@pytest.mark.parametrize("kind", whole_files())
def test_a_whole_file_of_each_kind_is_read(kind: str) -> None:
    with quiet_decoding():
        seen, frames = read(whole_files()[kind])
    assert not seen.reason
    assert seen.size == {"ico": (32, 24), "jpeg": (48, 64), "png": (48, 64), "webp": (48, 64)}.get(kind, (64, 48))
    assert len(frames) == seen.frames == (4 if kind in ("apng", "tiff pages") or "film" in kind else 1)


def test_damaged_files_are_read_or_refused_with_a_reason() -> None:
    refused = dict.fromkeys(whole_files(), 0)
    for number in range(CASES):
        kind, data = case(1, number)
        with quiet_decoding(), stderr_shut():
            seen, frames = read(data)
        refused[kind] += bool(seen.reason)
        if seen.reason:
            assert seen.reason.isprintable()
            assert len(seen.reason) < 200
            assert seen.look is None
        else:
            assert min(seen.size) > 0
            assert seen.look is not None
            assert seen.quality is not None
            assert seen.boxes
            assert max(seen.picture.shape[:2]) <= 160
            assert 1 <= len(frames) <= 4
            assert frames[0].size == seen.size
    assert all(refused.values()), "damage is to be seen in each kind"
    assert sum(refused.values()) < 0.9 * CASES, "and not all of it at the first byte"


def test_cases_follow_from_seed_and_number() -> None:
    assert case(3, 40) == case(3, 40)
    assert case(3, 40) != case(4, 40)
    jpegs = [case(0, number)[1] for number in range(0, 40 * len(whole_files()), len(whole_files()))]
    assert len(set(jpegs)) == 40
