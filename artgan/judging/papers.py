"""The two files that meet in a tally: the key, which says what was shown, and the answers of a rater.

Both may have been edited by hand, so that nothing in them is believed before it is checked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from artgan.engine.pages import short
from artgan.engine.storage import read_json
from artgan.errors import UsageError

Mode = Literal["pairs", "turing"]
Answer = Literal["left", "right", "painted", "generated", "skip"]
ANSWERS: Mapping[Mode, tuple[Answer, ...]] = {
    "pairs": ("left", "right", "skip"),
    "turing": ("painted", "generated", "skip"),
}
MOST_QUESTIONS = 1000
MOST_BYTES = 1 << 24
DAY_MS = 86_400_000
AGAIN = "Ask the rater to save the answers again, or leave this file out."
Id = Annotated[StrictStr, Field(min_length=1, max_length=64)]
Form = TypeVar("Form", bound=BaseModel)
Words = Annotated[StrictStr, Field(max_length=4096)]


class Shown(BaseModel):
    """A question: the sides it showed from left to right, their pictures, and the question that it asks again."""

    model_config = ConfigDict(frozen=True)

    id: Id
    sides: Literal["ab", "ba", "a", "b"]
    pictures: tuple[Words, ...]
    repeats: Id | None = None


class Key(BaseModel):
    """What a ballot showed, question by question: the file to keep until the answers are in."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["artgan judge key"] = "artgan judge key"
    format: Annotated[StrictInt, Field(ge=1, le=1)] = 1
    artgan: Words
    ballot: Id
    mode: Mode
    question: Words
    a: Words
    b: Words
    questions: Annotated[tuple[Shown, ...], Field(min_length=1, max_length=2 * MOST_QUESTIONS)]


class Answered(BaseModel):
    """An answer, and the milliseconds it took."""

    model_config = ConfigDict(frozen=True)

    question: Id
    answer: Answer
    ms: Annotated[StrictInt, Field(ge=0, le=DAY_MS)]


class Answers(BaseModel):
    """What one rater answered, and when it was saved."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["artgan judge answers"]
    format: Annotated[StrictInt, Field(ge=1, le=1)]
    ballot: Id
    rater: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    saved: AwareDatetime
    answers: Annotated[tuple[Answered, ...], Field(max_length=2 * MOST_QUESTIONS)]


def read_key(path: Path) -> Key:
    """The key of a ballot.

    Raises:
        UsageError: it is missing, damaged or something else, or asks a question again that it never asked.
    """
    key = _checked(path, Key, "key of a ballot", "Use the .key.json that `artgan judge` wrote.")
    fresh = {shown.id for shown in key.questions if shown.repeats is None}
    several = len({shown.id for shown in key.questions}) < len(key.questions)
    for shown in key.questions:
        places = 2 if key.mode == "pairs" else 1
        if several or len(shown.sides) != places or (shown.repeats is not None and shown.repeats not in fresh):
            raise UsageError(f"{path} is damaged at the question {short(shown.id)}.", "Use the file as it was written.")
    return key


def read_answers(path: Path) -> Answers:
    """What a rater answered.

    Raises:
        UsageError: it is missing, damaged or something else.
    """
    return _checked(path, Answers, "file of answers", AGAIN)


def check_answers(path: Path, answers: Answers, key: Key) -> None:
    """See that a rater answered what the ballot of `key` asked, and nothing else.

    Raises:
        UsageError: they answer another ballot, or something that was not asked, twice or with something else.
    """
    if answers.ballot != key.ballot:
        raise UsageError(
            f"{path} answers another ballot ({short(answers.ballot, 24)}, not {short(key.ballot, 24)}).",
            "Leave it out, or name its own key with --key.",
        )
    asked = {shown.id for shown in key.questions}
    seen: set[str] = set()
    for each in answers.answers:
        name = repr(short(each.question, 24))
        if each.question not in asked:
            raise UsageError(f"{path} answers {name}, which this ballot does not ask.", AGAIN)
        if each.question in seen:
            raise UsageError(f"{path} answers {name} twice.", AGAIN)
        if each.answer not in ANSWERS[key.mode]:
            raise UsageError(f"{path} answers {name} with {each.answer!r}, which was no choice.", AGAIN)
        seen.add(each.question)


def ballot_of(path: Path) -> str | None:
    """The ballot that a key belongs to; None when it is no key."""
    try:
        found = read_json(path, MOST_BYTES)
    except (OSError, ValueError):
        return None
    ballot = found.get("ballot") if isinstance(found, dict) else None
    return ballot if isinstance(ballot, str) else None


def _checked(path: Path, form: type[Form], what: str, hint: str) -> Form:
    """The content of a JSON file, when it has the form asked for."""
    try:
        return form.model_validate(read_json(path, MOST_BYTES))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path} is no {what}: {where or 'it'}: {short(first['msg'].lower())}.", hint) from error
    except ValueError as error:
        said = "it is cut short or no JSON" if type(error).__name__ == "JSONDecodeError" else short(str(error))
        raise UsageError(f"{path} is no {what}: {said}.", hint) from error
