"""Pictures a second of every school, in one process: `python tests/bench/painters.py [SIDE] [SECONDS]`."""

import sys
import time

from artgan.data.painters import SCHOOLS, paint


def rate(school: str, side: int, seconds: float) -> float:
    """Pictures a second of one school at side x side pixels, once its grain has been cut."""
    paint(school, 0, side)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        count += 1
        paint(school, count, side)
    return count / elapsed


def main() -> None:
    """Measure and print."""
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    rates = {school: rate(school, side, seconds) for school in SCHOOLS}
    for school, pictures in rates.items():
        print(f"{school:14s} {pictures:7.1f} pictures/s")
    print(f"{'all':14s} {len(rates) / sum(1 / pictures for pictures in rates.values()):7.1f} pictures/s at {side} px")


if __name__ == "__main__":
    main()
