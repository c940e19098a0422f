"""The records in which the stages of the flow meet, and what a stage may ask of a model.

`Batch` goes from the data to the model, `Pass` from the model to the objective, `Terms` from the
objective to the training loop and the evaluation. All are frozen; nothing else crosses a border.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from latentia.core.errors import ConfigError
from latentia.core.event import Event
from latentia.core.needs import PATH, Words


@dataclass(frozen=True, slots=True)
class Batch:
    """Some examples, in the units of the transform that prepared them.

    Attributes:
        x: the data, shape `(B, *event)`; NaN where a value is missing.
        index: position of each example in its data set, shape `(B,)`, int64.
        c: the condition, shape `(B, C)`, or None; a row of NaN is a condition that is not known.
    """

    x: Tensor
    index: Tensor
    c: Tensor | None = None

    @property
    def mask(self) -> Tensor:
        """True where an entry was observed, shape of `x`."""
        return ~self.x.isnan()


@dataclass(frozen=True, slots=True)
class Pass:
    """Everything a model computed for a batch, with S latent samples for each example.

    A model that infers the label, too, says for each of its Y classes what it would make of the examples
    if they were of that class: in `q`, `z`, `p_z` and `p_x` the batch stands Y times, class by class, Y * B
    in the place of B.

    Attributes:
        batch: the examples.
        q: posterior q(z|x,c), batch shape `(B,)`.
        z: samples of it, shape `(S, B, *latent)`.
        p_z: prior p(z|c), broadcastable against `z`.
        p_x: likelihood p(x|z,c), batch shape `(S, B)`.
        q_y: the classifier q(y|x) over Y classes, batch shape `(B,)`; None for a model without one.
        hidden: True where an entry was hidden from the encoder, shape of `batch.x`; None where the model
            hides nothing.
        roughness: what a model says of how far its decoder is from smooth, shape `(B,)`; None for most.
    """

    batch: Batch
    q: Distribution
    z: Tensor
    p_z: Distribution
    p_x: Distribution
    q_y: Categorical | None = None
    hidden: Tensor | None = None
    roughness: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    r"""What an objective says of each example, in nats, unreduced.

    `-(distortion + rate)` is the ELBO, a lower bound on log p(x), where the objective has a bound at all.
    What training minimises is the mean of `distortion + weight * rate + penalty + adversarial`: a weight such
    as beta multiplies the rate alone. What validation selects by is the same without the last term, whose
    value depends on how well the adversary plays at the time.

    Attributes:
        distortion: expected -log p(x|z), summed over the data's dimensions, shape `(B,)`.
        rate: KL(q(z|x) || p(z)) or its estimate, shape `(B,)`.
        penalty: whatever else is minimised, no part of the ELBO, shape `(B,)`; negative where a tighter bound
            is trained on, by what that gains.
        weight: the factor on the rate; a tensor of shape `()` in compiled code.
        diagnostics: named per-example figures, each with leading shape `(B,)`.
        adversarial: what an adversary adds to the loss, shape `(B,)`; None without one.
    """

    distortion: Tensor
    rate: Tensor
    penalty: Tensor
    weight: float | Tensor = 1.0
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)
    adversarial: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """What training minimises, shape `(B,)`, in nats."""
        return self.score if self.adversarial is None else self.score + self.adversarial

    @property
    def score(self) -> Tensor:
        """What weights of one run are compared by: the loss without an adversary's term, shape `(B,)`."""
        if isinstance(self.weight, Tensor):
            return self.distortion + self.rate * self.weight + self.penalty
        return self.distortion.add(self.rate, alpha=self.weight) + self.penalty

    @property
    def elbo(self) -> Tensor:
        """The ELBO, shape `(B,)`, in nats, whatever the weight and whatever else is minimised."""
        return -(self.distortion + self.rate)


class Coder(Protocol):
    """A finite set of latents that codes name: whole numbers from 0 to `size - 1`.

    Attributes:
        latent: shape of one latent.
        size: how many codes there are, K.
        levels: codes at one place.
        certain: whether an example has its codes for certain, so that there is no choice to sample.
    """

    latent: tuple[int, ...]
    size: int
    levels: int
    certain: ClassVar[bool]

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape of the codes of one latent."""
        ...

    def vectors(self, codes: Tensor) -> Tensor:
        """Turn codes `(*batch, *code_shape)` into latents `(*batch, *latent)`."""
        ...

    def moments(self) -> tuple[Tensor, Tensor]:
        """Give mean and variance of the latent where all codes are equally likely."""
        ...


class LatentModel(nn.Module, abc.ABC):
    """p(x, z|c) = p(z|c) p(x|z,c) with a posterior q(z|x,c): what training and evaluation know of a model.

    The condition c is None for a model that has none. Where a conditional model gets None, or a row of
    NaN, the condition is not known.

    Attributes:
        needs: what the other parts of a run must give; see `latentia.core.needs`.
        gives: what the model itself gives to them; its parts give for themselves.
        event: what one example is: its shape and kind.
        latent: shape of one latent.
        prior: gives p(z|c), from c of shape `(B, C)` or None; its batch shape is `()` where it ignores c.
        condition: how many numbers c has; 0 for a model without a condition.
        dropped: whether the model was trained to do without its condition, too.
        copies: whether the latent is the example itself, or drawn from its moments: nothing is learned but
            the prior, and there is no reconstruction to look at.
        classifies: whether the condition is a label that the model infers where it is not known.
        levels: how many numbers of a latent belong to each level of a hierarchy, the top one first; empty for
            a model without levels.
        strides: how many entries along each of the last sides are one of the latent's grid, for a model that
            takes examples of any size, whose last entries it mirrors up to the next multiple; what it decodes
            is of that size, and whoever knows the example's cuts it. Empty where the size is that of the
            training.
        lead: how many entries at the beginning of the first of these sides are a place of the grid by
            themselves, such as the first frame of a clip.
    """

    kind: ClassVar[str] = "model"
    needs: ClassVar[Words] = frozenset()
    gives: ClassVar[Words] = frozenset({PATH})
    event: Event
    latent: tuple[int, ...]
    prior: Callable[..., Distribution]
    condition: int = 0
    dropped: bool = True
    copies: ClassVar[bool] = False
    classifies: ClassVar[bool] = False
    levels: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    lead: int = 0

    @property
    def coder(self) -> Coder | None:
        """The codes that latents consist of; None where latents are continuous."""
        return None

    @property
    @abc.abstractmethod
    def discrete(self) -> bool:
        """Whether p(x|z) is a probability of values rather than a density."""

    @property
    @abc.abstractmethod
    def binary(self) -> bool:
        """Whether the only values that p(x|z) knows are 0 and 1."""

    @property
    def nominal(self) -> Tensor | None:
        """Which entries are codes of names, without distances: `(*event,)`, bool; None where none are."""
        return None

    @property
    def densities(self) -> Tensor | None:
        """The share of each entry's values that have a density, `(*event,)`; None where all are alike."""
        return None

    @property
    @abc.abstractmethod
    def support(self) -> tuple[float, float]:
        """The closed interval outside of which a value has no density."""

    @property
    def holes(self) -> bool:
        """Whether the model takes missing values."""
        return False

    def fill_holes(self) -> None:
        """Let a model that was trained on whole examples take missing values, from now on.

        Raises:
            ConfigError: if it has no way to.
        """
        raise ConfigError(
            f"the model, a {type(self).__name__}, takes no missing values; fill them in, or train with "
            "--model vae"
        )

    def complete(self, x: Tensor, c: Tensor | None) -> Tensor | None:
        """Fill in what of the condition is not known and the model can tell from the data.

        Args:
            x: the data, shape `(B, *event)`.
            c: the condition, shape `(B, C)`, or None.

        Returns:
            The same, for a model that infers no condition.
        """
        return c

    def readings(self, x: Tensor, c: Tensor | None) -> list[tuple[Tensor | None, Tensor]]:
        """Give every condition over which p(x) is a sum, p(x) = sum_c p(c) p(x|c), with log p(c).

        Args:
            x: the data, shape `(B, *event)`.
            c: the condition, shape `(B, C)`, or None.

        Returns:
            Conditions, `(B, C)` or None, and logarithms, `(B,)`; for a model that infers no condition the one
            that is given, with 0.
        """
        return [(c, x.new_zeros(len(x)))]

    @property
    def decoded(self) -> int:
        """How many numbers the decoder gives for one example; what evaluates in parts goes by it."""
        return math.prod(self.event)

    @abc.abstractmethod
    def encode(self, x: Tensor, c: Tensor | None = None) -> Distribution:
        """Give q(z|x,c).

        Args:
            x: the data, shape `(B, *event)`.
            c: the condition, shape `(B, C)`, or None.

        Returns:
            A distribution with batch shape `(B,)` and event shape `latent`.
        """

    @abc.abstractmethod
    def decode(self, z: Tensor, c: Tensor | None = None) -> Distribution:
        """Give p(x|z,c).

        Args:
            z: latents, shape `(S, B, *latent)` or `(B, *latent)`.
            c: the condition, shape `(B, C)` or `(1, C)`, or None.

        Returns:
            A distribution with batch shape `(S, B)` or `(B,)`.
        """

    def begin(self, x: Tensor) -> None:
        """See some training examples once, before a run starts; most models need none.

        Args:
            x: transformed examples in random order, shape `(N, *event)`.
        """

    @abc.abstractmethod
    def forward(self, batch: Batch, samples: int = 1) -> Pass:
        """Compute everything that an objective reads.

        Args:
            batch: the examples.
            samples: latent samples S for each.

        Returns:
            The pass.
        """
