"""What can be turned in a curation."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from PIL import ImageColor

from artgan.curation.framing import CROPS, Crop
from artgan.curation.splits import parse_shares
from artgan.errors import UsageError

Answer = Literal["drop", "report", "off"]
ANSWERS: tuple[Answer, ...] = ("drop", "report", "off")
Format = Literal["folder", "zip", "webdataset"]
FORMATS: tuple[Format, ...] = ("folder", "zip", "webdataset")
KEEP = "keep"
"""The background that leaves what is transparent as it is."""


@dataclass(frozen=True)
class CurateSettings:
    """The steps and their thresholds.

    Attributes:
        copies: what to do with pictures that are saved more than once: all but the best are dropped, or only reported.
        variants: with mirrored, turned and grey ones.
        defects: with pictures that are too small, blurred, nearly flat, black, white, extreme in shape, overcompressed.
        outliers: with pictures that are unlike the rest.
        scans: whether paper, frames and bars around a picture are cut off and tilt is straightened.
        least_side: pixels that the shorter side needs.
        size: (width, height) that pictures are brought down to; None leaves them as large as they are.
        crop: keep leaves their shape, and `size` is that of the shorter side; centre and salient cut them to the shape
            of `size`, or square; pad adds to them.
        multi_crop: pieces at most that are cut from each picture.
        frames: pictures at most that are taken from each animation.
        background: a colour that is laid under transparent pictures, or `keep`.
        per_class: pictures at most of each class.
        split: shares of the parts, as in "0.9/0.1".
        labels: auto (a class per folder) or none.
        format: of the set: a folder, a zip, or a folder of WebDataset shards.
    """

    copies: Answer = "drop"
    variants: Answer = "report"
    defects: Answer = "report"
    outliers: Answer = "report"
    scans: bool = True
    least_side: int = 64
    size: tuple[int, int] | None = None
    crop: Crop = "keep"
    multi_crop: int = 1
    frames: int = 1
    background: str = "white"
    per_class: int | None = None
    split: str | None = None
    labels: Literal["auto", "none"] = "auto"
    format: Format = "folder"

    def checked(self) -> Self:
        """The same, when all of it makes sense.

        Raises:
            UsageError: a value is out of range or unknown.
        """
        known: dict[str, tuple[str, ...]] = dict.fromkeys(("copies", "variants", "defects", "outliers"), ANSWERS)
        for name, values in {**known, "crop": CROPS, "format": FORMATS}.items():
            if getattr(self, name) not in values:
                raise UsageError(f"--{name} {getattr(self, name)!r} is unknown.", f"Use {', '.join(values)}.")
        for name, most in (("least_side", 100_000), ("multi_crop", 64), ("frames", 1000), ("per_class", 10**9)):
            value, flag = getattr(self, name), f"--{name.replace('_', '-')}"
            if value is not None and not 1 <= value <= most:
                raise UsageError(f"{flag} {value} is not between 1 and {most}.", "Give a whole number.")
        if self.size is not None and not 8 <= min(self.size) <= max(self.size) <= 16_384:
            raise UsageError(f"--size {size_in_words(self.size)} is not between 8 and 16384.", "It is in pixels.")
        if self.multi_crop > 1 and self.crop not in ("centre", "salient"):
            raise UsageError(f"--multi-crop {self.multi_crop} cuts, but --crop {self.crop} does not.", "Use salient.")
        if self.crop == "pad" and self.size is None:
            raise UsageError("--crop pad needs a size.", "Add --size 256, for example.")
        if self.split is not None:
            parse_shares(self.split)
        _ = self.ground
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Width by height of what is cut."""
        return self.size or (1, 1)

    @property
    def ground(self) -> tuple[int, int, int]:
        """The background in sRGB, 0 to 255; white where what is transparent stays so.

        Raises:
            UsageError: there is no such colour.
        """
        try:
            red, green, blue = ImageColor.getrgb("white" if self.background == KEEP else self.background)[:3]
            if not 0 <= min(red, green, blue) <= max(red, green, blue) <= 255:  # as rgb(300, 0, 0) has it
                raise ValueError("a channel is out of range")
        except ValueError as error:
            hint = "Use a name such as white, or a code such as #f4f1ea, or keep."
            raise UsageError(f"--background {self.background[:100]!r} is no colour.", hint) from error
        return red, green, blue

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from `256` or `384x256`.

    Raises:
        UsageError: it has no such form.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise UsageError(f"--size {text[:100]!r} is no size.", "Give pixels, as in 256, or width and height: 384x256.")
    return int(parts[0]), int(parts[-1])


def size_in_words(size: tuple[int, int]) -> str:
    """As it is written on the command line."""
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
