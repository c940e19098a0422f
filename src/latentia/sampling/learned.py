"""Samplers that learn a density of latents: a flow, or a second VAE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from latentia.assembly import assemble
from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.objectives import LossFunction
from latentia.probability.flows import SplinePrior
from latentia.sampling.base import Sampler, Source, learn


class _Flow(SplinePrior):
    section: ClassVar[str] = "sampler"


class _Scaled(Sampler):
    """A sampler that learns latents of mean 0 and deviation 1 in every dimension, flat."""

    shift: Tensor
    scale: Tensor

    def __init__(self, latent: tuple[int, ...], steps: int) -> None:
        super().__init__(latent)
        if steps < 1:
            raise ConfigError(f"'sampler.steps' must be at least 1, not {steps}")
        self.steps = steps
        self.register_buffer("shift", torch.zeros(math.prod(latent)))
        self.register_buffer("scale", torch.ones(math.prod(latent)))

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Scale the latents and learn them; see `Sampler`."""
        codes = torch.from_numpy(source.aggregate).float().flatten(1).to(source.device)
        self.shift.copy_(codes.mean(dim=0))
        self.scale.copy_(codes.std(dim=0, correction=0).clamp(min=1e-6))
        self.learn((codes - self.shift) / self.scale, quiet)

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw and scale back; see `Sampler`."""
        return (self.shift + self.scale * self.drawn(n)).unflatten(1, self.latent)

    def learn(self, codes: Tensor, quiet: bool) -> None:
        """Learn scaled latents `(N, D)`."""
        raise TypeError("a scaled sampler defines its own learn")

    def drawn(self, n: int) -> Tensor:
        """Draw scaled latents `(n, D)`."""
        raise TypeError("a scaled sampler defines its own drawn")


@register("sampler", "flow")
class FlowSampler(_Scaled):
    """A neural spline flow, fitted to the latents by maximum likelihood.

    References:
        Conor Durkan, Artur Bekasov, Iain Murray, George Papamakarios, "Neural Spline Flows", 2019.
        Zhisheng Xiao, Qing Yan, Yali Amit, "Generative Latent Flow", 2019.
    """

    def __init__(
        self,
        latent: tuple[int, ...],
        steps: int = 1500,
        transforms: int = 3,
        hidden: Sequence[int] = (128, 128),
    ) -> None:
        """Build the flow.

        Args:
            latent: shape of one latent.
            steps: steps of the fit.
            transforms: how many transformations follow each other.
            hidden: widths of the hidden layers of each one's network.
        """
        super().__init__(latent, steps)
        self.flow = _Flow((math.prod(latent),), transforms, hidden)

    def learn(self, codes: Tensor, quiet: bool) -> None:
        """Maximise log p(z)."""
        learn(
            self.flow,
            LossFunction(lambda flow, batch: -flow().log_prob(batch.x)),
            codes,
            steps=self.steps,
            what="fitting the sampler flow",
            quiet=quiet,
        )

    def drawn(self, n: int) -> Tensor:
        """Draw from the flow."""
        return self.flow().sample(torch.Size((n,)))


@register("sampler", "two_stage")
class TwoStageSampler(_Scaled):
    r"""A second VAE, of the latents of the first: u ~ N(0, I), z ~ N(f(u), gamma^2 I).

    A VAE's aggregate posterior is not its prior, but it has no thin manifold left to find: the second
    stage, with latents as many as the first's and a learned gamma, comes closer. The noise of its decoder is
    drawn, as the theory asks.

    References:
        Bin Dai, David Wipf, "Diagnosing and Enhancing VAE Models", 2019.
    """

    def __init__(
        self, latent: tuple[int, ...], steps: int = 3000, hidden: Sequence[int] = (256, 256)
    ) -> None:
        """Build the second VAE.

        Args:
            latent: shape of one latent.
            steps: steps of the fit.
            hidden: widths of the hidden layers of its encoder and, reversed, its decoder.
        """
        super().__init__(latent, steps)
        if not hidden or min(hidden) < 1:
            raise ConfigError(f"'sampler.hidden' must be positive widths, not {list(hidden)}")
        size = math.prod(latent)
        parts = assemble(
            {
                "model": {"name": "vae", "latent_dim": size},
                "network": {"name": "mlp", "hidden": list(hidden)},
                "posterior": {"name": "diagonal_gaussian"},
                "prior": {"name": "standard_normal"},
                # At a gamma of 1, the latents' scale, a decoder that ignores u is as good, and stays so.
                "likelihood": {"name": "gaussian_learned", "initial_sigma": 0.1},
                "objective": {"name": "elbo"},
                "transform": {"name": "none"},
            },
            (size,),
        )
        self.model: nn.Module = parts.model
        self._parts = parts

    def learn(self, codes: Tensor, quiet: bool) -> None:
        """Maximise the second VAE's bound."""
        learn(
            self._parts.model,
            self._parts.objective,
            codes,
            steps=self.steps,
            what="fitting the sampler two_stage",
            quiet=quiet,
        )

    def drawn(self, n: int) -> Tensor:
        """Draw from the second prior, then from the second likelihood."""
        model = self._parts.model
        return model.decode(model.prior().sample(torch.Size((n,)))).sample()
