"""Models: they wire parts and know no loss."""

from latentia.models.autoencoder import Autoencoder
from latentia.models.conditional import ConditionalVAE
from latentia.models.hierarchical import HierarchicalVAE
from latentia.models.vae import VAE
from latentia.models.vqvae import VQVAE

__all__ = ["VAE", "VQVAE", "Autoencoder", "ConditionalVAE", "HierarchicalVAE"]
