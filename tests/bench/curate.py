"""What `artgan curate` finds, what it takes for something else, and what it costs.

    python -m tests.bench.curate SHARED [--only messy,scans,false,torture,speed,hashes,memory,training]
        [--seeds 1-5] [--sheets FOLDER] [--imagededup PYTHON] [--full] [--minutes 10]

SHARED holds data/ (paintings, pomological, scans, torture) and tools/ (make_messy.py, judge.py). Each part prints its
figures; all but the training are measured when none is named:

    messy     messy folders with their truth, by seeds: copies, variants, scans, broken files
    scans     the place of pictures on composed pages, within 2 %; real scans are drawn into --sheets
    false     copies and variants found among pictures that are none
    torture   531 files that decoders stumble over: traceback, seconds, memory, lines of the manifest
    speed     pictures a second; --imagededup is a Python that can import imagededup, to be compared with its PHash
    hashes    100,000 looks with 2,000 planted pairs
    memory    peak memory for 1,000 and 20,000 files, with --full for 100,000
    training  a training on a messy folder as it is and one on what is left of it, judged against the clean originals

Seen on two cores with others at work: of seeds 1 to 5 all 300 groups kept one picture, 675 of 675 copies, 300 of 300
variants and 59 of 60 scans were known; 96 % of 360 composed scans were within 2 % (82 % of those on a black bed); no
pair among 180 paintings and 1,615 watercolours; all planted pairs in 116 s; 12 kB of memory for each further file.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from artgan.engine.seeds import parse_seeds
from tests.bench.curate_cost import measure_hashes, measure_memory, measure_speed, measure_torture
from tests.bench.curate_scans import measure_scans
from tests.bench.curate_training import measure_training
from tests.bench.curate_truth import measure_false, measure_messy

PARTS = ("messy", "scans", "false", "torture", "speed", "hashes", "memory", "training")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shared", type=Path)
    parser.add_argument("--only", default=",".join(PARTS[:-1]))
    parser.add_argument("--seeds", default="1-5")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--imagededup")
    parser.add_argument("--pictures", type=int, default=720)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--full", action="store_true")
    args = parser.parse_args()
    chosen = args.only.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    counts = (1_000, 20_000, 100_000) if args.full else (1_000, 20_000)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        parts: dict[str, Callable[[], None]] = {
            "messy": lambda: measure_messy(args.shared, work, parse_seeds(args.seeds)),
            "scans": lambda: measure_scans(args.shared / "data", work, args.sheets),
            "false": lambda: measure_false(args.shared),
            "torture": lambda: measure_torture(args.shared, work),
            "speed": lambda: measure_speed(args.shared, work, args.pictures, args.rounds, args.imagededup),
            "hashes": measure_hashes,
            "memory": lambda: measure_memory(work, counts),
            "training": lambda: measure_training(args.shared, work, args.minutes),
        }
        for name in chosen:
            print(name, flush=True)
            parts[name]()


if __name__ == "__main__":
    main()
