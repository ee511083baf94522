"""Bytes that lie on disk while a curation goes on."""

import errno
import gc
import io
import os
import tempfile
import warnings
from pathlib import Path

import pytest

from artgan.curation.album import Album
from artgan.errors import StorageError


def test_what_goes_in_comes_back_in_any_order() -> None:
    album = Album()
    pieces = [bytes([number]) * (number * 37 % 500) for number in range(100)]
    leaves = [album.add(piece) for piece in pieces]
    assert [len(leaf) for leaf in leaves] == [len(piece) for piece in pieces]
    assert [bytes(leaf) for leaf in reversed(leaves)] == pieces[::-1]
    late = album.add(b"late")
    assert (bytes(late), bytes(leaves[7])) == (b"late", pieces[7])


def test_the_file_has_no_name_and_is_gone_with_the_last_leaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    album = Album()
    leaf = album.add(b"small picture")
    file = album._file
    del album
    gc.collect()
    assert bytes(leaf) == b"small picture"
    if os.name == "posix":
        assert list(tmp_path.iterdir()) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of files that nobody closed
        del leaf
        gc.collect()
    assert file.closed
    assert list(tmp_path.iterdir()) == []


class Full(io.BytesIO):
    """A disk with no room: writes fail, and so does closing, which writes what is left."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        super().close()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_one_sentence_and_the_end_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Full()
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda: full)
    album = Album()
    with pytest.raises(StorageError, match=r"small pictures .* No space left") as caught:
        album.add(b"x")
    assert "TMPDIR" in caught.value.hint
    caught.value.__cause__ = caught.value.__traceback__ = None
    del album, caught
    gc.collect()  # what is raised here would fail the test
    assert full.closed
    monkeypatch.undo()
