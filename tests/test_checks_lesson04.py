"""Answers to lesson 04's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from course_lib.checks.lesson04_saliency import _network


def loss(logits, labels):
    """Not F.cross_entropy, which the check refuses; this one also serves as a base of mistakes."""
    return F.nll_loss(logits - logits.logsumexp(1, keepdim=True), labels)


def table(predicted, labels, classes):
    return torch.bincount(labels * classes + predicted, minlength=classes**2).view(classes, -1)


def he(shape):
    fan_in, _ = nn.init._calculate_fan_in_and_fan_out(torch.empty(shape, device="meta"))
    return nn.init.calculate_gain("relu") / math.sqrt(fan_in)


def field(layers):
    size, jump = 1, 1
    for k, s, d in layers:
        size, jump = size + d * (k - 1) * jump, jump * s
    return size, jump


def norm(x, gamma, beta, mean, var, training, momentum, eps):
    return F.batch_norm(x, mean, var, gamma, beta, training, momentum, eps)


def norm_by_hand(x, gamma, beta, mean, var, training, momentum, eps):
    if training:
        spread, centre = torch.var_mean(x, (0, 2, 3))
        mean += momentum * (centre - mean)
        var += momentum * (spread - var)
        mean, var = centre, x.var((0, 2, 3), correction=0)
    return torch.addcmul(
        beta[:, None, None], x - mean[:, None, None], (gamma / (var + eps) ** 0.5)[:, None, None]
    )


def backward(g, x, gamma, eps):
    rest = torch.ops.aten.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
    hat, root = rest[0], 1 / rest[2][:, None, None]
    dgamma, dbeta = (g * hat).sum((0, 2, 3)), g.sum((0, 2, 3))
    means = (dbeta[:, None, None] + hat * dgamma[:, None, None]) * len(gamma) / g.numel()
    return gamma[:, None, None] / root * (g - means), dgamma, dbeta


def slopes(network, images, classes, of=None):
    """The signed gradient of the chosen logits, or of `of(logits, classes)`; leaves no traces."""
    was_training = network.training
    pixels = images.clone().requires_grad_()
    logits = network.eval()(pixels)
    network.train(was_training)
    chosen = logits.gather(1, classes[:, None]).sum() if of is None else of(logits, classes)
    return torch.autograd.grad(chosen, pixels)[0]


def salient(network, images, classes):
    return slopes(network, images, classes).abs().amax(1)


def folded(conv, norm):
    was = conv.training, norm.training
    both = torch.nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())
    conv.train(was[0])
    norm.train(was[1])
    return both


RIGHT = {
    "cross_entropy": loss,
    "confusion": table,
    "he_std": he,
    "receptive_field": field,
    "batch_norm": norm_by_hand,
    "batch_norm_backward": backward,
    "saliency": salient,
    "fold": folded,
}


# Second right answers, with other types or in other ways.
def table_by_put(predicted, labels, classes):
    empty, ones = torch.zeros(classes, classes, dtype=torch.int64), torch.ones_like(labels)
    return empty.index_put((labels, predicted), ones, accumulate=True)


def normed_by_layer(x, gamma, beta, mean, var, training, momentum, eps):
    layer = nn.BatchNorm2d(len(gamma), eps=eps, momentum=momentum, dtype=x.dtype).train(training)
    layer.running_mean, layer.running_var = mean, var  # the same tensors: they move in place
    layer.weight.data, layer.bias.data = gamma, beta
    return layer(x)


def salient_by_a_copy(network, images, classes):
    """A copy may be written to."""
    own, pixels = copy.deepcopy(network).eval(), nn.Parameter(images.clone())
    own(pixels).gather(1, classes[:, None]).sum().backward()
    return pixels.grad.abs().amax(1)


def salient_by_func(network, images, classes):
    was_training = network.training
    network.eval()
    rise = torch.func.grad(lambda x: network(x).gather(1, classes[:, None]).sum())(images)
    network.train(was_training)
    return rise.detach().abs().amax(1)


def salient_by_differences(network, images, classes):
    """Each pixel moved a little to both sides: no gradient is asked for at all."""
    was_training, step = network.training, 1e-4
    network.eval()
    result = torch.zeros_like(images)
    with torch.no_grad():
        for place in np.ndindex(*images.shape[1:]):
            moved = torch.zeros_like(images)
            moved[(slice(None), *place)] = step
            rise = network(images + moved) - network(images - moved)
            result[(slice(None), *place)] = rise.gather(1, classes[:, None])[:, 0] / (2 * step)
    network.train(was_training)
    return result.abs().amax(1)


def salient_by_jacobian(network, images, classes):
    was_training = network.training
    network.eval()
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x).sum(0), images)  # (n, B, ..)
    network.train(was_training)
    return jacobian[classes, torch.arange(len(classes))].abs().max(1).values


ALSO_RIGHT = [
    ("cross_entropy", lambda z, t: loss(z.float(), t)),
    ("confusion", table_by_put),
    ("he_std", lambda shape: np.sqrt(2 / np.prod(shape[1:]))),
    ("receptive_field", lambda layers: [np.int64(one) for one in field(layers)]),
    ("saliency", salient_by_a_copy),
    ("saliency", salient_by_func),
    ("batch_norm_backward", lambda *given: list(backward(*given))),
    ("saliency", salient_by_differences),
    ("saliency", salient_by_jacobian),
]


def with_each(change):
    """A mistake in cross_entropy: change(-log p of each right class, logits, labels)."""
    return lambda z, t: change(F.cross_entropy(z, t, reduction="none"), z, t)


def clamped_logits(z, t):
    return loss(z.clamp(-50, 50), t)


def walked(step):
    def receptive_field(layers):
        size, jump = 1, 1
        for layer in layers:
            size, jump = step(size, jump, *layer)
        return size, jump

    return receptive_field


def normalised(dims=(0, 2, 3), unbiased=False, divide=None, update=None, evaluate=None):
    """batch_norm with one thing changed; the defaults are right."""

    def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
        wide = [one[:, None, None] for one in (gamma, beta, running_mean, running_var)]
        mean, var = wide[2].clone(), wide[3].clone()
        root = (divide or (lambda v, e: (v + e).sqrt())) if training or not evaluate else evaluate
        if training:
            mean, var = x.mean(dims, keepdim=True), x.var(dims, unbiased=unbiased, keepdim=True)
            new = x.mean((0, 2, 3)), x.var((0, 2, 3))
            new = update(*new, eps) if update else new
            running_mean.lerp_(new[0], momentum)
            running_var.lerp_(new[1], momentum)
        return wide[0] * (x - mean) / (root or (lambda v, e: (v + e).sqrt()))(var, eps) + wide[1]

    return batch_norm


def always_running(x, gamma, beta, mean, var, training, momentum, eps):
    y = norm(x, gamma, beta, mean, var, False, momentum, eps)
    if training:
        norm(x, gamma, beta, mean, var, True, momentum, eps)
    return y


def updated_first(x, gamma, beta, mean, var, training, momentum, eps):
    if training:
        norm(x, gamma, beta, mean, var, True, momentum, eps)
    return norm(x, gamma, beta, mean, var, False, momentum, eps)


def always_training(x, gamma, beta, mean, var, training, momentum, eps):
    return norm(x, gamma, beta, mean, var, True, momentum, eps)


def evaluated_after_update(x, gamma, beta, mean, var, training, momentum, eps):
    y = norm(x, gamma, beta, mean, var, True, momentum, eps)
    return y if training else norm(x, gamma, beta, mean, var, False, momentum, eps)


def without_affine(x, gamma, beta, *rest):
    return norm(x, None, None, *rest)


def spoiling_gamma(x, gamma, *rest):
    return norm(x, gamma.mul_(2), *rest)


def three(change):
    """batch_norm_backward with its right gradients changed: change(dx, dgamma, dbeta, *given)."""
    return lambda *given: change(*backward(*given), *given)


def by_autograd(g, x, gamma, eps):
    x, gamma = x.clone().requires_grad_(), gamma.clone().requires_grad_()
    beta = torch.zeros_like(gamma).requires_grad_()
    y = F.batch_norm(x, None, None, gamma, beta, True, eps=eps)
    return torch.autograd.grad(y, [x, gamma, beta], g)


def by_backward(g, x, gamma, eps):
    x, gamma = x.clone().requires_grad_(), gamma.clone().requires_grad_()
    F.batch_norm(x, None, None, gamma, None, True, eps=eps).backward(g)
    return x.grad, gamma.grad, g.sum((0, 2, 3))


def with_statistics(dims=(0, 2, 3), root=None, sign=1, count=None):
    """batch_norm_backward with one thing of dx changed; root(variance, unbiased variance, eps)."""

    def batch_norm_backward(g, x, gamma, eps):
        variances = [x.var(dims, unbiased=one, keepdim=True) for one in (False, True)]
        below = root(*variances, eps) if root else (variances[0] + eps).sqrt()
        hat = (x - x.mean(dims, keepdim=True)) / below
        n = count(g) if count else math.prod(g.shape[dim] for dim in dims)
        means = g.sum(dims, keepdim=True), hat * (g * hat).sum(dims, keepdim=True)
        dx = gamma[:, None, None] / below * (g - means[0] / n - sign * means[1] / n)
        return dx, *backward(g, x, gamma, eps)[1:]

    return batch_norm_backward


def no_mean_term(g, x, gamma, eps):
    dx, dgamma, dbeta = backward(g, x, gamma, eps)
    root = (x.var((0, 2, 3), unbiased=False) + eps).sqrt()
    return dx + (gamma / root * g.mean((0, 2, 3)))[:, None, None], dgamma, dbeta


def root_of(g, x, gamma, eps):
    return (x.var((0, 2, 3), unbiased=False, keepdim=True) + eps).sqrt()


def hat_of(g, x, eps):
    return F.batch_norm(x, None, None, training=True, eps=eps)


def mapped(change):
    """saliency made from the signed gradient: change(gradient, images)."""
    return lambda network, images, classes: change(slopes(network, images, classes), images)


def gradient_of(of):
    return lambda *given: slopes(*given, of=of).abs().amax(1)


def always_train_after(network, images, classes):
    result = salient(network, images, classes)
    network.train()
    return result


def top_only(network, images, classes):
    """Sets the flag of the network itself; its layers stay in training mode."""
    was_training, network.training = network.training, False
    pixels = images.clone().requires_grad_()
    chosen = network(pixels).gather(1, classes[:, None]).sum()
    network.training = was_training
    return torch.autograd.grad(chosen, pixels)[0].abs().amax(1)


def clearing(network, images, classes):
    network.zero_grad()
    return salient(network, images, classes)


def freezing(network, images, classes):
    network.requires_grad_(False)
    return salient(network, images, classes)


def attached(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    chosen = network.eval()(pixels).gather(1, classes[:, None]).sum()
    network.train(was_training)
    return torch.autograd.grad(chosen, pixels, create_graph=True)[0].abs().amax(1)


def with_numbers(change):
    """fold with other numbers: change(weight, bias or 0, scale, norm) -> weight, bias."""

    def fold(conv, norm):
        new = copy.deepcopy(conv)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        bias = torch.zeros_like(scale) if conv.bias is None else conv.bias
        weight, bias = change(conv.weight, bias, scale, norm)
        new.weight.data, new.bias = weight.detach(), nn.Parameter(bias.detach())
        return new

    return fold


def by_scale(change):
    """fold with another factor: change(gamma, running variance, eps)."""

    def numbers(w, b, s, n):
        s = change(n.weight, n.running_var, n.eps)
        return w * tall(s), (b - n.running_mean) * s + n.bias

    return with_numbers(numbers)


def tall(scale):
    return scale[:, None, None, None]


def mode_left(conv, norm):
    return torch.nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())


def with_setting(name, value):
    def fold(conv, norm):
        new = folded(conv, norm)
        setattr(new, name, value)
        return new

    return fold


def no_bias(conv, norm):
    new = folded(conv, norm)
    new.bias = None
    return new


X, T, R = "cross_entropy", "confusion", "receptive_field"
N, B, S, D = "batch_norm", "batch_norm_backward", "saliency", "fold"
# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    (X, F.cross_entropy, "ready-made"),
    (X, lambda z, t: F.nll_loss(z.log_softmax(1), t), "ready-made"),
    (N, norm, "ready-made"),
    (N, normed_by_layer, "ready-made"),
    (X, with_each(lambda each, z, t: each), "not-averaged"),
    (X, with_each(lambda each, z, t: each.sum() / z.numel()), "classes-counted"),
    (X, with_each(lambda each, z, t: (-each).exp().mean()), "no-logarithm"),
    (X, with_each(lambda each, z, t: -(-each).exp().mean()), "no-logarithm"),
    (X, with_each(lambda each, z, t: each.mean() / math.log(10)), "base"),
    (X, with_each(lambda each, z, t: -each.mean()), "sign"),
    (X, with_each(lambda each, z, t: -(-each).exp().mean().log()), "mean-first"),
    (X, with_each(lambda each, z, t: -z.gather(1, t[:, None]).mean()), "not-normalised"),
    (X, lambda z, t: F.nll_loss(z.log_softmax(0), t), "axis"),
    (X, clamped_logits, "clamped"),
    (X, lambda z, t: (z.logsumexp(1, keepdim=True) - z[:, t]).mean(), "all-pairs"),
    (X, lambda z, t: (z.logsumexp(1)[:, None] - z[:, t]).sum() / len(t), "all-pairs"),
    (X, lambda z, t: loss(z, t)[None], "shape"),
    (X, lambda z, t: loss(z, t).item(), "type"),
    (X, lambda z, t: loss(z, t) + 1, "values"),
    (X, lambda z, t: loss(z.mul_(1.5), t), "input-changed"),
    (X, lambda z, t: loss(z, t) * torch.nan, "nan"),
    (T, lambda p, t, n: table(p, t, n) / len(p), "shares"),
    (T, lambda p, t, n: table(p, t, n) / table(p, t, n).sum(0, keepdim=True), "shares"),
    (T, lambda p, t, n: table(p, t, n).diag().diag(), "diagonal"),
    (T, lambda p, t, n: table(p, t, n).clamp(max=1).T, "overwritten"),
    (T, lambda p, t, n: table(p, t, n).double(), "type"),
    (T, lambda p, t, n: table(p, t, n).int(), "type"),
    (T, lambda p, t, n: table(p, t, n).tolist(), "type"),
    (T, lambda p, t, n: table(p, t, n).flatten(), "shape"),
    (T, lambda p, t, n: table(p, t, n).flip(0), "values"),
    (T, lambda p, t, n: table(p, t.zero_(), n), "input-changed"),
    ("he_std", lambda s: math.sqrt(2 / s[0]), "outputs"),
    ("he_std", lambda s: math.sqrt(2 / (s[1] * (s[2] if len(s) > 2 else 1))), "one-side"),
    ("he_std", lambda s: math.sqrt(2 / math.prod(s[2:] or s[1:])), "channels"),
    ("he_std", lambda s: math.sqrt(6 / math.prod(s[1:])), "bound"),
    ("he_std", lambda s: math.sqrt(math.prod(s[1:]) / 2), "inverted"),
    ("he_std", lambda s: 1.1 * he(s), "wrong"),
    ("he_std", lambda s: torch.tensor(he(s)), "type"),
    ("he_std", lambda s: True, "type"),
    (R, lambda layers: field(layers)[::-1], "exchanged"),
    (R, lambda layers: field(layers[::-1]), "order"),
    (R, walked(lambda r, j, k, s, d: (r * k, j * s)), "multiplied"),
    (R, walked(lambda r, j, k, s, d: (r + (d * k - 1) * j, j * s)), "dilated-kernel"),
    (R, walked(lambda r, j, k, s, d: (r + d * k * j, j * s)), "kernel-added"),
    (R, lambda layers: (field(layers)[0] - 1, field(layers)[1]), "starts-at-zero"),
    (R, walked(lambda r, j, k, s, d: (r + d * (k - 1) * j, j * s * d)), "dilation-jump"),
    (R, walked(lambda r, j, k, s, d: (r + d * (k - 1) * field([])[1], j * s)), "no-jump"),
    (R, lambda layers: (field(layers)[0], 1 + sum(s - 1 for _, s, _ in layers)), "jump-added"),
    (R, lambda layers: (field(layers)[0] + 1, field(layers)[1]), "wrong"),
    (R, lambda layers: field(layers)[0], "type"),
    (R, lambda layers: tuple(float(one) for one in field(layers)), "type"),
    (N, normalised(dims=(1, 2, 3)), "layer"),
    (N, normalised(dims=(0, 1, 2, 3)), "whole"),
    (N, normalised(dims=(2, 3)), "instance"),
    (N, normalised(divide=lambda v, e: v.sqrt()), "no-eps"),
    (N, normalised(divide=lambda v, e: v + e), "no-root"),
    (N, normalised(evaluate=lambda v, e: v + e), "no-root"),
    (N, normalised(evaluate=lambda v, e: v.sqrt()), "no-eps"),
    (N, normalised(evaluate=lambda v, e: v.sqrt() + e), "eps-outside"),
    (N, normalised(update=lambda m, v, e: (m, v.sqrt())), "running-std"),
    (N, normalised(update=lambda m, v, e: (m, v + e)), "running-eps"),
    (N, normalised(update=lambda m, v, e: (m, 2 * v)), "running-values"),
    (N, normalised(update=lambda m, v, e: (2 * m, v)), "running-values"),
    (N, lambda *given: norm(*given[:6], 1.0, given[7]), "replaced"),
    (N, lambda *given: norm(*given[:6], 0.0, given[7]), "not-updated"),
    (N, always_running, "running-in-training"),
    (N, updated_first, "running-in-training"),
    (N, always_training, "batch-in-evaluation"),
    (N, evaluated_after_update, "updated-in-evaluation"),
    (N, without_affine, "no-affine"),
    (N, spoiling_gamma, "input-changed"),
    (N, lambda *given: norm(*given)[0], "shape"),
    (N, lambda *given: -norm(*given), "values"),
    (B, no_mean_term, "mean-term"),
    (B, with_statistics(sign=-1), "variance-sign"),
    (B, with_statistics(count=lambda g: g[0, 0].numel()), "wrong-count"),
    (B, with_statistics(count=lambda g: 1), "wrong-count"),
    (B, with_statistics(count=lambda g: g.numel()), "wrong-count"),
    (B, with_statistics(dims=(2, 3)), "instance"),
    (B, with_statistics(root=lambda v, u, e: (u + e).sqrt()), "unbiased"),
    (B, with_statistics(root=lambda v, u, e: v.sqrt()), "eps"),
    (B, with_statistics(root=lambda v, u, e: v.sqrt() + e), "eps"),
    (B, three(lambda dx, dg, db, *given: (2 * dx, dg, db)), "values"),
    (B, three(lambda dx, dg, db, *given: (dx * root_of(*given), dg, db)), "root"),
    (B, three(lambda dx, dg, db, *given: (dx / root_of(*given), dg, db)), "root"),
    (B, three(lambda dx, dg, db, *given: (dg, db, dx)), "order"),
    (B, three(lambda dx, dg, db, *given: (dx, db, dg)), "order"),
    (B, three(lambda dx, dg, db, *given: (dx, dg)), "type"),
    (B, three(lambda dx, dg, db, *given: (dx, dg, None)), "type"),
    (B, three(lambda dx, dg, db, g, *_: (dx, dg * len(dg) / g.numel(), db)), "dgamma-mean"),
    (B, three(lambda dx, dg, db, g, x, c, e: (dx, c * dg, db)), "gamma-in-dgamma"),
    (B, three(lambda dx, dg, db, g, x, c, e: (dx, dg, c * db)), "gamma-in-dbeta"),
    (B, three(lambda dx, dg, db, g, *_: (dx, dg, g.mean((0, 2, 3)))), "dbeta-mean"),
    (B, three(lambda dx, dg, db, g, *_: (dx, dg, g.sum((2, 3)))), "not-summed"),
    (
        B,
        three(lambda dx, dg, db, g, x, c, e: (dx, (g * hat_of(g, x, e)).sum(0), db)),
        "not-summed",
    ),
    (B, by_autograd, "autograd"),
    (B, by_backward, "autograd"),
    (S, mapped(lambda d, x: d.abs().sum(1)), "channels"),
    (S, mapped(lambda d, x: d.norm(dim=1)), "channels"),
    (S, mapped(lambda d, x: d.abs()), "channels-kept"),
    (S, mapped(lambda d, x: d.amax(1).abs()), "signed"),
    (S, mapped(lambda d, x: (d * x).abs().amax(1)), "times-input"),
    (
        S,
        mapped(lambda d, x: d.abs().amax(1) / d.abs().amax((1, 2, 3))[:, None, None]),
        "normalised",
    ),
    (S, mapped(lambda d, x: 2 * d.abs().amax(1)), "values"),
    (S, gradient_of(lambda z, t: F.cross_entropy(z, t, reduction="sum")), "loss"),
    (S, gradient_of(lambda z, t: z.amax(1).sum()), "predicted"),
    (S, gradient_of(lambda z, t: z.gather(1, t[:, None]).mean()), "batch-mean"),
    (S, lambda network, images, classes: images[:, 0].abs(), "not-called"),
    (S, always_train_after, "mode-not-restored"),
    (S, top_only, "training-mode"),
    (S, clearing, "parameter-grads"),
    (S, freezing, "frozen"),
    (S, attached, "attached"),
    (D, by_scale(lambda g, v, e: g / (v.sqrt() + e)), "eps-outside"),
    (D, by_scale(lambda g, v, e: g / (v + e)), "no-root"),
    (D, by_scale(lambda g, v, e: 1 / (v + e).sqrt()), "no-gamma"),
    (D, by_scale(lambda g, v, e: g / (v**2 + e).sqrt()), "running-std"),
    (D, by_scale(lambda g, v, e: 2 * g / (v + e).sqrt()), "values"),
    (
        D,
        with_numbers(lambda w, b, s, n: (w * tall(s), n.bias - n.running_mean * s)),
        "bias-dropped",
    ),
    (D, with_numbers(lambda w, b, s, n: (w * tall(s), b)), "norm-bias-dropped"),
    (D, with_numbers(lambda w, b, s, n: (w * tall(s), b * s)), "norm-bias-dropped"),
    (
        D,
        with_numbers(lambda w, b, s, n: (w * tall(s), b * s - n.running_mean + n.bias)),
        "mean-unscaled",
    ),
    (D, with_numbers(lambda w, b, s, n: (w * tall(s), b * s + n.bias)), "no-mean"),
    (
        D,
        with_numbers(lambda w, b, s, n: (w, (b - n.running_mean) * s + n.bias)),
        "weight-unscaled",
    ),
    (
        D,
        with_numbers(lambda w, b, s, n: (w * s[:, None, None], (b - n.running_mean) * s + n.bias)),
        "axis",
    ),
    (D, with_numbers(lambda w, b, s, n: (w * tall(s), 0 * b)), "values"),
    (D, mode_left, "mode-changed"),
    (D, with_setting("stride", (3, 3)), "settings"),
    (D, with_setting("dilation", 1), "settings"),
    (D, no_bias, "no-bias"),
    (D, lambda conv, norm: folded(conv, norm).double(), "type"),
    (D, lambda conv, norm: nn.Sequential(conv, norm), "type"),
    (D, lambda conv, norm: nn.Conv2d(conv.in_channels, conv.out_channels, 5), "shape"),
    (D, lambda conv, norm: conv, "original-changed"),
    (D, lambda conv, norm: nn.Conv2d(3, 3, 3), "values"),
    *((name, "a text", "type") for name in RIGHT),
    *((name, lambda *given: None, "type") for name in RIGHT if name != "saliency"),
    *((name, lambda: None, "error") for name in RIGHT),
]


def test_the_network_of_the_check_answers_differently_in_its_two_modes():
    images = torch.ones(2, 3, 6, 5, dtype=torch.float64)
    network = _network(470, 3, training=False)
    wanted = network(images)
    with torch.random.fork_rng(devices=[]):
        assert (network.train()(images) - wanted).abs().max() > 1e-3
