"""Inception Score: are single pictures clear, and all of them varied? Only the 2015 network's logits give *the* IS."""

import math

import torch

from artgan.metrics.frechet import check_features


def inception_score(logits: torch.Tensor) -> float:
    """The exponential of the mean KL(p(y|x) || p(y)), 1 to the number of classes (Salimans et al. 2016).

    The whole set counts at once: the usual ten splits make it smaller, the more so the fewer pictures there are.

    Args:
        logits: (N, K) of a classifier, before the softmax.

    Raises:
        UsageError: fewer than 2 rows, or numbers that are not finite.
    """
    check_features(logits)
    log_each = logits.double().log_softmax(1)
    log_all = log_each.logsumexp(0) - math.log(len(logits))
    return math.exp(float((log_each.exp() * (log_each - log_all)).sum(1).mean()))
