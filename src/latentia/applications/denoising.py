"""Noise taken away, behind scikit-learn's interface for transformers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

from sklearn.base import OneToOneFeatureMixin, TransformerMixin

from latentia.applications.base import LatentEstimator, float_type, plainly
from latentia.runs.exchange import is_frame


class Denoiser(OneToOneFeatureMixin, TransformerMixin, LatentEstimator):
    """Gives rows, frames or pictures as they would be without noise.

    An autoencoder that sees corrupted examples in training and has to give the clean ones.

    Args:
        noise: standard deviation of the noise in training, in standard deviations of a table's columns, or in
            shares of the range of pictures.
        latent_dim: dimensions of the latent.
        hidden: widths of the layers, for tables; pictures get the convolutional network.
        max_iter: epochs; by default as many as suit the number of examples.
        batch_size: examples in a step.
        learning_rate: the peak learning rate of Adam.
        validation_fraction: share of the examples by which the weights are chosen.
        settings: sections of a run file, over all others: `{"corruption": "hide_patches"}`.
        random_state: seed of weights, order and noise.
        warm_start: go on from the weights of the last fit.
        verbose: show a progress bar, on terminals and in notebooks.
        run: a folder to keep the training in as a run.

    Attributes:
        model_: the trained model.
        n_iter_: how many epochs it was trained for.
        n_features_in_: how many columns the training data had.

    References:
        Pascal Vincent, Hugo Larochelle, Yoshua Bengio, Pierre-Antoine Manzagol, "Extracting and Composing
        Robust Features with Denoising Autoencoders", 2008.
    """

    def __init__(
        self,
        noise: float = 0.3,
        *,
        latent_dim: int = 16,
        hidden: tuple[int, ...] = (128, 128),
        max_iter: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        validation_fraction: float = 0.1,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = None,
        warm_start: bool = False,
        verbose: bool = False,
        run: str | os.PathLike[str] | None = None,
    ) -> None:
        self.noise = noise
        self.latent_dim = latent_dim
        self.hidden = hidden
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.run = run

    def _task(self) -> dict[str, Any]:
        return {
            "model": {"name": "denoising_autoencoder"},
            "corruption": {"name": "gaussian_noise", "sigma": self.noise},
        }

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the model.

        Args:
            X: clean examples: an array `(N, F)`, a data frame, or pictures `(N, ...)`.
            y: ignored.

        Returns:
            Itself.

        Raises:
            ValueError: if the examples or the parameters cannot be used.
        """
        self._fit(X)
        return self

    def transform(self, X: Any) -> Any:
        """Take noise away.

        Args:
            X: noisy examples, as `fit` takes them.

        Returns:
            What the model makes of them, as the training's examples were.
        """
        x, c, count = self._in_blocks(X)
        with plainly():
            clean = self.model_.inference.reconstruct(x, c)[:count]
            if len(self.model_.event) == 1 and not is_frame(X):
                return clean.astype(float_type(X))
            return self.model_.outward(clean)
