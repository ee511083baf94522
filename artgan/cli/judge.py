"""`artgan judge`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from artgan.cli.options import Json, RunsDir
from artgan.cli.screen import give, give_json, give_table, quiet_native_code, say, stop_signals, visible
from artgan.errors import UsageError

if TYPE_CHECKING:
    from artgan.judging.judge import BallotResult
    from artgan.judging.tally import TallyResult


def judge(
    sides: Annotated[
        list[str],
        typer.Argument(help="Two runs, .safetensors, .artgan, folders or zips, or one run; with --tally, the answers."),
    ],
    count: Annotated[bool, typer.Option("--tally", help="Count the answers that people saved.")] = False,
    key: Annotated[Path | None, typer.Option(help="The .key.json of the page, for --tally; found when near.")] = None,
    mode: Annotated[
        Literal["pairs", "turing"] | None,
        typer.Option(help="pairs: which is better? turing: painted or generated? For one run alone, turing."),
    ] = None,
    num: Annotated[int, typer.Option(help="Questions; a tenth of them is asked twice.")] = 60,
    size: Annotated[int | None, typer.Option(help="Longer side of all pictures in pixels.")] = None,
    question: Annotated[str | None, typer.Option(help="What to ask instead.")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="Show this class alone.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one chooses other pictures.")] = 0,
    out: Annotated[Path, typer.Option("-o", "--out", help="The page.")] = Path("judge.html"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    runs_dir: RunsDir = Path("runs"),
    as_json: Json = False,
) -> None:
    """Let people judge: a page of blind pairs, or of single pictures that are painted or generated.

    Example: artgan judge 0 1, and later: artgan judge --tally answers*.json
    """
    if count:
        from artgan.judging.tally import tally as library_tally

        found = library_tally(sides, key=key)
        if as_json:
            give_json(found)
        else:
            _tell_tally(found)
        return
    if len(sides) > 2:
        raise UsageError(f"{len(sides)} things are named, and two can be compared.", "To count answers, add --tally.")

    from tqdm import tqdm

    from artgan.judging.judge import judge as library_judge

    with (
        stop_signals() as should_stop,
        quiet_native_code(),
        tqdm(unit="picture", delay=1, leave=False, disable=None) as bar,
    ):

        def screen(event: Any) -> None:
            if (ready := getattr(event, "count", None)) is not None:
                bar.set_description_str(visible(event.name)[-40:], refresh=False)
                bar.update(ready)

        written = library_judge(
            sides[0],
            sides[1] if len(sides) > 1 else None,
            mode=mode,
            num=num,
            size=size,
            question=question,
            class_name=class_name,
            seed=seed,
            out=out,
            overwrite=overwrite,
            runs_dir=runs_dir,
            device=device,
            on_event=screen,
            should_stop=should_stop,
        )
    if as_json:
        give_json(written)
    else:
        _tell_page(written)


def _tell_page(result: "BallotResult") -> None:
    against = "the real pictures are" if result.mode == "turing" else "against"
    say(f"{result.a}, {against} {result.b}: {result.questions} questions, {result.repeats} of them asked twice.")
    say(f"All pictures are {result.size[0]} x {result.size[1]} px.")
    for note in result.notes:
        say(note, "yellow")
    say(
        f"Send {result.page.name} to people, keep {result.key.name} to yourself, "
        "and count what they send back: artgan judge --tally answers*.json"
    )
    give(str(result.page))


def _tell_tally(result: "TallyResult") -> None:
    say(f"A is {result.a}, B is {result.b}. {result.question}")
    raters = f"{len(result.raters)} rater{'s' if len(result.raters) > 1 else ''}"
    say(f"{result.answers} answers of {raters} to {result.questions} questions; {result.skipped} chose neither.")
    rows = []
    for one in result.shares:
        interval = f"{one.low:.1%} to {one.high:.1%}"
        rows.append([one.name, f"{one.value:.1%}", interval, f"{one.chosen} of {one.answers}", one.meaning])
    give_table(["share", "value", "95 % interval", "answers", "what it says"], rows)
    give("")
    lines = [
        ["p", _number(result.p, ".2g"), "How often chance alone would part the questions so unevenly."],
        ["d'", _number(result.d_prime), "How far apart both kinds are to the eye; 0 is not at all, above 2 plainly."],
        ["kappa", _number(result.kappa), f"Agreement of raters on {result.shared} questions; 0 is chance, 1 complete."],
        ["same again", f"{result.same}/{result.twice}", "Questions asked twice that were answered alike."],
    ]
    give_table(["figure", "value", "what it says"], [line for line in lines if line[1] not in ("-", "0/0")])
    give("")
    told = "prefers A" if result.mode == "pairs" else "right"
    give_table(
        ["rater", told, "answered", "chose neither", "same again", "as others", "seconds"],
        [
            [
                one.rater,
                _number(one.share, ".0%"),
                str(one.answered),
                str(one.skipped),
                f"{one.same}/{one.twice}",
                _number(one.with_others, ".0%"),
                f"{one.seconds:.1f}",
            ]
            for one in result.raters
        ],
    )
    for note in result.notes:
        say(note, "yellow")


def _number(value: float | None, form: str = ".2f") -> str:
    return "-" if value is None else format(value, form)
