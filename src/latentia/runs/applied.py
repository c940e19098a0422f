"""A run put to work on examples: how unusual they are, and what they lack."""

from __future__ import annotations

import io
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentia.coding import Compressor, PictureCoder
from latentia.coding import lossy as codes_pictures
from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.runs import coder, compression, pictures
from latentia.runs.anomaly import HELD_OUT, REFERENCES, AnomalyScorer, Explanation
from latentia.runs.data import Owned
from latentia.runs.exchange import is_frame
from latentia.runs.features import owner_of
from latentia.runs.imputation import SAMPLES, impute

DECODINGS = 50
"""About how often a held-out example is decoded to learn how it scores by every method."""
VALUES = 20_000_000
"""Values that are decoded within seconds."""
DISTANCES = 20_000_000_000
"""Differences of values that distances are computed from within seconds."""


class Applied(Owned):
    """A run that scores examples, against its own ones, and fills in what is missing in them."""

    @property
    def _scorer_file(self) -> Path:
        return self.folder.path / "anomaly.safetensors"

    def scorer(self) -> AnomalyScorer:
        """Give what scores examples: learned of training examples once, and kept in the run folder.

        Returns:
            The scorer.

        Raises:
            LatentiaError: if it has not been kept, and the data that the run was trained on are gone.
        """
        if (kept := self.kept_scorer()) is not None:
            return kept
        dataset = self.dataset
        rows = np.concatenate([dataset.splits["train"], dataset.splits["validation"]])
        held_out = np.arange(len(dataset.splits["train"]), len(rows))
        made = AnomalyScorer.fit(self, dataset.part(rows), self.conditions_at(rows), held_out=held_out)
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in made.state().items()}
        storage.keep(self._scorer_file, tensors, self._scorer_key)
        return made

    @property
    def _scorer_key(self) -> dict[str, str]:
        return {"weights": str(storage.checksum(self.model.state_dict())), "data": str(self.data_key)}

    def kept_scorer(self) -> AnomalyScorer | None:
        """Give what scores examples as it was learned before; learn nothing.

        Returns:
            The scorer, or None.
        """
        tensors = storage.kept(self._scorer_file, self._scorer_key) if self._scorer_file.is_file() else None
        if tensors is None:
            return None
        return AnomalyScorer(self, {name: value.numpy() for name, value in tensors.items()})

    def quick_to_score(self, count: int) -> bool:
        """Say whether examples are scored within seconds, so that a page may show scores unasked.

        Args:
            count: how many of the run's own examples.

        Returns:
            Whether distances to the training examples are few, and so are the decodings by which a scorer is
            learned, if it is not kept.
        """
        size, splits = math.prod(self.event), self.dataset.splits
        train, aside = len(splits["train"]), len(splits["validation"]) or len(splits["train"])
        block = self.inference.chunk
        whole = -(-min(aside, HELD_OUT) // block) * block  # few examples are filled up to a block
        learned = (train + DECODINGS * whole) * size
        owner = owner_of(self)
        features = size if owner is None else len(owner)  # a category is as many as it has words
        if count * min(train, REFERENCES) * features > DISTANCES:
            return False
        return learned <= VALUES or self.kept_scorer() is not None

    def score(self, x: Any, c: np.ndarray | None = None, *, method: str = "auto") -> np.ndarray:
        """Say how unusual examples are.

        Args:
            x: examples, as `encode` takes them.
            c: conditions, shape `(N, C)`, for a conditional model.
            method: which score; see `latentia.runs.anomaly.AnomalyScorer`.

        Returns:
            Shape `(N,)`, higher for what is stranger.

        Raises:
            ConfigError: if there is no such score.
        """
        return self.scorer().score(*self.inward(x, c), method=method)

    def explain(self, x: Any, c: np.ndarray | None = None, *, method: str = "auto") -> Explanation:
        """Say what the scores of examples are made of.

        Args:
            x: examples, as `encode` takes them.
            c: conditions, shape `(N, C)`, for a conditional model.
            method: which score.

        Returns:
            What each entry and the latent add to it.

        Raises:
            ConfigError: if there is no such score.
        """
        return self.scorer().explain(*self.inward(x, c), method=method)

    def impute(self, x: Any, c: Any = None, *, draws: int = 0, samples: int = SAMPLES, seed: int = 0) -> Any:
        """Fill in missing values; see `latentia.runs.imputation.impute`.

        Args:
            x: examples, as `encode` takes them, NaN or None where a value is missing.
            c: for a conditional model, their conditions, as `conditions` takes them.
            draws: how many fillings to draw from p(missing values | observed ones), instead of the best
                values.
            samples: latents of each example that it rests on.
            seed: seed of the draws.

        Returns:
            The examples without holes, as they were given; a list of such, where draws are asked for.
        """
        given, c = self.inward(x, c)
        given = np.asarray(given)
        found = impute(self, given, c, draws=draws, samples=samples, seed=seed)
        whole = [self.refilled(x, given, one) if is_frame(x) else self.outward(one) for one in found.fillings]
        return whole if draws else whole[0]

    @cached_property
    def compressor(self) -> Compressor:
        """What codes examples without loss; see `latentia.runs.coder.compressor_of`."""
        return coder.compressor_of(self)

    @cached_property
    def latent_coder(self) -> Compressor:
        """What codes rounded latents, with loss; see `latentia.runs.coder.latent_coder_of`."""
        return coder.latent_coder_of(self)

    @cached_property
    def picture_coder(self) -> PictureCoder:
        """What codes pictures with loss; see `latentia.runs.coder.picture_coder_of`."""
        return coder.picture_coder_of(self)

    def compress(self, x: Any, *, step: float | None = None, lossy: bool = False) -> bytes:
        """Write examples as `latentia compress` writes a file; see `latentia.runs.compression`.

        Args:
            x: examples, as `encode` takes them; for a run that codes pictures with loss also a list of
                pictures of any sizes, `(C, H, W)` each.
            step: for such a run, how finely latents are rounded; the middle of its steps by default.
            lossy: of other runs with continuous latents, write these alone, rounded, with loss.

        Returns:
            The content of the file.

        Raises:
            ConfigError: if the model cannot be coded by.
            DataError: if a value is none that its likelihood has a probability of.
        """
        if codes_pictures(self.model):
            return pictures.to_bytes(self, x if isinstance(x, list) else np.asarray(self.inward(x)[0]), step)
        if step is not None:
            raise ConfigError("files of examples have no step; leave it out")
        return compression.to_bytes(
            self.latent_coder if lossy else self.compressor, np.asarray(self.inward(x)[0])
        )

    def decompress(self, content: bytes) -> Any:
        """Give back the examples that `compress` wrote, on this machine or another.

        Args:
            content: the content of the file.

        Returns:
            The examples, `(N, *shape)`, as `outward` gives them; a list where pictures differ in size.

        Raises:
            DataError: if it is no such content, another model's, or damaged.
        """
        handle, where = io.BytesIO(content), "the content given"
        if codes_pictures(self.model):
            found = list(pictures.PictureFile(self, handle, where).read())
            same = len({each.shape for each in found}) == 1
            return self.outward(np.stack(found)) if same else found
        read = compression.Compressed(self, handle, where).read()
        return self.outward(np.concatenate(list(read)))
