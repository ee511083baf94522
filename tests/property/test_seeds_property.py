"""Whatever the seeds: lists read back as written, and a latent is its seed's alone."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.engine.seeds import latents, parse_seeds
from artgan.errors import UsageError

seed = st.integers(0, 2**63 - 1)
span = st.tuples(st.integers(0, 10**6), st.integers(0, 50))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(seed.map(lambda s: (s, 0)), span), min_size=1, max_size=8))
def test_lists_read_back_as_written(spans: list[tuple[int, int]]) -> None:
    text = ",".join(f"{low}-{low + more}" if more else f"{low}" for low, more in spans)
    assert parse_seeds(text) == tuple(s for low, more in spans for s in range(low, low + more + 1))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0123456789,- x٣", max_size=30))
def test_any_text_is_a_list_or_a_usage_error(text: str) -> None:
    try:
        seeds = parse_seeds(text)
    except UsageError:
        return
    assert seeds
    assert all(0 <= s < 2**63 for s in seeds)


@settings(max_examples=40, deadline=None)
@given(
    seeds=st.lists(seed, min_size=1, max_size=5),
    z_dim=st.integers(1, 40),
    truncation=st.one_of(st.none(), st.floats(0.01, 10)),
)
def test_a_latent_is_the_same_alone_and_in_company(seeds: list[int], z_dim: int, truncation: float | None) -> None:
    together = latents(tuple(seeds), z_dim, truncation)
    assert together.shape == (len(seeds), z_dim)
    for row, s in zip(together, seeds, strict=True):
        assert torch.equal(row, latents((s,), z_dim, truncation)[0])
    if truncation is not None:
        assert together.abs().max() <= torch.tensor(truncation, dtype=torch.float32)
