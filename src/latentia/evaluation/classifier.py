"""A feature space of the data's own: the last hidden layer of a classifier of labels or factors."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from latentia.core import storage
from latentia.core.event import Event
from latentia.core.noise import seeded
from latentia.core.types import Batch
from latentia.metrics.features import FeatureSpace
from latentia.metrics.figures import Unmeasurable
from latentia.networks import MLP, Conv
from latentia.objectives import LossFunction
from latentia.training import train_in_memory

FEATURES = 64
EPOCHS = 40
STEPS = (600, 3000)
"""Steps of training at the least, and at the most on images of up to 32x32; fewer on larger ones."""
BATCH = 128
LEARNING_RATE = 3e-3
WARMUP = 0.3
"""Share of the steps over which the learning rate rises."""
SHIFT = 2
"""Pixels by which training images are moved at the most; less where that is much of the image."""

_FORMAT = 2  # counts up when the network or its training changes, which makes older entries unused
_SEED = 0
_SMALLEST_IMAGE = 8
_LARGEST_IMAGE = 64  # larger ones are averaged down to about this
_CHANNELS = (16, 32, 64, 128)


class ClassifierFeatures(FeatureSpace):
    """The last hidden layer of a classifier of the data's own labels or factors.

    All features are divided by one number, so that their variance over training examples is 1 on average:
    distances then do not depend on how large the classifier made them.
    """

    def __init__(
        self,
        name: str,
        network: Classifier,
        accuracy: Mapping[str, float],
        device: torch.device | str = "cpu",
    ) -> None:
        """Put a trained classifier to use.

        Args:
            name: what the features are, for a protocol.
            network: the classifier.
            accuracy: share of the test examples that each head gets right; NaN without any.
            device: where it runs.
        """
        super().__init__(name, nn.Sequential(network.features, network.unit), device=device)
        self.accuracy = accuracy
        self.head = nn.Sequential(network.features, network.heads[0]).to(device).eval().requires_grad_(False)
        self.both = nn.Sequential(network.features, _Beside(network.unit, network.heads[0])).eval()

    def classify(self, x: np.ndarray) -> np.ndarray:
        """Name the class of examples by the first head.

        Args:
            x: examples in data units, `(N, *event)`.

        Returns:
            Class numbers, shape `(N,)`.
        """
        return self._apply(self.head, x).argmax(axis=1)

    def look(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give features and classes of examples, which are looked at once.

        Args:
            x: examples in data units, `(N, *event)`.

        Returns:
            What calling gives, and what `classify` gives.
        """
        seen = self._apply(self.both, x)
        return seen[:, :FEATURES], seen[:, FEATURES:].argmax(axis=1)


class _Beside(nn.Module):
    """Several modules of one input, what they give side by side."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([part(x) for part in self.parts], dim=1)


class Classifier(nn.Module):
    """A small network with a linear head for each of some targets."""

    def __init__(self, event: tuple[int, ...], classes: Sequence[int], shift: Tensor, scale: Tensor) -> None:
        """Build the network with random weights.

        Args:
            event: shape of one example.
            classes: how many classes each head tells apart.
            shift: what is subtracted from the data; broadcasts against an example.
            scale: what they are then divided by.
        """
        super().__init__()
        self.features = nn.Sequential(_Scaled(shift, scale), *_encoder(event), nn.SiLU())
        self.unit = _Scaled(torch.tensor(0.0), torch.tensor(1.0))
        self.heads = nn.ModuleList(nn.Linear(FEATURES, count) for count in classes)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Score the classes.

        Args:
            x: examples in data units, `(B, *event)`.

        Returns:
            Logits of each head, `(B, classes)`.
        """
        features = self.features(x)
        return [head(features) for head in self.heads]


class _Scaled(nn.Module):
    """Brings data units to what a network likes; saved with the weights."""

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


def _is_image(event: tuple[int, ...]) -> bool:
    return Event.of(event).kind == "image" and min(event[1:]) >= _SMALLEST_IMAGE


def _encoder(event: tuple[int, ...]) -> list[nn.Module]:
    """Convolutions until about 4x4 is left, for pictures; dense layers for the rest."""
    if not _is_image(event):
        return [MLP().encoder(event, (FEATURES,))]
    coarser = max(1, round(min(event[1:]) / _LARGEST_IMAGE))
    size = (event[1] // coarser, event[2] // coarser)
    network = Conv(channels=_CHANNELS[: int(math.log2(min(size) / 3))])
    pool = [nn.AvgPool2d(coarser)] if coarser > 1 else []
    return [*pool, network.encoder((event[0], *size), (FEATURES,))]


def classifier_features(
    x_train: np.ndarray,
    targets_train: np.ndarray,
    x_test: np.ndarray,
    targets_test: np.ndarray,
    *,
    high: float,
    low: float = 0.0,
    head_names: Sequence[str] = (),
    quiet: bool = False,
    device: torch.device | str = "cpu",
) -> ClassifierFeatures:
    """Train a small classifier of the data's labels or factors, and give its last hidden layer.

    A classifier is kept in the cache (see `latentia.core.storage.cache_folder`), so that the same data and
    targets are learnt once. Training has a seed of its own: on one machine with the same number of threads
    it gives the same features again.

    Args:
        x_train: training examples in data units, `(N, *event)`, uint8 or float.
        targets_train: the classes of each, `(N, H)` or `(N,)`, int64 from 0 on, -1 for none.
        x_test: examples to state the accuracy on, `(M, *event)`; may be empty.
        targets_test: their classes, `(M, H)` or `(M,)`.
        high: the largest value of an image, in data units.
        low: its smallest value.
        head_names: what the H targets are called.
        quiet: show no progress bar.
        device: where to train and where to map.

    Returns:
        The feature space.

    Raises:
        Unmeasurable: if no target has two classes among the training examples.
    """
    heads = math.prod(targets_train.shape[1:])
    targets = targets_train.reshape(len(x_train), heads)
    useful = [h for h in range(heads) if len(np.unique(targets[targets[:, h] >= 0, h])) > 1]
    if not useful:
        raise Unmeasurable("a classifier needs training examples of at least two classes")
    names = [head_names[h] if h < len(head_names) else f"target {h}" for h in useful]
    known = np.flatnonzero((targets[:, useful] >= 0).any(axis=1))
    x = x_train if len(known) == len(x_train) else x_train[known]
    targets = np.ascontiguousarray(targets[known][:, useful], dtype=np.int64)

    shift, scale = _scaling(x, low, high)
    with seeded(_SEED):
        network = Classifier(x.shape[1:], [int(count) + 1 for count in targets.max(axis=0)], shift, scale)
    network.to(device)
    kept = _entry(x, targets, (low, high))
    if kept is None or not _restore(network, kept):
        _train(network, x, targets, quiet)
        if kept is not None:
            storage.keep(kept, network.state_dict(), {"format": _FORMAT})
    found = _accuracy(network.eval(), x_test, targets_test.reshape(len(x_test), heads)[:, useful])
    accuracy = dict(zip(names, found, strict=True))
    return ClassifierFeatures(_sentence(x, accuracy), network, accuracy, device)


def _scaling(x: np.ndarray, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Choose what maps images to [-1, 1], and columns to mean 0 and variance 1."""
    if _is_image(x.shape[1:]):
        half = (high - low) / 2 or 1.0
        return torch.tensor(low + half), torch.tensor(half)
    mean, std = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    std[std <= 1e-12 * np.abs(mean)] = 1.0
    return torch.from_numpy(mean).float(), torch.from_numpy(std).float()


def _sentence(x: np.ndarray, accuracy: Mapping[str, float]) -> str:
    kind, noun = ("convolutional", "images") if _is_image(x.shape[1:]) else ("dense", "examples")
    right = [value for value in accuracy.values() if math.isfinite(value)]
    over = f" over {len(right)} targets" if len(right) > 1 else ""
    mean = (
        f"{'mean ' * (len(right) > 1)}test accuracy {100 * np.mean(right):.1f} %{over}"
        if right
        else "untested"
    )
    return f"{FEATURES} features of a {kind} classifier trained on {len(x):,} training {noun} ({mean})"


def _entry(x: np.ndarray, targets: np.ndarray, scale: tuple[float, float]) -> Path | None:
    """Name the file that keeps the classifier of these data, or None if the cache is off."""
    home = storage.cache_folder()
    if home is None:
        return None
    about = json.dumps([_FORMAT, scale, str(x.dtype), x.shape, targets.shape])
    state = hashlib.sha256(about.encode())
    for array in (x, targets):
        state.update(np.ascontiguousarray(array).view(np.uint8).data)
    return home / "features" / f"{state.hexdigest()[:40]}.safetensors"


def _restore(network: Classifier, kept: Path) -> bool:
    """Take the weights of an earlier training, if they are there and whole."""
    tensors = storage.kept(kept, {"format": _FORMAT}, network.state_dict())
    if tensors is None:
        return False
    network.load_state_dict(tensors)
    return True


def _train(network: Classifier, x: np.ndarray, targets: np.ndarray, quiet: bool) -> None:
    """Minimise the mean cross-entropy of the heads; the learning rate rises, then falls."""
    device = next(network.parameters()).device
    data = torch.from_numpy(np.require(x, requirements="W")).to(device)
    # A factor can be a position, which moving would hide; a class is the same two pixels further.
    by = min(SHIFT, min(x.shape[2:]) // 14) if _is_image(x.shape[1:]) and targets.shape[1] == 1 else 0

    def loss(module: Classifier, batch: Batch) -> Tensor:
        logits = module(_moved(batch.x, by) if by else batch.x)
        wanted = torch.empty(0) if batch.c is None else batch.c
        return torch.stack([_cross_entropy(a, b) for a, b in zip(logits, wanted.T, strict=True)]).mean(dim=0)

    train_in_memory(
        network,
        LossFunction(loss),
        data,
        targets=torch.from_numpy(targets).to(device),
        steps=_steps(max(1, len(x) // BATCH), x.shape[1:]),
        batch_size=BATCH,
        lr=LEARNING_RATE,
        warmup=WARMUP,
        seed=_SEED,
        title="feature classifier",
        quiet=quiet,
    )
    with torch.no_grad():
        found = network.features(data[:: max(1, len(data) // 1000)].float())
        network.unit.scale.copy_(found.var(dim=0).mean().sqrt().clamp(min=1e-6))


def _steps(epoch: int, event: tuple[int, ...]) -> int:
    """Choose the length of training: 40 epochs, between bounds that keep it to about a minute on one core."""
    pixels = math.prod(event[1:]) if _is_image(event) else 0
    most = STEPS[1] * 32**2 // max(pixels, 32**2)
    return max(STEPS[0], min(EPOCHS * epoch, most))


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Give what each example adds to the mean over those that have a target; 0 where it has none."""
    each = functional.cross_entropy(logits, targets, ignore_index=-1, reduction="none")
    return each * (len(targets) / (targets >= 0).sum().clamp(min=1))


def _moved(x: Tensor, most: int) -> Tensor:
    """Move each image by so many pixels at most, either way; its edge goes on in what comes in."""
    count, channels, height, width = x.shape
    by = torch.randint(-most, most + 1, (2, count, 1), device=x.device)
    rows = (torch.arange(height, device=x.device) + by[0]).clamp(0, height - 1)
    columns = (torch.arange(width, device=x.device) + by[1]).clamp(0, width - 1)
    each = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    return x[each, channel, rows[:, None, :, None], columns[:, None, None, :]]


@torch.no_grad()
def _accuracy(network: Classifier, x: np.ndarray, targets: np.ndarray) -> list[float]:
    """Give the share that each head gets right of the examples that have its target; NaN where none has."""
    device = next(network.parameters()).device
    right = np.zeros(targets.shape[1])
    for start in range(0, len(x), 500):
        batch = torch.from_numpy(x[start : start + 500].astype(np.float32)).to(device)
        chosen = torch.stack([logits.argmax(dim=1) for logits in network(batch)], dim=1).cpu().numpy()
        right += (chosen == targets[start : start + 500]).sum(axis=0)
    counts = (targets >= 0).sum(axis=0)
    return [float(r / n) if n else math.nan for r, n in zip(right, counts, strict=True)]
