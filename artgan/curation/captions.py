"""What a picture shows, in words, where its own file says so."""

import contextlib
import re
from collections.abc import Iterator
from xml.etree import ElementTree

from PIL import ExifTags, ImageFile, IptcImagePlugin

from artgan.data.captions import clean_caption, decoded

MAX_XMP_BYTES = 1 << 20
_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
_ITEM = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

# What cameras and programs write where a description belongs. Each is matched against the whole text, so that
# "Screenshot" falls and "Screenshot of a lost game" stays.
_NOISE = re.compile(
    "|".join(
        (
            r"[{<].*",  # JSON (our own recipes, what tifffile writes) and XML (OME)
            r"imagej=.*",
            r"[\W\d_]*",  # no letter
            r".+\.(jpe?g|png|tiff?|webp|gif|bmp|heic|psd|xcf)",  # a file's name
            # with a number or a time, as programs name files
            r"(img|dsc[fn]?|dcim|p|pict?|scan|image|photo|screen ?shot|untitled|default)[\W\d_]*(at [\W\d_]*)?([ap]m)?",
            r"([\w-]+ ){0,2}digital (still )?camera|sony dsc|samsung camera pictures|exif_jpeg_\w+",
            r"cof|dav|edf|fbt|hdr|hdrpl|mde|nor|oznor|ptr|rbt|rhdr|sdr|btf|bty",  # how a phone took it
            r"creator: .*|lavc[\d.]*|applemark|lead technologies.*|.*\bjpeg (library|encoder)\b.*|optimi[sz]ed by .*",
            r"(\w+ )?(created|made|edited|processed|drawn|written|exported|generated) (with|by|in|using) (the )?"
            r"(adobe|photoshop|gimp|inkscape|krita|paint|imagemagick|canva|blender|ebay|picasa|snapseed|acdsee)\b.*",
        )
    ),
    re.IGNORECASE | re.DOTALL,
)


def embedded_caption(opened: ImageFile.ImageFile) -> str:
    """The description that a picture's file carries, or ''; what cameras and programs write of themselves is none.

    Looked for in XMP, IPTC, EXIF (ImageDescription, XPComment, XPTitle, UserComment), and what PNG, JPEG and GIF call
    description, comment or title.

    Args:
        opened: a picture that is not yet loaded, and stays so: text that lies behind a PNG's pixels is not seen.
    """
    for texts in (_of_xmp, _of_iptc, _of_exif, _of_user_comment, _of_text):
        # Pillow and the parsers meet hostile bytes with whatever they stumble over, as in `open_picture`. A caption is
        # an extra: one that cannot be read takes away neither the picture nor the next caption.
        with contextlib.suppress(Exception):
            for text in texts(opened):
                caption = clean_caption(text)
                if not _NOISE.fullmatch(caption):
                    return caption
    return ""


class _NoDoctype(ElementTree.TreeBuilder):
    """Builds XML that declares nothing: with no DOCTYPE there are no entities, so nothing to blow up or to fetch."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("XMP has no DOCTYPE")


def _of_xmp(opened: ImageFile.ImageFile) -> Iterator[str]:
    """dc:description: in the default language, then in others (XMP specification, part 1, 8.2.2.4 and 8.3).

    Pillow would want defusedxml for it; of that one thing is needed, and the standard parser offers it. A pattern in
    place of a parser would stumble over other prefixes, quotes and CDATA.
    """
    data = opened.info.get("xmp", b"")
    if b"description" not in data or len(data) > MAX_XMP_BYTES:  # most packets tell only of exposure and edits
        return
    root = ElementTree.fromstring(data.rstrip(b"\x00 "), ElementTree.XMLParser(target=_NoDoctype()))
    for description in root.iter(_DESCRIPTION):
        items = sorted(description.iter(_ITEM), key=lambda item: item.get(_LANGUAGE) != "x-default")
        yield from (item.text or "" for item in items)
        yield description.text or ""
    yield from (element.get(_DESCRIPTION, "") for element in root.iter())


def _of_iptc(opened: ImageFile.ImageFile) -> Iterator[str]:
    """The caption 2:120 (IPTC-IIM 4.2); 1:90 tells whether it is UTF-8."""
    found = IptcImagePlugin.getiptcinfo(opened) if opened.format in ("JPEG", "MPO", "TIFF") else None
    caption = found.get((2, 120)) if found else None
    for data in caption if isinstance(caption, list) else [caption]:
        if found and data:
            # Programs cut it at 2,000 bytes, in the middle of a character if need be.
            utf8 = found.get((1, 90)) == b"\x1b%G"
            yield data.decode("utf-8", "ignore") if utf8 else decoded(data)


def _of_exif(opened: ImageFile.ImageFile) -> Iterator[str]:
    exif = opened.getexif()
    yield decoded(_bytes(exif.get(ExifTags.Base.ImageDescription)))
    for tag in (ExifTags.Base.XPComment, ExifTags.Base.XPTitle):
        yield _bytes(exif.get(tag)).decode("utf-16-le", "ignore")


def _bytes(value: object) -> bytes:
    """The bytes of a tag that holds text; a number is none, and would be taken for a count of zeros."""
    if isinstance(value, str):
        return value.encode("latin-1")  # as Pillow takes all text of EXIF for Latin-1, this gives its bytes back
    return value if isinstance(value, bytes) else b""


def _of_user_comment(opened: ImageFile.ImageFile) -> Iterator[str]:
    """UserComment, whose first 8 bytes name its character code (Exif 3.0, 4.6.6)."""
    exif = opened.getexif()
    data = _bytes(exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment))
    code, text = data[:8], data[8:]
    if code == b"UNICODE\0":
        # Writers disagree whether it follows the byte order of the EXIF; the zeros of common characters tell.
        zeros = text[0::2].count(0) - text[1::2].count(0)
        big = zeros > 0 or (zeros == 0 and exif.endian == ">")
        yield text.decode("utf-16-be" if big else "utf-16-le", "ignore")
    elif code == b"JIS\0\0\0\0\0":
        yield text.decode("iso2022_jp", "ignore")
    else:
        yield decoded(text if code in (b"ASCII\0\0\0", bytes(8)) else data)


def _of_text(opened: ImageFile.ImageFile) -> Iterator[str]:
    named = {key.lower(): value for key, value in opened.info.items() if isinstance(key, str)}
    for text in [named.get(name, "") for name in ("description", "comment", "title")]:
        yield decoded(text) if isinstance(text, bytes) else str(text)
