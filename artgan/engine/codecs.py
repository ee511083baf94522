"""What a film can be written as: formats by suffix, codecs, and what ffmpeg must be told of them."""

from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

from artgan.errors import UsageError

Codec = Literal["h264", "hevc", "prores", "lossless"]

FORMATS = (".mp4", ".mov", ".mkv", ".gif", ".webp", ".apng", ".png")
PICTURES = ""  # no suffix: a folder of PNGs
GIF_FASTEST = 50  # its delays are whole hundredths of a second, and browsers slow down one of 1/100

_MUXERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_SUFFIXES: dict[Codec, tuple[str, ...]] = {
    "h264": (".mp4", ".mov", ".mkv"),
    "hevc": (".mp4", ".mov", ".mkv"),
    "prores": (".mov",),
    "lossless": (".mp4", ".mov", ".mkv"),
}
# x264 writes other bytes with other numbers of threads: fixed, one film is the same file on machines of 2 and 64 cores.
_THREADS = 4
_HEVC_OFFSET = 1  # its CRF for an error as small; on our films that takes a tenth to a half fewer bytes
_SOUND_RATE = 48000
GAPLESS = "asetpts=N/SR/TB"  # one sample after another, whatever times the file gives them: so `read_sound` has them
# No versions, dates or random numbers of the file's own.
_SAME_BYTES = ["-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]


def format_of(path: Path) -> str:
    """The suffix that names the format of a film, in lower case; "" is a folder of PNGs.

    Raises:
        UsageError: it names none.
    """
    suffix = path.suffix.lower()
    if suffix not in (*FORMATS, PICTURES) or path.name.lower() in ("", "..", *FORMATS):
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        hint = f"Give one that ends in {known}, or one without an ending for a folder of PNGs."
        raise UsageError(f"{path} is not the name of a film.", hint)
    return suffix


def codec_of(path: Path, codec: Codec | None) -> Codec | None:
    """The codec of a film: the one asked for, or H.264 in the formats that leave a choice, and None in the others.

    Raises:
        UsageError: there is no such codec, or the format of `path` does not hold it.
    """
    suffix = format_of(path)
    if codec is None:
        return "h264" if suffix in _MUXERS else None
    if codec not in _SUFFIXES:
        raise UsageError(f"--codec {codec} is not a codec.", f"Give one of {', '.join(get_args(Codec))}.")
    if suffix not in _SUFFIXES[codec]:
        place = f"A {suffix} file" if suffix else "A folder of PNGs"
        fitting = " or ".join(_SUFFIXES[codec])
        raise UsageError(f"{place} does not hold {codec}.", f"Write a {fitting} file, or leave --codec away.")
    return codec


def holds_sound(suffix: str) -> bool:
    """Whether a format has a place for sound."""
    return suffix in _MUXERS


def whole_blocks(codec: Codec | None) -> tuple[int, int]:
    """(rows, columns) of pixels that share a colour in a codec: what a film's sides must be multiples of.

    ProRes may have an odd width by its definition, but ffmpeg's encoder then spoils the colours of the last column.
    """
    return {"h264": (2, 2), "hevc": (2, 2), "prores": (1, 2)}.get(codec or "", (1, 1))


def picture_arguments(suffix: str, codec: Codec | None, quality: float, loop: bool) -> list[str]:
    """How ffmpeg shall write the frames of a film other than a GIF or a folder."""
    if suffix == ".webp":
        return ["-c:v", "libwebp_anim", "-quality", f"{quality:g}", "-loop", str(int(not loop)), "-f", "webp"]
    if suffix in (".apng", ".png"):
        return ["-c:v", "apng", "-plays", str(int(not loop)), "-f", "apng"]
    # Players take untagged films for BT.709 or BT.601 by their height: said plainly, colours stay what they are.
    scale = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_inp+bitexact"
    colors = "setparams=color_primaries=bt709:color_trc=bt709"
    crf = 48 - 0.4 * quality
    if codec == "lossless":
        # Of what keeps every bit of RGB, H.264 plays in the most places: VLC, mpv, browsers that decode in software.
        return ["-vf", colors, "-c:v", "libx264rgb", "-qp", "0", "-threads", str(_THREADS)]
    if codec == "prores":
        filters = f"{scale},format=yuv422p10le,{colors}"
        return ["-vf", filters, "-c:v", "prores_ks", "-profile:v", "3", "-vendor", "apl0", "-threads", str(_THREADS)]
    picture = ["-vf", f"{scale},format=yuv420p,{colors}"]
    if codec == "hevc":
        fixed = f"log-level=error:info=0:pools={_THREADS}:frame-threads=2"
        return [*picture, "-c:v", "libx265", "-crf", f"{crf + _HEVC_OFFSET:.1f}", "-x265-params", fixed]
    return [*picture, "-c:v", "libx264", "-threads", str(_THREADS), "-crf", f"{crf:.1f}"]


def container_arguments(suffix: str, codec: Codec | None) -> list[str]:
    """How ffmpeg shall put together an .mp4, .mov or .mkv; its input 1 are the tags."""
    arguments = ["-map_metadata", "1", *_SAME_BYTES, "-f", _MUXERS[suffix]]
    if suffix != ".mkv":
        # The index first: a browser shows it while it loads. A .mov cuts its old kind of tags after 64 KiB.
        arguments += ["-movflags", "+faststart+use_metadata_tags" if suffix == ".mov" else "+faststart"]
        if codec == "hevc":
            arguments += ["-tag:v", "hvc1"]  # Apple's players do not look at the other name it has
    return arguments


# The times that a film gives its sound, which may begin later than the pictures or have holes.
_IN_TIME = "aresample=async=1:first_pts=0"


def sound_arguments(codec: Codec | None, seconds: Fraction, in_time: bool = False) -> list[str]:
    """How ffmpeg shall put a sound (input 2) to a film (input 0): from its start, with silence after its end.

    With `in_time` it is a film's, and stays at the times that it has there.
    """
    kind = ["-c:a", "pcm_s16le"] if codec == "prores" else ["-c:a", "aac", "-b:a", "192k"]
    length = f"aresample={_SOUND_RATE},apad,atrim=end_sample={round(seconds * _SOUND_RATE)}"
    length = f"{_IN_TIME if in_time else GAPLESS},{length}"
    return ["-map", "0:v:0", "-map", "2:a:0", "-c:v", "copy", "-af", length, "-ac", "2", *kind]
