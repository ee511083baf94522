"""What an artist can turn: what makes no sense is refused by the name of its flag."""

import inspect
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgan.errors import UsageError
from artgan.style import recipe
from artgan.style.controls import Controls
from artgan.style.stylize import stylize
from artgan.style.taught import usual_detail

DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(stylize).parameters.items()}
PLAIN: dict[str, Any] = {name: DEFAULTS[name] for name in Controls.names()} | {"detail": "normal"}


def test_the_defaults_are_those_of_the_function_and_of_a_recipe() -> None:
    assert PLAIN == recipe._DEFAULTS
    controls = Controls(**PLAIN)
    assert controls.checked() is controls
    assert controls.plain() == PLAIN


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("strength", -0.1, "--strength -0.1 is not between 0 and 1"),
        ("strength", 1.01, "--strength 1.01 is not between"),
        ("strength", math.nan, "--strength nan"),
        ("brush_size", 0.2, "--brush-size 0.2 is not between 0.25 and 4"),
        ("brush_size", math.inf, "--brush-size inf"),
        ("smooth", -1, "--smooth -1 is not between 0 and 100"),
        ("size", 31, "--size 31 is not between 32 and 32768"),
        ("size", 100_000, "--size 100000 is not between 32 and 32768"),
        ("size", 64.5, "--size 64.5 is not a whole number"),
        ("seed", -1, "--seed -1 is not between 0 and 9223372036854775807"),
        ("seed", 2**63, f"--seed {2**63} is not"),
        ("seed", True, "--seed True is not a whole number"),
        ("strength", "half", "--strength 'half' is not a number"),
        ("detail", "coarse", "--detail 'coarse' is unknown"),
        ("init", "photo", "--init 'photo' is unknown"),
        ("encoder", "vgg16", "--encoder 'vgg16' is unknown"),
        ("keep_colors", "all", "--keep-colors 'all' is unknown"),
    ],
)
def test_what_is_out_of_range_is_named(name: str, value: object, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Controls(**{**PLAIN, name: value}).checked()
    assert words in caught.value.message
    assert caught.value.hint


def test_hints_list_the_words_there_are() -> None:
    with pytest.raises(UsageError) as caught:
        Controls(**{**PLAIN, "keep_colors": "all"}).checked()
    assert caught.value.hint == "Use one of: luminance, match."


def test_one_look_has_nothing_to_start_from_or_to_smooth_and_one_network() -> None:
    told = {**PLAIN, "detail": "instant"}
    assert Controls(**told).checked().detail == "instant"
    for name, value in {"init": "noise", "smooth": 0.0, "encoder": "vgg19"}.items():
        with pytest.raises(UsageError, match=f"--{name} has no meaning with --detail instant") as caught:
            Controls(**{**told, name: value}).checked()
        assert caught.value.hint == f"Leave --{name} away, or take --detail fast."


def test_without_a_word_a_style_that_was_learnt_is_painted_in_at_once() -> None:
    assert DEFAULTS["detail"] is None
    assert usual_detail([Path("a.style"), Path("b.STYLE")]) == "instant"
    for names in ([], ["a.jpg"], ["a.style", "b.jpg"]):
        assert usual_detail([Path(name) for name in names]) == "normal"


def test_controls_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(UsageError, match=r"--palette-only .* --keep-colors"):
        Controls(**{**PLAIN, "palette_only": True, "keep_colors": "match"}).checked()


@given(
    strength=st.floats(0, 1),
    brush_size=st.floats(0.25, 4),
    smooth=st.floats(0, 100),
    size=st.none() | st.integers(32, 32768),
    seed=st.integers(0, 2**63 - 1),
)
def test_everything_within_its_range_is_taken(**values: Any) -> None:
    assert Controls(**{**PLAIN, **values}).checked().plain() == {**PLAIN, **values}
