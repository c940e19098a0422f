"""What all estimators share: from arrays, frames and pictures to a trained model, and its keeping."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

import latentia.data
from latentia.assembly import expand
from latentia.core import config, storage
from latentia.core.errors import LatentiaError, RunError
from latentia.data.dataset import Dataset
from latentia.runs.blocks import padded
from latentia.runs.exchange import is_frame
from latentia.runs.fitting import fit
from latentia.runs.model import Trained

if TYPE_CHECKING:
    from latentia.runs.run import Run

STATE = "estimator.json"
ARRAYS = "estimator.safetensors"
MOST_STEPS = 12
"""Steps of training for each example at the most: a handful of rows is learned by heart soon."""


class LatentEstimator(BaseEstimator):
    """An estimator around a model that is trained in memory, or, where `run` names a folder, as a run.

    Attributes:
        model_: the trained model.
        n_iter_: how many epochs it was trained for.
        n_features_in_: how many columns the training data had; of pictures, how many entries an example has;
            missing in an estimator around a run, which takes columns by name.
    """

    numbers: ClassVar[str] = "gaussian"
    """The family of a table's numbers."""
    model_: Trained
    latent_dim: int
    hidden: tuple[int, ...]
    max_iter: int | None
    batch_size: int | None
    learning_rate: float
    validation_fraction: float
    settings: Mapping[str, Any] | None
    random_state: Any
    warm_start: bool
    verbose: bool
    run: str | os.PathLike[str] | None

    def __sklearn_tags__(self) -> Any:
        """Say that columns may be words, and cells missing."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    # From what the user has to data.

    def _checked(self, X: Any, *, reset: bool) -> Any:
        """Check examples as scikit-learn does, and give them as `latentia.load` takes them."""
        if is_frame(X):
            if reset or hasattr(self, "n_features_in_"):  # a run matches columns by itself
                validate_data(self, X, reset=reset, skip_check_array=True)
            if reset and len(X) < 2:
                raise ValueError(f"Found array with {len(X)} sample(s) while a minimum of 2 is required.")
            return X
        if getattr(X, "ndim", 2) > 2:
            array = np.asarray(X)
            if reset:
                self.n_features_in_ = int(np.prod(array.shape[1:]))
            return array
        return validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )  # fmt: skip

    def _dataset(self, X: Any, validation: float, seed: int) -> Dataset:
        return latentia.data.load(X, **_reading(X, validation, seed))

    def _task(self) -> dict[str, Any]:
        """Give the settings that suit the task, under those that the user gives."""
        return {}

    def _steps(self, count: int) -> int:
        """Say for how many steps to train on so many examples."""
        return min(5000, 100 + 3 * count)

    def _batch(self, count: int) -> int:
        """Say how many examples make a step, of so many."""
        return min(128, max(16, count // 8))

    # Training and the model.

    def _fit(self, X: Any) -> np.ndarray:
        """Train; gives the positions of the examples that were held out."""
        X = self._checked(X, reset=True)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with plainly():
            dataset = self._dataset(X, self.validation_fraction, seed)
            settings = self._all_settings(dataset, seed)
            start = self.model_ if self.warm_start and hasattr(self, "model_") else None
            if self.run is None:
                self.model_ = fit(dataset, settings, start=start, quiet=not self.verbose)
            else:
                self.model_ = self._as_run(X, settings, seed)
        self.n_iter_ = settings["training"]["epochs"]
        return np.sort(np.asarray(dataset.splits["validation"]))

    def _as_run(self, X: Any, settings: dict[str, Any], seed: int) -> Trained:
        """Train into a folder, in the same splits."""
        from latentia.runs.run import Run
        from latentia.runs.session import check_learned, start

        data = _reading(X, self.validation_fraction, seed)
        ended = start(X, {**settings, "data": data}, out=self.run, quiet=not self.verbose)
        check_learned(ended)
        made = Run.open(ended.folder.path)
        made.dataset = ended.dataset
        return made

    def _all_settings(self, dataset: Dataset, seed: int) -> dict[str, Any]:
        """Bring the estimator's parameters to the sections of a run file; what the user gives goes first."""
        count = len(dataset.splits["train"])
        batch = self.batch_size or self._batch(count)
        each = max(1, count // min(batch, count))
        steps = min(self._steps(count), MOST_STEPS * count)
        epochs = self.max_iter or max(1, math.ceil(steps / each))
        own: dict[str, Any] = {
            "model": {"latent_dim": self.latent_dim},
            "training": {
                "epochs": epochs, "batch_size": batch, "lr": self.learning_rate, "seed": seed,
                "validate_every": max(1, epochs // 20), "compile": "never",
            },
        }  # fmt: skip
        if dataset.event.kind in ("vector", "array"):
            own["network"] = {"name": "mlp", "hidden": list(self.hidden)}
        if dataset.event.kind == "vector":
            own["likelihood"] = {"name": "columns", "numbers": self.numbers}
        settings: dict[str, Any] = {}
        for table in (self._task(), own, expand(self.settings or {})):
            for section, values in table.items():
                for key, value in values.items():
                    config.put(settings, [section, key], value)
        return settings

    def _given(self, X: Any) -> Any:
        """Check examples that a fitted estimator is given, and bring them to the model's form."""
        check_is_fitted(self, "model_")
        X = self._checked(X, reset=False)
        with plainly():
            return self.model_.inward(X)

    def _in_blocks(self, X: Any) -> tuple[np.ndarray, np.ndarray | None, int]:
        """Give examples and their conditions, as `_given`, filled up to whole blocks, and how many count."""
        x, c = self._given(X)
        size = self.model_.inference.chunk
        return padded(x, size), None if c is None else padded(c, size), len(x)

    # Keeping.

    @classmethod
    def from_run(cls, run: Run | str | os.PathLike[str], **parameters: Any) -> Self:
        """Put a trained run to work as a fitted estimator.

        Examples are matched to those of the run as everywhere: the columns of a frame by name, others than
        the run's ignored with a word.

        Args:
            run: the run, or its folder.
            parameters: those of the estimator; what the run has decided, it has decided.

        Returns:
            The fitted estimator.

        Raises:
            RunError: if the folder holds no trained run.
            ValueError: if the run cannot do what the estimator is for.
        """
        from latentia.core.devices import choose_device
        from latentia.runs.run import Run

        opened = run if isinstance(run, Run) else Run.open(run).to(choose_device("auto"))
        made = cls(**parameters)
        made.latent_dim = opened.recipe["model"].get("latent_dim", made.latent_dim)
        made.model_ = opened
        made.n_iter_ = opened.spec["training"]["epochs"]
        with plainly():
            made._adopt(opened)
        return made

    def _adopt(self, run: Run) -> None:
        """Learn from a run what `fit` learns beside the model."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the fitted estimator into a folder that `load` reads: JSON and safetensors, no pickle.

        Args:
            folder: made if it is missing.

        Raises:
            ConfigError: if a parameter is no plain value.
        """
        check_is_fitted(self, "model_")
        import torch

        self.model_.save_pretrained(folder)
        fitted = {
            name: value for name, value in vars(self).items() if name.endswith("_") and name != "model_"
        }
        numbers = {
            name: value
            for name, value in fitted.items()
            if isinstance(value, np.ndarray) and value.dtype.kind not in "OU"
        }
        state = {
            "estimator": type(self).__name__,
            "parameters": self.get_params(deep=False),
            "fitted": {
                name: {"texts": value.tolist()} if isinstance(value, np.ndarray) else {"value": value}
                for name, value in fitted.items()
                if name not in numbers
            },
        }
        storage.write_json(Path(folder) / STATE, state)
        tensors = {name: torch.from_numpy(value.copy()) for name, value in numbers.items()}
        storage.save_tensors(Path(folder) / ARRAYS, tensors)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Args:
            folder: the folder.

        Returns:
            The fitted estimator.

        Raises:
            RunError: if it holds none, or one of another kind.
        """
        path, place = Path(folder) / STATE, os.fspath(folder)
        if not path.is_file():
            raise RunError(f"{place} holds no estimator (no {STATE}); give a folder that `save` wrote")
        state = storage.read_json(path)
        if state["estimator"] != cls.__name__:
            raise RunError(f"{place} holds a {state['estimator']}: read it with {state['estimator']}.load")
        known = cls._get_param_names()
        made = cls(**{name: _untupled(value) for name, value in state["parameters"].items() if name in known})
        made.model_ = Trained.from_pretrained(folder)
        for name, value in state["fitted"].items():
            setattr(made, name, np.array(value["texts"], object) if "texts" in value else value["value"])
        tensors, _ = storage.load_tensors(Path(folder) / ARRAYS)
        for name, value in tensors.items():
            setattr(made, name, value.numpy())
        return made


class DensityScore:
    """The score of what has `score_samples`."""

    score_samples: Callable[[Any], np.ndarray]

    def score(self, X: Any, y: Any = None) -> float:
        """Give the mean of `score_samples`, by which a search may choose.

        Args:
            X: examples, as `fit` takes them.
            y: ignored.

        Returns:
            Nats.
        """
        return float(self.score_samples(X).mean())


def _reading(X: Any, validation: float, seed: int) -> dict[str, Any]:
    """Give the settings of `latentia.load`: without labels, and without a test split."""
    settings: dict[str, Any] = {"validation": validation, "test": 0.0, "seed": seed}
    return {**settings, "label": "none"} if is_frame(X) else settings


def float_type(X: Any) -> type[np.floating]:
    """Give the type of numbers that an answer has: that of the numbers given, float64 for all but float32."""
    return np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64


def _untupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@contextlib.contextmanager
def plainly() -> Iterator[None]:
    """Let failures of the user's data or settings be the `ValueError` that scikit-learn's users expect."""
    try:
        yield
    except LatentiaError as error:
        raise ValueError(str(error)) from error
