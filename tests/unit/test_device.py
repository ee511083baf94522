"""The engine: a device and number format with reasons, or an error that names what is not there."""

from collections.abc import Iterator

import pytest
import torch

from artgan.config import EngineSettings
from artgan.engine.device import Engine, explaining_memory, is_out_of_memory, memory_in_use
from artgan.engine.images import to_uint8
from artgan.errors import DeviceError

on_a_plain_cpu = pytest.mark.skipif(
    torch.cuda.is_available() or torch.backends.mps.is_available(), reason="this machine has a GPU"
)


@pytest.fixture(autouse=True)
def _global_switches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back what detecting an engine switches for the whole process."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    yield
    torch.use_deterministic_algorithms(False)


def test_an_engine_says_why() -> None:
    engine = Engine.detect()
    assert len(engine.why) >= 2
    assert all(len(reason) > 10 for reason in engine.why)
    assert engine.device.type in engine.why[0]
    assert engine.threads >= 1
    described = engine.describe()
    assert described["why"] == list(engine.why)
    assert described["device"] == str(engine.device)


@on_a_plain_cpu
def test_without_a_gpu_the_processor_is_chosen() -> None:
    engine = Engine.detect()
    assert engine.device == torch.device("cpu")
    in_hardware = any(torch.cpu.get_capabilities().get(name) for name in ("amx_bf16", "avx512_bf16"))
    assert engine.dtype == (torch.bfloat16 if in_hardware else torch.float32)


@pytest.mark.parametrize(("bf16", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
@on_a_plain_cpu
def test_bf16_is_chosen_where_the_processor_has_it(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": bf16})
    engine = Engine.detect()
    assert engine.dtype == dtype
    assert any("bf16" in reason for reason in engine.why)


def test_what_is_asked_for_is_given() -> None:
    engine = Engine.detect("cpu", "float32", seed=7)
    assert (engine.device, engine.dtype, engine.seed) == (torch.device("cpu"), torch.float32, 7)
    assert all("asked" in reason for reason in engine.why[:2])
    assert engine.describe()["precision"] == "float32"
    engine = Engine.detect("cpu", "bf16")
    assert engine.dtype == torch.bfloat16
    assert engine.describe()["precision"] == "bf16"


def test_settings_are_an_engine_too() -> None:
    assert not torch.are_deterministic_algorithms_enabled()
    try:
        engine = Engine.from_settings(EngineSettings(device="cpu", precision="float32", deterministic=True), seed=3)
        assert (engine.device.type, engine.dtype, engine.seed, engine.deterministic) == ("cpu", torch.float32, 3, True)
        assert torch.are_deterministic_algorithms_enabled()
        Engine.detect("cpu")  # leaves alone what somebody else has switched on
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_a_device_that_is_not_here_is_named(device: str) -> None:
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(DeviceError, match=device) as caught:
        Engine.detect(device)
    assert caught.value.exit_code == 6
    assert "--device" in caught.value.hint


@pytest.mark.parametrize("device", ["banana", "xpu", "meta", "cuda:x", "", "cuda:99999999999"])
def test_a_device_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(DeviceError) as caught:
        Engine.detect(device)
    assert repr(device) in caught.value.message


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_bytes_become_numbers_from_minus_one_to_one_and_back(precision: str) -> None:
    engine = Engine.from_settings(EngineSettings.model_validate({"device": "cpu", "precision": precision}))
    batch = torch.arange(256, dtype=torch.uint8).reshape(2, 2, 8, 8)
    pictures = engine.pictures(batch)
    assert pictures.dtype == torch.float32
    assert pictures.shape == batch.shape
    assert pictures.min().item() == -1
    assert pictures.max().item() == 1
    assert pictures[0, 0, 0, 0].item() == -1
    assert pictures[1, 1, 7, 7].item() == 1
    assert (to_uint8(pictures.numpy()) == batch.numpy()).all()
    assert batch.flatten().tolist() == list(range(256)), "the batch itself is left alone"


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_heavy_arithmetic_has_the_engines_format_and_weights_stay_float32(precision: str) -> None:
    engine = Engine.from_settings(EngineSettings.model_validate({"device": "cpu", "precision": precision}))
    network = engine.place(torch.nn.Conv2d(3, 4, 3))
    with engine.autocast():
        out = network(engine.pictures(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)))
    assert out.dtype == engine.dtype
    assert network.weight.dtype == torch.float32


def test_running_out_of_memory_is_told_with_the_hint() -> None:
    def allocate() -> None:
        torch.empty(2**50, dtype=torch.uint8)  # a petabyte

    def fail() -> None:
        raise MemoryError

    def fail_on_a_gpu() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    for out_of_memory in (allocate, fail, fail_on_a_gpu):
        with pytest.raises(DeviceError) as caught, explaining_memory("Use --batch 8."):
            out_of_memory()
        assert "memory" in caught.value.message
        assert caught.value.hint == "Use --batch 8."


def test_other_failures_are_not_called_memory() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explaining_memory("Use --batch 8."):
        raise RuntimeError("shapes do not match")


def allocation_error() -> BaseException:
    """What this machine's own allocator says."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8)
    return caught.value


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (allocation_error(), True),
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
            True,
        ),
        (RuntimeError("shapes do not match"), False),
        (RuntimeError("I forgot"), False),
        (OSError(28, "No space left on device"), False),
        (ValueError("can't allocate memory"), False),
        (KeyboardInterrupt(), False),
    ],
    ids=str,
)
def test_full_memory_is_told_from_other_failures(error: BaseException, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


@on_a_plain_cpu
def test_memory_in_use_is_that_of_this_process_and_grows_with_it() -> None:
    before = memory_in_use(torch.device("cpu"))
    assert before > 2**20
    block = torch.ones(2**26)  # 256 MiB
    assert memory_in_use(torch.device("cpu")) - before > 2**27
    assert block.sum() > 0
