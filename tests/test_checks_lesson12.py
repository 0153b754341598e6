"""Answers to lesson 12's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from torch.nn import functional as F

from course_lib import agreement, directions
from course_lib.checks.lesson12_tables import TABLES
from course_lib.models import conditional


def joined(z, labels, table):
    return torch.cat([z, F.embedding(labels, table)], dim=1)


def bound(joint, recogniser):
    code = joint.sum(1)
    return torch.special.entr(code).sum() + torch.special.xlogy(joint, recogniser).sum()


def parts(joint, classifier):
    posterior = (joint / joint.sum(0)).numpy()
    pairs = joint.numpy()
    surplus = -(pairs * np.log(posterior)).sum()
    images = joint.sum(0).numpy()
    apart = (special.rel_entr(posterior, classifier.numpy()).sum(0) * images).sum()
    return torch.tensor([surplus, apart])


def drawn(count, latent, threshold, generator):
    uniform = torch.rand(count, latent, generator=generator, dtype=torch.float64).numpy()
    return torch.from_numpy(stats.truncnorm.ppf(uniform, -threshold, threshold)).float()


def way(z, images, level):
    return directions.mean_difference(z, images.mean(dim=(1, 2, 3)) > level)


def matched(table):
    return agreement.best_matching(table)[0]


RIGHT = {
    "with_class": joined,
    "projection_logit": conditional.projection_logit,
    "information_bound": bound,
    "auxiliary_parts": parts,
    "truncated": directions.truncated_normal,
    "direction": way,
    "class_recalls": agreement.recalls,
    "match": matched,
}

ALSO_RIGHT = [
    ("with_class", lambda *given: joined(*given).float()),
    (
        "projection_logit",
        lambda phi, psi, table, labels: torch.einsum("bf,bf->b", phi, table[labels]) + psi,
    ),
    ("projection_logit", lambda phi, psi, t, y: (t[y] @ phi.T).diagonal() + psi),
    ("auxiliary_parts", lambda q, c: parts(q, c).float()),
    ("truncated", drawn),
    ("direction", lambda z, x, level: way(z.float(), x.float(), level)),
    ("class_recalls", lambda table: (table / table.sum(1, keepdim=True)).diag()),
    ("match", lambda table: optimize.linear_sum_assignment(-table.numpy())[1].tolist()),
    ("match", lambda table: torch.tensor(matched(table))),
]


def set_to_zero(count, latent, threshold, generator):
    """What is too large becomes zero, and stays there."""
    z = torch.randn(count, latent, generator=generator)
    z[z.abs() > threshold] = 0.0
    return z


def flat(count, latent, threshold, generator):
    return threshold * (2 * torch.rand(count, latent, generator=generator) - 1)


def positive(count, latent, threshold, generator):
    return drawn(count, latent, threshold, generator).abs()


def always_the_same(count, latent, threshold, generator):
    return drawn(count, latent, threshold, torch.Generator().manual_seed(3))


def squashed(count, latent, threshold, generator):
    return threshold * torch.tanh(torch.randn(count, latent, generator=generator))


WRONG = [
    ("with_class", lambda z, y, t: torch.cat([z, y[:, None] / len(t)], 1), "label-as-number"),
    ("with_class", lambda z, y, t: torch.cat([z, F.one_hot(y, len(t))], 1), "one-hot"),
    ("with_class", lambda z, y, t: torch.cat([t[y], z], 1), "order"),
    ("with_class", lambda z, y, t: z, "shape"),
    ("with_class", lambda z, y, t: torch.cat([z, -t[y]], 1), "values"),
    ("projection_logit", lambda f, s, t, y: s, "label-ignored"),
    ("projection_logit", lambda f, s, t, y: f @ t.T + s[:, None], "every-class"),
    ("projection_logit", lambda f, s, t, y: t[y] @ f.T + s, "every-pair"),
    ("projection_logit", lambda f, s, t, y: (t[y] * f).mean(1) + s, "mean"),
    ("projection_logit", lambda f, s, t, y: (t[y] * f).sum(1) - s, "psi-subtracted"),
    ("projection_logit", lambda f, s, t, y: (t[y] * f).sum(1) + 2 * s, "values"),
    ("information_bound", lambda p, q: bound(p, q) / math.log(2), "bits"),
    ("information_bound", lambda p, q: bound(p, q) - 2 * (p * q.log()).sum(), "sign"),
    ("information_bound", lambda p, q: bound(p, p / p.sum(0)), "exact"),
    (
        "information_bound",
        lambda p, q: torch.special.entr(p.sum(0)).sum() + (p * q.log()).sum(),
        "wrong-entropy",
    ),
    ("information_bound", lambda p, q: float(bound(p, q)), "type"),
    ("information_bound", lambda p, q: bound(p, q) + 1, "values"),
    ("auxiliary_parts", lambda p, c: parts(p, c).flip(0), "exchanged"),
    ("auxiliary_parts", lambda p, c: parts(p, c) / math.log(2), "bits"),
    ("auxiliary_parts", lambda p, c: parts(p, c) * torch.tensor([-1, 1]), "sign"),
    ("auxiliary_parts", lambda p, c: parts(p, c) * torch.tensor([1, -1]), "sign"),
    ("auxiliary_parts", lambda p, c: parts(p, c).sum(), "shape"),
    ("auxiliary_parts", lambda p, c: parts(p, c) + 1, "values"),
    ("truncated", set_to_zero, "zeroed"),
    ("truncated", flat, "uniform"),
    ("truncated", positive, "mean"),
    ("truncated", always_the_same, "own-noise"),
    ("truncated", squashed, "rescaled"),
    ("truncated", lambda n, z, t, g: torch.randn(n, z, generator=g), "untruncated"),
    ("direction", lambda z, x, level: -way(z, x, level), "sign"),
    ("direction", lambda z, x, level: way(z, x, level).sign(), "each-number"),
    ("direction", lambda z, x, level: x[0], "shape"),
    ("direction", lambda z, x, level: way(z, x, level).roll(1), "values"),
    ("class_recalls", lambda t: 1 - agreement.recalls(t), "misses"),
    ("class_recalls", lambda t: agreement.recalls(t).mean(), "one-number"),
    ("class_recalls", lambda t: t / t.sum(1, keepdim=True), "whole-table"),
    ("class_recalls", lambda t: t.max(1).values / t.sum(1), "largest"),
    ("class_recalls", lambda t: t.diagonal(), "type"),
    ("match", lambda t: t.argmax(0).tolist(), "class-twice"),
    ("match", lambda t: [len(t)] * len(t), "type"),
    ("match", lambda t: 3, "type"),
    ("match", lambda t: [1.0] * len(t), "type"),
    ("match", lambda t: [2, 0, 1] if len(t) == 3 else matched(t), "values"),
]


def test_each_table_of_matchings_has_one_best_and_the_last_is_not_its_own_inverse():
    for rows in TABLES:
        best, _ = agreement.best_matching(torch.tensor(rows))
        assert best == optimize.linear_sum_assignment(-np.array(rows))[1].tolist()
    assert [best.index(column) for column in range(len(best))] != best


@pytest.mark.parametrize("threshold", [0.8, 1.5])
def test_the_variance_that_the_check_of_truncation_uses_is_that_of_scipy(threshold):
    density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    formula = 1 - 2 * threshold * density / math.erf(threshold / math.sqrt(2))
    assert formula == pytest.approx(stats.truncnorm.var(-threshold, threshold), rel=1e-9)
