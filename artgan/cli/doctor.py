"""`artgan doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from artgan.cli.options import Json
from artgan.cli.screen import give_json, give_table, say


def doctor(
    as_json: Json = False,
    seconds: Annotated[float, typer.Option(min=0, help="Length of the speed test; 0 leaves it out.")] = 5.0,
    distributed: Annotated[
        bool, typer.Option("--distributed", help="Look at the processes that torchrun started, and between them.")
    ] = False,
    runs_dir: Annotated[
        Path, typer.Option("--runs", help="With --distributed: the folder of runs, which all machines should see.")
    ] = Path("runs"),
) -> None:
    """Look at this machine: versions, device and why, threads, caches, disk, speed; with a hint for what is wrong.

    Example: artgan doctor
    """
    if distributed:
        from artgan.training.team import diagnose_team

        checks = diagnose_team(runs_dir)
    else:
        from artgan.engine.doctor import diagnose

        checks = diagnose(seconds)
    if as_json:
        give_json(checks)
        return
    give_table(["", "", ""], [["ok" if check.well else "!!", check.name, check.found] for check in checks])
    for check in checks:
        if not check.well:
            say(f"{check.name}: {check.hint}", "yellow")
    if all(check.well for check in checks):
        say("All is well.", "green")
