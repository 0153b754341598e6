"""Which parts of a training step the time goes to, as torch's profiler sees it.

The profiler adds a few microseconds to every operation, so it overstates parts that consist of
many small ones. Times are those of the processor itself, without what an operation calls.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator

import torch
from torch.profiler import ProfilerActivity, profile

from course_lib import training

REST = "the rest"
# An operation belongs to the first group that knows the outermost operation it was called from.
# Products of matrices and changes of number format count with the convolutions: a layer may be
# computed as such a product, and the formats are changed for them.
GROUPS = {
    "convolutions_backward": r"ConvolutionBackward|MmBackward|ToCopyBackward",
    "convolutions_forward": r"^aten::(conv|_conv|mkldnn_conv|matmul|mm)",
    "batch_normalisation": r"batch_norm|BatchNorm",
    "activations": r"relu|tanh|Relu|Tanh",
    "optimiser": r"^Optimizer|adam",
    "moving_average": r"lerp|^aten::copy_$|_foreach_copy",
    # The spread is the discriminator's of a group, see `models.dcgan.MinibatchStd`.
    "losses_penalty_and_spread": r"softplus|Softplus|ones_like"
    r"|aten::(mean|sum|neg|square|add|sub|sqrt|cat|repeat_interleave|unflatten|expand)$"
    r"|(Mean|Sum|Neg|Sub|Add|Mul|Pow|Sqrt|Cat|Index|Expand)\w*Backward",
    "data": r"^aten::(index|randn|normal|to$|div$|contiguous|clone|slice)",
}


def group_of(name: str) -> str:
    """The group of an outermost operation, by its name."""
    for group, pattern in GROUPS.items():
        if re.search(pattern, name):
            return group
    return REST


def _outermost(event: torch.autograd.profiler_util.FunctionEvent) -> str:
    while event.cpu_parent is not None:
        event = event.cpu_parent
    return event.name


def seconds_by_group(records: Iterable[training.Record], device: torch.device) -> dict[str, float]:
    """Seconds in each group, of the steps that are done while the records are taken."""
    # Otherwise the profiler writes lines of its own to the screen each time.
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities) as profiler:
        for _ in records:
            pass
    found = dict.fromkeys([*GROUPS, REST], 0.0)
    for event in profiler.events():
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        found[group_of(_outermost(event))] += spent / 1e6
    return found


def shares(
    state: training.GanState, steps: Iterator[training.Record], device: torch.device
) -> dict[str, float]:
    """Percent of the time in each group, over one period of the lazy penalty.

    Args:
        state: what is trained; the period begins at its next step.
        steps: from `train_gan`, one record a step, not near its end.
        device: where.
    """
    period = state.recipe.r1_every
    while state.step % period:
        next(steps)
    first = seconds_by_group(itertools.islice(steps, 1), device)
    others = seconds_by_group(itertools.islice(steps, max(1, period - 1)), device)
    plain = {group: spent / max(1, period - 1) for group, spent in others.items()}
    # The penalty is made of convolutions too, so it is what its step takes longer than another.
    extra = max(0.0, sum(first.values()) - sum(plain.values()))
    spent = {group: seconds * period for group, seconds in plain.items()}
    spent["losses_penalty_and_spread"] += extra
    return {group: 100 * seconds / sum(spent.values()) for group, seconds in spent.items()}
