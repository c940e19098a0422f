"""The semi-supervised variational autoencoder, M2."""

from __future__ import annotations

import math
from typing import ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from latentia.core.errors import ConfigError
from latentia.core.needs import CLASSIFIED, CLASSIFIER, LABELS, Words
from latentia.core.registry import register
from latentia.core.types import Batch, Pass
from latentia.models.conditional import ConditionalVAE
from latentia.models.decoding import ModelParts, usual
from latentia.networks import Network, centre


@register("model", "semi_supervised_vae")
class SemiSupervisedVAE(ConditionalVAE):
    r"""p(x, y, z) = p(y) p(z) p(x|y,z) with the posterior q(y|x) q(z|x,y): M2.

    ```
    x (B, *event) ─ encoder ─ h (B, width) ──────────┐
    every class (Y, C) ─ embedding ─ e ──────────────┴ merge ─ posterior ─ q(z|x,y) ─ z (S, Y * B, D)
    x ─ classifier ─ q(y|x)      p(x|y,z) ─ likelihood ─ decoder ─ [z, e] ───────────────────┘
    ```

    A `ConditionalVAE` whose condition is a label that may be missing, and a classifier that infers it. Every
    example is seen under every class; the objective weighs the classes. On the latents of another run it
    is M1+M2.

    References:
        Diederik Kingma, Danilo Rezende, Shakir Mohamed, Max Welling, "Semi-supervised Learning with Deep
        Generative Models", 2014.
    """

    defaults: ClassVar[dict[str, str]] = {
        **ConditionalVAE.defaults,
        "condition": "some_labels",
        "objective": "semi_supervised",
    }
    needs: ClassVar[Words] = frozenset({CLASSIFIED, LABELS})
    gives: ClassVar[Words] = ConditionalVAE.gives | {CLASSIFIER}
    classifies: ClassVar[bool] = True

    classes: Tensor

    def __init__(
        self,
        event: tuple[int, ...],
        latent_dim: int = 16,
        width: int = 256,
        dropout: float = 0.2,
        *,
        condition: int = 2,
        **parts: Unpack[ModelParts],
    ) -> None:
        """Wire the parts.

        Args:
            event: shape of one example.
            latent_dim: dimensions of the latent.
            width: numbers that the encoder and the classifier's network give.
            dropout: share of the classifier's hidden values that training sets to zero.
            condition: how many classes there are.
            **parts: network, posterior, prior and likelihood; see `ModelParts`.

        Raises:
            ConfigError: if a size is not positive or `dropout` is no share.
        """
        if not 0 <= dropout < 1:
            raise ConfigError(f"'model.dropout' is a share, at least 0 and below 1, not {dropout}")
        self.dropout = dropout
        super().__init__(event, latent_dim, width, condition=condition, **parts)
        self.register_buffer("classes", torch.eye(condition), persistent=False)

    def _wire(self, network: Network) -> None:
        super()._wire(network)
        # No condition is ever unknown here: an unknown label is every label.
        self.embedding = nn.Linear(self.condition, self.embedded)
        self.classifier = nn.Sequential(
            network.encoder(self.entrance, (self.width,)),
            nn.SiLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.width, self.width),
            nn.SiLU(),
            nn.Dropout(self.dropout),
            nn.Linear(self.width, self.condition),
        )

    def begin(self, x: Tensor) -> None:
        """Let the classifier, too, begin around the mean example; see `DecodingModel`."""
        super().begin(x)
        centre(self.classifier, usual(self.seen(x)))

    def classify(self, x: Tensor) -> Categorical:
        """Give q(y|x).

        Args:
            x: the data, shape `(B, *event)`.

        Returns:
            A distribution over the classes with batch shape `(B,)`.
        """
        return Categorical(logits=self.classifier(self.seen(x)).float(), validate_args=False)

    def complete(self, x: Tensor, c: Tensor | None) -> Tensor:
        """Take the most probable class where the label is not known; see `LatentModel`."""
        return self._filled(self.classify(x), c)

    def _filled(self, q_y: Categorical, c: Tensor | None) -> Tensor:
        likely = self.classes[q_y.logits.argmax(dim=1)]
        return likely if c is None else torch.where(c.isnan().any(dim=1, keepdim=True), likely, c)

    def readings(self, x: Tensor, c: Tensor | None) -> list[tuple[Tensor | None, Tensor]]:
        """Give every class with -log Y, and no weight where another label is known; see `LatentModel`."""
        missing = x.new_full((len(x), self.condition), math.nan)
        given = missing if c is None else c
        rows = []
        for number, label in enumerate(self.classes):
            other = given[:, number] == 0  # False for NaN: a label that is not known may be any
            weight = torch.where(other, -math.inf, -math.log(self.condition))
            rows.append((label.expand(len(x), -1), weight))
        return rows

    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Give q(z|x,y), y the most probable class where the label is not known; see `LatentModel`."""
        return super().encode(x, self.complete(x, c))

    def forward(self, batch: Batch, samples: int = 1) -> Pass:
        """Compute everything that an objective reads, for every class; see `LatentModel` and `Pass`."""
        count = len(batch.x)
        every = self.classes.repeat_interleave(count, dim=0)  # (Y * B, Y)
        h = self.encoder(self.seen(batch.x)).repeat(self.condition, 1)
        q = self.posterior(self.merge(h, self.embedding(every)).float())
        z = q.rsample(torch.Size((samples,)))
        outputs = self.outputs(z, every)
        q_y = self.classify(batch.x)
        if self.training:
            self._observe(outputs, batch, q_y)
        return Pass(batch, q, z, self.prior(every), self.likely(outputs), q_y)

    def _observe(self, outputs: Tensor, batch: Batch, q_y: Categorical) -> None:
        """Show the likelihood what each example looks like under its class, or its most probable one."""
        label = self._filled(q_y, batch.c).argmax(dim=1)
        own = outputs.unflatten(1, (self.condition, -1))[:, label, torch.arange(len(label))]
        self.likelihood.observe(own, batch.x)
