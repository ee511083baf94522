"""The `artgan` program: its commands, and the one place where errors become sentences and exit codes."""

import errno
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

import artgan
from artgan.cli import (
    again,
    breed,
    cache,
    curate,
    demo,
    doctor,
    explore,
    export,
    interpret,
    judge,
    mix,
    pack,
    presets,
    progress,
    project,
    runs,
    sample,
    score,
    style_train,
    stylize,
    train,
    walk,
    weights,
)
from artgan.cli.screen import say
from artgan.engine import processes
from artgan.errors import ArtganError, StorageError, UsageError

_debug = False
_voice: TextIO | None = None  # stderr, while it is hushed
SHARED = {"train", "resume", "score", "curate", "doctor"}
"""Commands that several processes can do together."""
# Threads of PyTorch that wait for one another shall spin only briefly and then sleep: beside two busy programs on two
# cores, a step of painting took 0.27 s so, and over 3 s without; on an idle machine both take 0.12 s. (OMP_WAIT_POLICY
# PASSIVE, which never spins, takes 0.18 s there.) GNU's OpenMP, in torch for Linux, reads it when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "100000")


class ArtganGroup(TyperGroup):
    """Renders an ArtganError as one sentence and one hint, and exits with its code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ArtganError as error:
            _speak_up()
            if _debug:
                traceback.print_exc()
            say(error.message, "yellow" if error.exit_code == 130 else "bold red")
            say(error.hint)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            if error.filename is None or error.errno == errno.EPIPE:
                raise
            _speak_up()
            say(f"{error.filename}: {error.strerror}.", "bold red")
            say("Check the path and its permissions.")
            raise typer.Exit(StorageError.exit_code) from error
        except KeyboardInterrupt as error:
            say("Stopped at once. What was saved before is whole.", "yellow")
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=ArtganGroup,
    name="artgan",
    help="From a folder of pictures to finished generative art: on a laptop, a Mac or a GPU, with no network.",
    epilog="Start with: artgan demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"artgan {artgan.__version__}")  # noqa: T201
        raise typer.Exit


def _hush() -> None:
    """Say nothing more, on stdout or stderr."""
    global _voice  # noqa: PLW0603 - one process has one voice
    _voice = sys.stderr
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - until the process ends


def _speak_up() -> None:
    """Of several processes that do one job, let the first that meets an error say it; the others need not repeat it."""
    if not processes.launched():
        return
    if processes.first_to_tell():
        sys.stderr = _voice or sys.stderr
    else:
        _hush()


@app.callback()
def options(
    ctx: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hold the options that stand before the command."""
    global _debug  # noqa: PLW0603 - one process runs one command
    _debug = debug
    if processes.launched():
        if not processes.leads():
            _hush()
        if ctx.invoked_subcommand not in SHARED:
            raise UsageError(
                f"artgan {ctx.invoked_subcommand} is the work of one process, and torchrun started {processes.size()}.",
                f"Start it without torchrun; {', '.join(sorted(SHARED))} share their work.",
            )


app.command("demo")(demo.demo)
app.command("curate")(curate.curate)
app.command("train")(train.train)
app.command("resume")(train.resume)
app.command("sample")(sample.sample)
app.command("walk")(walk.walk)
app.command("breed")(breed.breed)
app.command("project")(project.project)
app.add_typer(explore.app, name="explore")
app.command("mix")(mix.mix)
app.command("stylize")(stylize.stylize)
app.command("style-train")(style_train.style_train)
app.command("again")(again.again)
app.command("score")(score.score)
app.command("judge")(judge.judge)
app.command("interpret")(interpret.interpret)
app.command("progress")(progress.progress)
app.command("export")(export.export)
app.command("pack")(pack.pack)
app.command("runs")(runs.runs)
app.add_typer(presets.app, name="presets")
app.add_typer(cache.app, name="cache")
app.add_typer(weights.app, name="weights")
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the program; a bug ends with exit code 1 and a log."""
    try:
        app()
    except Exception:
        _speak_up()
        if _debug:
            raise
        say("artgan made a mistake of its own (a bug).", "bold red")
        say(f"The log is {_write_log()}; please send it along with a report. `artgan --debug ...` shows it here.")
        sys.exit(1)


def _write_log() -> str:
    import platformdirs

    from artgan.engine.storage import atomic_write

    path = platformdirs.user_log_path("artgan") / f"bug-{time.strftime('%Y%m%d-%H%M%S')}.log"
    text = f"artgan {artgan.__version__}\n{sys.argv}\n\n{traceback.format_exc()}"
    try:
        atomic_write(path, text)
    except ArtganError:
        sys.stderr.write(text)  # nowhere to write: better here than lost
        return "above"
    return str(path)
