"""`artgan cache list` and `artgan cache clear`."""

import typer

from artgan.cli.options import Json
from artgan.cli.screen import give_json, give_table, say

app = typer.Typer(help="Decoded pictures kept on disk.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the sets of decoded pictures.

    Example: artgan cache list
    """
    from artgan.data.cache import list_cache
    from artgan.engine.storage import cache_folder

    entries = list_cache()
    if as_json:
        give_json(entries)
        return
    total = sum(entry.bytes for entry in entries)
    say(f"{cache_folder()}: {len(entries)} sets, {total / 2**20:.1f} MiB.")
    if entries:
        rows = [[e.source, f"{e.pictures:,}", e.shape, f"{e.bytes / 2**20:.1f}"] for e in entries]
        give_table(["pictures from", "count", "height x width x channels", "MiB"], rows)


@app.command()
def clear() -> None:
    """Remove all decoded pictures; they are made again when needed.

    Example: artgan cache clear
    """
    from artgan.data.cache import clear_cache

    say(f"{clear_cache() / 2**20:.1f} MiB freed.")
