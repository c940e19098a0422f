"""Codecs: networks from pictures of any size to a grid and back, with a linear code beside them."""

from __future__ import annotations

import abc
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from latentia.core.errors import ConfigError
from latentia.networks.base import Network, Shape, check_dim, check_grid, image_size
from latentia.networks.clip_code import SMALLEST_SHARE, WithBlocks, begin_blocks
from latentia.networks.stages import Staged


class WithLinear(nn.Module):
    """A network and a linear map between blocks of pixels and places of the grid: the sum of both.

    The network's last layer begins at zero, so that the pair begins as the linear code alone and learns what
    that misses.
    """

    def __init__(self, body: Staged, last: nn.Conv2d, linear: nn.Conv2d | nn.ConvTranspose2d) -> None:
        """Put them together.

        Args:
            body: the network.
            last: its last layer that has weights.
            linear: the linear map.
        """
        super().__init__()
        self.body = body
        self.linear = linear
        with torch.no_grad():
            last.weight.zero_()
            if last.bias is not None:
                last.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Map by both, and add."""
        return self.body(x) + self.linear(x)


class BlockCode(nn.Conv2d):
    """Blocks of pixels to numbers, orthonormal at first, with weights in multiples of their usual size.

    A step of Adam changes every weight by about the learning rate, whatever its size: those of blocks of many
    pixels are small, and would lose what they begin at.
    """

    def __init__(self, before: int, after: int, side: int) -> None:
        """Build it.

        Args:
            before: channels of the picture.
            after: numbers of a block.
            side: of a block, in pixels.
        """
        super().__init__(before, after, side, side)
        self.gain = (before * side**2) ** -0.5
        with torch.no_grad():
            self.weight.div_(self.gain)

    def forward(self, input: Tensor) -> Tensor:
        """Map `(B, C, H, W)` to a place for each block."""
        return conv2d(input, self.weight * self.gain, self.bias, self.stride)  # pyright: ignore


class BlockPicture(nn.ConvTranspose2d):
    """What leads back from numbers to blocks; see `BlockCode`."""

    def __init__(self, before: int, after: int, side: int) -> None:
        """Build it; see `BlockCode`."""
        super().__init__(before, after, side, side)
        self.gain = (after * side**2) ** -0.5
        with torch.no_grad():
            self.weight.div_(self.gain)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Map places to `(B, C, H, W)`."""
        return conv_transpose2d(input, self.weight * self.gain, self.bias, self.stride)  # pyright: ignore


def _linear_in(network: nn.Module) -> nn.Module | None:
    """Find the linear map beside a network, or beside or in a part of it."""
    kinds = (WithLinear, BlockCode, BlockPicture)
    found = next((each for each in network.modules() if isinstance(each, kinds)), None)
    return found.linear if isinstance(found, WithLinear) else found


@torch.no_grad()
def begin_linear(encoder: nn.Module, decoder: nn.Module, x: Tensor) -> None:
    r"""Let the linear maps of a fresh pair begin at the principal components of blocks.

    With blocks b = mean + sum_k u_k c_k, the u_k in the order of the variances l_k of c_k, the code is
    z_k = c_k / sqrt(l_k), of variance 1, and decodes to sum_k u_k sqrt(l_k) z_k. An encoder that gives two
    numbers for each of the latent's gives log(s / l_k) as the second, s the variance that a pixel keeps
    without the
    code: what the posterior of probabilistic principal components analysis has. All of it is the linear
        autoencoder's
    optimum, and a linear VAE's up to a shrinkage of s / l_k. Of a `BlockCode` the code is c_k itself.

    Args:
        encoder: of pictures; nothing is done where it has no linear map.
        decoder: of latents.
        x: examples, `(N, C, H, W)`, without holes; clips have more sides, and a code of their own.

    References:
        Michael Tipping, Christopher Bishop, "Probabilistic Principal Component Analysis", 1999.
        James Lucas et al., "Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse", 2019.
    """
    if isinstance(encoder, WithBlocks) and isinstance(decoder, WithBlocks):
        begin_blocks(encoder, decoder, x)
    there, back = _linear_in(encoder), _linear_in(decoder)
    if not isinstance(there, nn.Conv2d) or not isinstance(back, nn.ConvTranspose2d):
        return
    dim, channels, side = back.weight.shape[0], back.weight.shape[1], back.kernel_size[0]
    mean = x.double().mean(dim=(0, 2, 3))
    apart = (x.double() - mean.view(-1, 1, 1)).unfold(2, side, side).unfold(3, side, side)
    blocks = apart.permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * side * side)
    variances, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
    variances, vectors = variances.flip(0).clamp(min=0), vectors.flip(1)
    count = min(dim, len(variances))
    floor = max(float(variances.sum()) * SMALLEST_SHARE, torch.finfo(torch.float32).tiny)
    kept = variances[:count].clamp(min=floor)
    basis = vectors[:, :count].T.reshape(count, channels, side, side)
    if isinstance(there, BlockCode) and isinstance(back, BlockPicture):
        there.weight.zero_()[:count] = basis / there.gain
        back.weight.zero_()[:count] = basis / back.gain
        there.bias.zero_()[:count] = -basis.sum(dim=(2, 3)) @ mean  # pyright: ignore
        return
    there.weight.zero_()
    there.weight[:count, :channels] = (basis / kept.sqrt().view(-1, 1, 1, 1)).to(there.weight)
    there.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]
    centred = there.weight[:, :channels].sum(dim=(2, 3)).double() @ mean
    there.bias.sub_(centred)  # pyright: ignore[reportOptionalMemberAccess]
    if there.weight.shape[0] == 2 * dim:
        rest = variances[count:].mean() if count < len(variances) else variances.new_zeros(())
        spread = rest.clamp(min=floor) / kept
        there.bias[dim : dim + count] = spread.log().to(there.weight)  # pyright: ignore
    back.weight.zero_()
    back.weight[:count] = (basis * kept.sqrt().view(-1, 1, 1, 1)).to(back.weight)


class Codec(Network):
    """What networks share that lead from pictures to a grid and back by stages alone."""

    convolutional: ClassVar[bool] = True
    link: ClassVar[str | None] = "identity"
    name: ClassVar[str] = "codec"
    channels: tuple[int, ...]
    linear: bool

    @property
    def downsample(self) -> int:
        """How many times smaller than the picture the grid is, along each side."""
        return 2 ** (len(self.channels) - 1)

    def latent(self, event: Shape, dim: int, downsample: int | None = None) -> Shape:
        """Give `(dim, H / downsample, W / downsample)`; see `Network`."""
        _, height, width = image_size(event, self.name)
        check_dim(dim)
        factor = self.downsample
        if downsample is not None and downsample != factor:
            raise ConfigError(
                f"model.downsample={downsample}, and network '{self.name}' of {len(self.channels)} levels "
                f"has {factor}; use model.downsample={factor}, or network.channels of other levels"
            )
        if height % factor or width % factor:
            fits = [n for n in range(len(self.channels)) if height % 2**n == width % 2**n == 0]
            sizes = f"data.crop={max(1, min(height, width) // factor) * factor}"
            raise ConfigError(
                f"network '{self.name}' halves {len(self.channels) - 1} times, and {height}x{width} does not "
                f"become a grid so; use {sizes}, or network.channels of {max(fits) + 1} levels"
            )
        return (dim, height // factor, width // factor)

    @abc.abstractmethod
    def encoder_body(self, before: int, features: int) -> tuple[Staged, nn.Conv2d]:
        """Build the network from pictures to a grid.

        Args:
            before: channels of the picture.
            features: channels of what the posterior reads.

        Returns:
            The network, and its last layer.
        """

    @abc.abstractmethod
    def decoder_body(self, latent: int, after: int) -> tuple[Staged, nn.Conv2d]:
        """Build the network from a grid to pictures.

        Args:
            latent: channels of the latent.
            after: channels of what the likelihood reads.

        Returns:
            The network, and its last layer.
        """

    def encoder(self, event: Shape, features: Shape) -> nn.Module:
        """Build the map from `(B, C, H, W)` to `(B, F, h, w)`; see `Network`."""
        self._check(event, features)
        body, last = self.encoder_body(event[0], features[0])
        if not self.linear:
            return body
        side = self.downsample
        return WithLinear(body, last, nn.Conv2d(event[0], features[0], side, side))

    def decoder(self, latent: Shape, event: Shape) -> nn.Module:
        """Build the map from `(B, D, h, w)` to `(B, C, H, W)`; see `Network`."""
        self._check(event, latent)
        body, last = self.decoder_body(latent[0], event[0])
        if not self.linear:
            return body
        side = self.downsample
        return WithLinear(body, last, nn.ConvTranspose2d(latent[0], event[0], side, side))

    def _check(self, event: Shape, grid: Shape) -> None:
        """Refuse what is no image, and what is no grid."""
        image_size(event, self.name)
        check_grid(grid, self.name)
