"""The loop that trainings of lessons 12 to 14 share: steps, and a record of them now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor

from course_lib.training import Record


def recorded(
    state: Any, every: int, step: Callable[[], dict[str, Tensor]], prepare: Callable[[], None]
) -> Iterator[Record]:
    """Do steps until the recipe's last one, and yield a record of what they measured.

    Between two records the state is consistent: it can be saved, used, or left.

    Args:
        state: with a recipe, and with step, seconds and history, which are kept up to date here.
        every: steps between records; the last step always ends one.
        step: does step number `state.step`, and returns what it measured as tensors of shape (),
            the same names each time, without a graph.
        prepare: is called before the first step and after each record, because whoever looked in
            between may have left a network in `eval()`.

    Yields:
        A `Record`, also appended to `state.history`; its losses are means over the steps.

    Raises:
        FloatingPointError: if a mean is no longer finite.
    """
    recipe, sums = state.recipe, {}
    last_step, start = state.step, time.perf_counter()
    prepare()
    while state.step < recipe.steps:
        measured = step()
        # Sums stay on the device: reading a number every step would make a GPU wait.
        sums = {name: sums.get(name, 0) + value for name, value in measured.items()}
        state.step += 1
        if state.step % every == 0 or state.step == recipe.steps:
            steps = state.step - last_step
            means = {name: float(total) / steps for name, total in sums.items()}
            spent = time.perf_counter() - start
            state.seconds += spent
            rate = steps * recipe.batch / spent
            record = Record(state.step, state.step * recipe.batch, state.seconds, rate, means)
            state.history.append(record)
            if not all(math.isfinite(value) for value in means.values()):
                raise FloatingPointError(
                    f"the losses are no longer finite at step {state.step}: {means}. "
                    "Lower the learning rate, or train in float32."
                )
            yield record
            prepare()
            sums, last_step, start = {}, state.step, time.perf_counter()
