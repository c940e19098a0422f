"""The sampler of codes: a causal transformer, trained on the codes of the training split."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from latentia.core.errors import ConfigError
from latentia.core.registry import register
from latentia.core.types import Coder
from latentia.networks.transformer import CausalTransformer
from latentia.objectives import LossFunction
from latentia.sampling.base import Sampler, Source, as_tensor, hidden, learn

CHUNK = 256


@register("sampler", "autoregressive")
class AutoregressiveSampler(Sampler):
    r"""p(k_1) p(k_2|k_1) p(k_3|k_1, k_2) ... over the codes of an example, in the order of rows and levels.

    Its -log p(k) takes the place of the N log K nats that codes cost under the uniform prior, so that
    E_q[log p(x|z) + log p(k)] is a tighter bound on the log p(x) of decoder and sampler together. Of a run
    with a condition it is p(k|c).

    References:
        Aaron van den Oord, Oriol Vinyals, Koray Kavukcuoglu, "Neural Discrete Representation Learning", 2017.
        Patrick Esser, Robin Rombach, Bjorn Ommer, "Taming Transformers for High-Resolution Image
        Synthesis", 2021.
    """

    def __init__(
        self,
        latent: tuple[int, ...],
        steps: int = 2000,
        width: int = 96,
        layers: int = 3,
        *,
        coder: Coder | None = None,
        told: int = 0,
    ) -> None:
        """Build the transformer.

        Args:
            latent: shape of one latent.
            steps: steps of the fit.
            width: numbers at each place, a multiple of 4.
            layers: how many blocks.
            coder: the codes of the model.
            told: how many numbers the condition of the run has; 0 for none.

        Raises:
            ConfigError: if a setting is out of its range, or the model has no codes.
        """
        super().__init__(latent)
        if coder is None:
            raise ConfigError(
                "the sampler 'autoregressive' draws codes, and this model has none; use --sampler flow, or "
                "train --model vqvae"
            )
        for name, value in (("steps", steps), ("layers", layers), ("width", width // 4)):
            if value < 1:
                raise ConfigError(f"'sampler.{name}' is too small")
        if width % 4:
            raise ConfigError(f"'sampler.width' must be a multiple of 4, not {width}")
        self.steps = steps
        self.shape, self._vectors = coder.code_shape, coder.vectors
        length = math.prod(coder.code_shape)
        self.network = CausalTransformer(coder.size, length, width, layers, condition=told)

    def fit(self, source: Source, quiet: bool = True) -> None:
        """Maximise log p of the codes of the training split; see `Sampler`."""
        learn(
            self.network,
            LossFunction(lambda network, batch: -self._log_prob(batch.x.long(), batch.c)),
            self._flat(torch.from_numpy(source.known_codes)),
            as_tensor(source.known_codes_c),
            steps=self.steps,
            what="fitting the sampler autoregressive",
            quiet=quiet,
            batch=64,
            held=1000,
        )

    def log_prob(self, codes: Tensor, c: Tensor | None = None) -> Tensor:
        """Give the log probability of codes.

        Args:
            codes: shape `(B, *code_shape)`.
            c: a condition for each, shape `(B, C)`, or None.

        Returns:
            Shape `(B,)`, in nats.
        """
        told = [None] * -(-len(codes) // CHUNK) if c is None else c.split(CHUNK)
        parts = zip(self._flat(codes).split(CHUNK), told, strict=True)
        return torch.cat([self._log_prob(*part) for part in parts])

    def _flat(self, codes: Tensor) -> Tensor:
        return codes.reshape(len(codes), self.network.length)

    def _log_prob(self, codes: Tensor, c: Tensor | None) -> Tensor:
        c = hidden(c) if c is not None and self.network.training else c
        losses = F.cross_entropy(self.network(codes, c).transpose(1, 2), codes, reduction="none")
        return -losses.sum(dim=1)

    def draw(self, n: int, c: Tensor | None = None) -> Tensor:
        """Draw codes and give their vectors; see `Sampler`."""
        parts = [slice(done, min(done + CHUNK, n)) for done in range(0, n, CHUNK)]
        codes = torch.cat(
            [self.network.draw(part.stop - part.start, None if c is None else c[part]) for part in parts]
        )
        return self._vectors(codes.unflatten(1, self.shape) if self.shape else codes.squeeze(1))
