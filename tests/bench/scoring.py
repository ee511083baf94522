"""What `--score-every` costs: seconds per score, and their share of the training time.

    python -m tests.bench.scoring [--scores 5] [--preset studio64] [--num 500] [PICTURES]

Trains on PICTURES, or on the painters', and scores every half kimg until there are enough scores. The shares are those
of a training that goes as fast as this one does between its scores.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from torch import nn

import artgan
from artgan.config import ScoreSettings
from artgan.data.painters import paint_collection
from artgan.metrics.features import ScoreProgress
from artgan.training.events import Notice, Scored, Step
from artgan.training.scoring import Scorer

EVERY = 0.5


class Clock:
    """Notices how long every score took, the steps beside them, and the first look at the training pictures."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.steps: list[tuple[float, int]] = []
        self.looked: list[tuple[float, int]] = []
        of_scorer = Scorer.score

        def score(scorer: Scorer, G_ema: nn.Module, nimg: int) -> bool:
            began = time.perf_counter()
            better = of_scorer(scorer, G_ema, nimg)
            self.scores.append(time.perf_counter() - began)
            return better

        setattr(Scorer, "score", score)  # noqa: B010 - the loop's own way to it

    def listen(self, event: object) -> None:
        if isinstance(event, Step):
            self.steps.append((time.perf_counter(), event.nimg))
        elif isinstance(event, ScoreProgress):
            self.looked.append((time.perf_counter(), event.done))
        elif isinstance(event, Notice):
            print(event.text)
        elif isinstance(event, Scored):
            floors = {name: f" (floor {value:.4g})" for name, value in event.floor.items()}
            told = [f"{name} {value:.4g}{floors.get(name, '')}" for name, value in event.values.items()]
            print(f"{event.nimg / 1000:6.2f} kimg  {'  '.join(told)}")

    @property
    def speed(self) -> float:
        """Pictures shown per second beside the scores, from the first step on."""
        (began, first), (ended, last) = self.steps[0], self.steps[-1]
        return (last - first) / (ended - began - sum(self.scores))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="?")
    parser.add_argument("--scores", type=int, default=5)
    parser.add_argument("--preset", default="studio64")
    parser.add_argument("--num", type=int, default=ScoreSettings().num)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        clock = Clock()
        artgan.train(
            args.pictures or paint_collection(Path(temporary) / "paintings", 1500, 64),
            preset=args.preset,
            overrides={"score.num": args.num},
            score_every=EVERY,
            runs_dir=temporary,
            on_event=clock.listen,
            should_stop=lambda: len(clock.scores) >= args.scores,
        )
    if clock.looked:
        seconds = clock.looked[-1][0] - clock.looked[0][0]
        print(f"first look at {clock.looked[-1][1]} training pictures: {seconds:.1f} s, once")
    each = statistics.median(clock.scores)
    print(f"training: {clock.speed:.0f} pictures/s beside the scores")
    print(f"a score of {args.num}: {each:.2f} s (median of {len(clock.scores)}; the longest {max(clock.scores):.2f} s)")
    for kimg in (20, 50):
        print(f"--score-every {kimg}: {each / (each + 1000 * kimg / clock.speed):.2%} of the time")


if __name__ == "__main__":
    main()
