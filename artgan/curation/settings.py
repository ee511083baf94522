"""What can be turned in a curation."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from artgan.errors import UsageError

Answer = Literal["drop", "report", "off"]
ANSWERS: tuple[Answer, ...] = ("drop", "report", "off")


@dataclass(frozen=True)
class CurateSettings:
    """The steps and their thresholds.

    Attributes:
        copies: what to do with pictures that are saved more than once: all but the best are dropped, or only reported.
        variants: with mirrored, turned and grey ones.
        defects: with pictures that are too small, blurred, nearly flat, black, white, extreme in shape, overcompressed.
        scans: whether paper, frames and bars around a picture are cut off and tilt is straightened.
        least_side: pixels that the shorter side needs.
        size: pixels that the shorter side is brought down to; None leaves pictures as large as they are.
        labels: auto (a class per folder) or none.
    """

    copies: Answer = "drop"
    variants: Answer = "report"
    defects: Answer = "report"
    scans: bool = True
    least_side: int = 64
    size: int | None = None
    labels: Literal["auto", "none"] = "auto"

    def checked(self) -> Self:
        """The same, when all of it makes sense.

        Raises:
            UsageError: a value is out of range or unknown.
        """
        for name in ("copies", "variants", "defects"):
            if getattr(self, name) not in ANSWERS:
                raise UsageError(f"--{name} {getattr(self, name)!r} is unknown.", f"Use {', '.join(ANSWERS)}.")
        if not 1 <= self.least_side <= 100_000:
            raise UsageError(f"--least-side {self.least_side} is not between 1 and 100000.", "64 is a good one.")
        if self.size is not None and not 8 <= self.size <= 16_384:
            raise UsageError(f"--size {self.size} is not between 8 and 16384.", "It is the shorter side in pixels.")
        return self

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
