"""A trained model ready for work: arrays in, arrays out, in the units of the data."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from latentia.assembly import assemble
from latentia.core import storage
from latentia.core.errors import ConfigError, MissingComponent, RunError, shell
from latentia.core.event import Event
from latentia.runs import hub
from latentia.runs.exchange import Exchange
from latentia.runs.recipe import read_recipe


class Trained(Exchange):
    """A trained model, which takes examples as its data's source had them, and gives them back alike.

    Examples may be given as the source had them or in the project's order of axes, `(N, *event)`; a data
    frame, a tuple with labels and the path of other data are read as `other` reads them. What comes out has
    the source's order of axes and its types; `inference` computes the same in the project's order, in floats.
    """

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str], *, trusted: Sequence[str] = ()) -> Self:
        """Read a model from a folder with `model.json` and `model.safetensors`.

        No code is ever read from the folder. A model with components of other packages imports those that are
        installed here; one from the Hub may do so only for the packages that `trusted` names.

        Args:
            folder: a run folder, or what `save_pretrained` wrote; or `hf:owner/name` of the Hugging Face Hub.
            trusted: packages that a model from the Hub may import components from.

        Returns:
            The model.

        Raises:
            RunError: if a file is missing, damaged, or of another model; or it names a component of a package
                that is not trusted.
        """
        name = os.fspath(folder)
        fetched = name.startswith(hub.PREFIX)
        path = hub.download(name.removeprefix(hub.PREFIX)) if fetched else Path(name)
        if not (path / "model.json").is_file():
            raise RunError(f"{path} holds no model (no model.json); give the folder of a run")
        if not (path / "model.safetensors").is_file():
            raise RunError(f"{path} has no weights yet; train it with: latentia train --resume {shell(path)}")
        recipe = read_recipe(path / "model.json")
        if fetched:
            hub.require_trusted(name, recipe, trusted)
        tensors, _ = storage.load_tensors(path / "model.safetensors")
        try:
            parts = assemble(recipe, Event.from_record(recipe["event"]))
        except MissingComponent:
            raise
        except (ConfigError, KeyError) as error:
            raise RunError(
                f"{path / 'model.json'} names what this version does not have: {error}; use the version that "
                "trained it"
            ) from error
        try:
            parts.model.load_state_dict(tensors)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"{path}: model.safetensors does not fit model.json: {reason}") from error
        return cls(recipe, parts)

    def save_pretrained(self, folder: str | os.PathLike[str], name: str | None = None) -> None:
        """Write `model.json`, `model.safetensors` and a model card, `README.md`, into a folder.

        Args:
            folder: made if it is missing.
            name: what the model is called on the Hub, `owner/name`, for the card.
        """
        recipe = hub.without_paths(self.recipe)
        storage.write_json(Path(folder) / "model.json", recipe)
        storage.save_tensors(Path(folder) / "model.safetensors", self.model.state_dict())
        storage.write_text(Path(folder) / "README.md", hub.card(recipe, name, self.evaluation()))

    def push_to_hub(self, name: str, *, private: bool = False, token: str | None = None) -> str:
        """Put the model onto the Hugging Face Hub; `from_pretrained("hf:" + name)` reads it.

        Args:
            name: `owner/name`, made if it is not there.
            private: make it visible to its owner alone.
            token: who asks; the login of `hf auth login` by default.

        Returns:
            The address of the commit.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, name)
            return hub.upload(folder, name, private=private, token=token)

    def evaluation(self) -> dict[str, Any]:
        """Give what the last evaluation found, as `evaluation.json` holds it; empty without a run folder."""
        return {}

    # The doors: what `Inference` does, with examples as the source of the data had them.

    def encode(
        self, x: Any, c: np.ndarray | None = None, *, sample: bool = False, seed: int = 0
    ) -> np.ndarray:
        """Encode data to the posterior's mean, or to a draw from it.

        Args:
            x: examples as the source had them, `(N, *shape)`; a data frame, or other data's path.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.
            sample: draw from q(z|x) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Latents, shape `(N, *latent)`, float32.
        """
        return self.inference.encode(*self.inward(x, c), sample=sample, seed=seed)

    def posterior(self, x: Any, c: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None]:
        """Encode data to the mean and the standard deviation of the posterior; see `encode`.

        Args:
            x: examples, as `encode` takes them.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.

        Returns:
            Each of shape `(N, *latent)`, float32; None for the second where the posterior has no closed
            form of it, as a flow's. A point, as of an autoencoder or a quantiser, has a deviation of 0.
        """
        return self.inference.posterior(*self.inward(x, c))

    def codes(self, x: Any, c: np.ndarray | None = None) -> np.ndarray:
        """Encode data to the likeliest codes.

        Args:
            x: examples, as `encode` takes them.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.

        Returns:
            Whole numbers from 0 to K - 1, shape `(N, *code_shape)`, int64.

        Raises:
            ConfigError: if the model's latents are continuous.
        """
        self.coder  # noqa: B018 - raises where there are no codes
        return self.inference.codes(*self.inward(x, c))

    def classify(self, x: Any) -> np.ndarray:
        """Give the probability of each class, q(y|x), for a model that infers labels.

        Args:
            x: examples, as `encode` takes them.

        Returns:
            Shape `(N, Y)`, float32.
        """
        return self.inference.classify(self.inward(x)[0])

    def clusters(self, x: Any, c: np.ndarray | None = None) -> np.ndarray:
        """Give the probability of each component of a mixture prior, p(k|z), at the posterior's mean.

        Args:
            x: examples, as `encode` takes them.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.

        Returns:
            Shape `(N, K)`, float32; its largest entry names the cluster.
        """
        return self.inference.components(self.encode(x, c))

    def restore(self, x: Any, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Corrupt examples as in training, and give the model's idea of the clean ones.

        Args:
            x: examples, as `encode` takes them.
            seed: seed of the corruption.

        Returns:
            What the encoder saw and what the decoder made of it, as the source's examples are.
        """
        saw, made = self.inference.restore(self.inward(x)[0], seed=seed)
        return self.outward(saw), self.outward(made)

    def decode(
        self, z: np.ndarray, c: np.ndarray | None = None, *, noise: bool = False, seed: int = 0
    ) -> np.ndarray:
        """Decode latents to the likelihood's mean, or to a draw from it.

        Args:
            z: latents, shape `(N, *latent)`; or, as whole numbers, codes, shape `(N, *code_shape)`.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.
            noise: draw from p(x|z) instead of taking its mean.
            seed: seed of the draw.

        Returns:
            Data in the data's units, order of axes and types.
        """
        return self.outward(self.inference.decode(z, c, noise=noise, seed=seed))

    def reconstruct(
        self, x: Any, c: np.ndarray | None = None, *, edit: np.ndarray | None = None
    ) -> np.ndarray:
        """Encode to the posterior's mean and decode to the likelihood's.

        Args:
            x: examples, as `encode` takes them.
            c: conditions, shape `(N, C)` or `(C,)`, for a conditional model.
            edit: the condition to decode under instead of c: what the latent says stays, what the condition
                says changes.

        Returns:
            Data in the data's units, order of axes and types.
        """
        return self.outward(self.inference.reconstruct(*self.inward(x, c), edit=edit))

    def interpolate(
        self, a: Any, b: Any, c: np.ndarray | None = None, *, steps: int = 10, path: str = "linear"
    ) -> np.ndarray:
        """Decode the path between the latents of two examples; conditions go along a straight line.

        Args:
            a: the first example.
            b: the second one.
            c: the conditions of both, shape `(2, C)`, or one for both, for a conditional model.
            steps: how many points, both ends included.
            path: 'linear' or 'spherical'.

        Returns:
            Data, `steps` examples as the source's are.
        """
        first, second = (self.inward(end)[0][0] for end in (a, b))
        return self.outward(self.inference.interpolate(first, second, c, steps=steps, path=path))

    def traverse(
        self,
        x: Any = None,
        c: np.ndarray | None = None,
        *,
        dims: list[int] | None = None,
        values: np.ndarray | None = None,
    ) -> np.ndarray:
        """Decode what happens when one latent dimension moves and the others stay.

        Args:
            x: the example to start from; the prior's mean by default.
            c: its condition, shape `(C,)`, for a conditional model.
            dims: which dimensions; all by default.
            values: what to set them to, shape `(T,)` or `(len(dims), T)`; nine from -3 to 3 by
                default, which suits a standard normal prior.

        Returns:
            Data, shape `(len(dims), T, *shape)`, as the source's are.
        """
        if x is not None:
            x, c = self.inward(x, c)
        made = self.inference.traverse(x, c, dims=dims, values=values)
        found = self.outward(made.reshape(-1, *self.event))
        return found.reshape(*made.shape[:2], *found.shape[1:])
