"""Answers to lesson 05's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import copy
import math
import statistics

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional as F

from course_lib.checks.lesson05_blocks import CASES, Probe
from course_lib.checks.lesson05_interval import quantile


def stack(channels, kernel, layers):
    return layers * (channels * kernel) ** 2, layers * kernel - layers + 1


def block(x, layers, shortcut):
    return (shortcut(x) + layers(x)).relu()


def dense(stem, growth, layers):
    seen = [stem]
    while len(seen) < layers:
        seen.append(seen[-1] + growth)
    return seen, 9 * growth * sum(seen)


def windows(images, down, right, fill=-1.0):
    """Each image moved by its own numbers: (B, C, H, W), (B,), (B,)."""
    rim = int(max(down.abs().max(), right.abs().max()))
    height, width = images.shape[2:]
    wide = F.pad(images, (rim,) * 4, value=fill)
    pairs = zip(wide, (rim - down).tolist(), (rim - right).tolist(), strict=True)
    return torch.stack([one[:, r : r + height, c : c + width] for one, r, c in pairs])


def steps(count, pixels, generator, sides=2):
    return torch.randint(-pixels, pixels + 1, (sides, count), generator=generator)


def shifted(images, pixels, generator):
    return windows(images, *steps(len(images), pixels, generator))


def frozen(network, head):
    network.eval().requires_grad_(False)
    head.train().requires_grad_(True)
    return list(head.parameters())


def confident(d):
    return d.mean().item(), quantile(len(d) - 1) * statistics.stdev(d.tolist()) / len(d) ** 0.5


def merged(weight, point):
    around = (weight.shape[-1] // 2,) * 4
    return weight + F.pad(point + torch.eye(len(weight)).double()[..., None, None], around)


def traced(blocks, x, g, of=lambda d: d.norm().item(), start=None):
    inputs = [x.clone().requires_grad_()]
    for one in blocks:
        inputs.append(one(inputs[-1]))
    y = inputs.pop()
    return [of(d) for d in torch.autograd.grad(y, inputs, g if start is None else start(y))]


RIGHT = {
    "stack_cost": stack,
    "residual": block,
    "dense_channels": dense,
    "random_shift": shifted,
    "freeze": frozen,
    "interval": confident,
    "merge": merged,
    "gradient_norms": traced,
}


# Second right answers, with other types or in other ways.
def shifted_by_uniform_numbers(images, pixels, generator):
    numbers = torch.rand(2, len(images), generator=generator) * (2 * pixels + 1)
    return windows(images, *(numbers.floor().long() - pixels))


def shifted_one_by_one(images, pixels, generator):
    result = torch.full_like(images, -1)
    for one, image in zip(result, images, strict=True):
        down, right = steps(1, pixels, generator).flatten().tolist()
        one[:] = image.roll((down, right), (1, 2))
        one[:, : max(down, 0)] = one[:, :, : max(right, 0)] = -1
        if down < 0:
            one[:, down:] = -1
        if right < 0:
            one[:, :, right:] = -1
    return result


def frozen_by_flags(network, head):
    for module in network.modules():
        module.training = any(module is one for one in head.modules())
    for parameter in network.parameters():
        parameter.requires_grad = any(parameter is one for one in head.parameters())
    return tuple(reversed([one for one in network.parameters() if one.requires_grad]))


def frozen_leaf_by_leaf(network, head):
    frozen_by_flags(network, head)
    network.eval()
    for module in head.modules():
        if not list(module.children()):
            module.train()
    return list(head.parameters())


def traced_by_hooks(blocks, x, g):
    norms = []
    here = start = x.clone().requires_grad_()
    for one in blocks:
        here.register_hook(lambda d: norms.insert(0, d.norm().item()))
        here = one(here)
    here.backward(g, inputs=[start])
    return norms


def traced_in_copies(blocks, x, g):
    """Copies may be written to."""
    inputs = [x.clone().requires_grad_()]
    for one in copy.deepcopy(blocks):
        inputs[-1].retain_grad()
        inputs.append(one(inputs[-1]))
    inputs.pop().backward(g)
    return [np.float64(d.grad.norm()) for d in inputs]


ALSO_RIGHT = [
    ("stack_cost", lambda *given: [np.int64(one) for one in stack(*given)]),
    ("residual", lambda x, layers, shortcut: layers(x).add(shortcut(x)).relu_()),
    ("residual", lambda x, layers, shortcut: F.threshold(layers(x) + shortcut(x), 0, 0)),
    ("dense_channels", lambda *given: (tuple(dense(*given)[0]), dense(*given)[1])),
    ("random_shift", shifted_by_uniform_numbers),
    ("random_shift", shifted_one_by_one),
    ("freeze", frozen_by_flags),
    ("freeze", frozen_leaf_by_leaf),
    ("interval", lambda d: [np.float64(one) for one in confident(d)]),
    ("merge", lambda weight, point: merged(weight, point).float()),
    ("gradient_norms", traced_by_hooks),
    ("gradient_norms", traced_in_copies),
    ("gradient_norms", lambda *given: tuple(traced(*given))),
]


def cost(weights=None, field=None):
    """stack_cost with one of the two changed."""

    def stack_cost(c, k, n):
        right = stack(c, k, n)
        return (
            weights(c, k, n) if weights else right[0],
            field(c, k, n) if field else right[1],
        )

    return stack_cost


def both(of):
    """residual as another function of the shortcut's and the layers' output."""
    return lambda x, layers, shortcut: of(shortcut(x), layers(x))


def without_graph(x, layers, shortcut):
    with torch.no_grad():
        return block(x, layers, shortcut)


def layers_cut_off(x, layers, shortcut):
    return (shortcut(x) + layers(x).detach()).relu()


def layers_twice(x, layers, shortcut):
    layers(x)
    return block(x, layers, shortcut)


def listed(of):
    """dense_channels with other channels, and the weights that belong to them."""
    return lambda s, k, n: (of(s, k, n), 9 * k * sum(of(s, k, n)))


def weighed(of):
    """dense_channels with another number of weights."""
    return lambda s, k, n: (dense(s, k, n)[0], of(dense(s, k, n)[0], k))


def moved(of, fill=-1.0):
    """random_shift with other steps: of(count, pixels, generator) -> down, right."""
    return lambda images, pixels, generator: windows(
        images, *of(len(images), pixels, generator), fill
    )


def padded(mode):
    def random_shift(images, pixels, generator):
        height, width = images.shape[2:]
        wide = F.pad(images, (pixels,) * 4, mode=mode)
        corners = torch.randint(0, 2 * pixels + 1, (len(images), 2), generator=generator).tolist()
        pairs = zip(wide, corners, strict=True)
        return torch.stack([one[:, r : r + height, c : c + width] for one, (r, c) in pairs])

    return random_shift


def channel_by_channel(images, pixels, generator):
    return shifted(images.flatten(0, 1)[:, None], pixels, generator).view(images.shape)


def sliced_at_minus_zero(images, pixels, generator):
    wide = shifted(F.pad(images, (pixels,) * 4, value=-1.0), pixels, generator)
    return wide[:, :, pixels:-pixels, pixels:-pixels]


def failing_at_zero(images, pixels, generator):
    if not pixels:
        raise ValueError("no pixels")
    return shifted(images, pixels, generator)


def unlike_zero(images, pixels, generator):
    return shifted(images, max(1, pixels), generator)


def seeded_inside(images, pixels, generator):
    return shifted(images, pixels, torch.Generator().manual_seed(3))


def not_advancing(images, pixels, generator):
    return shifted(images, pixels, torch.Generator().manual_seed(generator.initial_seed()))


def half_global(count, pixels, generator):
    return torch.stack([steps(count, pixels, generator, 1)[0], steps(count, pixels, None, 1)[0]])


def dependent(count, pixels, generator):
    """Each side by itself is uniform: the second goes on from the first by 0 or 1."""
    first = steps(count, pixels, generator)[0]
    more = torch.randint(0, 2, (count,), generator=generator)
    return first, (first + pixels + more) % (2 * pixels + 1) - pixels


def one_axis(count, pixels, generator):
    return steps(count, pixels, generator)[0], torch.zeros(count, dtype=torch.int64)


def anti_diagonal(count, pixels, generator):
    down = steps(count, pixels, generator)[0]
    return down, -down


def only_down(count, pixels, generator):
    down, right = steps(count, pixels, generator)
    return down.abs(), right


def blurred(images, pixels, generator):
    return F.avg_pool2d(shifted(images, pixels, generator), 3, 1, 1)


def freezing(change):
    """freeze, and one thing changed afterwards: change(network, head, list) -> list or None."""

    def freeze(network, head):
        own = frozen(network, head)
        changed = change(network, head, own)
        return own if changed is None else changed

    return freeze


def others(network, head):
    known = {id(one) for one in head.parameters()}
    return [one for one in network.parameters() if id(one) not in known]


def part_of_the_head_frozen(network, head, own):
    own[0].requires_grad_(False)


def all_set_free(network, head, own):
    network.requires_grad_(True)


def norms_set_free(network, head, own):
    for one in network.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.requires_grad_(True)


def fresh_head(network, head, own):
    for one in head.parameters():
        nn.init.zeros_(one)


def replaced(network, head, own):
    network.extra = nn.ReLU()


def no_statistics(network, head, own):
    for one in network.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.reset_running_stats()


def layers_on(kind):
    def change(network, head, own):
        inside = set(head.modules())
        for one in network.modules():
            if isinstance(one, kind) and one not in inside:
                one.train()

    return change


def half(of):
    return lambda d: (d.mean().item(), float(of(d)))


def middle(of):
    return lambda d: (float(of(d)), confident(d)[1])


def error(d):
    return d.std() / len(d) ** 0.5


def about_zero(d):
    return quantile(len(d) - 1) * d.norm() / ((len(d) - 1) * len(d)) ** 0.5


def put(to, kernel, row):
    to = to.clone()
    to[:, :, row, row] += kernel
    return to


def kernels(of):
    """merge as a function of weight, point as a matrix, the identity, and the middle."""
    return lambda w, p: of(w, p[:, :, 0, 0], torch.eye(len(w)).double(), w.shape[-1] // 2)


def image_by_image(d):
    return d.flatten(1).norm(dim=1).mean().item()


def relative(which):
    def gradient_norms(blocks, x, g):
        norms = traced(blocks, x, g)
        return [one / which(norms, g) for one in norms]

    return gradient_norms


def frozen_blocks(blocks, x, g):
    for one in blocks:
        one.requires_grad_(False)
    return traced(blocks, x, g)


def evaluated(blocks, x, g):
    return traced([one.eval() for one in blocks], x, g)


def unmarked(blocks, x, g):
    inputs = [x]
    for one in blocks:
        inputs.append(one(inputs[-1]))
    return [d.norm().item() for d in torch.autograd.grad(inputs.pop(), inputs, g)]


def stepping(blocks, x, g):
    with torch.no_grad():
        for one in nn.ModuleList(blocks).parameters():
            one.mul_(0.9)
    return traced(blocks, x, g)


def with_g(blocks, x, g):
    return [*traced(blocks, x, g), g.norm().item()]


def norms_of_inputs(blocks, x, g):
    norms = []
    with torch.no_grad():
        for one in blocks:
            norms.append(x.norm().item())
            x = one(x)
    return norms


C, R, D, S = "stack_cost", "residual", "dense_channels", "random_shift"
Z, I, M, N = "freeze", "interval", "merge", "gradient_norms"
# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    (R, lambda x, layers, shortcut: (shortcut(x).detach() + layers(x)).relu(), "no-graph"),
    (C, lambda *given: stack(*given)[::-1], "exchanged"),
    (C, cost(weights=lambda c, k, n: n * k * k), "channels-left-out"),
    (C, cost(weights=lambda c, k, n: n * c * c), "kernel-left-out"),
    (C, cost(weights=lambda c, k, n: n * (c * c * k * k + c)), "biases"),
    (C, cost(weights=lambda c, k, n: (c * k) ** (2 * n)), "layers-multiplied"),
    (C, cost(weights=lambda c, k, n: (c * k * n) ** 2), "layers-squared"),
    (C, cost(weights=lambda c, k, n: 7), "wrong"),
    (C, cost(field=lambda c, k, n: n * (k - 1)), "starts-at-zero"),
    (C, cost(field=lambda c, k, n: k), "field-of-one"),
    (C, cost(field=lambda c, k, n: 1 + 2 * n), "three-assumed"),
    (C, cost(field=lambda c, k, n: 1 + n * (k // 2)), "half-kernel"),
    (C, cost(field=lambda c, k, n: stack(c, k, n)[1] ** 2), "area"),
    (C, cost(field=lambda c, k, n: 7), "wrong"),
    (C, lambda *given: stack(*given)[0], "type"),
    (C, lambda *given: tuple(float(one) for one in stack(*given)), "type"),
    (R, both(lambda s, f: s.relu() + f.relu()), "relu-before"),
    (R, both(lambda s, f: s.relu() + f), "relu-on-shortcut"),
    (R, both(lambda s, f: (s.relu() + f).relu()), "relu-on-shortcut"),
    (R, both(lambda s, f: f.relu()), "no-skip"),
    (R, both(lambda s, f: s.relu()), "no-layers"),
    (R, both(lambda s, f: torch.cat([s, f], 1).relu()), "concatenated"),
    (R, both(lambda s, f: ((s + f) / 2).relu()), "averaged"),
    (R, both(lambda s, f: (s - f).relu()), "subtracted"),
    (R, both(lambda s, f: torch.maximum(s, f).relu()), "maximum"),
    (R, both(lambda s, f: (2 * s + f).relu()), "shortcut-twice"),
    (R, both(lambda s, f: (s + f).relu() + 1), "values"),
    (R, both(lambda s, f: (s + f).relu()[0]), "shape"),
    (R, both(lambda s, f: (s + f).relu().tolist()), "type"),
    (R, lambda x, f, s: (x + s(x) + f(x)).relu(), "x-too"),
    (R, lambda x, f, s: s(f(x)).relu(), "in-series"),
    (R, lambda x, f, s: f(s(x)).relu(), "in-series"),
    (R, lambda x, f, s: s(s(x) + f(x)).relu(), "shortcut-twice"),
    (R, lambda x, f, s: block(x.mul_(2), f, s), "input-changed"),
    (R, without_graph, "no-graph"),
    (R, lambda x, f, s: (s(x.detach()) + f(x)).relu(), "no-graph"),
    (R, lambda x, f, s: block(x.detach().clone(), f, s), "no-graph"),
    (R, layers_cut_off, "no-graph"),
    (R, layers_twice, "called-twice"),
    (D, lambda *given: dense(*given)[::-1], "exchanged"),
    (D, listed(lambda s, k, n: [i * k for i in range(n)]), "stem-lost"),
    (D, listed(lambda s, k, n: [s + i * k for i in range(n + 1)]), "output-too"),
    (D, listed(lambda s, k, n: [s * 2**i for i in range(n)]), "doubling"),
    (D, listed(lambda s, k, n: [s + k * (2**i - 1) for i in range(n)]), "growth-grows"),
    (D, listed(lambda s, k, n: [s + k * i * (i + 1) // 2 for i in range(n)]), "growth-grows"),
    (D, listed(lambda s, k, n: [s + i for i in range(n)]), "growth-alone"),
    (D, listed(lambda s, k, n: dense(s, k, n)[0][::-1]), "reversed"),
    (D, listed(lambda s, k, n: dense(s, k, n)[0][1:]), "length"),
    (D, listed(lambda s, k, n: [s + 1 + i * k for i in range(n)]), "wrong"),
    (D, weighed(lambda c, k: 3 * k * sum(c)), "kernel-side"),
    (D, weighed(lambda c, k: 9 * sum(c)), "growth-left-out"),
    (D, weighed(lambda c, k: 9 * sum(one**2 for one in c)), "square"),
    (D, weighed(lambda c, k: 9 * k * c[-1]), "last-layer"),
    (D, weighed(lambda c, k: 9 * k * c[0] * len(c)), "first-layer"),
    (D, weighed(lambda c, k: 9 * k * sum(c) + k * len(c)), "biases"),
    (D, weighed(lambda c, k: sum(4 * k * one + 36 * k * k for one in c)), "bottleneck"),
    (D, weighed(lambda c, k: 1), "wrong"),
    (D, weighed(lambda c, k: 9.0 * k * sum(c)), "type"),
    (D, lambda *given: dense(*given)[0], "type"),
    (D, lambda *given: (torch.tensor(dense(*given)[0]), 1), "type"),
    (S, lambda images, pixels, generator: images.clone(), "still"),
    (S, moved(one_axis), "one-side"),
    (S, moved(only_down), "one-way"),
    (S, moved(lambda n, p, g: steps(n, p + 1, g)), "too-far"),
    (S, moved(lambda n, p, g: steps(n, max(0, p - 1), g)), "too-near"),
    (S, moved(anti_diagonal), "diagonal"),
    (S, moved(lambda n, p, g: (steps(n, p, g)[0], steps(1, p, g)[1].expand(n))), "one-for-all"),
    (S, moved(dependent), "dependent"),
    (S, moved(half_global), "global-generator"),
    (S, moved(lambda *given: steps(*given), fill=0.0), "filled-with-zero"),
    (S, padded("replicate"), "border-repeated"),
    (S, padded("reflect"), "border-mirrored"),
    (S, padded("circular"), "wraps"),
    (S, channel_by_channel, "channels-apart"),
    (S, sliced_at_minus_zero, "zero-pixels"),
    (S, failing_at_zero, "zero-pixels"),
    (S, unlike_zero, "zero-pixels"),
    (S, seeded_inside, "own-seed"),
    (S, not_advancing, "generator-not-advanced"),
    (S, blurred, "values"),
    (S, lambda *given: shifted(*given).double(), "type"),
    (S, lambda *given: shifted(*given).numpy(), "type"),
    (S, lambda *given: shifted(*given)[1:], "shape"),
    (S, lambda images, *rest: images.copy_(shifted(images, *rest)), "input-changed"),
    (Z, freezing(lambda network, head, own: own + others(network, head)), "all-parameters"),
    (Z, freezing(lambda network, head, own: others(network, head)), "frozen-returned"),
    (Z, freezing(lambda network, head, own: []), "missing"),
    (Z, freezing(lambda network, head, own: own[1:]), "missing"),
    (Z, freezing(lambda network, head, own: own + own[:1]), "repeated"),
    (Z, freezing(lambda network, head, own: [one.clone() for one in own]), "copies"),
    (Z, freezing(lambda network, head, own: list(head.named_parameters())), "type"),
    (Z, freezing(lambda network, head, own: list(head.state_dict())), "type"),
    (Z, freezing(lambda network, head, own: head), "type"),
    (Z, freezing(part_of_the_head_frozen), "head-frozen"),
    (Z, freezing(fresh_head), "values-changed"),
    (Z, freezing(replaced), "values-changed"),
    (Z, freezing(no_statistics), "values-changed"),
    (Z, freezing(layers_on(nn.BatchNorm2d)), "running-statistics"),
    (Z, freezing(layers_on(nn.Dropout)), "frozen-dropout"),
    (Z, freezing(layers_on(nn.Conv2d)), "frozen-training"),
    (Z, freezing(all_set_free), "not-frozen"),
    (Z, freezing(norms_set_free), "part-not-frozen"),
    (Z, freezing(lambda network, head, own: iter(own)), "type"),
    (I, lambda d: confident(d)[::-1], "exchanged"),
    (I, middle(lambda d: d.min()), "worst-seed"),
    (I, middle(lambda d: d.max() - d.min()), "best-minus-worst"),
    (I, middle(lambda d: d.abs().mean()), "absolute"),
    (I, middle(lambda d: d.sum()), "sum"),
    (I, middle(lambda d: -d.mean()), "sign"),
    (I, middle(lambda d: d.sum() / (len(d) - 1)), "divided-by-less"),
    (I, middle(lambda d: d.median()), "median"),
    (I, middle(lambda d: (d.max() + d.min()) / 2), "median"),
    (I, middle(lambda d: 0.3), "wrong"),
    (I, half(lambda d: d.std()), "standard-deviation"),
    (I, half(lambda d: confident(d)[1] * (len(d) / (len(d) - 1)) ** 0.5), "corrected-twice"),
    (I, half(lambda d: 2 * error(d)), "normal"),
    (I, half(error), "standard-error"),
    (I, half(lambda d: quantile(max(1, len(d) - 2)) * error(d)), "degrees"),
    (I, half(lambda d: quantile(len(d) - 1, 0.95) * error(d)), "one-sided"),
    (I, half(lambda d: 2 * confident(d)[1]), "full-width"),
    (I, half(lambda d: confident(d)[1] / len(d) ** 0.5), "no-root"),
    (I, half(lambda d: confident(d)[1] * error(d)), "variance"),
    (I, half(lambda d: confident(d)[1] * d.std()), "variance"),
    (I, half(lambda d: d.max() - d.min()), "range"),
    (I, half(about_zero), "about-zero"),
    (I, half(lambda d: 1.0), "wrong"),
    (I, half(lambda d: math.nan), "nan"),
    (I, lambda d: (d.mean(), confident(d)[1]), "type"),
    (I, lambda d: confident(d)[0], "type"),
    (I, lambda d: confident(d.add_(1)), "input-changed"),
    (M, kernels(lambda w, p, e, m: put(w, p, m)), "no-skip"),
    (M, kernels(lambda w, p, e, m: put(w, e, m)), "no-point"),
    (M, kernels(lambda w, p, e, m: put(put(w, p, m), e, -1)), "centre"),
    (M, kernels(lambda w, p, e, m: put(put(w, p, 0), e, m)), "centre"),
    (M, kernels(lambda w, p, e, m: put(w, p + 2 * e, m)), "identity-twice"),
    (M, kernels(lambda w, p, e, m: put(w, p.T + e, m)), "point-transposed"),
    (M, kernels(lambda w, p, e, m: put(w, p - e, m)), "subtracted"),
    (M, kernels(lambda w, p, e, m: w + (p + e)[:, :, None, None]), "point-everywhere"),
    (M, kernels(lambda w, p, e, m: w + p[:, :, None, None]), "point-everywhere"),
    (M, kernels(lambda w, p, e, m: put(0 * w, p + e, m)), "no-weight"),
    (M, kernels(lambda w, p, e, m: put(0 * w, e, m)), "no-weight"),
    (M, kernels(lambda w, p, e, m: put(w, p + e, m).transpose(0, 1)), "values"),
    (M, kernels(lambda w, p, e, m: put(w, p + e, m)[0]), "shape"),
    (M, kernels(lambda w, p, e, m: put(w, p + e, m).long()), "type"),
    (N, with_g, "one-too-many"),
    (N, lambda *given: traced(*given)[1:], "x-left-out"),
    (N, lambda *given: traced(*given)[:1], "length"),
    (N, lambda *given: with_g(*given)[::-1], "reversed"),
    (N, lambda *given: traced(*given, of=lambda d: d.square().mean().sqrt().item()), "mean-size"),
    (N, lambda *given: traced(*given, of=lambda d: d.abs().mean().item()), "mean-size"),
    (N, lambda *given: traced(*given, of=lambda d: d.abs().sum().item()), "other-norm"),
    (N, lambda *given: traced(*given, of=lambda d: d.abs().max().item()), "other-norm"),
    (N, lambda *given: traced(*given, of=image_by_image), "each-image"),
    (N, lambda *given: traced(*given, of=lambda d: 3 * d.norm().item()), "values"),
    (N, lambda *given: traced(*given, of=lambda d: d.norm()), "type"),
    (N, lambda *given: traced(*given, of=lambda d: math.nan), "nan"),
    (N, lambda blocks, x, g: traced(blocks, x, g / len(x)), "mean-loss"),
    (N, lambda blocks, x, g: traced(blocks, x, g / g.numel()), "mean-loss"),
    (N, lambda *given: traced(*given, start=lambda y: torch.ones_like(y) / y.numel()), "g-ignored"),
    (N, relative(lambda norms, g: norms[0]), "normalised"),
    (N, relative(lambda norms, g: max(norms)), "normalised"),
    (N, relative(lambda norms, g: g.norm().item()), "normalised"),
    (N, norms_of_inputs, "activations"),
    (N, frozen_blocks, "frozen"),
    (N, evaluated, "mode-changed"),
    (N, unmarked, "not-marked"),
    (N, stepping, "parameters-changed"),
    (N, lambda blocks, x, g: traced(blocks, x.mul_(2), g), "input-changed"),
    *((name, "a text", "type") for name in RIGHT),
    *((name, lambda *given: None, "type") for name in RIGHT if name != "freeze"),
    *((name, lambda: None, "error") for name in RIGHT),
]


@pytest.mark.parametrize("share", [0.95, 0.975])
def test_the_quantiles_of_the_check_are_those_of_scipy(share):
    for degrees in range(1, 11):
        wanted = stats.t.ppf(share, degrees)
        assert math.isclose(quantile(degrees, share), wanted, rel_tol=1e-4)


@pytest.mark.parametrize("number", range(len(CASES)))
def test_the_oracle_of_the_gradients_is_that_of_one_backward_pass(number):
    probe = Probe(number)
    wanted = traced(copy.deepcopy(probe.blocks), probe.x, probe.g)
    got = [one.norm().item() for one in probe.gradients(probe.g)[:-1]]
    assert all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(got, wanted, strict=True))
