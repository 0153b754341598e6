"""The machine: device, seed, number format, budgets (lesson 00)."""

from __future__ import annotations

import os
import platform
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch


class RuntimeSettingError(ValueError):
    """A device, seed or budget that cannot be used; the message says what to do."""


def device(name: str = "auto") -> torch.device:
    """The device to compute on: a CUDA GPU when there is one, else the CPU.

    Args:
        name: "auto", or a torch device name such as "cpu" or "cuda:1".

    Raises:
        RuntimeSettingError: if the name is unknown or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
    except RuntimeError:
        chosen = None
    if chosen is None or chosen.type not in ("cpu", "cuda"):
        raise RuntimeSettingError(f'expected device "auto", "cpu" or "cuda", got {name!r}')
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise RuntimeSettingError(
            f"device {name!r} is not there: torch sees {torch.cuda.device_count()} CUDA device(s). "
            'Use "auto" or "cpu".'
        )
    return chosen


def seed(default: int = 0) -> int:
    """Seed Python, numpy and torch, and return the seed.

    The environment variable COURSE_SEED overrides the default, so that a lesson can be repeated
    under other seeds without an edit.

    Args:
        default: seed used when COURSE_SEED is not set, 0 to 2**31 - 1.

    Raises:
        RuntimeSettingError: if the seed is not a whole number in that range.
    """
    text = os.environ.get("COURSE_SEED", str(default))
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**31:
        raise RuntimeSettingError(f"expected a seed from 0 to {2**31 - 1}, got {text!r}")
    random.seed(value)
    np.random.seed(value)  # noqa: NPY002 - for libraries that draw from its global state
    torch.manual_seed(value)
    return value


@dataclass(frozen=True)
class Budget:
    """What a lesson may spend on one kind of machine.

    Attributes:
        data: name of the data set for `data.load_images`.
        steps: training steps.
        batch: images a step.
        size: height and width of the images.
        width: channels of the narrowest hidden layer.
    """

    data: str
    steps: int
    batch: int
    size: int
    width: int


def budget(*, cpu: Budget, gpu: Budget, device: torch.device) -> Budget:
    """The budget that belongs to the device; both run the same code."""
    return gpu if device.type == "cuda" else cpu


def compute_dtype(
    device: torch.device, probe: Callable[[torch.dtype], object] | None = None
) -> torch.dtype:
    """The number format for the expensive operations: bfloat16 where it pays, else float32.

    On a GPU, bfloat16 where the hardware has it. On a CPU the answer depends on the machine (with
    matrix units bfloat16 is far faster, without it can be slower), so it is measured: `probe` is
    run in both formats, alternating, and bfloat16 must win by a tenth.

    Args:
        device: where the work will run.
        probe: does a small piece of the real work in the given format.

    Returns:
        torch.bfloat16 or torch.float32.
    """
    if device.type == "cuda":
        # torch.cuda.is_bf16_supported() also says yes where bfloat16 is only emulated, slowly.
        hardware = torch.version.hip or torch.cuda.get_device_capability(device)[0] >= 8
        return torch.bfloat16 if hardware else torch.float32
    if probe is None:
        return torch.float32
    seconds: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for round_number in range(6):
        for dtype, times in seconds.items():
            start = time.perf_counter()
            probe(dtype)
            if round_number:  # the first round pays for one-off set-up
                times.append(time.perf_counter() - start)
    # The minimum is the time least disturbed by other programs.
    faster = min(seconds[torch.bfloat16]) < 0.9 * min(seconds[torch.float32])
    return torch.bfloat16 if faster else torch.float32


def processor() -> str:
    """The processor's name as the operating system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux: platform knows
    return platform.processor() or platform.machine()


def environment(device: torch.device) -> dict[str, str | int]:
    """What a measured number depends on: device, processor, threads and versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return {
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.system(),
    }
