"""Captions as vectors: the same on every machine, near one another when their words are, and what is no word."""

import subprocess
import sys
import unicodedata

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from artgan.engine.captions import BUCKETS, encode_caption, encode_captions

# What "Ñu" is: the word itself, and its two groups of three letters, "<ñu" and "ñu>", each with a weight of 2 ** -0.5.
GNU = {259: -(0.5**0.5), 420: 0.5, 499: -0.5}


def near(one: str, other: str) -> float:
    return float(encode_caption(one) @ encode_caption(other))


def numbers(vector: torch.Tensor) -> dict[int, float]:
    return {int(place): float(vector[place]) for place in vector.nonzero().flatten()}


def test_a_vector_is_what_it_was_when_the_first_checkpoint_was_written() -> None:
    vector = encode_caption("Ñu")
    assert vector.shape == (BUCKETS,) == (512,)
    assert vector.dtype == torch.float32
    assert numbers(vector) == pytest.approx(GNU)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_python_hashing_with_another_seed_changes_nothing(seed: str) -> None:
    code = "from artgan.engine.captions import encode_caption; print(encode_caption('two red apples').tolist())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(encode_caption("two red apples").tolist())


def test_plurals_and_parts_are_nearer_than_strangers() -> None:
    for one, like, stranger in [("apple", "apples", "zebra"), ("peach", "peaches", "quince"), ("sun", "sunny", "rain")]:
        assert near(one, like) > 0.2
        assert abs(near(one, stranger)) < 0.15
    assert near("apple", "red apple") == pytest.approx(0.5**0.5, abs=0.1)
    assert near("red apple", "green apple") > near("red apple", "green pear")


def test_case_order_repetition_marks_and_spelling_of_characters_do_not_count() -> None:
    expected = encode_caption("straße café rot")
    for same in ("Rot, STRASSE -- café!", "café café_rot\nstraße", unicodedata.normalize("NFD", "straße café rot")):
        assert torch.equal(encode_caption(same), expected)


@pytest.mark.parametrize("nothing", ["", " ", "?!", "_", "\udc80", "👩‍🎨"])
def test_without_a_word_there_is_nothing(nothing: str) -> None:
    assert encode_caption(nothing).count_nonzero() == 0


@given(st.text(max_size=200))
def test_every_text_has_the_length_of_one_or_none(text: str) -> None:
    vector = encode_caption(text)
    assert float(vector.norm()) == pytest.approx(1 if any(map(str.isalnum, text)) else 0, abs=1e-5)
    assert torch.equal(vector, encode_caption(text))


def test_several_are_stacked() -> None:
    rows = encode_captions(["apple", "", "pear"])
    assert rows.shape == (3, BUCKETS)
    assert torch.equal(rows[2], encode_caption("pear"))
    assert encode_captions([]).shape == (0, BUCKETS)
