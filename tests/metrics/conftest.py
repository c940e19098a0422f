"""The linear-Gaussian VAE, of which everything is known, and small trained runs."""

import numpy as np
import pytest
import torch
from torch import nn

from latentia.data.loader import Loader
from latentia.data.transforms import Identity
from latentia.models import VAE
from latentia.networks import Network
from latentia.probability import DiagonalGaussian, Gaussian


class Linear(Network):
    def encoder(self, event, features):
        return nn.Linear(event[0], features[0])

    def decoder(self, latent, event):
        return nn.Linear(latent[0], event[0])


class Known:
    """p(z) = N(0, I), p(x|z) = N(Wz, s^2 I) with orthogonal columns of W: the posterior is diagonal."""

    def __init__(self, features=6, latents=2, sigma=0.5, count=600, seed=0):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.normal(size=(features, latents)))[0]
        w = basis * np.array([2.0, 1.0])[:latents]
        m = w.T @ w + sigma**2 * np.eye(latents)
        self.model = VAE(
            (features,),
            latents,
            network=Linear(),
            posterior=DiagonalGaussian((latents,)),
            likelihood=Gaussian(sigma),
        ).eval()
        self.model.requires_grad_(False)
        self.posterior_variance = sigma**2 / np.diag(m)
        encoder, decoder = self.model.encoder, self.model.decoder
        decoder.weight.copy_(torch.tensor(w))
        decoder.bias.zero_()
        encoder.weight.zero_()
        encoder.weight[:latents].copy_(torch.tensor(np.linalg.inv(m) @ w.T))
        encoder.bias.copy_(torch.tensor(np.concatenate([np.zeros(latents), np.log(self.posterior_variance)])))
        z = rng.normal(size=(count, latents))
        x = (z @ w.T + sigma * rng.normal(size=(count, features))).astype(np.float32)
        self.covariance = w @ w.T + sigma**2 * np.eye(features)
        self.x = x
        self.loader = Loader(torch.from_numpy(x), torch.arange(count), Identity())

    def log_likelihood(self):
        """log N(x; 0, WW' + s^2 I) of each example."""
        precision = np.linalg.inv(self.covariance)
        _, determinant = np.linalg.slogdet(2 * np.pi * self.covariance)
        x = self.x.astype(np.float64)
        return -0.5 * (determinant + np.einsum("ni,ij,nj->n", x, precision, x))

    def spoil(self, shift=0.0, widen=0.0):
        """Move the posterior away from the exact one."""
        latents = len(self.posterior_variance)
        self.model.encoder.bias[:latents] += shift
        self.model.encoder.bias[latents:] += widen
        return self


@pytest.fixture
def known():
    return Known()
