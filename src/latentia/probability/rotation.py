"""A codebook whose gradients are rotated on their way to the encoder."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from latentia.core.registry import register
from latentia.probability.quantisers import EMACodebook


@register("posterior", "rotation")
class RotationCodebook(EMACodebook):
    r"""The codebook of `ema_codebook` with the rotation trick in place of the straight-through gradient.

    The code e of an encoder's output x is written as (|e| / |x|) R x with the rotation R that takes the
    direction of x to that of e, and gradients take ratio and rotation for constants:
    R = I - 2 r r^T + 2 e' x'^T, x' = x / |x|, e' = e / |e|, r = (x' + e') / |x' + e'|. The angle between the
    gradient and the code becomes that between the encoder's gradient and its output.

    References:
        Christopher Fifty et al., "Restructuring Vector Quantization with the Rotation Trick", 2024.
    """

    def _passed(self, features: Tensor, chosen: Tensor) -> Tensor:
        """Give the codes with the rotated gradient; see `Quantiser`."""
        channels, smallest = -len(self.latent), 1e-6
        x = features.detach()
        ratio = chosen.norm(dim=channels, keepdim=True) / x.norm(dim=channels, keepdim=True).clamp(
            min=smallest
        )
        start, end = (F.normalize(each, dim=channels, eps=smallest) for each in (x, chosen))
        middle = F.normalize(start + end, dim=channels, eps=smallest)
        reflected = 2 * middle * (middle * features).sum(dim=channels, keepdim=True)
        turned = ratio * (features - reflected + 2 * end * (start * features).sum(dim=channels, keepdim=True))
        return chosen + (turned - turned.detach())
