"""The plan of a painting: from coarse to fine, to exactly the size that was asked for."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artgan.style.plan import COARSEST, DETAILS, SHORTEST, Detail, stages

sides = st.integers(32, 32768)


@given(width=sides, height=sides, detail=st.sampled_from(DETAILS))
def test_any_picture_is_painted_from_coarse_to_its_own_size(width: int, height: int, detail: Detail) -> None:
    plan = stages((width, height), detail)
    assert plan[-1].longest == max(width, height)
    assert all(stage.steps > 0 for stage in plan)
    for coarse, fine in itertools.pairwise(plan):
        assert coarse.longest < fine.longest <= 2.1 * coarse.longest
        assert coarse.steps >= fine.steps, "no large size gets more steps than a smaller one"
    if len(plan) > 1:
        assert plan[0].longest >= 0.98 * COARSEST
        shortest = round(plan[0].longest * min(width, height) / max(width, height))
        assert shortest >= SHORTEST - 1, "the network cannot see a strip"
    assert plan == stages((height, width), detail)


@pytest.mark.parametrize("size", [(64, 48), (512, 512), (1024, 300), (4000, 3000)])
def test_more_detail_is_more_work(size: tuple[int, int]) -> None:
    work = [sum(stage.steps * stage.longest**2 for stage in stages(size, detail)) for detail in DETAILS]
    assert work[0] < work[1] < work[2]


def test_a_large_picture_begins_as_small_as_any() -> None:
    for detail in DETAILS:
        assert stages((8192, 8192), detail)[0].longest < 2 * COARSEST
        assert len(stages((100, 80), detail)) == 1
