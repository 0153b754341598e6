"""Device, seed, number format, budgets."""

import random

import numpy as np
import pytest
import torch

from course_lib import runtime


def test_device_is_the_cpu_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runtime.device().type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runtime.device().type == "cuda"


@pytest.mark.parametrize("name", ["gpu", "tpu", "", "mps:0", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(runtime.RuntimeSettingError):
        runtime.device(name)


def test_seed_repeats_all_three_sources(monkeypatch):
    monkeypatch.delenv("COURSE_SEED", raising=False)

    def draw() -> tuple:
        return random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002

    assert runtime.seed(5) == 5
    first = draw()
    runtime.seed(5)
    assert draw() == first
    runtime.seed(6)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_course_seed_overrides(monkeypatch):
    monkeypatch.setenv("COURSE_SEED", "11")
    assert runtime.seed(5) == 11


@pytest.mark.parametrize("text", ["-1", "x", "1.5", str(2**31)])
def test_nonsense_seeds_are_refused(monkeypatch, text):
    monkeypatch.setenv("COURSE_SEED", text)
    with pytest.raises(runtime.RuntimeSettingError, match="expected a seed"):
        runtime.seed()


@pytest.mark.parametrize(("cost", "expected"), [(0.5, torch.bfloat16), (1.5, torch.float32)])
def test_compute_dtype_takes_what_is_faster(monkeypatch, cost, expected):
    clock = [0.0]
    monkeypatch.setattr(runtime.time, "perf_counter", lambda: clock[0])

    def probe(dtype: torch.dtype) -> None:
        clock[0] += cost if dtype == torch.bfloat16 else 1.0

    assert runtime.compute_dtype(torch.device("cpu"), probe) is expected


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_compute_dtype_asks_what_the_gpu_can_and_not_what_it_can_pretend(
    monkeypatch, capability, expected
):
    gpu = torch.device("cuda:1")
    monkeypatch.setattr(
        torch.cuda, "get_device_capability", lambda device: capability if device == gpu else None
    )
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *options: True)  # emulated
    assert runtime.compute_dtype(gpu) is expected


def test_budget_goes_by_device():
    cpu = runtime.Budget("fashion-mnist", 1, 2, 32, 4)
    gpu = runtime.Budget("celeba", 10, 2, 64, 8)
    assert runtime.budget(cpu=cpu, gpu=gpu, device=torch.device("cpu")) is cpu
    assert runtime.budget(cpu=cpu, gpu=gpu, device=torch.device("cuda")) is gpu


def test_environment_names_what_a_number_depends_on():
    found = runtime.environment(torch.device("cpu"))
    assert found["torch"] == torch.__version__
    assert found["threads"] >= 1 and found["device_name"]
