"""Samplers that learn a density of latents: a flow, or a second VAE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from latentia.assembly import assemble
from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.networks import Embedding
from latentia.objectives import LossFunction
from latentia.probability.flows import Flowed, SplinePrior, build
from latentia.probability.precision import exact
from latentia.sampling.base import DROP, Sampler, Source, as_tensor, hidden, learn

CONTEXT = 32
"""Numbers that a flow is told of a condition."""


class _Flow(SplinePrior):
    section: ClassVar[str] = "sampler"

    def __init__(
        self, latent: tuple[int, ...], transforms: int, hidden: Sequence[int], condition: int
    ) -> None:
        super().__init__(latent, transforms, hidden)
        self.embedding = Embedding(condition, CONTEXT) if condition else None
        if condition:
            size, about = math.prod(latent), {**self.options, "context": CONTEXT}
            self.normalise = build(self.flow, self.section, size, transforms, hidden, **about)

    def forward(self, c: Tensor | None = None) -> Distribution:
        if self.embedding is None or c is None:
            return super().forward()
        if self.training:
            c = hidden(c)
        base = Normal(self.zero.expand(len(c), -1), self.one, validate_args=False)
        with exact(self.zero):
            transform = self.normalise(self.embedding(c))
        return Flowed(base, transform.inv, self.latent)


class _Scaled(Sampler):
    """A sampler that learns latents of mean 0 and deviation 1 in every dimension, flat."""

    shift: Tensor
    scale: Tensor

    def __init__(self, latent: tuple[int, ...], steps: int, told: int) -> None:
        super().__init__(latent)
        if steps < 1:
            raise ConfigError(f"'sampler.steps' must be at least 1, not {steps}")
        self.steps, self.told = steps, told
        self.register_buffer("shift", torch.zeros(math.prod(latent)))
        self.register_buffer("scale", torch.ones(math.prod(latent)))

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Scale the latents and learn them; see `Sampler`."""
        codes = torch.from_numpy(source.aggregate).float().flatten(1).to(source.device)
        self.shift.copy_(codes.mean(dim=0))
        self.scale.copy_(codes.std(dim=0, correction=0).clamp(min=1e-6))
        self.learn((codes - self.shift) / self.scale, as_tensor(source.aggregate_c), quiet)

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw and scale back; see `Sampler`."""
        if not self.told:
            c = None
        elif c is None:
            c = self.shift.new_full((n, self.told), math.nan)
        return (self.shift + self.scale * self.drawn(n, c)).unflatten(1, self.latent)

    def learn(self, codes: Tensor, c: Tensor | None, quiet: bool) -> None:
        """Learn scaled latents `(N, D)`, each given its condition `(N, C)` where there is one."""
        raise TypeError("a scaled sampler defines its own learn")

    def drawn(self, n: int, c: Tensor | None) -> Tensor:
        """Draw scaled latents `(n, D)`, given conditions `(n, C)` where the run has one."""
        raise TypeError("a scaled sampler defines its own drawn")


@register("sampler", "flow")
class FlowSampler(_Scaled):
    """A neural spline flow, fitted to the latents by maximum likelihood; p(z|c) of a run with a condition.

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
        *,
        told: int = 0,
    ) -> None:
        """Build the flow.

        Args:
            latent: shape of one latent.
            steps: steps of the fit.
            transforms: how many transformations follow each other.
            hidden: widths of the hidden layers of each one's network.
            told: how many numbers the condition of the run has; 0 for none.
        """
        super().__init__(latent, steps, told)
        self.flow = _Flow((math.prod(latent),), transforms, hidden, told)

    def learn(self, codes: Tensor, c: Tensor | None, quiet: bool) -> None:
        """Maximise log p(z), or log p(z|c)."""
        learn(
            self.flow,
            LossFunction(lambda flow, batch: -flow(batch.c).log_prob(batch.x)),
            codes,
            c,
            steps=self.steps,
            what="fitting the sampler flow",
            quiet=quiet,
        )

    def drawn(self, n: int, c: Tensor | None) -> Tensor:
        """Draw from the flow."""
        return self.flow(c).sample(torch.Size(() if c is not None else (n,)))


@register("sampler", "two_stage")
class TwoStageSampler(_Scaled):
    r"""A second VAE, of the latents of the first: u ~ N(0, I), z ~ N(f(u), gamma^2 I).

    A VAE's aggregate posterior is not its prior, but it has no thin manifold left to find: the second
    stage, with latents as many as the first's and a learned gamma, comes closer. The noise of its decoder is
    drawn, as the theory asks. Of a run with a condition it is a conditional VAE, N(f(u, c), gamma^2 I).

    References:
        Bin Dai, David Wipf, "Diagnosing and Enhancing VAE Models", 2019.
    """

    def __init__(
        self,
        latent: tuple[int, ...],
        steps: int = 3000,
        hidden: Sequence[int] = (256, 256),
        *,
        told: int = 0,
    ) -> None:
        """Build the second VAE.

        Args:
            latent: shape of one latent.
            steps: steps of the fit.
            hidden: widths of the hidden layers of its encoder and, reversed, its decoder.
            told: how many numbers the condition of the run has; 0 for none.
        """
        super().__init__(latent, steps, told)
        if not hidden or min(hidden) < 1:
            raise ConfigError(f"'sampler.hidden' must be positive widths, not {list(hidden)}")
        size = math.prod(latent)
        model = {"name": "conditional_vae", "drop": DROP} if told else {"name": "vae"}
        parts = assemble(
            {
                "model": {**model, "latent_dim": size},
                "network": {"name": "mlp", "hidden": list(hidden)},
                "posterior": {"name": "diagonal_gaussian"},
                "prior": {"name": "standard_normal"},
                # At a gamma of 1, the latents' scale, a decoder that ignores u is as good, and stays so.
                "likelihood": {"name": "gaussian_learned", "initial_sigma": 0.1},
                "objective": {"name": "elbo"},
                "transform": {"name": "none"},
            },
            (size,),
            told,
        )
        self.model: nn.Module = parts.model
        self._parts = parts

    def learn(self, codes: Tensor, c: Tensor | None, quiet: bool) -> None:
        """Maximise the second VAE's bound."""
        learn(
            self._parts.model,
            self._parts.objective,
            codes,
            c,
            steps=self.steps,
            what="fitting the sampler two_stage",
            quiet=quiet,
        )

    def drawn(self, n: int, c: Tensor | None) -> Tensor:
        """Draw from the second prior, then from the second likelihood."""
        model = self._parts.model
        return model.decode(model.prior().sample(torch.Size((n,))), c).sample()
