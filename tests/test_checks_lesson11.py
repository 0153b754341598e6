"""Answers to lesson 11's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import math
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from course_lib import averaging, rate_balance, step_cost, training
from course_lib.checks import CheckFailed
from course_lib.checks import lesson11 as checks
from course_lib.checks.lesson11_clipping import _Case, _flat
from course_lib.checks.lesson11_cost import _Machine


def library_average(kept, trained, decay, step):
    """`training.update_average`, which changes the average's own state in place."""
    mine = {name: value.clone() for name, value in kept.items()}
    training.update_average(
        SimpleNamespace(
            recipe=SimpleNamespace(average=decay),
            step=step,
            average=SimpleNamespace(state_dict=lambda: mine),
            generator=SimpleNamespace(state_dict=lambda: trained),
        )
    )
    return mine


def mixed(floats, whole):
    """An average from a function of (kept, trained, share), and one of whole numbers."""

    def averaged(kept, trained, decay, step):
        share = min(decay, (1 + step) / (10 + step))
        return {
            name: floats(old, trained[name], share)
            if old.is_floating_point()
            else whole(old, trained[name])
            for name, old in kept.items()
        }

    return averaged


def lerp(old, new, share):
    return share * old + (1 - share) * new


def in_place(kept, trained, decay, step):
    for name, old in kept.items():
        if old.is_floating_point():
            old.lerp_(trained[name], 1 - decay)
        else:
            old.copy_(trained[name])
    return kept


def larger(kept, trained, decay, step):
    share = max(decay, (1 + step) / (10 + step))
    return {
        name: lerp(old, trained[name], share) if old.is_floating_point() else trained[name].clone()
        for name, old in kept.items()
    }


def step_with(change, returned=lambda norm, after: norm):
    """A step whose gradients are changed in place by change(gradients, limit)."""

    def clipped_step(network, loss, optimiser, limit):
        optimiser.zero_grad()
        loss.backward()
        gradients = [weight.grad for weight in network.parameters()]
        norm = _flat(gradients).norm()
        change(gradients, limit)
        optimiser.step()
        return returned(norm, _flat(gradients).norm())

    return clipped_step


def by_norm(gradients, limit):
    factor = min(1.0, limit / float(_flat(gradients).norm()))
    for gradient in gradients:
        gradient.mul_(factor)


def clip_with(cut):
    def clip_weights(network, limit):
        with torch.no_grad():
            for weight in network.parameters():
                weight.copy_(cut(weight, limit))

    return clip_weights


def clip_matrices(network, limit):
    with torch.no_grad():
        network[0].weight.clamp_(-limit, limit)


def clip_anew(network, limit):
    for module in (network[0], network[1]):
        for name, weight in list(module.named_parameters()):
            setattr(module, name, nn.Parameter(weight.detach().clamp(-limit, limit)))


def timed(value, first=1):
    """Times of every call, of which the first ones are left out, and a value of them."""

    def median_seconds(work, rounds, clock):
        times = []
        for _ in range(rounds + 1):
            start = clock()
            work()
            times.append(clock() - start)
        return value(times[first:])

    return median_seconds


def by_interleaving(work, rounds, clock):
    return statistics.median(step_cost.interleaved_seconds({"it": work}, rounds, clock)["it"])


def by_a_layer(batch, inside, outside, kernel, stride, padding, size):
    layer = nn.ConvTranspose2d(inside, outside, kernel, stride, padding)
    return sum(step_cost.multiply_adds(layer, torch.zeros(batch, inside, size, size)))


def library_radius(game, rate, ratio):
    return rate_balance.spectral_radius(rate_balance.iteration(game, rate, ratio))


RIGHT = {
    "averaged": library_average,
    "window_and_noise": lambda decay: (averaging.window(decay), averaging.noise_left(decay)),
    "clipped_step": step_with(by_norm),
    "clip_weights": clip_with(lambda weight, limit: weight.clamp(-limit, limit)),
    "judge": lambda critic, real, fake, augment: (critic(augment(real)), critic(augment(fake))),
    "radius": library_radius,
    "transposed_multiply_adds": lambda b, c, o, k, s, p, h: b * c * o * k * k * h * h,
    "median_seconds": by_interleaving,
}

ALSO_RIGHT = [
    ("averaged", mixed(lerp, lambda old, new: new.clone())),
    (
        "window_and_noise",
        lambda d: torch.tensor([1 / (1 - d), (1 - d) / (1 + d)]).double().tolist(),
    ),
    ("clipped_step", step_with(by_norm, lambda norm, after: float(norm))),
    ("clip_weights", clip_with(lambda w, c: torch.where(w.abs() > c, c * w.sign(), w))),
    ("judge", lambda critic, real, fake, augment: [critic(augment(x)) for x in (real, fake)]),
    ("radius", lambda *case: np.float64(library_radius(*case))),
    ("radius", lambda *case: torch.tensor(library_radius(*case))),
    ("transposed_multiply_adds", lambda *sizes: np.int64(by_a_layer(*sizes))),
    ("median_seconds", timed(statistics.median)),
]

WRONG = [
    ("averaged", in_place, "input-changed"),
    ("averaged", lambda kept, *rest: None, "type"),
    ("averaged", lambda kept, *rest: {"weight": kept["weight"].clone()}, "names"),
    ("averaged", lambda kept, *rest: {name: v.clone() for name, v in kept.items()}, "unchanged"),
    ("averaged", lambda kept, t, *rest: {name: v.clone() for name, v in t.items()}, "copied"),
    ("averaged", larger, "larger"),
    ("averaged", mixed(lambda o, n, s: lerp(n, o, s), lambda o, n: n.clone()), "decay-exchanged"),
    ("averaged", mixed(lerp, lambda old, new: new.double()), "counter-type"),
    ("averaged", mixed(lerp, lambda old, new: old.clone()), "counter"),
    ("averaged", mixed(lambda old, new, share: (old + new) / 2, lambda o, n: n.clone()), "wrong"),
    ("window_and_noise", lambda d: 1 / (1 - d), "type"),
    ("window_and_noise", lambda d: ((1 - d) / (1 + d), 1 / (1 - d)), "exchanged"),
    ("window_and_noise", lambda d: (1 / (1 - d), math.sqrt((1 - d) / (1 + d))), "root"),
    ("window_and_noise", lambda d: (1 / (1 - d), 1 / (1 - d * d)), "no-gain"),
    ("window_and_noise", lambda d: (1 / (1 - d), 0.5), "noise"),
    ("window_and_noise", lambda d: (2 / (1 - d), 0.5), "window"),
    ("clipped_step", lambda network, loss, optimiser, limit: limit, "no-step"),
    ("clipped_step", step_with(by_norm, lambda norm, after: after), "returned"),
    ("clipped_step", step_with(by_norm, lambda norm, after: None), "type"),
    ("clipped_step", step_with(lambda g, limit: [x.neg_() for x in g]), "wrong"),
    ("clip_weights", clip_with(lambda w, c: w.clamp(max=c)), "one-sided"),
    ("clip_weights", clip_matrices, "some"),
    ("clip_weights", clip_anew, "rebound"),
    ("clip_weights", clip_with(lambda w, c: c * w.sign()), "wrong"),
    ("judge", lambda critic, real, fake, augment: (critic(real), critic(fake)), "no-augment"),
    (
        "judge",
        lambda critic, real, fake, augment: (critic(real), critic(augment(fake))),
        "only-fake",
    ),
    (
        "judge",
        lambda critic, real, fake, augment: (critic(augment(fake)), critic(augment(real))),
        "exchanged",
    ),
    (
        "judge",
        lambda critic, real, fake, augment: (
            critic(augment(real)),
            critic(augment(fake.detach() * 1 + 0 * fake)) * 1,
        ),
        "rounded",
    ),
    (
        "judge",
        lambda critic, real, fake, augment: (
            critic(augment(real)),
            critic(augment(fake.detach()))
            + 2 * fake.sum((1, 2, 3))
            - 2 * fake.detach().sum((1, 2, 3)),
        ),
        "wrong-slope",
    ),
    (
        "judge",
        lambda critic, real, fake, augment: (critic(augment(real)), critic(2 * fake)),
        "wrong",
    ),
    ("judge", lambda critic, real, fake, augment: critic(augment(real)), "type"),
    ("radius", lambda game, rate, ratio: library_radius(game, rate, 1.0), "same-rate"),
    ("radius", lambda game, rate, ratio: None, "type"),
    ("radius", lambda game, rate, ratio: 1.0, "wrong"),
    (
        "radius",
        lambda game, rate, ratio: np.linalg.eigvals(rate_balance.iteration(game, rate, ratio))[0],
        "complex",
    ),
    (
        "radius",
        lambda game, rate, ratio: float(
            np.abs(np.linalg.eigvals(rate_balance.iteration(game, rate, ratio))).min()
        ),
        "smallest",
    ),
    (
        "radius",
        lambda game, rate, ratio: library_radius((game[0], -game[1], *game[2:]), rate, ratio),
        "sign",
    ),
    ("transposed_multiply_adds", lambda b, c, o, k, s, p, h: b * c * o * k * h * h, "kernel-once"),
    ("transposed_multiply_adds", lambda b, c, o, k, s, p, h: b * c * o * k * k * h, "one-side"),
    ("transposed_multiply_adds", lambda b, c, o, k, s, p, h: b * o * k * k * h * h, "one-channel"),
    ("transposed_multiply_adds", lambda *sizes: 3 * by_a_layer(*sizes), "training"),
    ("transposed_multiply_adds", lambda *sizes: 2 * by_a_layer(*sizes), "flops"),
    ("transposed_multiply_adds", lambda *sizes: float(by_a_layer(*sizes)), "type"),
    ("transposed_multiply_adds", lambda *sizes: 1, "wrong"),
    ("median_seconds", timed(min), "least"),
    ("median_seconds", timed(sum), "total"),
    ("median_seconds", timed(statistics.mean), "mean"),
    ("median_seconds", timed(statistics.median, first=0), "first-call"),
    ("median_seconds", timed(statistics.mean, first=0), "mean-with-first"),
    ("median_seconds", lambda work, rounds, clock: 0.1, "wrong"),
    ("median_seconds", lambda work, rounds, clock: None, "type"),
    (
        "median_seconds",
        lambda work, rounds, clock: [timed(statistics.median)(work, rounds, clock), work()][0],
        "calls",
    ),
]


def alternating(game, rate, ratio):
    a, b, c, d = game
    second = np.array([[1, 0], [ratio * rate * c, 1 - ratio * rate * d]])
    first = np.array([[1 + rate * a, -rate * b], [0, 1]])
    return float(np.abs(np.linalg.eigvals(first @ second)).max())


def test_the_alternating_step_is_recognised():
    with pytest.raises(CheckFailed) as refusal:
        checks.radius(alternating)
    assert refusal.value.hint == "alternating"


@pytest.mark.parametrize("seed", [1110, 1120])
def test_the_known_gradient_of_the_case_is_its_gradient(seed):
    case = _Case(seed)
    found = torch.autograd.grad(case.loss, list(case.network.parameters()))
    assert torch.allclose(_flat(list(found)), _flat(case.true))


def test_the_machine_takes_the_planned_seconds():
    machine = _Machine([4.0, 2.0])
    start = machine.clock()
    for seconds in (4.0, 6.0, 56.0):
        machine.work()
        assert machine.clock() - start == seconds
