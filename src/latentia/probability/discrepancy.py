"""The maximum mean discrepancy: how far two sets of samples are from one distribution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def discrepancy(a: Tensor, b: Tensor, scales: Sequence[float]) -> Tensor:
    r"""Estimate the squared maximum mean discrepancy with the inverse multiquadratic kernel.

    The kernel is the mean over the scales C of C / (C + |a - b|^2). The estimate has no bias: its
    expectation is 0 where the distributions are equal, and it is 2 at most.

    Args:
        a: samples of one distribution, shape `(*batch, N, D)`, N at least 2.
        b: samples of the other, shape `(*batch, M, D)`, M at least 2.
        scales: squared distances C at which a kernel is one half.

    Returns:
        Shape `batch`.

    References:
        Arthur Gretton et al., "A Kernel Two-Sample Test", 2012.
        Ilya Tolstikhin et al., "Wasserstein Auto-Encoders", 2018.
    """

    def total(one: Tensor, two: Tensor) -> Tensor:
        # The product form would lose the small distances, and its square root their gradient.
        squared = torch.cdist(one, two, compute_mode="donot_use_mm_for_euclid_dist").square()
        kernels = [scale / (scale + squared) for scale in scales]
        return torch.stack([kernel.sum(dim=(-2, -1)) for kernel in kernels]).mean(dim=0)

    def within(one: Tensor) -> Tensor:
        count = one.shape[-2]  # a point's kernel with itself is 1
        return (total(one, one) - count) / (count * (count - 1))

    return within(a) + within(b) - 2 * total(a, b) / (a.shape[-2] * b.shape[-2])
