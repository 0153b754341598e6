"""The checks of lesson 11's exercises 11.1 and 11.2: the moving average, and what it removes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import gaussians, same

State = dict[str, Tensor]
DECAY = 0.9
LATE, EARLY = 500, 3  # steps: the warm-up is over, and it is not


def _states() -> tuple[State, State]:
    """An average and a trained state that differ in every number."""
    kept = {"weight": gaussians(1101, 3, 2), "running_mean": gaussians(1102, 3)}
    trained = {"weight": gaussians(1103, 3, 2), "running_mean": gaussians(1104, 3)}
    kept["num_batches_tracked"] = torch.tensor(20)
    trained["num_batches_tracked"] = torch.tensor(47)
    return kept, trained


def _copy(state: State) -> State:
    return {name: value.clone() for name, value in state.items()}


def averaged(answer: Answer) -> None:
    """Exercise 11.1, late and early in a training."""
    for step in (LATE, EARLY):
        kept, trained = _states()
        given = _copy(kept), _copy(trained)
        result = asked(answer, *given, DECAY, step)
        _refuse_another_kind(result, kept)
        if not all(
            torch.equal(mine[name], old[name])
            for mine, old in zip(given, (kept, trained), strict=True)
            for name in old
        ):
            fail(
                "input-changed",
                "Your function writes into one of the two states that it is given. A new "
                "dictionary of new tensors is asked for.",
            )
        shared = {value.untyped_storage().data_ptr() for state in given for value in state.values()}
        if any(result[name].untyped_storage().data_ptr() in shared for name in kept):
            fail(
                "alias",
                "One tensor of your result lies in the memory of a given one. It will change when "
                "that network learns on. Each needs a copy of its own.",
            )
        for name in ("weight", "running_mean"):
            _judge_mixed(name, result[name].double(), kept[name], trained[name], step)
        count = result["num_batches_tracked"]
        if count.is_floating_point():
            fail(
                "counter-type",
                "The whole number num_batches_tracked has become a fraction. It counts batches, "
                "and its type must stay.",
            )
        if int(count) != 47:
            fail("counter", "The whole number num_batches_tracked must be the trained state's.")
    passed("averaged")


def _refuse_another_kind(result: Any, kept: State) -> None:
    if not isinstance(result, dict):
        fail("type", f"A dictionary of tensors is asked for, got {described(result)}.")
    if set(result) != set(kept):
        fail("names", "Your dictionary must hold the names of the given ones, no more and no less.")
    for name, value in kept.items():
        if not isinstance(result[name], Tensor) or result[name].shape != value.shape:
            fail("type", f"Under {name} a tensor of shape {tuple(value.shape)} is asked for.")


def _judge_mixed(name: str, got: Tensor, old: Tensor, new: Tensor, step: int) -> None:
    share = min(DECAY, (1 + step) / (10 + step))

    def mix(part: float) -> Tensor:
        return part * old + (1 - part) * new

    if same(got, mix(share)):
        return
    if same(got, mix(1 - share)):
        fail(
            "decay-exchanged",
            "The two shares are exchanged: with a decay of 0.9 your average keeps a tenth of "
            "itself. It then remembers about one step instead of ten.",
        )
    if name == "running_mean" and (same(got, old) or same(got, new)):
        fail(
            "statistics",
            "The running mean is not mixed as the weights are. It is a buffer, no parameter, and "
            "belongs to the averaged weights all the same (section 11.4).",
        )
    if same(got, old):
        fail("unchanged", "Your average is as it was before.")
    if same(got, new):
        fail("copied", "Your average equals the trained weights: it forgets everything at once.")
    if step == EARLY and same(got, mix(DECAY)):
        fail(
            "no-warm-up",
            "At step 3 your average uses the full decay of 0.9. The initial noise is then kept for "
            "long; the decay has to grow from 1/10.",
        )
    if same(got, mix(max(DECAY, (1 + step) / (10 + step)))):
        fail(
            "larger",
            f"At step {step} you use the larger of the two decays, or one of them alone. The "
            "smaller one is asked for: the fraction goes to one, so late in the training nothing "
            "would be learned any more.",
        )
    fail("wrong", f"At step {step} the {name} is not the mean that the exercise asks for.")


def window_and_noise(answer: Answer) -> None:
    """Exercise 11.2, against sums over the coefficients."""
    for decay in (0.9, 0.5, 0.0, 0.99):
        result = asked(answer, decay)
        if not isinstance(result, tuple | list) or len(result) != 2:
            fail("type", f"Two numbers are asked for, got {described(result)}.")
        try:
            window, noise = (float(one) for one in result)
        except (TypeError, ValueError):
            fail("type", f"Two numbers are asked for, got {described(result)}.")
        powers = decay ** torch.arange(20_000, dtype=torch.float64)
        right = float(powers.sum()), float(((1 - decay) * powers).square().sum())
        if _near(window, right[0]) and _near(noise, right[1]):
            continue
        if _near(window, right[1]) and _near(noise, right[0]):
            fail("exchanged", "Your two numbers are exchanged: the window comes first.")
        if not _near(window, right[0]):
            _refuse_window(window, decay)
        _refuse_noise(noise, decay, right[1])
    passed("window_and_noise")


def _near(got: float, wanted: float) -> bool:
    return abs(got - wanted) <= 1e-6 * max(1e-3, abs(wanted))


def _refuse_window(window: float, decay: float) -> None:
    logarithm = float(torch.tensor(decay, dtype=torch.float64).log())
    half = float(torch.tensor(2.0, dtype=torch.float64).log())
    if decay and (_near(window, half / (1 - decay)) or _near(window, -half / logarithm)):
        fail(
            "half-life",
            "Your window is the half-life, after which a step counts half. The sum of all powers "
            "of the decay is asked for.",
        )
    if _near(window, decay / (1 - decay)):
        fail(
            "mean-age",
            "Your window is the mean age of what is averaged, one step less than the sum of all "
            "powers. The newest step, whose power is 1, belongs to the sum.",
        )
    fail("window", f"For a decay of {decay:g} your window is not the sum of all its powers.")


def _refuse_noise(noise: float, decay: float, right: float) -> None:
    if _near(noise, 1 - decay):
        fail(
            "not-squared",
            "You give 1 - decay, one over the window. It comes out when the factor (1 - decay) is "
            "squared and the powers are not. A variance adds the squares of the whole shares.",
        )
    if _near(noise, right**0.5):
        fail("root", "You give the ratio of standard deviations. That of variances is asked for.")
    if _near(noise, 1 / (1 - decay**2)):
        fail(
            "no-gain",
            "You sum the squares of the powers and leave out the factor (1 - decay) of each share. "
            "An average cannot vary more than what it averages.",
        )
    fail("noise", f"For a decay of {decay:g} your variance is not the sum of squared shares.")
