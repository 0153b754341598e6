"""Walks through latent space (lessons 09 and 12)."""

from __future__ import annotations

import torch
from torch import Tensor


def slerp(start: Tensor, end: Tensor, t: float | Tensor) -> Tensor:
    """Spherical linear interpolation: from `start` at t = 0 to `end` at t = 1 along an arc.

    The straight line between two latent vectors passes nearer to the origin than almost any vector
    that the generator saw in training; the arc keeps the length.

    Args:
        start, end: latent vectors, (..., Z), not parallel.
        t: position, 0 to 1.

    Returns:
        (..., Z)

    Source: lesson 09, equation (9.14); White, "Sampling Generative Networks", 2016, section 2.1.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1)
    angle = torch.acos(cosine)[..., None]
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)
