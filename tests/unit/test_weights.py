"""Downloaded weights: found where they may lie, never used when they are not the published ones, fetched whole."""

import dataclasses
import errno
import hashlib
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from artgan.engine import weights
from artgan.engine.weights import DownloadProgress, Weights, find_weights, get_weights, list_weights, read_weights
from artgan.errors import StorageError, UsageError, WeightsError

CONTENT = bytes(range(256)) * 40


class Server(BaseHTTPRequestHandler):
    """Sends CONTENT, and misbehaves as its path says."""

    go_on = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/absent":
            self.send_error(404)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        self.send_response(200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/cut":
            self.wfile.write(CONTENT[:5000])
        elif self.path == "/silent":
            self.wfile.write(CONTENT[:5000])
            self.wfile.flush()
            self.go_on.wait(20)
        elif self.path == "/other":
            self.wfile.write(CONTENT[::-1])
        else:
            self.wfile.write(CONTENT * (100 if self.path == "/endless" else 1))

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server on this machine."""
    Server.go_on.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.handle_error = lambda *_: None  # type: ignore[method-assign] # it minds clients that hang up
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        Server.go_on.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """artgan's own folder and that of torch hub, neither there yet; small pieces and no proxy between."""
    monkeypatch.setenv("ARTGAN_WEIGHTS", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(weights, "_CHUNK", 1000)
    return tmp_path / "own", tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> Weights:
    """Weights of ten kilobytes that take the place of the published ones."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    entry = Weights("tiny", "http://127.0.0.1:9/w.pth", len(CONTENT), digest, "MIT", "tests", ("w.pth", "alias.pth"))
    monkeypatch.setattr(weights, "WEIGHTS", {"tiny": entry})
    return entry


def serve(tiny: Weights, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights.WEIGHTS, "tiny", dataclasses.replace(tiny, url=url))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_published_entries_agree_with_the_names_of_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert list(weights.WEIGHTS) == ["inception", "vgg19"]
    for name, entry in weights.WEIGHTS.items():
        assert entry.name == name
        assert entry.url.endswith("/" + entry.files[0])
        assert len(entry.sha256) == 64
        assert all(file.endswith(f"-{entry.sha256[:8]}.pth") for file in entry.files)
    purpose = weights.WEIGHTS["vgg19"].purpose
    assert "score --features vgg19" in purpose
    assert "stylize --encoder vgg19" in purpose


@pytest.mark.parametrize("path", ["/good", "/moved"])
def test_a_download_arrives_whole_and_is_found(
    tiny: Weights, server: str, places: tuple[Path, Path], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(tiny, server + path, monkeypatch)
    told: list[DownloadProgress] = []
    file = get_weights("tiny", told.append)
    assert file == places[0] / "w.pth"
    assert file.read_bytes() == CONTENT
    assert names(places[0]) == ["w.pth"]
    assert [told[0].done, told[-1].done] == [0, len(CONTENT)]
    assert [one.done for one in told] == sorted({one.done for one in told})
    assert {one.total for one in told} == {len(CONTENT)}
    assert find_weights("tiny") == file
    assert [entry.path for entry in list_weights()] == [file]


def test_what_is_here_is_not_fetched_again(tiny: Weights, places: tuple[Path, Path]) -> None:
    places[1].mkdir(parents=True)
    (places[1] / "alias.pth").write_bytes(CONTENT)
    assert get_weights("tiny") == places[1] / "alias.pth"  # its address leads nowhere


def test_a_damaged_file_is_replaced(
    tiny: Weights, server: str, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(tiny, server + "/good", monkeypatch)
    places[0].mkdir()
    (places[0] / "w.pth").write_bytes(CONTENT[:-1])
    assert get_weights("tiny").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/absent", "404"),
        ("/cut", "stopped after 5,000 of 10,240 bytes"),
        ("/other", "another file"),
        ("/endless", "another file"),
        ("/silent", "timed out"),
    ],
)
def test_a_bad_download_leaves_nothing(
    tiny: Weights, server: str, places: tuple[Path, Path], path: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_PATIENCE", 0.3)
    serve(tiny, server + path, monkeypatch)
    with pytest.raises(WeightsError) as caught:
        get_weights("tiny")
    assert words in caught.value.message
    assert server + path in caught.value.message
    assert caught.value.exit_code == 7
    assert names(places[0]) == []


def test_a_bad_download_leaves_the_file_that_was_there(
    tiny: Weights, server: str, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(tiny, server + "/cut", monkeypatch)
    places[0].mkdir()
    (places[0] / "w.pth").write_bytes(b"older")
    with pytest.raises(WeightsError):
        get_weights("tiny")
    assert (places[0] / "w.pth").read_bytes() == b"older"
    assert names(places[0]) == ["w.pth"]


def test_without_a_server_it_is_said_so(
    tiny: Weights, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        serve(tiny, f"http://127.0.0.1:{taken.getsockname()[1]}/w.pth", monkeypatch)
        with pytest.raises(WeightsError, match="cannot be fetched") as caught:
            get_weights("tiny")
    assert str(places[0]) in caught.value.hint
    assert names(places[0]) == []


def test_an_interruption_midway_leaves_nothing(
    tiny: Weights, server: str, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(tiny, server + "/good", monkeypatch)

    def interrupt(progress: DownloadProgress) -> None:
        if progress.done > 4000:
            assert len(names(places[0])) == 1  # a file under a temporary name
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get_weights("tiny", interrupt)
    assert names(places[0]) == []


def test_a_full_disk_is_named_and_leaves_nothing(
    tiny: Weights, server: str, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    serve(tiny, server + "/good", monkeypatch)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match=r"w\.pth") as caught:
        get_weights("tiny")
    assert "disk space" in caught.value.hint
    assert names(places[0]) == []


def test_missing_weights_are_named_with_address_size_and_place(tiny: Weights, places: tuple[Path, Path]) -> None:
    with pytest.raises(WeightsError) as caught:
        find_weights("tiny")
    for words in (tiny.url, "10,240 bytes", str(places[0])):
        assert words in caught.value.message
    assert "artgan weights get tiny" in caught.value.hint
    assert "the default, needs none" in caught.value.hint
    assert "--" not in caught.value.hint, "score has --features, stylize has --encoder"
    assert [entry.path for entry in list_weights()] == [None]


def test_they_are_searched_in_order(tiny: Weights, places: tuple[Path, Path], tmp_path: Path) -> None:
    chosen = tmp_path / "given.pth"
    for folder, file in ((places[1], "alias.pth"), (places[0], "w.pth"), (tmp_path, "given.pth")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(CONTENT)
        assert find_weights("tiny", chosen if chosen.exists() else None) == folder / file


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"x", b"", CONTENT[::-1]])
def test_a_file_that_is_not_the_published_one_is_named(tiny: Weights, tmp_path: Path, wrong: bytes) -> None:
    chosen = tmp_path / "given.pth"
    chosen.write_bytes(wrong)
    with pytest.raises(WeightsError) as caught:
        find_weights("tiny", chosen)
    for words in (str(chosen), hashlib.sha256(wrong).hexdigest()[:8], tiny.sha256[:8], f"{len(wrong):,} of 10,240"):
        assert words in caught.value.message


def test_a_file_given_is_not_replaced_by_another(tiny: Weights, places: tuple[Path, Path], tmp_path: Path) -> None:
    places[0].mkdir()
    (places[0] / "w.pth").write_bytes(CONTENT)
    for path in (tmp_path / "nowhere.pth", tmp_path):
        with pytest.raises(WeightsError, match="no file"):
            find_weights("tiny", path)


@pytest.mark.skipif(os.name != "posix", reason="pipes are POSIX")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WeightsError):
        find_weights("tiny", tmp_path / "pipe")


def test_an_unknown_name_is_refused() -> None:
    for ask in (find_weights, get_weights):
        with pytest.raises(UsageError, match="huge") as caught:
            ask("huge")
        assert "tiny" in caught.value.hint


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_come_back_as_saved(tmp_path: Path, zipped: bool) -> None:
    tensors = {"a.weight": torch.randn(3, 4), "b": torch.arange(5)}
    torch.save(tensors, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    save_file(tensors, tmp_path / "w.safetensors")
    for file in ("w.pth", "w.safetensors"):
        read = read_weights(tmp_path / file)
        assert set(read) == set(tensors)
        assert all(torch.equal(read[name], tensors[name]) for name in tensors)


class Trap:
    """What a hostile file would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch trapped",)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_a_file_cannot_run_code(tmp_path: Path, save: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert callable(save)
    save({"a": Trap()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"w\.pth"):
        read_weights(tmp_path / "w.pth")
    assert names(tmp_path) == ["w.pth"]


@pytest.mark.parametrize("value", [[torch.zeros(1)], {"a": 1}, torch.zeros(2)])
def test_a_file_of_something_else_is_refused(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="no table"):
        read_weights(tmp_path / "w.pth")


@settings(deadline=None)
@given(cut=st.floats(0, 0.99), zipped=st.booleans())
def test_a_file_cut_short_is_a_sentence(tmp_path_factory: pytest.TempPathFactory, cut: float, zipped: bool) -> None:
    path = tmp_path_factory.mktemp("cut") / "w.pth"
    torch.save({"a": torch.zeros(100)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(WeightsError, match=r"w\.pth"):
        read_weights(path)
