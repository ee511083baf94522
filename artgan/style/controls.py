"""What an artist can turn, checked."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args, get_type_hints

from artgan.engine.artwork import MOST_DPI
from artgan.errors import UsageError
from artgan.style.features import EncoderName
from artgan.style.plan import Detail
from artgan.style.repaint import Init

Bits = Literal[8, 16]
SMOOTH = 0.3
"""Weight of the total variation, unless the artist says otherwise."""
KeepColors = Literal["luminance", "match"]
_RANGES: dict[str, tuple[float, float, str]] = {
    "strength": (0, 1.0, "0 leaves the picture as it is, 1 is wholly the style."),
    "brush_size": (0.25, 4.0, "Below 1 the strokes become finer, above 1 larger."),
    "smooth": (0, 100.0, "0 is off; 1 takes out fine grain."),
    "size": (32, 32768, "It is the longest side in pixels."),
    "dpi": (1, MOST_DPI, "It is how many pixels are printed on an inch."),
    "seed": (0, 2**63 - 1, "Give a whole number from 0 up."),
}


@dataclass(frozen=True)
class Controls:
    """The settings of a painting, as `artgan.stylize` describes them."""

    detail: Detail
    size: int | None
    strength: float
    brush_size: float
    keep_colors: KeepColors | None
    palette_only: bool
    init: Init
    smooth: float
    seed: int
    encoder: EncoderName
    dpi: int | None = None
    bits: Bits | None = None

    def checked(self) -> Self:
        """The same, when all of it makes sense.

        Raises:
            UsageError: a number is out of range, a word is unknown, or two controls contradict each other.
        """
        for name, (low, high, hint) in _RANGES.items():
            value = getattr(self, name)
            kinds = int if isinstance(high, int) else int | float
            if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
                raise UsageError(f"{_flag(name)} {value!r} is not a {'whole ' * (kinds is int)}number.", hint)
            if value is not None and not low <= value <= high:  # NaN is in no range
                raise UsageError(f"{_flag(name)} {value} is not between {low:g} and {high}.", hint)
        for name, kind in get_type_hints(Controls).items():
            words = [
                word for word in (*get_args(kind), *map(get_args, get_args(kind))) if isinstance(word, str | tuple)
            ]
            known = [word for entry in words for word in (entry if isinstance(entry, tuple) else (entry,))]
            value = getattr(self, name)
            if known and value is not None and value not in known:
                raise UsageError(f"{_flag(name)} {value!r} is unknown.", f"Use one of: {', '.join(map(str, known))}.")
        if self.detail == "instant":
            self._check_instant()
        if self.palette_only and self.keep_colors:
            raise UsageError(
                "--palette-only takes the style's colours, --keep-colors the content's.", "Leave one of them away."
            )
        return self

    def _check_instant(self) -> None:
        usual = {"init": "content", "smooth": SMOOTH, "encoder": "artgan"}
        for name, value in usual.items():
            if getattr(self, name) != value:
                flag = _flag(name)
                raise UsageError(
                    f"{flag} has no meaning with --detail instant.", f"Leave {flag} away, or take --detail fast."
                )

    def plain(self) -> dict[str, Any]:
        """As plain values, for a recipe."""
        return asdict(self)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of all of them."""
        return tuple(field.name for field in fields(cls))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
