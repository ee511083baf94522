"""What can be turned in a curation, and what makes no sense."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgan.curation.settings import CurateSettings, parse_size, size_in_words
from artgan.errors import UsageError

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"copies": "keep"}, "--copies 'keep' is unknown"),
    ({"variants": ""}, "--variants '' is unknown"),
    ({"defects": None}, "--defects None is unknown"),
    ({"outliers": "x"}, "--outliers 'x' is unknown"),
    ({"crop": "center"}, "--crop 'center' is unknown"),
    ({"format": "tar"}, "--format 'tar' is unknown"),
    ({"least_side": 0}, "--least-side 0 is not between"),
    ({"size": (7, 64)}, "--size 7x64 is not between"),
    ({"size": (20_000, 20_000)}, "--size 20000 is not between"),
    ({"crop": "salient", "multi_crop": 0}, "--multi-crop 0 is not between"),
    ({"multi_crop": 2}, "--multi-crop 2 cuts, but --crop keep does not"),
    ({"crop": "pad", "size": (64, 64), "multi_crop": 2}, "--multi-crop 2 cuts, but --crop pad does not"),
    ({"crop": "pad"}, "--crop pad needs a size"),
    ({"frames": 0}, "--frames 0 is not between"),
    ({"per_class": 0}, "--per-class 0 is not between"),
    ({"split": "0.9"}, "--split '0.9' has 1 shares"),
    ({"split": "a/b"}, "--split 'a/b' is not a list"),
    ({"background": "whitish"}, "--background 'whitish' is no colour"),
    ({"background": "rgb(300, 0, 0)"}, "--background .* is no colour"),
    ({"background": "hsl(0, 300%, 2%)"}, "--background .* is no colour"),
]


@pytest.mark.parametrize(("settings", "named"), WRONG)
def test_settings_that_make_no_sense_are_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        CurateSettings(**settings).checked()
    assert caught.value.hint


def test_what_makes_sense_passes_and_is_plain() -> None:
    chosen = CurateSettings(size=(48, 32), crop="salient", multi_crop=64, per_class=1, split="80/10/10")
    assert chosen.checked() is chosen
    assert json.loads(json.dumps(chosen.plain()))["size"] == [48, 32]
    assert (chosen.shape, CurateSettings().shape) == ((48, 32), (1, 1))


def test_the_background_is_a_colour_and_white_where_transparency_is_kept() -> None:
    grounds = {
        name: CurateSettings(background=name).ground for name in ("white", "keep", "#f4f1ea", "#10203080", "navy")
    }
    assert grounds == {
        **{"white": (255, 255, 255), "keep": (255, 255, 255), "#f4f1ea": (244, 241, 234)},
        **{"#10203080": (16, 32, 48), "navy": (0, 0, 128)},
    }


def test_sizes_are_one_number_or_two() -> None:
    assert [parse_size(text) for text in ("256", "384x256", "384X256", "007")] == [
        *((256, 256), (384, 256), (384, 256), (7, 7))
    ]
    for text in ("", "x", "x64", "64x", "1x2x3", "-64", "6.4", "64 ", "٦٤", "²", "9" * 5000, "big"):
        with pytest.raises(UsageError, match="is no size"):
            parse_size(text)


@given(st.tuples(st.integers(0, 99_999), st.integers(0, 99_999)))
def test_what_is_written_is_read_again(size: tuple[int, int]) -> None:
    assert parse_size(size_in_words(size)) == size
