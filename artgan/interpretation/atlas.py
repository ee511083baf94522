"""Maps of pictures: alike lies near alike, every picture in a cell of its own.

Places come from t-SNE (van der Maaten & Hinton 2008), cells from a greedy choice of the nearest free one.
"""

import math

import torch

from artgan.interpretation.draws import Should, Tell, Working, stop_if

PERPLEXITY = 15.0
STEPS = 400
_EXAGGERATED, _EXAGGERATION = 100, 6.0
_DIMENSIONS = 30
_RATE = 0.5


def principal(values: torch.Tensor, most: int) -> torch.Tensor:
    """Rows (N, D) in their `most` principal directions or fewer, (N, K) float64; the sign of each is fixed."""
    centred = values.double() - values.double().mean(0)
    _, sizes, directions = torch.linalg.svd(centred, full_matrices=False)
    kept = max(1, min(most, int((sizes > 1e-9 * sizes[:1]).sum())))
    # The largest entry points up: the same rows give the same map on any machine.
    signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    projected: torch.Tensor = centred @ (directions * signs)[:kept].T
    return projected


def lay_out(values: torch.Tensor, tell: Tell = lambda event: None, should_stop: Should = lambda: False) -> torch.Tensor:
    """Places (N, 2) in [0, 1] for rows (N, D) so that near rows lie near one another; the same rows, the same places.

    Raises:
        Interrupted: `should_stop` said so.
    """
    rows = principal(values, _DIMENSIONS)
    flat = rows[:, :2] if rows.shape[1] > 1 else torch.cat([rows, torch.zeros_like(rows)], 1)
    if len(rows) < 5 or not float(rows.abs().max()):
        return _within(flat)
    wanted = affinities(torch.cdist(rows, rows).square(), min(PERPLEXITY, (len(rows) - 1) / 3))
    places = 1e-2 * flat / flat.std().clamp_min(1e-12)
    speed, gains = torch.zeros_like(places), torch.ones_like(places)
    for step in range(STEPS):
        # Pulled together too strongly at first, so that groups form before they are pushed apart (section 3.4).
        pull = wanted * (_EXAGGERATION if step < _EXAGGERATED else 1.0)
        near = 1 / (1 + torch.cdist(places, places).square())
        near.fill_diagonal_(0)
        force = (pull - near / near.sum()) * near
        gradient = 4 * (force.sum(1, keepdim=True) * places - force @ places)
        gains = torch.where(gradient.sign() == speed.sign(), gains * 0.8, gains + 0.2).clamp_min(0.01)
        speed = (0.5 if step < _EXAGGERATED else 0.8) * speed - _RATE * len(rows) * gains * gradient
        places = places + speed
        places = places - places.mean(0)
        if step % 20 == 0:
            stop_if(should_stop)
            tell(Working("Drawing the map", step, STEPS))
    return _within(places)


def affinities(squared: torch.Tensor, perplexity: float) -> torch.Tensor:
    """How near rows are to one another, (N, N), symmetric with sum 1, from squared distances (N, N), float64.

    The width of each row's Gaussian is found by halving, so that its neighbours count as `perplexity` many (section 2).
    """
    count = len(squared)
    others = ~torch.eye(count, dtype=torch.bool)
    squared = squared[others].view(count, count - 1)
    squared = squared - squared.min(1, keepdim=True).values
    low, high = torch.full((count, 1), -30.0, dtype=torch.float64), torch.full((count, 1), 30.0, dtype=torch.float64)
    scale = squared.mean().clamp_min(1e-12)
    for _ in range(40):
        middle = (low + high) / 2
        shares = (-squared / scale * middle.exp()).softmax(1)
        entropy = -(shares * shares.clamp_min(1e-300).log()).sum(1, keepdim=True)
        wide = entropy > math.log(perplexity)
        low, high = torch.where(wide, middle, low), torch.where(wide, high, middle)
    full = torch.zeros(count, count, dtype=torch.float64)
    full[others] = shares.flatten()
    return (full + full.T) / (2 * count)


def _within(places: torch.Tensor) -> torch.Tensor:
    """Places moved and stretched to fill [0, 1] both ways, but for the farthest percent, which is held at the rim."""
    low, high = places.quantile(0.01, dim=0), places.quantile(0.99, dim=0)
    return ((places - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)


def grid_for(count: int, aspect: float, room: float = 1.3, wide: float = 1.4) -> tuple[int, int]:
    """(columns, rows) of cells of that width by height: `room` times the pictures, all `wide` times as wide as high."""
    cells = max(1.0, room * count)
    columns = max(1, round(math.sqrt(cells * wide / aspect)))
    return columns, max(1, math.ceil(cells / columns))


def assign(places: torch.Tensor, columns: int, rows: int, reach: float = math.inf) -> list[tuple[int, int] | None]:
    """A (column, row) for every place (N, 2) in [0, 1], no two the same; the nearest pairs choose first.

    Args:
        places: (N, 2), to the right and down.
        columns: cells of a row.
        rows: of the grid.
        reach: the farthest, in cells, that a picture may lie from its place; those that find no free cell get None.
    """
    cells = torch.cartesian_prod(torch.arange(columns), torch.arange(rows)).view(-1, 2)
    exact = places * torch.tensor([columns - 1, rows - 1], dtype=places.dtype)
    distances = torch.cdist(exact, cells.to(exact))
    order = distances.flatten().argsort(stable=True).tolist()
    found: list[tuple[int, int] | None] = [None] * len(places)
    free = [True] * len(cells)
    left = min(len(places), len(cells))
    for pair in order:
        picture, cell = divmod(pair, len(cells))
        if not left or float(distances[picture, cell]) > reach:
            break
        if found[picture] is None and free[cell]:
            column, row = cells[cell].tolist()
            found[picture], free[cell] = (column, row), False
            left -= 1
    return found
