"""Captions as vectors: what words say to a network, without a vocabulary and without a pretrained network.

A word is hashed to a few numbers of a vector (feature hashing, Weinberger et al. 2009), and so are its groups of three
letters, as a word's own parts tell what it is like (Bojanowski et al. 2017): plurals, compounds and misspelt words lie
near the word they come from. Nothing is learnt here; what a word looks like is learnt by the networks.
"""

import functools
import hashlib
import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import torch

BUCKETS = 512
"""Numbers in the vector of a caption. Checkpoints depend on it, as they do on every line of `_features`."""
_WORD = re.compile(r"[^\W_]+")


def encode_caption(text: str) -> torch.Tensor:
    """A caption as a vector (BUCKETS,), float32, of length 1; all 0 without a word.

    Neither the order of words nor upper case counts, nor does a word count twice. The same text gives the same vector
    on every machine.
    """
    vector = np.zeros(BUCKETS)
    for word in sorted({*_WORD.findall(unicodedata.normalize("NFKC", text).casefold())}):
        for bucket, weight in _features(word):
            vector[bucket] += weight
    length = np.sqrt(np.square(vector).sum())
    return torch.from_numpy((vector / length if length else vector).astype(np.float32))


def encode_captions(texts: Sequence[str]) -> torch.Tensor:
    """Captions as vectors (N, BUCKETS), float32."""
    return torch.stack([encode_caption(text) for text in texts]) if texts else torch.zeros(0, BUCKETS)


@functools.lru_cache(maxsize=1 << 16)
def _features(word: str) -> tuple[tuple[int, float], ...]:
    """(bucket, weight) of a word and of its groups of three letters, which count as much as it does all together.

    The sign is hashed, too, so that words that share a bucket by chance are not drawn together.
    """
    marked = f"<{word}>"
    groups = sorted({marked[start : start + 3] for start in range(len(marked) - 2)})
    weights = {f"word {word}": 1.0, **{f"part {group}": len(groups) ** -0.5 for group in groups}}
    found = []
    for feature, weight in weights.items():
        number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest())
        found.append((number // 2 % BUCKETS, weight if number % 2 else -weight))
    return tuple(found)
