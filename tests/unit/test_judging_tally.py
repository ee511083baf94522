"""What raters answered, joined with what they saw; and answers that were edited by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import artgan
from artgan.errors import UsageError
from artgan.judging.figures import wilson
from tests.judging import answer, key_of, likes, sees, write_key

PAIRS = key_of(["ab", "ba", "ab", "ba", "ab", "ba", "ab", "ba", "ba", "ab"], repeats={8: 0, 9: 1})
SINGLES = key_of(["a", "b", "a", "b", "a", "b", "a", "b", "a"], "turing", repeats={8: 0})


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """The key of eight pairs, two of them asked again with their sides switched."""
    return write_key(tmp_path / "judge.key.json", PAIRS)


@pytest.fixture
def singles(tmp_path: Path) -> Path:
    """The key of eight single pictures, one of them asked again."""
    return write_key(tmp_path / "judge.key.json", SINGLES)


def shares(result: Any) -> dict[str, Any]:
    return {share.name: share for share in result.shares}


def test_a_preference_is_found_wherever_it_stood(pairs: Path, tmp_path: Path) -> None:
    result = artgan.tally(answer(pairs, tmp_path / "answers.json", likes("a")))
    found = shares(result)
    assert (found["preferred"].chosen, found["preferred"].answers, found["preferred"].value) == (8, 8, 1.0)
    assert (found["preferred"].low, found["preferred"].high) == wilson(8, 8)
    assert found["left"].value == 0.5
    assert result.p == pytest.approx(2 / 2**8)
    assert (result.same, result.twice) == (2, 2)
    assert (result.a, result.b, result.questions, result.answers) == ("run one", "run two", 8, 8)
    assert result.kappa is None
    assert result.d_prime is None
    assert result.raters[0].seconds == 1.5


def test_who_always_takes_the_left_one_contradicts_themself(pairs: Path, tmp_path: Path) -> None:
    result = artgan.tally(answer(pairs, tmp_path / "answers.json", lambda shown: "left"))
    assert shares(result)["preferred"].value == 0.5
    assert shares(result)["left"].value == 1.0
    assert (result.same, result.twice) == (0, 2)
    assert result.p == 1.0


def test_skips_are_counted_apart(pairs: Path, tmp_path: Path) -> None:
    half = likes("a")
    path = answer(pairs, tmp_path / "answers.json", lambda shown: "skip" if shown["id"] < "q4" else half(shown))
    result = artgan.tally(path)
    assert (result.answers, result.skipped) == (4, 4)
    assert shares(result)["preferred"].answers == 4
    assert result.raters[0].skipped == 4
    everything = artgan.tally(answer(pairs, path, lambda shown: "skip"))
    assert everything.shares == ()
    assert everything.p is None


def test_answers_that_are_missing_count_for_nothing(pairs: Path, tmp_path: Path) -> None:
    taste = likes("b")
    path = answer(pairs, tmp_path / "answers.json", lambda shown: taste(shown) if shown["id"] < "q3" else None)
    result = artgan.tally(path)
    assert shares(result)["preferred"].answers == 3
    assert shares(result)["preferred"].value == 0.0
    assert result.twice == 0
    assert "5 questions were left unanswered; the others count." in result.notes


def test_agreement_of_raters(pairs: Path, tmp_path: Path) -> None:
    files = [
        answer(pairs, tmp_path / "answers-1.json", likes("a"), "anna"),
        answer(pairs, tmp_path / "answers-2.json", likes("a"), "bert"),
        answer(pairs, tmp_path / "answers-3.json", likes("b"), "carl"),
    ]
    result = artgan.tally(files)
    by_name = {rater.rater: rater for rater in result.raters}
    assert by_name["anna"].with_others == 0.5
    assert by_name["carl"].with_others == 0.0
    assert by_name["carl"].share == 0.0
    # Of the three pairs of raters one agrees: 1/3; by chance 5/9 would.
    assert result.kappa == pytest.approx((1 / 3 - 5 / 9) / (1 - 5 / 9))
    assert result.shared == 8
    assert shares(result)["preferred"].value == pytest.approx(2 / 3)
    assert result.p == pytest.approx(2 / 2**8)  # each question by its majority
    low, high = wilson(16, 24)
    assert shares(result)["preferred"].low < low
    assert shares(result)["preferred"].high > high
    assert any("3 raters" in note for note in result.notes)


def test_fooling_rate(singles: Path, tmp_path: Path) -> None:
    fooled = answer(singles, tmp_path / "answers-1.json", lambda shown: "painted", "anna")
    result = artgan.tally(fooled)
    assert {name: share.value for name, share in shares(result).items()} == {
        "fooled": 1.0,
        "recognised": 1.0,
        "right": 0.5,
    }
    assert result.d_prime == 0
    sharp = artgan.tally(answer(singles, tmp_path / "answers-1.json", sees, "anna"))
    assert shares(sharp)["fooled"].value == 0.0
    assert shares(sharp)["recognised"].value == 1.0
    assert sharp.d_prime is not None
    assert sharp.d_prime > 2
    both = artgan.tally([fooled, answer(singles, tmp_path / "answers-2.json", lambda shown: "painted", "bert")])
    assert shares(both)["fooled"].value == 0.5
    assert both.raters[0].share == 1.0
    assert both.raters[1].share == 0.5


def test_of_two_files_of_a_rater_the_later_counts(pairs: Path, tmp_path: Path) -> None:
    late = answer(pairs, tmp_path / "answers-1.json", likes("a"), hour=18)
    early = answer(pairs, tmp_path / "answers-2.json", likes("b"), hour=9)
    for given in ([late, early], [early, late]):
        result = artgan.tally(given)
        assert shares(result)["preferred"].value == 1.0
        assert len(result.raters) == 1
        assert f"{late} counts for 'anna', not {early}, which was saved before." in result.notes


def test_patterns_and_keys_are_found(pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**PAIRS, "ballot": "c" * 24}
    write_key(tmp_path / "another.key.json", other)
    (tmp_path / "broken.key.json").write_text("[")
    sent = tmp_path / "sent"
    sent.mkdir()
    answer(pairs, sent / "answers-1.json", likes("a"), "anna")
    answer(pairs, sent / "answers-2.json", likes("a"), "bert")
    monkeypatch.chdir(tmp_path)
    assert len(artgan.tally("sent/answers*.json").raters) == 2
    pairs.unlink()
    with pytest.raises(UsageError, match=r"The key of the ballot that .*answers-1.json answers is not here"):
        artgan.tally("sent/answers*.json")
    with pytest.raises(UsageError, match="another ballot"):
        artgan.tally("sent/answers*.json", key="another.key.json")
    with pytest.raises(UsageError, match=r"no answers at nothing\*\.json"):
        artgan.tally("nothing*.json")


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """A change of the JSON of a file."""

    def edit(text: str) -> str:
        values = json.loads(text)
        change(values)
        return json.dumps(values)

    return edit


def first(**values: object) -> Callable[[str], str]:
    """A change of the first answer."""
    return edited(lambda whole: whole["answers"][0].update(values))


EDITS: list[tuple[str, Callable[[str], str], str]] = [
    ("cut short", lambda text: text[: len(text) // 2], "cut short or no JSON"),
    ("empty", lambda text: "", "cut short or no JSON"),
    ("no object", lambda text: "[1, 2]", "is no file of answers"),
    ("deep", lambda text: "[" * 100_000, "nested too deeply"),
    ("binary", lambda text: "\x00\x01", "is no file of answers"),
    ("another ballot", edited(lambda whole: whole.update(ballot="c" * 24)), "answers another ballot"),
    ("another kind", edited(lambda whole: whole.update(kind="recipe")), "kind"),
    ("of the future", edited(lambda whole: whole.update(format=2)), "format"),
    ("no rater", edited(lambda whole: whole.pop("rater")), "rater"),
    ("a number for a rater", edited(lambda whole: whole.update(rater=7)), "rater"),
    ("no date", edited(lambda whole: whole.update(saved="yesterday")), "saved"),
    ("no list", edited(lambda whole: whole.update(answers={"q0": "left"})), "answers"),
    ("too many", edited(lambda whole: whole.update(answers=whole["answers"] * 300)), "answers"),
    ("twice", edited(lambda whole: whole["answers"].append(whole["answers"][0])), "answers 'q0' twice"),
    ("not asked", first(question="q77"), "answers 'q77', which this ballot does not ask"),
    ("no choice", first(answer="up"), "answers.0.answer"),
    ("of the other mode", first(answer="painted"), "with 'painted', which was no choice"),
    ("huge", first(ms=10**30), "answers.0.ms"),
    ("negative", first(ms=-1), "answers.0.ms"),
    ("not a number", first(ms=float("nan")), "answers.0.ms"),
    ("a text", first(ms="fast"), "answers.0.ms"),
    ("true", first(ms=True), "answers.0.ms"),
]


@pytest.mark.parametrize(("edit", "told"), [pytest.param(edit, told, id=name) for name, edit, told in EDITS])
def test_answers_edited_by_hand(pairs: Path, tmp_path: Path, edit: Callable[[str], str], told: str) -> None:
    whole = answer(pairs, tmp_path / "answers-1.json", likes("a"), "anna")
    path = answer(pairs, tmp_path / "answers-2.json", likes("a"), "bert")
    path.write_text(edit(path.read_text()))
    with pytest.raises(UsageError) as caught:
        artgan.tally([whole, path])
    assert str(path) in caught.value.message
    assert told in caught.value.message
    assert len(caught.value.message) < len(str(path)) + 300
    assert caught.value.message.count("\n") == 0
    assert caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda key: key["questions"][0].update(sides="aa"),
        lambda key: key["questions"][0].update(sides="a"),
        lambda key: key["questions"][8].update(repeats="q77"),
        lambda key: [each.update(repeats=each["id"]) for each in key["questions"]],
        lambda key: key["questions"][1].update(id="q0"),
        lambda key: key.update(questions=[]),
        lambda key: key.update(mode="triples"),
        lambda key: key.pop("a"),
    ],
)
def test_keys_edited_by_hand(pairs: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = answer(pairs, tmp_path / "answers.json", likes("a"))
    pairs.write_text(edited(change)(pairs.read_text()))
    with pytest.raises(UsageError, match=r"judge\.key\.json"):
        artgan.tally(path)


def test_files_that_are_not_there(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no answers at .*nowhere\.json"):
        artgan.tally(tmp_path / "nowhere.json")
    with pytest.raises(UsageError, match="it is not a file"):
        artgan.tally(tmp_path)
    with pytest.raises(UsageError, match=r"other\.key\.json cannot be read"):
        artgan.tally(answer(pairs, tmp_path / "answers.json", likes("a")), key=tmp_path / "other.key.json")
    with pytest.raises(UsageError, match="holds no answers"):
        artgan.tally(answer(pairs, tmp_path / "answers.json", lambda shown: None))
    with pytest.raises(UsageError, match="No answers are named"):
        artgan.tally([])
