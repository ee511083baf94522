"""Settings: who wins, what a mistake is answered with, and what survives the way to disk and back."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artgan.config import Settings, base_grid, differences, field_descriptions, flat, parse_sets, to_toml, validated
from artgan.errors import SettingError, UsageError
from artgan.presets import find_preset, list_presets, read_preset, resolve


def preset(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_each_layer_wins_over_the_one_before(tmp_path: Path) -> None:
    look = preset(
        tmp_path / "look.toml",
        "[train]\nbatch = 10\nd_steps = 2\nseed = 1\n[data]\nresolution = 32\n[model]\nz_dim = 9",
    )
    chosen = resolve(
        look, {"train.batch": 20, "train.seed": 2, "data.resolution": 16}, {"train.seed": 3, "data.resolution": None}
    )
    defaults = Settings()
    assert chosen.train.seed == 3  # flag over --set over preset
    assert chosen.train.batch == 20  # --set over preset
    assert chosen.data.resolution == 16  # a flag that was not given changes nothing
    assert chosen.train.d_steps == 2  # preset over default
    assert chosen.model.z_dim == 9
    assert chosen.train.g_lr == defaults.train.g_lr  # the default


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("train.glr", "train.g_lr"),
        ("data.mirorr", "data.mirror"),
        ("model.batch", "train.batch"),
        ("trian.g_lr", "train.g_lr"),
        ("batch", "train.batch"),
        ("train.batch.size", "train.batch"),
    ],
)
def test_a_mistyped_key_is_answered_with_the_nearest(mistyped: str, meant: str) -> None:
    with pytest.raises(SettingError) as caught:
        resolve(None, {mistyped: 1})
    assert repr(mistyped) in caught.value.message
    assert meant in caught.value.hint


def test_a_key_like_no_other_is_answered_with_where_to_look() -> None:
    with pytest.raises(SettingError, match=r"zzzz\.qqqq") as caught:
        resolve(None, {"zzzz.qqqq": 1})
    assert "artgan presets show" in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.batch", 1),
        ("train.batch", "many"),
        ("train.g_lr", -1.0),
        ("train.g_lr", float("inf")),
        ("train.g_lr", float("nan")),
        ("train.beta1", 1.0),
        ("train.loss", "wgn"),
        ("train.seed", 2**63),
        ("data.resolution", 7),
        ("data.shape", "64 x 64"),
        ("data.channels", "cmyk"),
        ("augment.policy", ["color", "blur"]),
        ("augment.p", 1.5),
        ("augment.p_max", -0.1),
        ("augment.target", 1.0),
        ("augment.ada_kimg", 0.0),
        ("engine.device", "gpu"),
        ("engine.device", "cuda:x"),
        ("score.every_kimg", -1.0),
        ("score.num", 1),
        ("score.metric", "is"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_key(key: str, value: object) -> None:
    with pytest.raises(SettingError) as caught:
        resolve(None, {key: value})
    assert key in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 4


def test_a_wrong_value_in_a_preset_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "look.toml"
    with pytest.raises(SettingError) as caught:
        read_preset(Path(preset(path, "[train]\nbatch = 0")))
    assert str(path) in caught.value.message
    assert "train.batch" in caught.value.message


@pytest.mark.parametrize("content", [b"[train\nbatch = 1", b"\xff\xfe\x00", b"[train]\nbatch = 1\nbatch = 2"])
def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "look.toml"
    path.write_bytes(content)
    with pytest.raises(SettingError, match=r"look\.toml"):
        read_preset(path)


def test_settings_that_do_not_fit_together_are_refused_with_a_hint_that_works() -> None:
    with pytest.raises(SettingError, match="wgan-gp") as caught:
        resolve(None, {"train.loss": "wgan-gp", "model.d_norm": "batch"})
    told = parse_sets([caught.value.hint.split("--set ")[1].rstrip(".")])
    assert resolve(None, {"train.loss": "wgan-gp", **told}).model.d_norm == "none"


def test_adaptive_augmentation_without_any_is_refused_with_a_hint_that_works() -> None:
    with pytest.raises(SettingError, match=r"augment\.adaptive") as caught:
        resolve(None, {"augment.adaptive": True})
    told = parse_sets([caught.value.hint.split("--set ")[1].rstrip(".")])
    assert resolve(None, {"augment.adaptive": True, **told}).augment.policy


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().train.batch = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((8, 8), (4, 4, 1)),
        ((64, 64), (4, 4, 4)),
        ((256, 256), (4, 4, 6)),
        ((96, 64), (6, 4, 4)),
        ((64, 96), (4, 6, 4)),
        ((48, 48), (3, 3, 4)),
        ((1024, 1024), (4, 4, 8)),
    ],
)
def test_sizes_that_a_convolutional_network_can_make(size: tuple[int, int], grid: tuple[int, int, int]) -> None:
    assert base_grid(*size) == grid


@settings(max_examples=200, deadline=None)
@given(st.integers(8, 1024), st.integers(8, 1024))
def test_every_size_has_a_grid_or_a_hint_that_works(width: int, height: int) -> None:
    refusal = None
    try:
        columns, rows, doublings = base_grid(width, height)
    except SettingError as error:
        refusal = error
    if refusal:
        assert f"{width}x{height}" in refusal.message
        shape = refusal.hint.split("--shape ")[1].split(";")[0]
        columns, rows, doublings = base_grid(*resolve(None, {}, {"data.shape": shape}).data.size)
    else:
        assert (columns * 2**doublings, rows * 2**doublings) == (width, height)
    assert 3 <= min(columns, rows) <= 5
    assert max(columns, rows) <= 16


def test_only_the_convolutional_network_asks_for_a_grid() -> None:
    with pytest.raises(SettingError, match="28x28"):
        resolve(None, {"data.resolution": 28, "model.name": "dcgan"})
    assert resolve(None, {"data.resolution": 28, "model.name": "mlp"}).data.size == (28, 28)


@pytest.mark.parametrize("shape", ["4x64", "64x2048"])
def test_a_shape_out_of_range_is_refused_whatever_the_network(shape: str) -> None:
    with pytest.raises(SettingError, match=shape):
        resolve(None, {"data.shape": shape, "model.name": "mlp"})


def test_shape_goes_before_resolution() -> None:
    assert resolve(None, {"data.resolution": 32, "data.shape": "96x64"}).data.size == (96, 64)


def test_a_preset_is_looked_for_as_a_path_then_here_then_among_the_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = list_presets()[0]
    monkeypatch.chdir(tmp_path)
    assert find_preset(shipped.name) == shipped
    preset(tmp_path / f"{shipped.name}.toml", 'title = "Here"')
    assert find_preset(shipped.name).title == "Here"
    (tmp_path / "elsewhere").mkdir()
    assert find_preset(preset(tmp_path / "elsewhere" / "x.toml", 'title = "There"')).title == "There"


def test_an_unknown_preset_is_answered_with_the_nearest_or_all() -> None:
    shipped = list_presets()[0].name
    with pytest.raises(SettingError, match=f"{shipped}x") as caught:
        find_preset(f"{shipped}x")
    assert repr(shipped) in caught.value.hint
    with pytest.raises(SettingError) as caught:
        find_preset("qqqqqqqqqqq")
    assert all(known.name in caught.value.hint for known in list_presets())


@pytest.mark.parametrize("name", [shipped.name for shipped in list_presets()])
def test_every_shipped_preset_is_titled_described_and_valid(name: str) -> None:
    shipped = find_preset(name)
    assert shipped.title != name
    assert shipped.description
    assert dict(flat(resolve(name, {}))) != dict(flat(Settings())), "a preset that changes nothing"


def test_settings_survive_toml(tmp_path: Path) -> None:
    chosen = resolve(
        None, {"augment.policy": ["color", "cutout"], "data.shape": "96x64", "train.g_lr": 1e-5, "train.seed": 2**62}
    )
    path = tmp_path / "config.toml"
    path.write_text(to_toml(chosen, title="A 'title' with \"quotes\"", description="ü"), encoding="utf-8")
    again = read_preset(path)
    assert again.title == "A 'title' with \"quotes\""
    assert again.description == "ü"
    assert resolve(str(path), {}) == chosen


def test_only_what_may_not_change_counts_as_a_difference() -> None:
    old = Settings()
    allowed: dict[str, object] = {"engine.device": "cpu", "snapshot.preview_kimg": 1.0, "train.total_kimg": 5.0}
    allowed |= {"score.every_kimg": 20.0, "score.num": 100, "score.metric": "fd"}
    assert differences(old, resolve(None, allowed)) == []
    forbidden = {"train.g_lr": 0.1, "data.mirror": True, "model.z_dim": 3, "augment.policy": ["color"]}
    assert sorted(differences(old, resolve(None, {**allowed, **forbidden}))) == sorted(forbidden)


def test_set_pairs_are_toml_and_a_bare_word_is_text() -> None:
    pairs = [
        "train.g_lr=1e-4",
        "data.mirror=true",
        "train.loss=wgan-gp",
        'model.name="mlp"',
        "augment.policy=['color']",
    ]
    chosen = parse_sets(pairs)
    assert chosen == {
        "train.g_lr": 1e-4,
        "data.mirror": True,
        "train.loss": "wgan-gp",
        "model.name": "mlp",
        "augment.policy": ["color"],
    }
    assert resolve(None, {**chosen, "model.d_norm": "none"}).augment.policy == ("color",)


def test_a_set_without_a_value_is_refused() -> None:
    with pytest.raises(UsageError, match=r"train\.g_lr"):
        parse_sets(["train.g_lr"])


def test_every_setting_is_described() -> None:
    descriptions = field_descriptions()
    assert descriptions.keys() == dict(flat(Settings())).keys()
    assert [key for key, text in descriptions.items() if not text] == []


def test_an_error_tells_where_the_values_come_from() -> None:
    with pytest.raises(SettingError, match=r"model\.safetensors") as caught:
        validated({"model": {"name": "vae"}}, where="model.safetensors")
    assert "model.name" in caught.value.message
