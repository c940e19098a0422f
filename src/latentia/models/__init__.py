"""Models: they wire parts and know no loss."""

from latentia.models.autoencoder import Autoencoder
from latentia.models.conditional import ConditionalVAE
from latentia.models.denoising import DenoisingAutoencoder, MaskedAutoencoder
from latentia.models.semi_supervised import SemiSupervisedVAE
from latentia.models.vae import VAE

__all__ = [
    "VAE",
    "Autoencoder",
    "ConditionalVAE",
    "DenoisingAutoencoder",
    "MaskedAutoencoder",
    "SemiSupervisedVAE",
]
