"""Checks for exercises 1.4 and 1.5 of lesson 01: drawing from a Gaussian, and its density."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, tensor_from
from course_lib.checks.probes import Mistake, judge, noise
from course_lib.checks.tensors import real_tensor
from course_lib.checks.tensors import same as alike

SAMPLES = {
    "covariance": "You multiply z by the covariance itself. The covariance of A z is A times its "
    "transpose, so your samples have the square of what is asked for. A is a root.",
    "no-root": "Your samples have the square of the covariance that is asked for. An eigenvalue is "
    "a variance: what multiplies z is a deviation.",
    "transposed": "Your matrix A is a root, and you apply its transpose. In the batch a sample is "
    "a row, so each row must become A z and not z A.",
    "variances-only": "Each of your numbers has the right variance, and no two of them go "
    "together. The covariances beside the diagonal are missing.",
    "elementwise": "You take the root of each number of the covariance. A A^T is a product of "
    "matrices, so A is a root of the whole matrix. A covariance may also be negative, and such a "
    "number has no real root.",
    "directions": "Your samples have the eigenvalues as variances, in wrong directions. The "
    "eigenvectors are the columns of what eigh returns, and each column has a factor of its own.",
    "jitter": "You add a number to the diagonal, and it shows: all variances are larger than asked "
    "for. A direction of variance zero should have none. Choose a root that needs no such help.",
    "precision": "Your samples have the inverse of the covariance. Where the covariance is large, "
    "yours vary little.",
    "no-mean": "Your samples have mean zero: the mean that is given is not added.",
    "mean-moved": "For z = 0 your sample is not the mean. A z is zero there, so whatever A is, "
    "only the mean is left. Add it last.",
    "own-noise": "Two calls with the same z give different samples. The randomness is in z "
    "already: your function draws some of its own.",
    "not-affine": "Your samples are not mean + A z with one matrix A for every row. Scaling or "
    "centring a row by what stands in the other rows, or bending z, changes the distribution.",
}


def sample_gaussian(answer: Answer) -> None:
    """Exercise 1.4: samples of a Gaussian whose covariance may be singular."""
    for seed, (case, covariance) in enumerate(_covariances().items()):
        n = len(covariance)
        mean = 1 + noise(n, seed=130 + seed)
        z = torch.cat([torch.zeros(1, n), torch.eye(n)]).double()  # (n + 1, n)
        rows = _samples(answer, mean, covariance, z, case)
        if not alike(_samples(answer, mean, covariance, z, case), rows):
            fail("own-noise", SAMPLES["own-noise"])
        linear = rows[1:] - rows[:1]  # row k is A times unit vector k: this is A^T
        if not alike(rows[0], mean):
            missing = alike(rows[0], torch.zeros_like(mean))
            hint = "no-mean" if missing else "mean-moved"
            fail(hint, SAMPLES[hint])
        more = noise(4, n, seed=140 + seed)
        if not alike(_samples(answer, mean, covariance, more, case), mean + more @ linear):
            fail("not-affine", SAMPLES["not-affine"])
        judge(
            linear.T @ linear,  # (A^T)^T A^T
            covariance,
            _covariance_mistakes(linear, covariance),
            SAMPLES,
            f"In the covariance of your samples, for {case},",
        )
    passed("sample_gaussian")


def _covariances() -> dict[str, Tensor]:
    """Covariances in the order of difficulty."""
    root, flat = noise(4, 4, seed=151), noise(7, 3, seed=152)
    together = torch.tensor([[4, 1, 0.5], [1, 2, 1], [0.5, 1, 3]]).double()
    rounded = torch.tensor([4.0, -1e-17, 1.0]).double().diag()
    return {
        "a covariance of positive numbers": together,
        "a covariance with negative numbers": root @ root.T,
        "a single number": torch.tensor([[2.25]]).double(),
        "a singular covariance": flat @ flat.T,  # 3 directions in 7 dimensions
        "a covariance whose eigenvalue 0 was rounded": rounded,
        "the covariance zero": torch.zeros(2, 2).double(),
    }


def _samples(answer: Answer, mean: Tensor, covariance: Tensor, z: Tensor, case: str) -> Tensor:
    try:
        result = asked(answer, mean, covariance, z)
    except CheckFailed as refusal:
        failure = refusal.__context__
        if isinstance(failure, torch.linalg.LinAlgError | np.linalg.LinAlgError):
            fail(
                "cholesky",
                f"For {case} your decomposition stops. Cholesky's algorithm divides by numbers "
                "that are zero when an eigenvalue is, as for pixels that never vary.",
            )
        raise
    if isinstance(result, Tensor) and result.is_complex():
        fail(
            "complex",
            "Your samples are complex numbers. A symmetric matrix has real eigenvalues, and eigh "
            "is the function that knows it: eig is for any matrix.",
        )
    if isinstance(result, Tensor) and result.isnan().any():
        _refuse_nan(covariance, case)
    return tensor_from(real_tensor(result), tuple(z.shape))


def _refuse_nan(covariance: Tensor, case: str) -> None:
    if torch.linalg.eigvalsh(covariance)[0] > 1e-6:
        if (covariance < 0).any():
            fail("elementwise", SAMPLES["elementwise"])
        fail("nan", f"For {case} your samples hold NaN, which is no number.")
    fail(
        "root-of-negative",
        f"For {case} your samples hold NaN. A number that should be zero comes out as something "
        "like -1e-17, because computers round, and has no real root; where it is exactly zero, a "
        "division by it is 0/0.",
    )


def _covariance_mistakes(linear: Tensor, covariance: Tensor) -> Iterator[Mistake]:
    """For the covariance got: what the mistakes that explain the map `linear` give."""
    got = linear.T @ linear
    values, vectors = torch.linalg.eigh(covariance)
    if alike(linear, covariance):
        yield "covariance", got
    if alike(linear, covariance.clamp(min=0).sqrt()):
        yield "elementwise", got
    square = covariance @ covariance
    yield "no-root", square
    if alike(linear @ linear.T, square):
        yield "no-root", got
    if alike(linear @ linear.T, covariance):
        yield "transposed", got
    yield "variances-only", covariance.diag().diag()
    yield "directions", values.diag()
    yield "directions", vectors.T @ values.diag() @ vectors
    surplus = got - covariance
    if alike(surplus, surplus[0, 0] * torch.eye(len(got)).double()):
        yield "jitter", got
    if values[0] > 1e-6:
        yield "precision", torch.linalg.inv(covariance)


GAP = {
    "no-half": "Your numbers are twice as large as the gap. Look at the exponent of (1.4): it is "
    "not the whole squared length.",
    "mean": "You take a mean over the n numbers of a sample. The logarithm of a product is a sum, "
    "so each further dimension widens the gap; a mean stays as it is.",
    "not-squared": "You use the length of a sample, and the density falls with its square. At "
    "length 2 the gap is four times that at length 1, not twice.",
    "sign": "Your numbers are negative. The density is highest at 0, so log p(0) is the larger of "
    "the two.",
    "not-summed": "You return one number for each coordinate. The density is that of the whole "
    "sample, a product over its n coordinates.",
    "axis": "You return one number for each dimension, a sum over the samples. Asked for is one "
    "number for each sample: a sample is a row.",
    "one-number": "You return one number for all samples. Each sample has a gap of its own.",
    "keepdim": "Your numbers are right and stand in a column, shape (N, 1). Asked for is (N,): a "
    "column minus a row is a table in torch, without an error.",
    "constant": "Your numbers hold the factor in front of the exponential. It is the same at 0 and "
    "at x, so it is gone from the difference.",
    "expected": "You return n/2, the mean gap (1.6), for every sample. Each sample has a gap of "
    "its own, which depends on x.",
    "log-p": "You return log p(x). Asked for is how far it lies below log p(0).",
    "ratio": "You return the ratio of the densities. Asked for is its logarithm, which does not "
    "overflow in many dimensions.",
}


def log_density_gap(answer: Answer) -> None:
    """Exercise 1.5: log p(0) - log p(x) for a standard Gaussian in n dimensions."""
    for seed, (N, n) in enumerate([(5, 3), (4, 1), (3, 12), (6, 2000)]):
        x = noise(N, n, seed=160 + seed)
        result = asked(answer, x)
        if isinstance(result, Tensor) and not result.isfinite().all():
            fail(
                "underflow",
                f"For n = {n} your numbers are not finite. In many dimensions the density is too "
                "small for a float64 and the ratio of two densities too large. Subtract the "
                "logarithms as formulas and compute what is left.",
            )
        wanted = torch.tensor([sum(t * t / 2 for t in row) for row in x.tolist()]).double()
        case = f"For {N} samples in {n} dimensions"
        judge(real_tensor(result), wanted, _gap_mistakes(x, wanted), GAP, case)
    passed("log_density_gap")


def _gap_mistakes(x: Tensor, wanted: Tensor) -> Iterator[Mistake]:
    N, n = x.shape
    factor = n / 2 * math.log(2 * math.pi)
    yield "no-half", 2 * wanted
    yield "mean", wanted / n
    yield "mean", 2 * wanted / n
    yield "not-squared", x.norm(dim=1)
    yield "not-squared", x.norm(dim=1) / 2
    for share in (1, 2, 1 / n, 2 / n):
        yield "sign", -share * wanted
    yield "log-p", -wanted - factor
    yield "constant", wanted + factor
    yield "constant", wanted - factor
    yield "expected", torch.full((N,), n / 2).double()
    yield "expected", torch.full((N,), n / 2).double() - wanted
    yield "keepdim", wanted[:, None]
    yield "not-summed", x.square() / 2
    yield "not-summed", x.square()
    for share in (0.5, 1):
        yield "axis", share * x.square().sum(0)
        yield "axis", share * x.square().mean(0)
        yield "one-number", share * x.square().sum()
        yield "one-number", share * x.square().mean()
    yield "one-number", wanted.mean()
    yield "one-number", torch.tensor(n / 2).double()
    yield "ratio", wanted.exp()
    yield "ratio", (-wanted).exp()
