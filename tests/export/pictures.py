"""Small photographs made up, and codecs trained on them for a moment."""

import numpy as np
import torch

import latentia

KL = {
    "network": {"name": "kl_codec", "channels": [8, 16], "linear": False},
    "model": {"name": "vae", "latent_dim": 3},
    "objective": {"beta": 1e-4},
}
VQ = {
    "network": KL["network"],
    "model": {"name": "vqvae", "latent_dim": 3, "downsample": 2},
    "posterior": {"name": "ema_codebook", "size": 16},
}
DC = {
    "network": {"name": "deep_codec", "channels": [8, 8, 16], "blocks": [0, 1, 1], "linear": False},
    "model": {"name": "autoencoder", "latent_dim": 3},
}
LTX = {
    "network": {
        "name": "causal3d",
        "channels": [8, 12, 16],
        "blocks": [1, 1, 1, 1],
        "patch": 2,
        "linear": False,
    },
    "posterior": "shared_gaussian",
    "likelihood": "mse",
    "model": {"name": "vae", "latent_dim": 3},
}
CODECS = {"AutoencoderKL": KL, "VQModel": VQ, "AutoencoderDC": DC}


def pictures(count=96, side=16, seed=0):
    """Smooth colour pictures, uint8, shape `(count, side, side, 3)`."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((count, 3, 5, 5), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    return (smooth.permute(0, 2, 3, 1) * 255).round().byte().numpy()


def clips(count=24, frames=9, side=16, seed=0):
    """Smooth colour clips, uint8, shape `(count, 3, frames, side, side)`."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((count, 3, 3, 5, 5), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(coarse, size=(frames, side, side), mode="trilinear")
    return (smooth * 255).round().byte().numpy()


def trained(out, settings=KL, source=None, training=None, **more):
    training = {"epochs": 3, "batch_size": 16, "lr": 3e-3, **(training or {})}
    chosen = {"transform": "signed", **settings, **more}
    return latentia.train(pictures() if source is None else source, out=out, training=training, **chosen)
