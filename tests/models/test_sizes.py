"""Sizes that cannot be are refused by every model, in one line."""

import pytest

from latentia.core.errors import ConfigError
from latentia.models import (
    VAE,
    VQVAE,
    Autoencoder,
    ConditionalVAE,
    DenoisingAutoencoder,
    HierarchicalVAE,
    MaskedAutoencoder,
    SemiSupervisedVAE,
)
from latentia.probability import DiagonalGaussian, EMACodebook, StandardNormal

FLAT = [VAE, Autoencoder, ConditionalVAE, SemiSupervisedVAE, DenoisingAutoencoder, MaskedAutoencoder]


@pytest.mark.parametrize("model", [*FLAT, VQVAE])
@pytest.mark.parametrize("size", [0, -3])
def test_a_latent_without_dimensions_is_refused(model, size):
    with pytest.raises(ConfigError, match=rf"'model.latent_dim' must be at least 1, not {size}"):
        model((1, 8, 8), size)
    with pytest.raises(ConfigError, match=r"'model.latent_dim' must be at least 1"):
        model((1, 8, 8), size, posterior=DiagonalGaussian((4,)))


@pytest.mark.parametrize("model", [*FLAT, VQVAE, HierarchicalVAE])
@pytest.mark.parametrize("event", [(), (0,), (1, 0, 8), (-1, 8, 8)])
def test_an_event_without_entries_is_refused(model, event):
    with pytest.raises(ConfigError, match=r"'model.event' must be a shape of at least 1"):
        model(event)


@pytest.mark.parametrize("model", FLAT)
def test_parts_made_for_another_latent_are_refused(model):
    with pytest.raises(
        ConfigError, match=r"latent of shape 16, and its posterior 'DiagonalGaussian' one of 4"
    ):
        model((1, 8, 8), 16, posterior=DiagonalGaussian((4,)))
    with pytest.raises(
        ConfigError, match=r"latent of shape 16, and its prior 'StandardNormal' one of 4; .*=4"
    ):
        model((1, 8, 8), 16, prior=StandardNormal((4,)))
    assert model((1, 8, 8), 4, posterior=DiagonalGaussian((4,)), prior=StandardNormal((4,))).latent == (4,)


def test_a_codebook_of_another_grid_is_refused():
    with pytest.raises(
        ConfigError, match=r"latent of shape 8x2x2, and its posterior 'EMACodebook' one of 8x4x4"
    ):
        VQVAE((1, 8, 8), 8, 4, posterior=EMACodebook((8, 4, 4)))


def test_a_condition_without_numbers_is_refused():
    with pytest.raises(ConfigError, match=r"'model.condition' must be at least 1 number, not 0"):
        ConditionalVAE((5,), condition=0)
