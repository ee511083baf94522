"""The page of a ballot: questions and pictures in one file that needs nothing else and says nothing of their origin.

The words, the layout and what keys and fingers do stand in `page.html.jinja`.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Template
from markupsafe import Markup

import artgan
from artgan.engine.pages import template
from artgan.engine.storage import atomic_write
from artgan.judging.papers import Mode
from artgan.judging.prints import Size, is_lossless

ENLARGED = 6
"""Small pictures are shown at so many times their size at the most."""


@dataclass(frozen=True)
class Paper:
    """All that a rater is given.

    Attributes:
        mode: pairs or turing.
        question: what is asked.
        size: (width, height) of all pictures.
        pictures: PNG or JPEG files, in the order in which they first appear.
        questions: (name, numbers of the pictures from left to right).
    """

    mode: Mode
    question: str
    size: Size
    pictures: Sequence[bytes]
    questions: Sequence[tuple[str, Sequence[int]]]

    @functools.cached_property
    def digest(self) -> str:
        """A name for exactly these questions about exactly these pictures."""
        digest = hashlib.blake2b(json.dumps([self.mode, self.question, self.size, self.questions]).encode())
        for picture in self.pictures:
            digest.update(hashlib.blake2b(picture).digest())
        return digest.hexdigest()[:24]


def write_page(paper: Paper, path: Path) -> None:
    """Write the page; equal papers give equal bytes.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    data = {
        "ballot": paper.digest,
        "mode": paper.mode,
        "format": "image/png" if is_lossless(paper.size) else "image/jpeg",
        "questions": paper.questions,
        "pictures": [base64.b64encode(picture).decode() for picture in paper.pictures],
    }
    pieces = _template().generate(
        paper=paper,
        data=Markup(json.dumps(data)),  # digits, digests and base64: nothing in it can be markup
        total=len(paper.questions),
        enlarged=ENLARGED,
        version=artgan.__version__,
    )
    atomic_write(path, pieces)


@functools.cache
def _template() -> Template:
    return template(Path(__file__).with_name("page.html.jinja"))
