"""`artgan runs`."""

from pathlib import Path

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import give_json, give_table, say


def runs(runs_dir: RunsDir = Path("runs"), as_json: Json = False) -> None:
    """List the runs: how far they are, how fast they went, on what pictures.

    Example: artgan runs
    """
    from artgan.training.overview import overview

    found = overview(runs_dir)
    if as_json:
        give_json(found)
    elif not found:
        say(f"There is no run in {runs_dir} yet; `artgan train FOLDER` makes one.")
    else:
        columns = ["run", "kimg", "of", "size", "img/s", "pictures", "state"]
        rows = [
            [
                run.name,
                f"{run.kimg:.1f}",
                f"{run.total_kimg:g}",
                run.size,
                f"{run.images_per_second:.0f}",
                f"{Path(run.data).name} ({run.pictures:,})",
                run.state,
            ]
            for run in found
        ]
        give_table(columns, rows)
