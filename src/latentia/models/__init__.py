"""Models: they wire parts and know no loss."""

from latentia.models.autoencoder import Autoencoder
from latentia.models.conditional import ConditionalVAE
from latentia.models.denoising import DenoisingAutoencoder, MaskedAutoencoder
from latentia.models.diffusion import ConditionalDiffusionModel, DiffusionModel
from latentia.models.gmvae import GMVAE
from latentia.models.hierarchical import HierarchicalVAE
from latentia.models.markovian import MarkovianVAE
from latentia.models.rae import RAE
from latentia.models.semi_supervised import SemiSupervisedVAE
from latentia.models.vae import VAE
from latentia.models.vqvae import VQVAE

__all__ = [
    "GMVAE",
    "RAE",
    "VAE",
    "VQVAE",
    "Autoencoder",
    "ConditionalDiffusionModel",
    "ConditionalVAE",
    "DenoisingAutoencoder",
    "DiffusionModel",
    "HierarchicalVAE",
    "MarkovianVAE",
    "MaskedAutoencoder",
    "SemiSupervisedVAE",
]
