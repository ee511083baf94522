"""Paths that mean shards: brace lists as bash has them, folders, text lists; and what is no such path."""

import os
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artgan.data import shard_names
from artgan.data.shard_names import find_shards, joined, lasting, refuse_shards, title
from artgan.errors import DatasetError, UsageError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(path: Path) -> list[str]:
    """The names of the shards that a path means."""
    shards = find_shards(path)
    assert shards is not None
    return [shard.name for shard in shards]


def refused(path: Path | str, match: str) -> str:
    """The hint of the error that a path meets."""
    with pytest.raises(DatasetError, match=match) as caught:
        find_shards(Path(path))
    assert len(caught.value.message) < 800
    return caught.value.hint


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


BASH = {  # as bash 5.2 prints them
    "{000..003}": "000 001 002 003",
    "{3..0}": "3 2 1 0",
    "{08..11}": "08 09 10 11",
    "{8..11}": "8 9 10 11",
    "{098..0101}": "0098 0099 0100 0101",
    "{0..9..4}": "0 4 8",
    "{9..0..4}": "9 5 1",
    "{1..3..0}": "1 2 3",
    "{a,b}": "a b",
    "x{a,b}{1..2}y": "xa1y xa2y xb1y xb2y",
    "{a,b{1,2},}c": "ac b1c b2c c",
    "{{1..2},{7..6}}": "1 2 7 6",
    "{a..d}": "a b c d",
    "{x{1,2}}": "{x1} {x2}",
    "{x,{1,2}": "{x,1 {x,2",
    "{x,y}}": "x} y}",
}


@pytest.mark.parametrize("text", BASH)
def test_braces_mean_what_they_mean_in_bash(here: Path, text: str) -> None:
    named = [f"{name}.tar" for name in BASH[text].split(" ")]
    touch(here / "shards", *named)
    assert find_shards(Path(f"shards/{text}.tar")) == tuple(Path("shards", name) for name in named)


@pytest.mark.parametrize("text", ["{abc}", "a{b", "a}b", "{}", "{1..}", "{1..b}", "{-1..2}", "{a..Z}", "plain"])
def test_braces_that_mean_nothing_are_letters(here: Path, text: str) -> None:
    assert find_shards(Path(f"{text}.tar")) is None
    touch(here, f"{text}.tar")
    assert found(Path(f"{text}.tar")) == [f"{text}.tar"]


def test_a_file_of_the_very_name_goes_first(here: Path) -> None:
    touch(here, "{a,b}.tar", "a.tar", "b.tar")
    assert found(Path("{a,b}.tar")) == ["{a,b}.tar"]
    Path("{a,b}.tar").unlink()
    assert found(Path("{a,b}.tar")) == ["a.tar", "b.tar"]


def test_the_first_missing_shard_is_named_and_all_are_counted(here: Path) -> None:
    touch(here / "shards", *(f"{number:03d}.tar" for number in range(100) if number not in (17, 40, 99)))
    refused("shards/{000..099}.tar", r"^3 of the 100 shards in .* cannot be found, the first is shards/017\.tar\.$")
    (here / "shards/017.tar").mkdir()  # a folder is no shard
    refused("shards/{016..018}.tar", r"^1 of the 3 .* shards/017\.tar")
    refused("{a,b}/0.tar", "2 of the 2 shards")


def test_a_folder_of_tars_and_what_lies_beside_them_is_shards(tmp_path: Path) -> None:
    folder = touch(tmp_path, "001.tar", "000.TAR", "010.tar")
    touch(folder, "classes.json", "shards.json", "manifest.jsonl", "report.html", "README.md", ".DS_Store", "._a.tar")
    (folder / ".cache").mkdir()
    assert found(folder) == ["000.TAR", "001.tar", "010.tar"]


@pytest.mark.parametrize("other", ["a.png", "noise", "cats/a.png", "x.tar/a.png"])
def test_a_folder_that_holds_anything_else_is_pictures_as_before(tmp_path: Path, other: str) -> None:
    touch(tmp_path, "000.tar")
    assert found(tmp_path) == ["000.tar"]
    assert find_shards(touch(tmp_path, other)) is None


def test_what_means_no_shards_is_left_to_others(here: Path) -> None:
    touch(here, "pictures/a.png", "set.zip", "labels.json")
    (here / "empty").mkdir()
    for path in ("pictures", "set.zip", "labels.json", "empty", "nothing", "nothing.tar", "nothing.txt", "x" * 5000):
        assert find_shards(Path(path)) is None
        refuse_shards(Path(path))
    touch(here, "shards/0.tar")
    with pytest.raises(DatasetError, match=r"^shards means shards \(\.tar\), and only training streams these\.$"):
        refuse_shards(Path("shards"))


def test_a_set_in_parts_is_refused_and_the_train_part_offered(here: Path) -> None:
    parts = [f"{part}-{number:06d}.tar" for part, count in (("train", 3), ("test", 1)) for number in range(count)]
    touch(here / "shards", *parts)
    one = "Take one of them: 'shards/train-{000000..000002}.tar'."
    assert refused("shards", "^shards is split into parts: test, train") == one
    assert refused(joined([Path("shards", name) for name in parts]), "is split into parts") == one
    assert found(Path("shards/train-{000000..000002}.tar")) == parts[:3]
    (here / "all.txt").write_text("".join(f"shards/{name}\n" for name in parts))
    assert found(Path("all.txt")) == parts  # each was written down on purpose


def test_a_text_list_names_shards_beside_it_in_its_own_order(here: Path) -> None:
    folder = touch(here / "lists", "b.tar", "a.tar", "{x,y}.tar", "with space.tar")
    other = touch(here / "far", "c.tar") / "c.tar"
    text = f"\ufeff# mine\r\n\r\n b.tar \r\na.tar\n{other}\n../far/../lists/with space.tar\n{{x,y}}.tar\n"
    (folder / "train.txt").write_text(text, encoding="utf-8")
    assert found(Path("lists/train.txt")) == ["b.tar", "a.tar", "c.tar", "with space.tar", "{x,y}.tar"]
    assert find_shards(Path("lists/train.txt"))[0] == Path("lists/b.tar")  # type: ignore[index]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "names no shards"),
        (b"# nothing\n\n", "names no shards"),
        (b"a.tar\nlist.txt\n", r"Line 2 of list\.txt names no \.tar: 'list\.txt'"),
        (b"a.tar\nhttps://x.org/b.tar\n", r"Line 2 of .* on the net, and artgan has no network"),
        (b"a.tar\npipe:cat b.tar\n", "Line 2 of .* on the net"),
        (b"a.tar\na.tar\n", r"a\.tar more than once"),
        (b"a.tar\nmissing.tar\n", r"1 of the 2 .* missing\.tar"),
        (b"a\0.tar\n", "Line 1 .* names no"),
        (b"\x80\xff.tar\n", "is no list of shards"),
        (b"x" * 9000 + b".tar\n", "Line 1 of"),
        (b"{a,b}.tar\n", "1 of the 1"),
        (b"\x00" * 4096, "Line 1 of"),
    ],
)
def test_a_text_list_that_is_none_is_one_sentence(here: Path, content: bytes, match: str) -> None:
    touch(here, "a.tar", "b.tar")
    (here / "list.txt").write_bytes(content)
    refused("list.txt", match)


def test_a_huge_list_is_not_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_names, "_MOST_CHARACTERS", 100)
    (here / "list.txt").write_text("#" * 101)
    refused("list.txt", "too large")


@pytest.mark.parametrize(
    "text",
    [
        "{0..1000}.tar",
        "{1..999999999999999}.tar",
        "{0..9}{0..9}{0..9}{0,1}.tar",
        "{{1..900},{1..900}}.tar",
        "x" * 3000 + "{1..900}.tar",
        "{a,b}" * 21 + ".tar",
        "{" * 100_000,
    ],
)
def test_more_than_can_be_is_refused_before_it_is_made(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_names, "MOST_SHARDS", 1000)
    monkeypatch.setattr(shard_names, "_MOST_CHARACTERS", 100_000)
    refused("{1..1000}.tar", "1000 of the 1000 shards")
    refused(text, "more files than can be|more than 20 braces")


def test_other_names_than_tars_are_refused_in_lists(here: Path) -> None:
    touch(here, "a.png", "b.png")
    refused("{a,b}.png", r"\{a,b\}\.png means a\.png, which is no \.tar")
    refused("{a,a}.tar", r"a\.tar more than once")
    touch(here, "set.tar.gz")
    assert "Unpack it" in refused("set.tar.gz", "is compressed")


@pytest.mark.parametrize("url", ["https://x.org/{000..099}.tar", "s3://bucket/a.tar", "pipe:curl https://x.org/a.tar"])
def test_what_is_on_the_net_is_refused(url: str) -> None:
    assert refused(url, "is on the net, and artgan has no network") == "Copy the shards to a disk first."


@pytest.mark.skipif(os.name != "posix", reason="POSIX links and pipes")
def test_links_that_lead_nowhere_and_pipes_are_missing_shards(here: Path) -> None:
    folder = touch(here / "shards", "a.tar")
    (folder / "loop.tar").symlink_to("loop.tar")
    refused(folder, r"1 of the 2 .*loop\.tar")
    (folder / "loop.tar").unlink()
    (folder / "linked.tar").symlink_to("a.tar")
    assert found(folder) == ["a.tar", "linked.tar"]
    os.mkfifo(folder / "pipe.tar")
    refused(folder, r"1 of the 3 .*pipe\.tar")
    assert find_shards(folder / "pipe.tar") is None


NAMES = st.text(string.ascii_letters + string.digits + "-_. ä", min_size=1, max_size=6).filter(
    lambda text: text.strip(". ") == text
)
PATHS = st.one_of(
    st.lists(st.tuples(st.lists(NAMES, max_size=2), NAMES), min_size=1, max_size=6).map(
        lambda drawn: [Path(*folders, f"{name}.tar") for folders, name in drawn]
    ),
    st.builds(
        lambda start, first, count, width, back: [
            Path("s", f"{start}{number:0{width}d}.tar") for number in range(first, first + count)
        ][:: -1 if back else 1],
        *(st.sampled_from(["", "part-", "v2-", "0x"]), st.integers(0, 1200), st.integers(1, 12), st.integers(0, 6)),
        st.booleans(),
    ),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paths=PATHS, absolute=st.booleans())
def test_joined_paths_mean_the_same_shards_in_the_same_order(
    tmp_path_factory: pytest.TempPathFactory, paths: list[Path], absolute: bool
) -> None:
    paths = list(dict.fromkeys(paths))
    folder = tmp_path_factory.mktemp("set")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        touch(folder, *map(str, paths))
        paths = [folder / path for path in paths] if absolute else paths
        assert find_shards(joined(paths)) == tuple(paths)
        patch.chdir("/")
        assert find_shards(folder / joined(paths)) == tuple(folder / path for path in paths)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a.tar"], "a.tar"),
        ([f"s/{number:03d}.tar" for number in range(100)], "s/{000..099}.tar"),
        (["s/9.tar", "s/10.tar"], "s/{9..10}.tar"),
        (["s/2.tar", "s/1.tar"], "s/{2..1}.tar"),
        (["s/1.tar", "s/3.tar"], "s/{1,3}.tar"),
        (["s/a/0.tar", "s/b/0.tar"], "s/{a/0,b/0}.tar"),
        (["a/0.tar", "b.TAR"], "{a/0.tar,b.TAR}"),
        (["v1/part-08-of-99.tar", "v1/part-09-of-99.tar"], "v1/part-{08..09}-of-99.tar"),
        (["/a/0.tar", "/b/0.tar"], "/{a/0,b/0}.tar"),
    ],
)
def test_joined_paths_are_short_where_they_can_be(names: list[str], text: str) -> None:
    assert joined([Path(name) for name in names]) == Path(text)


def test_only_shards_can_be_joined() -> None:
    assert joined([Path("paintings")]) == Path("paintings")
    with pytest.raises(UsageError, match=r"^dogs is no \.tar, and several paths at once are for shards\.$"):
        joined([Path("a.tar"), Path("dogs")])


def test_names_that_would_be_taken_for_a_list_cannot_be_joined(here: Path) -> None:
    for name in ("a,b.tar", "{a}.tar", "}/a.tar"):
        with pytest.raises(UsageError, match="has a brace or a comma in its name") as caught:
            joined([Path("c.tar"), Path(name)])
        assert "text list" in caught.value.hint
    touch(here / "my, best", "0.tar", "1.tar")
    assert found(joined([Path("my, best/0.tar"), Path("my, best/1.tar")])) == ["0.tar", "1.tar"]


def test_titles_are_short_and_told_by_the_place(here: Path) -> None:
    touch(here, "shards/000000.tar", "shards/cats.tar", "mine.v1.txt")
    for path, name in {
        "shards/{000..099}.tar": "shards",
        "shards/train-{000..099}.tar": "shards",
        "/data/{a,b}/0.tar": "data",
        "train-{00..10}.tar": here.name,
        "{00..10}.tar": here.name,
        "/{00..10}.tar": "shards",
        "shards": "shards",
        "shards/000000.tar": "shards",
        "shards/cats.tar": "cats",
        "mine.v1.txt": "mine.v1",
        ".": here.name,
    }.items():
        assert title(Path(path)) == name


def test_a_lasting_path_means_the_same_from_everywhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(here, "s/0.tar", "s/1.tar", "t/0.tar", "list.txt", "u/0.tar")
    (here / "link").symlink_to("s")
    paths = ["s/{0..1}.tar", "{s,t}/0.tar", f"{{{here}/u,t}}/0.tar", "{u/../s,t}/0.tar", "link/../s/{0..1}.tar"]
    before = [[shard.resolve() for shard in find_shards(Path(path)) or ()] for path in paths]
    last = [lasting(Path(path)) for path in paths]
    assert lasting(Path("link")) == here / "s"
    monkeypatch.chdir("/")
    assert all(path.is_absolute() for path in last)
    assert [[shard.resolve() for shard in find_shards(path) or ()] for path in last] == before
