"""`artgan weights list` and `artgan weights get`."""

from typing import Annotated

import typer

from artgan.cli.options import Json
from artgan.cli.screen import give, give_json, give_table, say

app = typer.Typer(
    help="Weights that are no part of artgan: which there are, and a way to fetch them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the weights that artgan can use but does not need, and where they are on this machine.

    Example: artgan weights list
    """
    from artgan.engine.weights import list_weights, size_in_words

    entries = list_weights()
    if as_json:
        give_json(entries)
        return
    rows = [[e.name, size_in_words(e.bytes), e.licence, str(e.path or "not here"), e.purpose] for e in entries]
    give_table(["name", "size", "licence", "where", "for"], rows)


@app.command()
def get(name: Annotated[str, typer.Argument(help="inception or vgg19.")]) -> None:
    """Fetch weights over the network, check them, and keep them for good.

    Example: artgan weights get inception
    """
    from tqdm import tqdm

    from artgan.engine.weights import DownloadProgress, get_weights

    fetched = False
    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar:

        def draw(progress: DownloadProgress) -> None:
            nonlocal fetched
            fetched = True
            bar.total = progress.total
            bar.update(progress.done - bar.n)

        path = get_weights(name, draw)
    say(f"The weights of {name} are fetched and whole." if fetched else f"The weights of {name} are here already.")
    give(str(path))
