"""Batch normalisation over a batch that several processes share (lesson 04, `distributed`)."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _Sum(torch.autograd.Function):
    """The sum over processes. Each input reaches every sum, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, slope: Tensor) -> Tensor:
        # Through apply, so that R1 can take the gradient of this gradient.
        return _Sum.apply(slope)


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation (lesson 04) over the equally large shares of all processes together.

    torch.nn.SyncBatchNorm does the same on GPUs only; these lines run on every device.
    """

    @classmethod
    def of(cls, layer: nn.BatchNorm2d) -> SyncedBatchNorm2d:
        """A synchronised layer with the parameters and buffers of a plain one, not copied.

        Raises:
            ValueError: if the layer lacks weights, running statistics or a momentum.
        """
        if not layer.affine or not layer.track_running_stats or layer.momentum is None:
            raise ValueError(f"expected weights, running statistics and a momentum; got {layer}")
        synced = cls(layer.num_features, layer.eps, layer.momentum)
        synced.weight, synced.bias = layer.weight, layer.bias
        synced.running_mean, synced.running_var = layer.running_mean, layer.running_var
        synced.num_batches_tracked = layer.num_batches_tracked
        return synced.train(layer.training)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise each channel: (B / size, C, H, W) -> the same shape and number format."""
        if not self.training:
            return super().forward(images)
        values = images.float()  # sums in bfloat16 would lose digits
        size = dist.get_world_size()
        share_variance, share_mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)  # (C,)
        mean = _Sum.apply(share_mean) / size
        # The variance of the whole: the shares' mean variance, and the variance of their means.
        variance = _Sum.apply(share_variance + (share_mean - mean).square()) / size
        with torch.no_grad():
            count = size * values.numel() // self.num_features
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        mean, scale, shift = (one[:, None, None] for one in (mean, scale, self.bias))  # (C, 1, 1)
        return ((values - mean) * scale + shift).to(images.dtype)


def synchronise(network: nn.Module) -> nn.Module:
    """Replace each nn.BatchNorm2d in the network by a `SyncedBatchNorm2d`, and return the network.

    Parameters and buffers stay the same tensors under the same names: optimisers go on, and
    checkpoints can be exchanged with those of a single process.

    Raises:
        ValueError: for batch normalisation of another kind, which would use its share alone.
    """
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(network, name, SyncedBatchNorm2d.of(child))
        elif isinstance(child, nn.BatchNorm1d | nn.BatchNorm3d):
            raise ValueError(f"expected nn.BatchNorm2d in a network to synchronise, got {child}")
        else:
            synchronise(child)
    return network
