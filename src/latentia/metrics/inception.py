"""The Inception v3 network of the Frechet inception distance, as a feature space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentia.core import storage
from latentia.core.errors import LatentiaError
from latentia.metrics.features import FeatureSpace

SIDE = 299
CLASSES = 1008
PUBLISHED = "pt_inception-2015-12-05-6726825d.pth"
"""pytorch-fid's file of the weights that the published distances were measured with."""
CONVERT = (
    'python -c "import torch, safetensors.torch as s; '
    f"w = torch.load('{PUBLISHED}', weights_only=True); "
    "s.save_file({k: v.contiguous() for k, v in w.items()}, 'inception.safetensors')\""
)


class InceptionFeatures(FeatureSpace):
    """The 2048 numbers after the last pooling of Inception v3, from weights that the user has.

    Images are brought to 299x299 by bilinear interpolation without antialiasing and scaled to [-1, 1];
    grey ones are repeated in three channels, and a fourth channel is left out.

    References:
        Christian Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.
        Martin Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
        Equilibrium", 2017.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        low: float = 0.0,
        high: float = 255.0,
        device: torch.device | str = "cpu",
        quiet: bool = False,
    ) -> None:
        """Read the weights.

        Args:
            path: a `.safetensors` file with the tensors of pytorch-fid's published weights.
            low: the smallest value of an image, in data units.
            high: its largest value.
            device: where the network runs.
            quiet: show no progress bar.

        Raises:
            LatentiaError: if the file is of another kind, is damaged, or lacks a tensor.
        """
        name = f"Inception v3 pool features (weights {Path(path).name})"
        super().__init__(name, _loaded(Path(path)), batch_size=50, device=device, quiet=quiet)
        self.low = low
        self.high = high

    def prepare(self, x: Tensor) -> Tensor:
        """Bring images to what the network was trained on.

        Args:
            x: images in data units, `(B, C, H, W)` float32, of 1, 3 or 4 channels.

        Returns:
            Shape `(B, 3, 299, 299)`, in [-1, 1].

        Raises:
            LatentiaError: if these are no images.
        """
        if x.ndim != 4 or x.shape[1] not in (1, 3, 4):
            shape = "x".join(map(str, x.shape[1:]))
            raise LatentiaError(
                f"Inception features need images of 1, 3 or 4 channels, and the data have shape {shape}"
            )
        x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x[:, :3]
        x = functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        return 2 * (x - self.low) / (self.high - self.low) - 1


def _loaded(path: Path) -> Inception:
    """Read the weights into the network, with an error that names the first tensor that does not fit."""
    convert = f"convert {PUBLISHED} of pytorch-fid with: {CONVERT}"
    if path.suffix != ".safetensors":
        raise LatentiaError(f"{path} is no .safetensors file, and no other kind is read; {convert}")
    tensors, _ = storage.load_tensors(path)
    with torch.device("meta"):  # no time and no random numbers for weights that are replaced
        network = Inception()
    wanted = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    for name, value in wanted.items():
        if name not in tensors:
            raise LatentiaError(f"{path} lacks the tensor '{name}' of the FID network; {convert}")
        if tensors[name].shape != value.shape:
            got, want = ("x".join(map(str, shape)) for shape in (tensors[name].shape, value.shape))
            raise LatentiaError(f"{path}: '{name}' is {got} and must be {want} in the FID network; {convert}")
    other = [name for name in tensors if name not in wanted and not name.endswith(".num_batches_tracked")]
    if other:
        raise LatentiaError(f"{path} has a tensor '{other[0]}', which the FID network has not; {convert}")
    network.to_empty(device="cpu").load_state_dict({name: tensors[name] for name in wanted}, strict=False)
    return network


Layer = tuple[str, int, int | tuple[int, int]]
"""The name of a convolution, its width and its kernel."""


class Inception(nn.Module):
    """Inception v3 as the graph of 2015-12-05 has it; its parts have torchvision's names.

    It differs from the paper in two points, which the published distances rest on: average pooling
    leaves the padding out of the average, and the last block pools by the maximum.
    """

    def __init__(self) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = _Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = _Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = _Convolution(80, 192, 3)
        self.Mixed_5b = _fives(192, 32)
        self.Mixed_5c = _fives(256, 64)
        self.Mixed_5d = _fives(288, 64)
        self.Mixed_6a = _Halving(
            288,
            [("branch3x3", 384, 3)],
            [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
        )
        self.Mixed_6b = _sevens(128)
        self.Mixed_6c = _sevens(160)
        self.Mixed_6d = _sevens(160)
        self.Mixed_6e = _sevens(192)
        self.Mixed_7a = _Halving(
            768,
            [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3)],
            [
                ("branch7x7x3_1", 192, 1),
                ("branch7x7x3_2", 192, (1, 7)),
                ("branch7x7x3_3", 192, (7, 1)),
                ("branch7x7x3_4", 192, 3),
            ],
        )
        self.Mixed_7b = _threes(1280, nn.AvgPool2d(3, 1, 1, count_include_pad=False))
        self.Mixed_7c = _threes(2048, nn.MaxPool2d(3, 1, 1))
        self.fc = nn.Linear(2048, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Map images to features.

        Args:
            x: shape `(B, 3, 299, 299)`, in [-1, 1].

        Returns:
            The mean over places of the last block, `(B, 2048)`.
        """
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = functional.max_pool2d(x, 3, 2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = functional.max_pool2d(x, 3, 2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean(dim=(2, 3))


class _Convolution(nn.Module):
    """A convolution without bias, normalised by the statistics of training, and a ReLU."""

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))


class _Branches(nn.Module):
    """Chains of convolutions side by side; those that begin alike share their beginning."""

    def __init__(self, before: int, chains: Sequence[Sequence[Layer]], last_stride: int) -> None:
        super().__init__()
        self.chains = [[name for name, _, _ in chain] for chain in chains]
        for chain in chains:
            width = before
            for place, (name, after, kernel) in enumerate(chain):
                stride = last_stride if place == len(chain) - 1 else 1
                height, across = kernel if isinstance(kernel, tuple) else (kernel, kernel)
                padding = (height // 2, across // 2) if stride == 1 else 0
                if name not in self._modules:
                    self.add_module(name, _Convolution(width, after, (height, across), stride, padding))
                width = after

    def branches(self, x: Tensor) -> list[Tensor]:
        done: dict[str, Tensor] = {}
        ends = []
        for chain in self.chains:
            reached = x
            for name in chain:
                if name not in done:
                    done[name] = self.get_submodule(name)(reached)
                reached = done[name]
            ends.append(reached)
        return ends


class _Halving(_Branches):
    """Branches that halve the image, beside a maximum over it."""

    def __init__(self, before: int, *chains: Sequence[Layer]) -> None:
        super().__init__(before, chains, last_stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([*self.branches(x), functional.max_pool2d(x, 3, 2)], dim=1)


class _Keeping(_Branches):
    """Branches that keep the image's size, beside a convolution of its pooled values."""

    def __init__(self, before: int, *chains: Sequence[Layer], pool: nn.Module, pooled: int) -> None:
        super().__init__(before, chains, last_stride=1)
        self.pool = pool
        self.branch_pool = _Convolution(before, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([*self.branches(x), self.branch_pool(self.pool(x))], dim=1)


def _fives(before: int, pooled: int) -> _Keeping:
    return _Keeping(
        before,
        [("branch1x1", 64, 1)],
        [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
        [("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)],
        pool=nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        pooled=pooled,
    )


def _sevens(width: int) -> _Keeping:
    wide, tall = (1, 7), (7, 1)
    return _Keeping(
        768,
        [("branch1x1", 192, 1)],
        [("branch7x7_1", width, 1), ("branch7x7_2", width, wide), ("branch7x7_3", 192, tall)],
        [
            ("branch7x7dbl_1", width, 1),
            ("branch7x7dbl_2", width, tall),
            ("branch7x7dbl_3", width, wide),
            ("branch7x7dbl_4", width, tall),
            ("branch7x7dbl_5", 192, wide),
        ],
        pool=nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        pooled=192,
    )


def _threes(before: int, pool: nn.Module) -> _Keeping:
    single: list[Layer] = [("branch3x3_1", 384, 1)]
    double: list[Layer] = [("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3)]
    return _Keeping(
        before,
        [("branch1x1", 320, 1)],
        [*single, ("branch3x3_2a", 384, (1, 3))],
        [*single, ("branch3x3_2b", 384, (3, 1))],
        [*double, ("branch3x3dbl_3a", 384, (1, 3))],
        [*double, ("branch3x3dbl_3b", 384, (3, 1))],
        pool=pool,
        pooled=192,
    )
