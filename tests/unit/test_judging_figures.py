"""Intervals, agreement and distances against published examples."""

import math

import numpy as np
import pytest

from artgan.judging.figures import d_prime, fleiss_kappa, interval, sign_test, wilson

# Fleiss 1971, table 1: six psychiatrists, thirty patients, five diagnoses.
DIAGNOSES = (
    "00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 "
    "00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006"
)
LINE = {"a": 1.0, "b": 0.0, ".": float("nan")}


def marks(*rows: str) -> "np.typing.NDArray[np.float64]":
    """One row per rater: a is yes, b no, a point nothing."""
    return np.array([[LINE[letter] for letter in row] for row in rows])


@pytest.mark.parametrize(
    ("chosen", "count", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published(chosen: int, count: int, low: float, high: float) -> None:
    """Newcombe 1998, Two-Sided Confidence Intervals for the Single Proportion, table I, method 3."""
    assert wilson(chosen, count) == pytest.approx((low, high), abs=5e-5)
    assert wilson(count - chosen, count) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_fleiss_as_published() -> None:
    counts = np.array([[int(vote) for vote in patient] for patient in DIAGNOSES.split()])
    assert fleiss_kappa(counts) == pytest.approx(0.430, abs=5e-4)


def test_kappa_at_its_ends() -> None:
    assert fleiss_kappa(np.array([[3, 0], [0, 3], [3, 0]])) == pytest.approx(1.0)
    assert fleiss_kappa(np.array([[1, 1], [1, 1]])) == pytest.approx(-1.0)
    assert fleiss_kappa(np.array([[2, 0], [2, 0]])) is None  # no choice was ever made
    assert fleiss_kappa(np.array([[1, 0], [0, 1]])) is None  # nobody answered what another did
    alone = np.array([[3, 0], [0, 3], [3, 0], [0, 1]])
    assert fleiss_kappa(alone) == pytest.approx(1.0)


def test_one_rater_has_wilsons_interval() -> None:
    assert interval(marks("aaab")) == wilson(3, 4)


def test_raters_who_disagree_widen_the_interval() -> None:
    """Half of the raters like one side and half the other: the answers are 120, but of four tastes."""
    alike = interval(marks(*["ab" * 30] * 4))
    apart = interval(marks("a" * 60, "a" * 60, "b" * 60, "b" * 60))
    assert apart[1] - apart[0] > 2 * (alike[1] - alike[0])
    assert apart == (0.0, 1.0)
    plain = wilson(120, 240)
    assert alike[0] <= plain[0]
    assert alike[1] >= plain[1]


def test_the_interval_of_complete_agreement_is_not_empty() -> None:
    low, high = interval(marks("a" * 20, "a" * 20))
    assert (low, high) == wilson(40, 40)
    assert low < 1


def test_sign_test_is_exact() -> None:
    """Nine of ten: 2 * (1 + 10) / 1024."""
    assert sign_test(marks("aaaaaaaaab")) == pytest.approx(22 / 1024)
    assert sign_test(marks("ab")) == 1.0
    assert sign_test(marks("..")) is None
    assert sign_test(marks("ab", "ba")) is None  # both questions end in a tie
    majority = marks("aaaaaaaaab", "aaaaaaaaab", "bbbbbbbbbb")
    assert sign_test(majority) == pytest.approx(22 / 1024)  # questions count, not answers


def test_d_prime() -> None:
    assert d_prime(50, 100, 50, 100) == 0
    assert d_prime(841, 1000, 159, 1000) == pytest.approx(2.0, abs=0.01)
    assert d_prime(159, 1000, 841, 1000) == pytest.approx(-2.0, abs=0.01)
    assert math.isfinite(d_prime(20, 20, 0, 20))
