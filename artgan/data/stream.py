"""The order in which pictures of shards are shown: a function of seed and position, mixed among a few shards at a time.

Every pass through the set takes the shards in a new order, and cuts them into groups that hold as many pictures as are
to be mixed; the pictures of a group are shown in an order drawn for it. So only the shards of one group are needed at a
time, and nothing has to be remembered to go on from any position.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from artgan.engine.seeds import Streams


@dataclass(frozen=True)
class _Turn:
    """One pass: the shards of each of its groups, and the place in the pass where each begins."""

    groups: list[NDArray[np.int64]]
    starts: NDArray[np.int64]


class ShuffledShards:
    """Rows of pictures in an endless order, each once per pass."""

    def __init__(self, counts: NDArray[np.int64], shuffle: int, streams: Streams) -> None:
        """Plan nothing yet.

        Args:
            counts: pictures in each shard, (shards,), all above 0.
            shuffle: pictures that are mixed together, at least; fewer only where there are no more.
            streams: of the seed that the order hangs on.
        """
        self._counts, self._shuffle, self._streams = counts, shuffle, streams
        self._ends = counts.cumsum()
        self._total = int(self._ends[-1])
        self._turns: dict[int, _Turn] = {}
        self._mixed: dict[tuple[int, int], NDArray[np.int64]] = {}

    def rows(self, position: int, size: int) -> NDArray[np.int64]:
        """Which pictures lie at `position` to `position + size` of the endless order."""
        pieces = [self._mix(turn, group)[inside] for turn, group, inside in self._pieces(position, size)]
        return np.concatenate(pieces)

    def shards(self, position: int, size: int) -> list[int]:
        """The shards that these pictures lie in, and then those of the group that comes after."""
        groups = [(turn, group) for turn, group, _ in self._pieces(position, size)]
        turn, group = groups[-1]
        groups.append((turn, group + 1) if group + 1 < len(self._turn(turn).groups) else (turn + 1, 0))
        return [*dict.fromkeys(number for turn, group in groups for number in self._turn(turn).groups[group].tolist())]

    def first(self) -> list[int]:
        """The shards of the first group."""
        found: list[int] = self._turn(0).groups[0].tolist()
        return found

    def rows_of(self, numbers: list[int]) -> NDArray[np.int64]:
        """The rows of some shards, shard after shard."""
        return np.concatenate([np.arange(self._ends[n] - self._counts[n], self._ends[n]) for n in numbers])

    def _pieces(self, position: int, size: int) -> Iterator[tuple[int, int, slice]]:
        """The turns and groups that a stretch of the order crosses, and the part of each that lies in it."""
        end = position + size
        while position < end:
            number, place = divmod(position, self._total)
            turn = self._turn(number)
            group = int(np.searchsorted(turn.starts, place, side="right")) - 1
            start = int(turn.starts[group])
            whole = int(self._counts[turn.groups[group]].sum())
            stop = min(place + end - position, start + whole)
            yield number, group, slice(place - start, stop - start)
            position += stop - place

    def _turn(self, number: int) -> _Turn:
        if number not in self._turns:
            # Only the neighbouring passes are ever asked for.
            self._turns = {turn: plan for turn, plan in self._turns.items() if abs(turn - number) <= 1}
            order = torch.randperm(len(self._counts), generator=self._streams.generator("shards", number)).numpy()
            edges, held = [0], 0
            for place, count in enumerate(self._counts[order].tolist(), 1):
                held += count
                if held >= self._shuffle:
                    edges.append(place)
                    held = 0
            # The shards that are left over are too few to be mixed among themselves: they join the last group.
            edges = [*(edges[:-1] if len(edges) > 1 else edges), len(order)]
            groups = np.split(order, edges[1:-1])
            sizes = [int(self._counts[group].sum()) for group in groups]
            self._turns[number] = _Turn(groups, np.cumsum([0, *sizes[:-1]]))
        return self._turns[number]

    def _mix(self, turn: int, group: int) -> NDArray[np.int64]:
        """The rows of a group in the order in which they are shown."""
        if (turn, group) not in self._mixed:
            while len(self._mixed) > 1:  # a batch lies in one group or two
                self._mixed.pop(next(iter(self._mixed)))
            plan = self._turn(turn)
            rows = self.rows_of(plan.groups[group].tolist())
            at = turn * self._total + int(plan.starts[group])
            mixed = torch.randperm(len(rows), generator=self._streams.generator("shuffle", at)).numpy()
            self._mixed[turn, group] = rows[mixed]
        return self._mixed[turn, group]
