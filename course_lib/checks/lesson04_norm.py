"""The check of lesson 04's exercise 4.5: batch normalisation in both modes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, generator, tensor_from
from course_lib.checks.probes import Watch
from course_lib.checks.tensors import Misconception, gaussians, judge, same

#: B, C, H, W, momentum, eps. Few numbers a channel and a large eps keep the mistakes apart.
CASES = ((3, 4, 2, 3, 0.3, 0.2), (2, 3, 1, 2, 0.1, 1e-2), (4, 1, 3, 2, 0.8, 0.05))


class Setting:
    """The arguments of one call, and what torch makes of them."""

    def __init__(self, seed: int, b: int, c: int, h: int, w: int, m: float, eps: float) -> None:
        scales = torch.linspace(0.5, 2.0, c, dtype=torch.float64)[:, None, None]
        self.x = gaussians(seed, b, c, h, w) * scales + gaussians(seed + 50, c, 1, 1)
        self.gamma, self.beta = gaussians(seed + 100, c), gaussians(seed + 200, c)
        self.mean = gaussians(seed + 300, c)
        self.var = 0.2 + torch.rand(c, dtype=torch.float64, generator=generator(seed + 400))
        self.momentum, self.eps = m, eps
        self.watch = Watch()

    def call(self, answer: Answer, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The answer's y, and the two buffers after the call."""
        mean, var = self.mean.clone(), self.var.clone()

        # Buffers stay out of sight of `asked`, for which a changed argument is a mistake.
        def without_buffers(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
            return answer(x, gamma, beta, mean, var, training, self.momentum, self.eps)

        with self.watch:
            return asked(without_buffers, self.x, self.gamma, self.beta), mean, var

    def wanted(self, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """What torch returns, and what it leaves in the buffers."""
        mean, var = self.mean.clone(), self.var.clone()
        y = F.batch_norm(
            self.x, mean, var, self.gamma, self.beta, training, self.momentum, self.eps
        )
        return y, mean, var

    def normalised(self, mean: Tensor, var: Tensor, root: Tensor | None = None) -> Tensor:
        """gamma (x - mean) / root + beta, with the right root unless another is given."""
        gamma, beta = self.gamma[:, None, None], self.beta[:, None, None]
        return gamma * (self.x - mean) / ((var + self.eps).sqrt() if root is None else root) + beta

    def moments(self, dims: tuple[int, ...], unbiased: bool = False) -> tuple[Tensor, Tensor]:
        """Mean and variance over some axes, which are kept."""
        var = self.x.var(dim=dims, unbiased=unbiased, keepdim=True)
        return self.x.mean(dim=dims, keepdim=True), var


def batch_norm(answer: Answer) -> None:
    """Exercise 4.5, against torch's own: outputs and buffers, training and evaluation."""
    if not callable(answer):
        fail("type", f"A function is asked for, got {described(answer)}.")
    for seed, case in enumerate(CASES, start=450):
        setting = Setting(seed, *case)
        y, mean, var = setting.call(answer, training=True)
        wanted, right_mean, right_var = setting.wanted(training=True)
        judge(y, wanted, _training_misconceptions(setting), "In training mode y is wrong")
        _judge_buffers(setting, mean, var, right_mean, right_var)
        y, mean, var = setting.call(answer, training=False)
        wanted = setting.wanted(training=False)[0]
        judge(y, wanted, _evaluation_misconceptions(setting), "In evaluation mode y is wrong")
        if not torch.equal(mean, setting.mean) or not torch.equal(var, setting.var):
            fail("updated-in-evaluation", UPDATED)
        if any("batch_norm" in name for name, _ in setting.watch.calls):
            fail(
                "ready-made",
                "Your result is right, and torch has computed it for you. Write down mean, "
                "variance and buffers yourself.",
            )
    passed("batch_norm")


UPDATED = (
    "In evaluation mode your function changes the running buffers. Then a prediction depends on "
    "which images were looked at before it."
)


def _training_misconceptions(s: Setting) -> Iterator[Misconception]:
    channel = (0, 2, 3)
    (mean, var), (_, unbiased) = s.moments(channel), s.moments(channel, unbiased=True)
    running = s.mean[:, None, None], s.var[:, None, None]
    for hint, dims, whose in (
        ("instance", (2, 3), "You normalise each map of each image by itself"),
        ("batch-only", (0,), "You take statistics over the images only, for each pixel by itself"),
        ("layer", (1, 2, 3), "You normalise each image by itself, over all its channels"),
        ("whole", (0, 1, 2, 3), "You take one mean and one variance for all channels together"),
    ):
        for one in (s.moments(dims), s.moments(dims, unbiased=True)):
            yield (
                hint,
                s.normalised(*one),
                f"{whose}. A channel has one mean and one variance: gather all numbers that were "
                "made with the same filter.",
            )
    yield (
        "unbiased",
        s.normalised(mean, unbiased),
        "You normalise with the variance that divides by N - 1. This batch is described by its own "
        "mean square; an estimate for other images is something else.",
    )
    for each in (var, unbiased):
        yield (
            "eps-outside",
            s.normalised(mean, each, each.sqrt() + s.eps),
            "You add eps to the standard deviation. It belongs to the variance: at zero a root has "
            "an infinite slope, and the gradient is what eps is to protect.",
        )
        yield (
            "no-eps",
            s.normalised(mean, each, each.sqrt()),
            "Your output does not depend on eps. For a channel that is constant, which a dead ReLU "
            "makes it, you divide zero by zero.",
        )
        yield (
            "no-root",
            s.normalised(mean, each, each + s.eps),
            "You divide by the variance. It has the unit of x squared, so the result would not "
            "have variance 1.",
        )
    yield (
        "running-in-training",
        s.normalised(*running),
        "In training mode you normalise with the running buffers. They only remember; this batch "
        "is normalised by its own statistics, through which the gradient flows.",
    )
    new_mean, new_var = (one[:, None, None] for one in s.wanted(training=True)[1:])
    yield (
        "running-in-training",
        s.normalised(new_mean, new_var),
        "In training mode you normalise with the buffers after their update. They only remember; "
        "this batch is normalised by its own statistics.",
    )
    gamma, beta = s.gamma[:, None, None], s.beta[:, None, None]
    right = s.normalised(mean, var)
    for one in ((right - beta) / gamma, right - beta, (right - beta) / gamma + beta):
        yield (
            "no-affine",
            one,
            "Your output lacks gamma or beta. Without them no layer could have another mean and "
            "size than 0 and 1, even where that is better.",
        )


def _judge_buffers(s: Setting, mean: Tensor, var: Tensor, right: Tensor, right_var: Tensor) -> None:
    if same(mean, right) and same(var, right_var):
        return
    if torch.equal(mean, s.mean) or torch.equal(var, s.var):
        fail(
            "not-updated",
            "In training mode one of the running buffers is as it was before. The caller keeps the "
            "tensor that it gave you: `running_mean = ...` makes a new one under the same name.",
        )
    old, new = s.momentum, 1 - s.momentum
    batch = s.x.mean(dim=(0, 2, 3))
    spreads = [s.x.var(dim=(0, 2, 3), unbiased=one) for one in (True, False)]
    turned = [new * spread + old * s.var for spread in spreads]
    if same(mean, new * batch + old * s.mean) or any(same(var, one) for one in turned):
        fail(
            "momentum",
            "Your momentum weighs the old value. In torch it is the share of the new one, the "
            "opposite of an optimiser's momentum.",
        )
    if same(mean, batch) or any(same(var, one) for one in spreads):
        fail(
            "replaced",
            "A buffer holds the last batch only. It is to be a moving average, in which a new "
            "batch has the share `momentum`.",
        )
    _same_or_fail(mean, right, "running_mean")
    if same(var, new * s.var + old * spreads[1]):
        fail(
            "biased-running",
            "You put the variance that divides by N into running_var. It stands for images to "
            "come, and as an estimate for them it is too small: torch divides by N - 1 here.",
        )
    if any(same(var, new * s.var + old * one.sqrt()) for one in spreads):
        fail(
            "running-std",
            "You put a standard deviation into running_var. In evaluation mode the root will be "
            "taken of what is there.",
        )
    if any(same(var, new * s.var + old * (one + s.eps)) for one in spreads):
        fail(
            "running-eps",
            "Your running_var holds eps already. In evaluation mode eps will be added to what is "
            "there.",
        )
    _same_or_fail(var, right_var, "running_var")


def _same_or_fail(got: Tensor, wanted: Tensor, name: str) -> None:
    tensor_from(got, tuple(wanted.shape))
    if not same(got, wanted):
        fail(
            "running-values",
            f"After a call in training mode {name} is wrong. It is (1 - momentum) times what it "
            "was, and momentum times the statistic of this batch.",
        )


def _evaluation_misconceptions(s: Setting) -> Iterator[Misconception]:
    mean, var = s.mean[:, None, None], s.var[:, None, None]
    for unbiased in (False, True):
        yield (
            "batch-in-evaluation",
            s.normalised(*s.moments((0, 2, 3), unbiased)),
            "In evaluation mode you normalise with the batch. The answer for one image then "
            "depends on which others came with it.",
        )
    for biased in (s.moments((0, 2, 3)), s.moments((0, 2, 3), unbiased=True)):
        moved = [
            (1 - s.momentum) * old + s.momentum * new
            for old, new in zip((mean, var), biased, strict=True)
        ]
        yield "updated-in-evaluation", s.normalised(*moved), UPDATED
    yield (
        "eps-outside",
        s.normalised(mean, var, var.sqrt() + s.eps),
        "In evaluation mode you add eps to the standard deviation, and in training mode to the "
        "variance. Both modes must compute the same function.",
    )
    yield (
        "no-eps",
        s.normalised(mean, var, var.sqrt()),
        "In evaluation mode your output does not depend on eps, in training mode it does. Both "
        "modes must compute the same function.",
    )
    yield (
        "no-root",
        s.normalised(mean, var, var + s.eps),
        "In evaluation mode you divide by running_var without a root. It holds a variance.",
    )
