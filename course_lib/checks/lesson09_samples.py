"""Checks of lesson 09 on what surrounds training: averaged weights, samples, latent walks."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_probes import (
    ask,
    cause_of,
    close,
    own_randomness,
    refuse_frozen,
    refuse_match,
    tensor_of,
)


def update_average(answer: Answer) -> None:
    """Exercise 9.6, with one batch normalisation: two statistics and a count are its buffers."""
    decay = 0.9
    with own_randomness(96) as random:
        average, generator = _average_and_generator(random)
        new = {name: value.clone() for name, value in generator.state_dict().items()}
        old = {name: value.clone() for name, value in average.state_dict().items()}
        try:
            ask(answer, average, generator, decay)
        except CheckFailed as refusal:
            if isinstance(cause_of(refusal), RuntimeError) and _runs_uncounted(answer, decay):
                fail(
                    "counter-type",
                    "Your answer stopped at the integer buffer num_batches_tracked, and runs "
                    "through without it. It counts batches. A mean of two counts is a fraction, "
                    "for which an integer tensor has no place.",
                )
            raise
    weights = [name for name, _ in generator.named_parameters()]
    buffers = [name for name in new if name not in weights]
    if any(value.requires_grad for value in average.parameters()):
        fail(
            "graph",
            "Your update became part of a graph: the averaged weights now require a gradient. "
            "Every step would hang on to the one before, and memory grows without end.",
        )
    kept, live = average.state_dict(), generator.state_dict()
    if any(_same_memory(kept[name], live[name]) for name in weights):
        fail(
            "rebound",
            "The averaged weights now lie in the same memory as the generator's. From here on the "
            "average is the generator, whatever it does. Write numbers into the tensor that you "
            "have, do not put another one in its place.",
        )
    for name in buffers:
        if _same_memory(kept[name], live[name]):
            fail(
                "alias",
                f"The average shares {_short(name)} with the generator. It will change with "
                "every later training step, without your function being called. Each needs a "
                "tensor of its own, not a second name for the other's.",
            )
    if not all(torch.equal(live[name], new[name]) for name in live):
        fail("generator-moved", "Your update changed the generator. It may only read from it.")
    _refuse_other_weights(*(_joined(state, weights) for state in (kept, old, new)), decay)
    for name in buffers:
        if new[name].is_floating_point():
            _refuse_other_statistics(_short(name), kept[name], old[name], new[name], decay)
        else:
            counts = (float(state[name]) for state in (kept, old, new))
            _refuse_other_counts(_short(name), *counts)
    passed("update_average")


def _average_and_generator(random: torch.Generator) -> tuple[nn.Module, nn.Module]:
    """Two networks alike that differ in every number: old, mean and new cannot be confused."""
    generator = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = copy.deepcopy(generator).requires_grad_(False)
    for network, batches in ((generator, 47), (average, 20)):
        for value in (*network.parameters(), network[1].running_mean, network[1].running_var):
            value.data.copy_(torch.rand(value.shape, generator=random) + 0.5)
        network[1].num_batches_tracked.fill_(batches)
    return average, generator


def _runs_uncounted(answer: Answer, decay: float) -> bool:
    """Whether an answer runs through when batch normalisation has no counter of batches."""
    average, generator = _average_and_generator(torch.Generator().manual_seed(96))
    average[1].num_batches_tracked = generator[1].num_batches_tracked = None
    try:
        ask(answer, average, generator, decay)
    except CheckFailed:
        return False
    return True


def _refuse_other_weights(kept: Tensor, old: Tensor, new: Tensor, decay: float) -> None:
    refuse_match(
        kept,
        {
            "decay-exchanged": (
                (1 - decay) * old + decay * new,
                "With a decay of 0.9 your average keeps a tenth of itself and takes nine tenths "
                "from the generator. It then remembers about one step instead of ten.",
            ),
            "copied": (new, "Your average equals the generator: it forgets everything at once."),
            "unchanged": (old, "Your function left the averaged weights as they were."),
        },
    )
    if not close(kept, decay * old + (1 - decay) * new, 1e-5):
        fail(
            "wrong",
            "For a decay of 0.9 the averaged weights are not the mean that section 9.9 asks.",
        )


def _refuse_other_statistics(
    name: str, kept: Tensor, old: Tensor, new: Tensor, decay: float
) -> None:
    refuse_match(
        kept,
        {
            "statistics-copied": (
                new,
                f"Your average draws with the {name} that the generator has at this moment. That "
                "is what another network, with other weights, measured in about its last ten "
                "batches, and it is noisy. What the weights gain by averaging is partly lost.",
            ),
            "buffers": (
                old,
                f"The {name} of your average is still the old one. It is a buffer, not a "
                "parameter: the weights move on, and the statistics that belong to them stay "
                "behind.",
            ),
        },
    )
    if not close(kept, decay * old + (1 - decay) * new, 1e-5):
        fail(
            "statistics",
            f"The {name} of your average was not mixed as its weights were: the same decay of 0.9 "
            "holds for both.",
        )


def _refuse_other_counts(name: str, kept: float, old: float, new: float) -> None:
    if kept == old:
        fail(
            "counter-kept",
            f"The integer buffer {name} of your average is still the old one. It is neither a "
            "parameter nor a floating-point number, and belongs to the state all the same: batch "
            "normalisation with `momentum=None` computes with it.",
        )
    if old < kept < new:
        fail(
            "counter-mixed",
            f"The integer buffer {name} now lies between the old count and the generator's. A "
            "mean was written into an integer tensor, which cuts off the fraction without a "
            "word. With a decay near one nothing remains of the step.",
        )
    if kept != new:
        fail("counter", f"The integer buffer {name} must be copied, and it is something else.")


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _joined(state: dict[str, Tensor], names: list[str]) -> Tensor:
    return torch.cat([state[name].flatten() for name in names])


def _same_memory(left: Tensor, right: Tensor) -> bool:
    return left.untyped_storage().data_ptr() == right.untyped_storage().data_ptr()


def sample(answer: Answer) -> None:
    """Exercise 9.7, with batch normalisation, found in training mode and in evaluation mode."""
    for training in (True, False):
        with own_randomness(97) as random:
            generator = nn.Sequential(
                nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Unflatten(1, (1, 2, 2))
            ).train(training)
            norm = generator[1]
            norm.running_mean.copy_(torch.randn(4, generator=random))
            norm.running_var.copy_(torch.rand(4, generator=random) + 0.5)
            before = {name: value.clone() for name, value in generator.state_dict().items()}
            z = torch.randn(5, 3, generator=random)
            images = ask(answer, generator, z)
        graph = isinstance(images, Tensor) and images.requires_grad
        images = tensor_of(images, (5, 1, 2, 2))
        after = generator.state_dict()
        hidden = z.double() @ before["0.weight"].double().T + before["0.bias"].double()
        scaled = (hidden - before["1.running_mean"]) / (before["1.running_var"] + norm.eps).sqrt()
        right = torch.tanh(scaled).view(5, 1, 2, 2)  # the scales are 1 and the shifts 0
        moved = not torch.equal(after["1.running_mean"], before["1.running_mean"])
        spread = (hidden.var(0, correction=0) + norm.eps).sqrt()
        by_batch = torch.tanh((hidden - hidden.mean(0)) / spread).view(5, 1, 2, 2)
        if moved or close(images, by_batch):
            what = "the batch-norm statistics changed" if moved else "the batch set the statistics"
            fail(
                "training-mode",
                f"Your images were made in training mode: {what}. Each image then depends on the "
                "others beside it, and a look at the training disturbs it. The end of "
                "section 9.9 shows the difference.",
            )
        if not close(images, right):
            fail("wrong", "Your images are not the generator's images of this z.")
        if graph:
            fail(
                "graph",
                "Your images still carry the graph of the generator. It holds every layer's "
                "activations for as long as the picture is kept.",
            )
        if training and not generator.training:
            fail(
                "left-in-eval",
                "The generator was in training mode and your function left it in evaluation mode. "
                "All later training steps would use frozen statistics.",
            )
        if not training and generator.training:
            fail(
                "always-train",
                "The generator was in evaluation mode and your function left it in training mode. "
                "Put back the mode that you found.",
            )
        if any(not torch.equal(after[name], before[name]) for name in before):
            fail("generator-moved", "Your function changed the generator. It may only look.")
        refuse_frozen(generator)
    passed("sample")


def slerp(answer: Answer) -> None:
    """Exercise 9.8, against the same point written in an orthonormal basis of the plane."""
    with own_randomness(98) as random:
        start = torch.randn(6, 12, generator=random)
        end = 1.5 * torch.randn(6, 12, generator=random)
    for t in (0.3, 0.0, 1.0, 0.75):
        value = ask(answer, start, end, t)
        if isinstance(value, Tensor) and value.isnan().any():
            fail(
                "unnormalised",
                "Your result holds NaN. The arc cosine takes numbers from -1 to 1, and the inner "
                "product of two latent vectors is far outside. Divide by both lengths first.",
            )
        value = tensor_of(value, (6, 12))
        if t == 0.3:  # the misconceptions agree with each other, or with the truth, at the ends
            for margin in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6):
                refuse_match(value, _wrong_walks(start.double(), end.double(), t, margin))
        if not close(value, _arc_by_basis(start.double(), end.double(), t)):
            fail(
                "wrong",
                f"At t = {t:g} your result is not on the arc. Check the ends first (t = 0 and "
                "t = 1), then the angle between two vectors at right angles.",
            )
    passed("slerp")


def _wrong_walks(
    start: Tensor, end: Tensor, t: float, margin: float
) -> dict[str, tuple[Tensor, str]]:
    """Results of misconceptions; `margin` is how far a clamp keeps a cosine from one."""
    products = (start * end).sum(dim=1, keepdim=True)  # (B, 1)
    angle = torch.acos(products / (start.norm(dim=1) * end.norm(dim=1))[:, None])
    whole = torch.acos(F.cosine_similarity(start.flatten(), end.flatten(), dim=0))
    return {
        "straight": (
            (1 - t) * start + t * end,
            "You walk along the straight line. In the middle it passes much nearer to the origin "
            "than the vectors that the generator was trained on. Section "
            "9.10 measures by how much.",
        ),
        "swapped": (
            _arc(end, start, angle, t),
            f"At t = {t:g} you are nearer to the end than to the start. The two coefficients are "
            "exchanged: t = 0 must give `start`.",
        ),
        "unnormalised": (
            _arc(start, end, torch.acos(products.clamp(margin - 1, 1 - margin)), t),
            "Your angle comes from vectors that were not normalised, cut to the arc cosine's "
            "range. Such an angle is mostly 0 or pi. Divide by both lengths first.",
        ),
        "degrees": (
            _arc(start, end, torch.rad2deg(angle), t),
            "Your coefficients are those of an angle in degrees. The sine takes radians, and the "
            "arc cosine returns them.",
        ),
        "one-angle": (
            _arc(start, end, whole, t),
            "You use one angle for the whole batch. Each pair of vectors has its own: sum over "
            "the last axis only and keep it.",
        ),
    }


def _arc(start: Tensor, end: Tensor, angle: Tensor, t: float) -> Tensor:
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


def _arc_by_basis(start: Tensor, end: Tensor, t: float) -> Tensor:
    """The point at t, from coordinates along `start` and across it, one pair after the other."""
    points = []
    for a, b in zip(start, end, strict=True):
        u, v = a / a.norm(), b / b.norm()
        across = v - (u @ v) * u
        angle = math.atan2(float(across.norm()), float(u @ v))
        far = float(b.norm()) * math.sin(t * angle)
        near = float(a.norm()) * math.sin((1 - t) * angle) + far * math.cos(angle)
        points.append(near / math.sin(angle) * u + far * across / across.norm())
    return torch.stack(points)
