"""How unusual an example is: scores, what they are made of, and from where on they are too high.

Every score is higher for what is stranger. A score is a function of the example and of what was learned,
never of the examples beside it: the noise of importance samples is the same for all, blocks have one size.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from latentia.core.errors import ConfigError, nearest
from latentia.core.memory import kept_memory
from latentia.core.threads import shared_out
from latentia.runs.density import blocks_of, nats, totals
from latentia.runs.features import View, deviation_of, owner_of, seen
from latentia.runs.inputs import CHUNK
from latentia.runs.model import Trained
from latentia.runs.neighbours import Neighbours, Tail

METHODS = ("auto", "neighbours", "density", "likelihood", "elbo", "reconstruction", "latent")
"""The scores that there are; see `AnomalyScorer`."""
IN_NATS = ("density", "likelihood", "elbo", "reconstruction")
"""Those that are -log p, or a bound on it, and divide by entries."""
REFERENCES = 10_000
"""Training examples that neighbours are looked for among."""
FEW_REFERENCES = 2_000
"""The same, where some of them may be anomalous: of so many more neighbours each, the distances vary less."""
SPACES = {"plain": "values", "joint": "joint", "latent": "latents"}
"""Where distances are taken, and which attribute of a `View` that is."""
COMPONENTS = 5_000
"""Training posteriors that the aggregate posterior is the mean of."""
HELD_OUT = 2_000
"""Examples that thresholds and p-values rest on."""
PART = 32 * CHUNK
"""Examples at a time: what is seen of them takes several times the memory of the examples."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a score is made of.

    Attributes:
        score: shape `(N,)`.
        entries: what each entry of the example adds, shape `(N, *event)`.
        latent: what the latent adds, shape `(N,)`; the sum of both is the score.
        expected: what the model would have expected, in the data's units, shape `(N, *event)`.
    """

    score: np.ndarray
    entries: np.ndarray
    latent: np.ndarray
    expected: np.ndarray


class AnomalyScorer:
    r"""Scores of how unusual examples are, by a model and the examples that it was trained on.

    - `elbo`: -ELBO in nats, over a fixed set of draws.
    - `likelihood`: -log p(x), importance-weighted over them.
    - `density`: the same, with the aggregate posterior (1/N) sum_n q(z|x_n) in the place of the prior.
    - `reconstruction`: -log p(x|z) at the posterior's mean, in nats.
    - `latent`: the mean distance of the posterior's mean to those of the five nearest training examples.
    - `neighbours`: the same in the space of [posterior mean, residual].
    - `auto`: the sum of -log of two tail shares, that of the distance among the examples themselves and that
      of `neighbours`; each is held against the training examples, every one of which leaves itself out.

    Where a share e of the n training examples may be anomalous, distances are to the five examples that come
    after the floor(e n) nearest. Anomalies that are alike are neighbours of each other, and look normal
    by their nearest; if e is not understated, a group has at most e n members, and what comes after is
    outside.
    The residual says little then, as the network has learned to decode them, too: `auto` takes the distance
    of `latent` for that of `neighbours`.

    References:
        Sridhar Ramaswamy, Rajeev Rastogi, Kyuseok Shim, "Efficient Algorithms for Mining Outliers from Large
        Data Sets", 2000 (distances to neighbours).
        Yuri Burda, Roger Grosse, Ruslan Salakhutdinov, "Importance Weighted Autoencoders", 2016.
        Jakub Tomczak, Max Welling, "VAE with a VampPrior", 2018 (the aggregate posterior as the best prior).
    """

    def __init__(self, model: Trained, state: Mapping[str, np.ndarray]) -> None:
        """Take a model and what was learned of its training examples.

        Args:
            model: the model.
            state: what `state` of another one gives.
        """
        self.model = model
        self.view = View(*(np.asarray(state[name], np.float32) for name in ("latents", "values", "residual")))
        self.mean, self.deviation = (np.asarray(state[name], np.float32) for name in ("mean", "deviation"))
        self.contamination = float(state["contamination"][0]) if "contamination" in state else 0.0
        self._tails = {
            name: Tail(np.asarray(state[f"tail_{name}"])) for name in _combined(self.contamination)
        }
        self._neighbours: dict[str, Neighbours] = {}
        self.held_out = {
            method: np.asarray(state[f"held_out_{method}"], np.float64)
            for method in METHODS
            if f"held_out_{method}" in state
        }

    def _among(self, space: str) -> Neighbours:
        """Give the neighbours in a space, made when a score asks for them: most callers ask for one score."""
        if space not in self._neighbours:
            self._neighbours[space] = Neighbours(getattr(self.view, SPACES[space]), self.contamination)
        return self._neighbours[space]

    def _distance(self, view: View, space: str) -> np.ndarray:
        return self._among(space).score(getattr(view, SPACES[space]))

    @classmethod
    def fit(
        cls,
        model: Trained,
        x: Any,
        c: np.ndarray | None = None,
        *,
        held_out: np.ndarray | None = None,
        methods: Sequence[str] = METHODS,
        contamination: float = 0.0,
        seed: int = 0,
    ) -> Self:
        """Learn how training examples score, and examples that training has not seen.

        Args:
            model: the model.
            x: training examples, shape `(N, *event)`, in the data's units.
            c: their conditions, shape `(N, C)`, for a conditional model.
            held_out: positions among them of those that training has not seen; all of them by default.
            methods: the scores that thresholds and p-values are wanted for, of those that the model has.
            contamination: the share of the examples that may be anomalous; see the class.
            seed: seed of the draw, where there are too many.

        Returns:
            The scorer.
        """
        generator = np.random.default_rng(seed)
        aside = np.arange(len(x)) if held_out is None or not len(held_out) else np.asarray(held_out)
        apart = generator.permutation(aside)[:HELD_OUT]
        unseen, unseen_c = x[apart], None if c is None else c[apart]
        most = FEW_REFERENCES if contamination else REFERENCES
        if len(x) > most:
            chosen = np.sort(generator.choice(len(x), most, replace=False))
            x, c = x[chosen], None if c is None else c[chosen]
        parts, means, deviations = [], [], []
        for part, told, count in blocks_of(model, x, c):
            q = model.model.encode(part, told)
            parts.append(tuple(value[:count] for value in seen(model, part, q.mean, told)))
            means.append(q.mean[:count].flatten(1).cpu().numpy())
            deviations.append(deviation_of(q)[:count].flatten(1).cpu().numpy())
        view = View(*(np.concatenate(values) for values in zip(*parts, strict=True)))
        some = generator.permutation(len(view.values))[:COMPONENTS]
        state = {
            "latents": view.latents,
            "values": view.values,
            "residual": view.residual,
            "mean": np.concatenate(means)[some],
            "deviation": np.concatenate(deviations)[some],
            "contamination": np.array([contamination]),
        }
        for space in _combined(contamination):
            points = getattr(view, SPACES[space])
            state[f"tail_{space}"] = Tail.of(Neighbours(points, contamination).score(points)).scores
        made = cls(model, state)
        for method in methods:
            with contextlib.suppress(ConfigError):  # a model without a bound has no such score
                made.check(method)
                made.held_out[method] = np.sort(made.score(unseen, unseen_c, method=method))
        return made

    def state(self) -> dict[str, np.ndarray]:
        """Give what another one is made of, as arrays."""
        return {
            "latents": self.view.latents,
            "values": self.view.values,
            "residual": self.view.residual,
            "mean": self.mean,
            "deviation": self.deviation,
            "contamination": np.array([self.contamination]),
            **{f"tail_{space}": tail.scores for space, tail in self._tails.items()},
            **{f"held_out_{method}": scores for method, scores in self.held_out.items()},
        }

    def score(self, x: Any, c: np.ndarray | None = None, *, method: str = "auto") -> np.ndarray:
        """Score examples.

        Args:
            x: examples, shape `(N, *event)`, in the data's units.
            c: their conditions, shape `(N, C)`, for a conditional model.
            method: which score; see the class.

        Returns:
            Shape `(N,)`, float64, higher for what is stranger.

        Raises:
            ConfigError: if there is no such score, or the model has none of its kind.
        """
        self.check(method)

        def work(part: tuple[Any, np.ndarray | None]) -> np.ndarray:
            return self._score(*part, method)

        with kept_memory(self.model.device):
            if (
                method in IN_NATS and self.model.device.type == "cpu"
            ):  # the others' search has its own threads
                return np.concatenate(shared_out(work, _parts(x, c)))
            return np.concatenate([work(part) for part in _parts(x, c)])

    def _score(self, x: Any, c: np.ndarray | None, method: str) -> np.ndarray:
        if method in IN_NATS:
            return totals(nats(self.model, x, c, method, self._aggregate))
        view = self._view(x, c)
        if method == "auto":
            return sum(
                (tail.surprise(self._distance(view, space)) for space, tail in self._tails.items()),
                start=np.zeros(len(x)),
            )
        return self._distance(view, "latent" if method == "latent" else "joint")

    def check(self, method: str) -> None:
        """Refuse a score that there is not.

        Args:
            method: its name.

        Raises:
            ConfigError: if there is no such score, or the model has none of its kind.
        """
        if method not in METHODS:
            raise ConfigError(f"there is no score '{method}'{nearest(method, METHODS)}")
        if method in IN_NATS[:3] and not self.model.objective.bound:
            name = self.model.recipe["objective"]["name"]
            raise ConfigError(
                f"objective '{name}' has no bound on log p(x); take another score than '{method}'"
            )

    def p_values(self, scores: np.ndarray, method: str = "auto") -> np.ndarray:
        """Give the share of held-out examples that are at least as strange, the example itself counted.

        For an example that is exchangeable with them, P(p <= alpha) <= alpha.

        Args:
            scores: those of examples, shape `(N,)`.
            method: which score they are.

        Returns:
            In (0, 1], shape `(N,)`.

        References:
            Stephen Bates, Emmanuel Candès, Lihua Lei, Yaniv Romano, Matteo Sesia, "Testing for Outliers with
            Conformal p-values", 2023.
        """
        known = self.held_out[method]
        return (1 + len(known) - np.searchsorted(known, scores, side="left")) / (1 + len(known))

    def threshold(self, rate: float, method: str = "auto") -> float:
        """Give the score that a share of held-out examples exceeds.

        Args:
            rate: the share, in (0, 1).
            method: which score.

        Returns:
            The smallest of their scores that no more than this share exceeds.

        Raises:
            ConfigError: if the share is out of range.
        """
        if not 0 < rate < 1:
            raise ConfigError(f"a share in (0, 1) is needed for the threshold, not {rate}")
        return float(np.quantile(self.held_out[method], 1 - rate, method="higher"))

    def explain(self, x: Any, c: np.ndarray | None = None, *, method: str = "auto") -> Explanation:
        r"""Divide scores among the entries of the examples.

        A score in nats is a sum already: of -log p(x_j|z) over the entries, weighted as the importance
        samples are, and the rate. With weights v_k = w_k / sum w, log (1/K) sum_k w_k is sum_k v_k log w_k -
        KL(v || 1/K), whose last term is the latent's. A distance is divided in proportion to what each
        coordinate adds to its square, among the entries that are there and the latent.

        Args:
            x: examples, shape `(N, *event)`, in the data's units.
            c: their conditions.
            method: which score.

        Returns:
            The contributions, which sum to the score.

        Raises:
            ConfigError: as `score`.
        """
        self.check(method)
        with kept_memory(self.model.device):
            found = [self._explain(*part, method) for part in _parts(x, c)]
        names = [field.name for field in fields(Explanation)]
        return Explanation(*(np.concatenate([getattr(one, name) for one in found]) for name in names))

    def _explain(self, x: Any, c: np.ndarray | None, method: str) -> Explanation:
        event = tuple(x.shape[1:])
        expected = self.model.inference.reconstruct(x, c)
        if method in IN_NATS:
            parts = nats(self.model, x, c, method, self._aggregate)
            own, latent = (torch.cat(values).double().cpu().numpy() for values in zip(*parts, strict=True))
            total = own.reshape(len(own), -1).sum(axis=1) + latent
            return Explanation(total, own.reshape(len(own), *event), latent, expected)
        view = self._view(x, c)
        missing = np.isnan(x).reshape(len(x), -1)
        own, latent = np.zeros(missing.shape), np.zeros(len(x))
        spaces = list(self._tails) if method == "auto" else ["latent" if method == "latent" else "joint"]
        for space in spaces:
            scale, shares = self._among(space).explain(getattr(view, SPACES[space]))
            if method == "auto":
                scale = self._tails[space].surprise(scale)
            if space == "latent":
                latent += scale
                continue
            size = view.latents.shape[1] if space == "joint" else 0
            more, rest = self._divided(scale, shares[:, size:], shares[:, :size].sum(axis=1), missing)
            own, latent = own + more, latent + rest
        total = own.sum(axis=1) + latent
        return Explanation(total, own.reshape(len(own), *event), latent, expected)

    def _divided(
        self, scale: np.ndarray, shares: np.ndarray, latent: np.ndarray, missing: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Divide scores among entries and latent; what is missing gets nothing, and the others its share."""
        owner = owner_of(self.model)
        own = shares
        if owner is not None:  # a category has several features
            own = np.zeros(missing.shape, shares.dtype)
            np.add.at(own.T, owner, shares.T)
        own = np.where(missing, 0, own)
        whole = own.sum(axis=1) + latent
        scale = scale / np.where(whole > 0, whole, 1)
        return own * scale[:, None], np.where(whole > 0, latent, 1) * scale

    def _view(self, x: Any, c: np.ndarray | None) -> View:
        parts = []
        for part, told, count in blocks_of(self.model, x, c):
            q = self.model.model.encode(part, told)
            parts.append(tuple(value[:count] for value in seen(self.model, part, q.mean, told)))
        return View(*(np.concatenate(values) for values in zip(*parts, strict=True)))

    def _aggregate(self, z: Tensor) -> Tensor:
        """Give log of the aggregate posterior at latents `(S, B, *latent)`, by products of matrices."""
        mean, deviation = (torch.from_numpy(part).to(z) for part in (self.mean, self.deviation))
        flat = z.reshape(-1, mean.shape[1])
        precision = deviation.square().reciprocal()
        constant = -0.5 * (mean.square() * precision).sum(1) - deviation.log().sum(1)
        found = []
        for block in flat.split(4096):
            log_p = block.square() @ (-0.5 * precision).T + block @ (mean * precision).T + constant
            found.append(log_p.logsumexp(dim=1))
        shift = math.log(len(mean)) + 0.5 * mean.shape[1] * math.log(2 * math.pi)
        return (torch.cat(found) - shift).reshape(z.shape[:2])


def _combined(contamination: float) -> tuple[str, str]:
    """Give the spaces whose distances `auto` combines."""
    return ("plain", "latent") if contamination else ("plain", "joint")


def _parts(x: Any, c: np.ndarray | None) -> Iterator[tuple[Any, np.ndarray | None]]:
    for start in range(0, max(1, len(x)), PART):
        yield x[start : start + PART], None if c is None else c[start : start + PART]
