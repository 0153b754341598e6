"""Answers to lesson 02's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_lib import convolution
from course_lib.checks.probes import Watch


def output_size(H, K, S, P, D):
    return convolution.output_size(H, K, S, P, D)


def rounded(H, K, S, P, D):
    return round((H + 2 * P - D * (K - 1) - 1) / S) + 1


def convolve(x, w):
    return convolution.conv2d_loops(x[None, None], w.flip(0, 1)[None, None])[0, 0]


def layer(x, w, bias, S, P):
    return convolution.conv2d_loops(x, w, bias, S, P)


def columns(x, K):
    return convolution.im2col(x[None], (K, K))[0]


def saved(C, O, K):
    size = (11, 9)
    pad = {"padding": K // 2} if K % 2 else {}
    full = convolution.multiply_adds(size, (O, C, K, K), **pad)
    depthwise = convolution.multiply_adds(size, (C, 1, K, K), **pad)
    between = [convolution.output_size(side, K, **pad) for side in size]
    return full / (depthwise + convolution.multiply_adds(tuple(between), (O, C, 1, 1)))


def waves(x, w):
    return convolution.conv2d_fft(x[None, None], w[None, None])[0, 0]


def factors(w, tolerance=1e-9):
    if torch.linalg.matrix_rank(w, rtol=tolerance) != 1:
        raise ValueError("expected rank one")
    row = w[w.norm(dim=1).argmax()]
    return w @ row / (row @ row), row


RIGHT = {
    "output_size": output_size,
    "convolve": convolve,
    "conv2d": layer,
    "im2col": columns,
    "multiply_adds_saved": saved,
    "correlate_fft": waves,
    "separate": factors,
}
#: More right answers: other ways of the library, other types that serve as well.
ALSO_RIGHT = [
    ("output_size", lambda H, K, S, P, D: np.int64(output_size(H, K, S, P, D))),
    ("output_size", lambda H, K, S, P, D: int((H + 2 * P - D * (K - 1) - 1) / S + 1)),
    ("output_size", lambda H, K, S, P, D: -((D * (K - 1) - H - 2 * P) // S)),
    ("convolve", lambda x, w: convolve(x, w).float()),
    ("convolve", lambda x, w: F.conv2d(x.flip(0, 1)[None, None], w[None, None])[0, 0].flip(0, 1)),
    ("conv2d", convolution.conv2d_im2col),
    ("conv2d", convolution.conv2d_matrix),
    ("conv2d", convolution.conv2d_fft),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias.requires_grad_(), S, P)),
    ("im2col", lambda x, K: F.unfold(x[None], K)[0]),
    ("im2col", lambda x, K: columns(x, K).float()),
    ("multiply_adds_saved", lambda C, O, K: np.float64(saved(C, O, K))),
    ("correlate_fft", lambda x, w: larger_transform(x, w)),
    ("correlate_fft", lambda x, w: torch.fft.ifft2(full_spectrum(x, w)).real[window(x, w)]),
    ("separate", lambda w: [-3 * factors(w)[0], factors(w)[1] / -3]),
    ("separate", lambda w: tuple(one.float() for one in factors(w))),
]


def window(x, w):
    return tuple(slice(side - len(w) + 1) for side in x.shape)


def full_spectrum(x, w):
    return torch.fft.fft2(w, s=x.shape).conj() * torch.fft.fft2(x)


def larger_transform(x, w):
    size = [side + len(w) + 3 for side in x.shape]
    product = torch.fft.rfft2(w, s=size).conj() * torch.fft.rfft2(x, s=size)
    return torch.fft.irfft2(product, s=size)[window(x, w)]


def by_numpy(x, w):
    product = np.fft.rfft2(w.numpy(), s=x.shape).conj() * np.fft.rfft2(x.numpy())
    return torch.from_numpy(np.fft.irfft2(product, s=x.shape))[window(x, w)]


def padded(mode=None, pads=(1, 1, 1, 1), stride=None):
    """A layer with another border or stride, without torch's convolution."""

    def answer(x, w, bias, S, P):
        by = stride(S) if stride else (S, S)
        extra = [P * pad for pad in pads]
        border = F.pad(x, extra, mode=mode) if mode else F.pad(x, extra)
        windows = border.unfold(2, w.shape[-1], by[0]).unfold(3, w.shape[-1], by[1])
        return torch.einsum("bcijuv,ocuv->boij", windows, w) + bias[:, None, None]

    return answer


def moved(down, right):
    """The kernel placed so many rows and columns off among the zeros."""

    def answer(x, w):
        filled = torch.zeros_like(x)
        filled[: len(w), : len(w)] = w
        return waves_of(x, filled.roll((down, right), (0, 1)))[window(x, w)]

    return answer


def by_the_last(w):
    factors(w)
    return w[:, -1], w[-1] / w[-1, -1]


def with_help(w):
    a, b = factors(w)
    return a, b * (1 + 1e-12 / w.abs().max())


def by_roots(w):
    factors(w)
    place = int(w.abs().argmax())
    p, q = place // w.shape[1], place % w.shape[1]
    return w[:, q] / w[p, q].sqrt(), w[p] / w[p, q].sqrt()


def waves_of(x, filled):
    return torch.fft.irfft2(torch.fft.rfft2(filled).conj() * torch.fft.rfft2(x), s=x.shape)


def backwards(x, w):
    product = torch.fft.rfft2(w, s=x.shape) * torch.fft.rfft2(x)
    return torch.fft.irfft2(product, s=x.shape)


def whole(x, w):
    filled = torch.zeros_like(x)
    filled[: len(w), : len(w)] = w
    return waves_of(x, filled)


def spoiling(name):
    """A right answer that afterwards doubles its first argument in place."""

    def answer(*given):
        result = RIGHT[name](*given)
        result = tuple(one.clone() for one in result) if name == "separate" else result.clone()
        given[0].mul_(2)
        return result

    return answer


def summed(w):
    factors(w)
    return w.sum(1), w.sum(0)


def averaged(w):
    factors(w)
    return w.mean(1), w.mean(0) / w.mean()


def tolerant(w):
    """Measures rounding errors by an absolute number."""
    u, s, v = torch.linalg.svd(w)
    if (s[1:] > 1e-9).any():
        raise ValueError
    return u[:, 0] * s[0], v[0]


def by_determinants(w):
    """Compares the leading numbers only: a corner that fits says nothing about the rest."""
    if len(w) > 1 and not torch.isclose(w[0, 0] * w[1, 1], w[0, 1] * w[1, 0]):
        raise ValueError
    p, q = divmod(int(w.abs().argmax()), len(w))
    return w[:, q], w[p] / w[p, q]


def no_sums(w):
    if w.sum().abs() < 1e-9:
        raise ValueError("the kernel adds up to zero")
    return factors(w)


def asserting(w):
    assert torch.linalg.matrix_rank(w) == 1
    return factors(w)


def arranged(*order):
    """All windows with their axes (C, H_out, W_out, K, K) in this order, cut into C K K rows."""

    def answer(x, K):
        windows = x.unfold(1, K, 1).unfold(2, K, 1)
        return windows.permute(*order).reshape(len(x) * K * K, -1)

    return answer


# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    ("output_size", rounded, "rounded-up"),
    ("output_size", lambda H, K, S, P, D: (H + 2 * P - D * (K - 1)) // S, "one-inside"),
    ("output_size", lambda H, K, S, P, D: (H + 2 * P - D * (K - 1)) // S + 1, "one-too-many"),
    ("output_size", lambda H, K, S, P, D: (H - D * (K - 1) - 1) // S + 1, "no-padding"),
    ("output_size", lambda H, K, S, P, D: int((H + P - D * (K - 1) - 1) / S) + 1, "one-sided"),
    ("output_size", lambda H, K, S, P, D: (H + 2 * P - D * K - 1) // S + 1, "dilated-size"),
    ("output_size", lambda H, K, S, P, D: (H + 2 * P - K) // S + 1, "no-dilation"),
    ("output_size", lambda H, K, S, P, D: output_size(H, K, 1, P, D), "no-stride"),
    ("output_size", lambda H, K, S, P, D: float(output_size(H, K, S, P, D)), "type"),
    ("output_size", lambda H, K, S, P, D: torch.tensor(output_size(H, K, S, P, D)), "type"),
    ("output_size", lambda H, K, S, P, D: True, "type"),
    ("output_size", lambda H, K, S, P, D: float("nan"), "fraction"),
    ("output_size", lambda H, K, S, P, D: H, "values"),
    ("output_size", lambda H, K, S, P, D: min(output_size(H, K, S, P, D), 11), "values"),
    ("convolve", lambda x, w: convolve(x, w.flip(1)), "one-axis"),
    ("convolve", lambda x, w: convolve(x, w.flip(0)), "one-axis"),
    ("convolve", lambda x, w: convolve(x, w.T), "transposed"),
    ("convolve", lambda x, w: convolve(x, w.rot90()), "quarter-turn"),
    ("convolve", lambda x, w: convolve(x, w.rot90(-1)), "quarter-turn"),
    ("convolve", lambda x, w: convolve(x, w).flip(0, 1), "result-turned"),
    ("convolve", lambda x, w: F.pad(convolve(x, w), [len(w) // 2] * 4), "padded"),
    ("convolve", lambda x, w: F.pad(convolve(x, w), [len(w) - 1] * 4), "full"),
    ("convolve", lambda x, w: convolve(x, w)[None], "shape"),
    ("convolve", lambda x, w: convolve(x, w) + 0.01, "values"),
    ("convolve", lambda x, w: convolve(x, w) / 0 * 0, "nan"),
    ("convolve", lambda x, w: convolve(x, w) * 1j, "complex"),
    ("convolve", lambda x, w: convolve(x, w).int(), "type"),
    ("convolve", lambda x, w: convolve(x, w).numpy(), "type"),
    ("convolve", spoiling("convolve"), "input-changed"),
    ("conv2d", lambda x, w, bias, S, P: F.conv2d(x, w, bias, S, P), "library"),
    ("conv2d", lambda x, w, bias, S, P: torch.conv2d(x, w, bias, S, P), "library"),
    ("conv2d", lambda x, w, bias, S, P: module(x, w, bias, S, P), "library"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, None, S, P), "no-bias"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias * w[0].numel(), S, P), "bias-repeated"),
    ("conv2d", lambda x, w, bias, S, P: layer(x[:, :1], w[:, :1], bias, S, P), "channels"),
    ("conv2d", lambda x, w, bias, S, P: unsummed(x, w, bias, S, P), "channels"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w / w[0].numel(), bias, S, P), "averaged"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias, S, P) / w.shape[1], "averaged"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w.flip(2, 3), bias, S, P), "flipped"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias, S, 0), "no-padding"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias, 1, P), "no-stride"),
    ("conv2d", padded(pads=(2, 0, 2, 0)), "one-sided"),
    ("conv2d", padded(pads=(1, 0, 1, 0)), "one-sided"),
    ("conv2d", padded(pads=(0, 1, 0, 1)), "one-sided"),
    ("conv2d", padded(pads=(1, 1)), "padded-one-axis"),
    ("conv2d", padded(mode="reflect"), "edge-values"),
    ("conv2d", padded(mode="circular"), "edge-values"),
    ("conv2d", padded(stride=lambda S: (S, 1)), "stride-one-axis"),
    ("conv2d", padded(stride=lambda S: (1, S)), "stride-one-axis"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias, S, P)[0], "shape"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias, S, P).flip(0), "values"),
    ("conv2d", lambda x, w, bias, S, P: layer(x, w, bias, S, P).long(), "type"),
    ("conv2d", spoiling("conv2d"), "input-changed"),
    ("im2col", arranged(0, 4, 3, 1, 2), "row-order"),
    ("im2col", lambda x, K: arranged(3, 4, 0, 1, 2)(x, K).T, "windows-as-rows"),
    ("im2col", arranged(1, 2, 0, 3, 4), "reshaped"),
    ("im2col", lambda x, K: F.unfold(x[None], K, stride=K)[0], "no-overlap"),
    ("im2col", lambda x, K: columns(x, K)[None], "shape"),
    ("im2col", lambda x, K: F.unfold(x[None], K, padding=1)[0], "shape"),
    ("im2col", lambda x, K: columns(x, K).flip(0), "values"),
    ("im2col", lambda x, K: columns(x, K).tolist(), "type"),
    ("im2col", spoiling("im2col"), "input-changed"),
    ("multiply_adds_saved", lambda C, O, K: K**2, "no-depthwise"),
    ("multiply_adds_saved", lambda C, O, K: O * K**2 / (C * K**2 + O), "depthwise-full"),
    ("multiply_adds_saved", lambda C, O, K: C * O * K / (C * K + C * O), "kernel-side"),
    ("multiply_adds_saved", lambda C, O, K: C * O * K**2 - (C * K**2 + C * O), "difference"),
    ("multiply_adds_saved", lambda C, O, K: 1 - 1 / saved(C, O, K), "share"),
    ("multiply_adds_saved", lambda C, O, K: int(saved(C, O, K)), "whole"),
    ("multiply_adds_saved", lambda C, O, K: saved(C, O, K) * 1.01, "values"),
    ("multiply_adds_saved", lambda C, O, K: float("inf"), "values"),
    ("multiply_adds_saved", lambda C, O, K: float("nan"), "values"),
    ("multiply_adds_saved", lambda C, O, K: f"{saved(C, O, K)}", "type"),
    ("multiply_adds_saved", lambda C, O, K: K**2 * C * O / 0, "error"),
    ("correlate_fft", lambda x, w: F.conv2d(x[None, None], w[None, None])[0, 0], "no-fft"),
    ("correlate_fft", by_numpy, "no-fft"),
    ("correlate_fft", lambda x, w: backwards(x, w)[len(w) - 1 :, len(w) - 1 :], "runs-backwards"),
    ("correlate_fft", lambda x, w: waves(x, w.flip(0, 1)), "runs-backwards"),
    ("correlate_fft", backwards, "no-conjugate"),
    ("correlate_fft", lambda x, w: whole(x, w)[len(w) // 2 :, len(w) // 2 :][window(x, w)], "crop"),
    ("correlate_fft", moved(-1, -1), "kernel-place"),
    ("correlate_fft", moved(2, 0), "kernel-place"),
    ("correlate_fft", lambda x, w: whole(x, w).roll((1, 1), (0, 1)), "not-cropped"),
    ("correlate_fft", lambda x, w: torch.fft.ifft2(full_spectrum(x, w))[window(x, w)], "complex"),
    ("correlate_fft", lambda x, w: waves(x, w).abs(), "absolute"),
    ("correlate_fft", lambda x, w: waves(x, w) * x.numel(), "scale"),
    ("correlate_fft", lambda x, w: torch.fft.fft2(w).conj() * torch.fft.fft2(x), "not-padded"),
    ("correlate_fft", lambda x, w: torch.fft.fft2(x) @ torch.fft.fft2(x), "error"),
    ("correlate_fft", lambda x, w: waves(x, w)[1:], "shape"),
    ("correlate_fft", lambda x, w: waves(x, w).square(), "values"),
    ("correlate_fft", spoiling("correlate_fft"), "input-changed"),
    ("separate", lambda w: factors(w)[::-1], "swapped"),
    ("separate", lambda w: (factors(w)[0] * 2, factors(w)[1]), "scale"),
    ("separate", lambda w: factors(w, tolerance=1e-15), "refuses-rank-one"),
    ("separate", lambda w: factors(w, tolerance=1e-4), "accepts-other-ranks"),
    ("separate", summed, "sums"),
    ("separate", averaged, "sums"),
    ("separate", tolerant, "absolute-tolerance"),
    ("separate", by_the_last, "nan"),
    ("separate", by_roots, "nan"),
    ("separate", with_help, "absolute-tolerance"),
    ("separate", by_determinants, "accepts-other-ranks"),
    ("separate", no_sums, "refuses-rank-one"),
    ("separate", asserting, "error"),
    ("separate", lambda w: (factors(w)[0] / 0, factors(w)[1]), "nan"),
    ("separate", lambda w: (factors(w)[0], factors(w)[1].flip(0)), "values"),
    ("separate", lambda w: (factors(w)[0][:, None], factors(w)[1][None]), "shape"),
    ("separate", lambda w: factors(w)[0], "type"),
    ("separate", lambda w: [one.tolist() for one in factors(w)], "type"),
    ("separate", lambda w: torch.outer(*factors(w)), "type"),
    ("separate", spoiling("separate"), "input-changed"),
    *((name, "a text", "type") for name in RIGHT),
    *((name, lambda *given: None, "type") for name in RIGHT),
    *((name, lambda: None, "error") for name in RIGHT),
]  # fmt: skip


def module(x, w, bias, S, P):
    """The layer as torch.nn has it."""
    made = torch.nn.Conv2d(w.shape[1], w.shape[0], w.shape[2], S, P, dtype=x.dtype)
    made.load_state_dict({"weight": w, "bias": bias})
    return made(x)


def unsummed(x, w, bias, S, P):
    """What each input channel contributes, (B, O, C, H_out, W_out)."""
    each = [layer(x[:, c : c + 1], w[:, c : c + 1], bias, S, P) for c in range(x.shape[1])]
    return torch.stack(each, dim=2)


def test_the_watch_notes_functions_and_shapes_and_changes_nothing():
    x = torch.arange(12.0).reshape(3, 4)
    with Watch() as watch:
        spectrum = torch.fft.rfft2(x)
        with pytest.raises(RuntimeError):
            F.conv2d(x, x)
    torch.fft.rfft2(x)  # outside: not noted
    assert torch.equal(spectrum, torch.fft.rfft2(x))
    assert watch.shapes("fft") == [(3, 3)]
    assert watch.shapes("conv") == [()]
