"""Adam as one call of torch's fused kernel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from latentia.training.engines import local


class Adam:
    r"""Adam, or AdamW where there is weight decay, bit for bit as `torch.optim.Adam(fused=True)`.

    m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, p <- p - lr m^ / (sqrt(v^) + eps), with m^ and v^
    corrected for their start at zero and, for AdamW, p <- (1 - lr weight_decay) p first.

    It calls the kernel that torch.optim calls, without what torch.optim does around it: on a small
    network that costs as much as the kernel, and its import takes a second and a half.

    On a CPU, moments that have faded away become zero. A weight whose gradient has become exactly zero, as
    that of a pixel which is hardly ever white, keeps moments that shrink with every step until they are
    subnormal numbers, with which a CPU is slow (`python -m benchmarks.run causes`).

    References:
        Diederik Kingma, Jimmy Ba, "Adam: A Method for Stochastic Optimization", 2015.
        Ilya Loshchilov, Frank Hutter, "Decoupled Weight Decay Regularization", 2019.
    """

    EPSILON = 1e-8
    FADED = (1e-28, 1e-33)
    """Moments up to these sizes become zero. Over EPSILON the first moves its weight by less than 1e-20 of
    the learning rate; the root of the second, corrected, is less than float32 can tell beside EPSILON."""
    SWEEP = 32
    """Steps between two looks for them; fewer than it takes from there to 2^-126 with a decay of a half
    for the first moments, and of 0.71 for the second."""

    def __init__(
        self,
        parameters: list[nn.Parameter],
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        """Start with moments of zero.

        Args:
            parameters: what to optimise, all on one device; where they are in shards, each process optimises
                its own.
            weight_decay: share of a parameter, times the learning rate, that each step takes away.
            betas: decay of the first and of the second moment.
        """
        self.parameters = parameters
        self.sharded = local(parameters[0]) is not parameters[0]
        self.weight_decay = weight_decay
        self.betas = betas
        self.first = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in parameters]
        self.second = [torch.zeros_like(p, memory_format=torch.preserve_format) for p in parameters]
        self.steps = torch.zeros((), device=parameters[0].device)
        self.sweeps = parameters[0].device.type == "cpu"

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float, skipped: Tensor | None = None) -> None:
        """Take one step; parameters without a gradient stay.

        Args:
            lr: the learning rate.
            skipped: 1 leaves everything as it is, 0 takes the step, shape `()`, on the device; None takes it.
        """
        self.steps += 1 if skipped is None else 1 - skipped
        moved = [i for i, parameter in enumerate(self.parameters) if parameter.grad is not None]
        kernel: Any = getattr(torch, "_fused_adamw_" if self.weight_decay else "_fused_adam_")
        held = [
            [self.parameters[i] for i in moved],
            [self.parameters[i].grad for i in moved],
            [self.first[i] for i in moved],
            [self.second[i] for i in moved],
        ]
        if self.sharded:
            held = [[local(tensor) for tensor in tensors] for tensors in held]
        kernel(
            *held,
            [],
            [self.steps] * len(moved),
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=self.EPSILON,
            amsgrad=False,
            maximize=False,
            found_inf=skipped,
        )
        if self.sweeps and self.steps.item() % self.SWEEP == 0:
            for moments, faded in zip((self.first, self.second), self.FADED, strict=True):
                for moment in map(local, moments):
                    torch.hardshrink(moment, faded, out=moment)

    def state(self) -> dict[str, Tensor]:
        """Give the moments and the count of steps, by name."""
        named = {"steps": self.steps}
        for position, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
            named |= {f"first.{position}": first, f"second.{position}": second}
        return named
