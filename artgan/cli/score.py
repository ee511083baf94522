"""`artgan score`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import give, give_json, give_table, quiet_native_code, say, stop_signals, visible

if TYPE_CHECKING:
    from artgan.metrics.figures import Figure
    from artgan.metrics.score import ScoreResult


def score(
    run: Annotated[
        str | None, typer.Argument(help="Run to sample and score; the latest by default. RUN@KIMG is one checkpoint.")
    ] = None,
    real: Annotated[
        str | None,
        typer.Option(help="Folder, zip, .npz, or a run: what it was trained on. By default that of RUN."),
    ] = None,
    fake: Annotated[str | None, typer.Option(help="Folder, zip, .npz, run, RUN@KIMG, .safetensors or .artgan.")] = None,
    every: Annotated[bool, typer.Option("--every", help="Score all checkpoints of the run.")] = False,
    num: Annotated[int, typer.Option(help="Samples to draw from a generator, from seed 0 up.")] = 2000,
    features: Annotated[str, typer.Option(help="artgan, inception, vgg19 or random:SEED.")] = "artgan",
    weights: Annotated[Path | None, typer.Option(help="File of the weights of inception or vgg19.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report with pictures here.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the statistics of the real side to this .npz.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bf16"], typer.Option(help="bf16 is faster where the device has it.")
    ] = "float32",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Measure how near samples come to real pictures: distance, quality, variety, copies.

    Example: artgan score --real ./paintings --fake ./samples --html score.html
    """
    from tqdm import tqdm

    from artgan.metrics.score import score as library_score

    with (
        stop_signals() as should_stop,
        quiet_native_code(),
        tqdm(unit="picture", delay=1, leave=False, disable=None) as bar,
    ):

        def screen(event: Any) -> None:
            done, total = getattr(event, "done", None), getattr(event, "total", None)
            if done is None or total is None:
                return  # what the training pictures are like was told when they were trained on
            bar.set_description_str(visible(getattr(event, "name", "Reading pictures"))[-40:], refresh=False)
            if done < bar.n:
                bar.reset()
            bar.total = total
            bar.update(done - bar.n)

        result = library_score(
            run,
            real=real,
            fake=fake,
            every=every,
            num=num,
            features=features,
            weights=weights,
            html=html,
            save=save,
            overwrite=overwrite,
            runs_dir=runs_dir,
            device=device,
            precision=precision,
            on_event=screen,
            should_stop=should_stop,
        )
    if as_json:
        give_json(result)
        return
    _tell(result)


def _tell(result: "ScoreResult") -> None:
    view = "at their own size" if result.view is None else f"at {result.view[0]} x {result.view[1]} px"
    last = result.sets[-1]
    say(f"Real: {result.real}, {result.real_count:,} pictures. Features: {result.features}, {view}.")
    if len(result.sets) == 1:
        count = f"{last.count:,} pictures" if last.count else "saved statistics"
        say(f"Samples: {last.name}, {count}.")
        rows = [
            [figure.name, _value(figure), _number(figure.floor), figure.better, figure.meaning]
            for figure in last.figures
        ]
        give_table(["figure", "value", "floor", "better", "what it says"], rows)
        if last.classes:
            give("")
            give_table(
                ["class", "distance", "floor", "real", "samples"],
                [[c.name, _number(c.value), _number(c.floor), str(c.real), str(c.fake)] for c in last.classes],
            )
    else:
        columns = [figure.name for figure in last.figures]
        table = [[one.name, *(_number(figure.value) for figure in one.figures)] for one in result.sets]
        floors = ["floor", *(_number(figure.floor) for figure in last.figures)]
        give_table(["samples", *columns], [*table, floors])
    if result.floor_counts is not None:
        say("Floor: {:,} real pictures against {:,} others of them.".format(*result.floor_counts))
    for note in result.notes:
        say(note, "yellow")
    if result.saved is not None:
        say(f"Statistics of the real side: {result.saved}")
    if result.html is not None:
        give(str(result.html))


def _value(figure: "Figure") -> str:
    if figure.low is None or figure.high is None:
        return _number(figure.value)
    return f"{_number(figure.value)} ({_number(figure.low)} to {_number(figure.high)})"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"
