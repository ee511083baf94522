"""Raters for tests: they answer a ballot by what its key says, as the page would save it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Rater = Callable[[dict[str, Any]], str | None]
"""What is answered to a question of a key; None leaves it out."""


def key_of(sides: list[str], mode: str = "pairs", repeats: dict[int, int] | None = None) -> dict[str, Any]:
    """The key of a ballot that shows these sides, one question after the other; `repeats` by their places."""
    again = repeats or {}
    return {
        "kind": "artgan judge key",
        "format": 1,
        "artgan": "0.1.0",
        "ballot": "b" * 24,
        "mode": mode,
        "question": "Which?",
        "a": "run one",
        "b": "run two",
        "questions": [
            {
                "id": f"q{place}",
                "sides": shown,
                "pictures": [f"{side}{place}" for side in shown],
                "repeats": f"q{again[place]}" if place in again else None,
            }
            for place, shown in enumerate(sides)
        ],
    }


def write_key(path: Path, key: dict[str, Any]) -> Path:
    """A key on disk."""
    path.write_text(json.dumps(key))
    return path


def answer(key: Path, path: Path, choose: Rater, rater: str = "anna", hour: int = 12, ms: int = 1500) -> Path:
    """The file that the page would save for a rater, who chooses by what the key says of a question."""
    told = json.loads(key.read_text())
    given = [(shown["id"], choose(shown)) for shown in told["questions"]]
    answers = {
        "kind": "artgan judge answers",
        "format": 1,
        "ballot": told["ballot"],
        "rater": rater,
        "saved": f"2026-01-31T{hour:02d}:00:00.000Z",
        "answers": [{"question": name, "answer": said, "ms": ms} for name, said in given if said is not None],
    }
    path.write_text(json.dumps(answers))
    return path


def likes(side: str) -> Rater:
    """Always prefers one side, wherever it stands."""
    return lambda shown: "left" if shown["sides"][0] == side else "right"


def sees(shown: dict[str, Any]) -> str:
    """Tells painted from generated without a mistake."""
    return "painted" if shown["sides"] == "b" else "generated"
