# pyright: reportMissingImports=false
"""A VAE in Flax: one jitted step from indices to updated weights, resident data, optax's Adam."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.workload import LATENTS, LEARNING_RATE, Lap, Workload


def available() -> bool:
    """Whether Flax, JAX and optax are installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("jax", "flax", "optax"))


def train(workload: Workload, images: np.ndarray, epochs: int) -> Lap:
    """Train for some epochs; an incomplete last batch is dropped, and compiling is not timed.

    Args:
        workload: network and loss.
        images: uint8, shape `(N, 1, 28, 28)`.
        epochs: passes over the images.

    Returns:
        The measurement.
    """
    import jax
    import jax.numpy as jnp

    size, steps = workload.batch, len(images) // workload.batch
    state, step = _step(workload, jnp.asarray(images.transpose(0, 2, 3, 1)))
    start = jax.tree.map(jnp.copy, state)
    jax.block_until_ready(step(start, jnp.arange(size)))  # compiles; the copy is given up to it
    draw = np.random.default_rng(0)

    started = time.perf_counter()
    for _ in range(epochs):
        order = draw.permutation(len(images)).astype(np.int32)
        for position in range(steps):
            state = step(state, order[position * size : (position + 1) * size])
    jax.block_until_ready(state)
    seconds = time.perf_counter() - started

    weights, _, _, total = state
    return Lap(epochs * steps * size, seconds, float(total) / (epochs * steps), list(_as_torch(weights)))


def _step(workload: Workload, data: Any) -> tuple[Any, Callable[[Any, Any], Any]]:
    """Give the state before the first step, and the step: weights, optimiser, key and sum of the losses."""
    import jax
    import jax.numpy as jnp
    import optax

    model = _model(workload.settings)
    optimiser = optax.adam(LEARNING_RATE)

    def loss(weights: Any, x: Any, key: Any) -> Any:
        logits, mean, log_variance = model.apply(weights, x, key)
        distortion = optax.sigmoid_binary_cross_entropy(logits, x).sum()
        rate = 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance).sum()
        return (distortion + rate) / len(x)

    def step(state: Any, index: Any) -> Any:
        weights, moments, key, total = state
        key, pixels, noise = jax.random.split(key, 3)
        x = data[index].astype(jnp.float32) / 255
        if workload.binarise:
            x = jax.random.bernoulli(pixels, x).astype(jnp.float32)
        value, gradient = jax.value_and_grad(loss)(weights, x, noise)
        change, moments = optimiser.update(gradient, moments, weights)
        return optax.apply_updates(weights, change), moments, key, total + value

    key = jax.random.key(0)
    weights = model.init(key, jnp.zeros((1, 28, 28, 1)), key)
    return (weights, optimiser.init(weights), key, jnp.zeros(())), jax.jit(step, donate_argnums=0)


def _model(settings: Mapping[str, Any]) -> Any:
    """Build the network that the settings of latentia's describe; images have their channels last."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn

    kind, hidden = settings["name"], settings["hidden"][0]
    act = {"relu": nn.relu, "silu": nn.silu}[settings["activation"]]

    def block(x: Any) -> Any:
        y = x
        for _ in range(2):
            y = nn.Conv(x.shape[-1], (3, 3), padding=1)(act(nn.GroupNorm(8, epsilon=1e-5)(y)))
        return x + y

    def down(x: Any) -> Any:
        if kind == "conv":
            for channels in settings["channels"]:
                x = act(nn.Conv(channels, (4, 4), 2, padding=1)(x))
        if kind == "resnet":
            first, second = settings["channels"]
            x = block(nn.Conv(first, (3, 3), padding=1)(x))
            x = act(block(nn.Conv(second, (4, 4), 2, padding=1)(x)))
        return x

    def up(h: Any) -> Any:
        if kind == "mlp":
            return nn.Dense(784)(h).reshape(-1, 28, 28, 1)
        first, second = settings["channels"]
        side = 7 if kind == "conv" else 14
        x = nn.Dense(side * side * second)(h).reshape(-1, side, side, second)
        if kind == "conv":
            x = act(nn.ConvTranspose(first, (4, 4), (2, 2), padding="SAME")(act(x)))
            return nn.ConvTranspose(1, (4, 4), (2, 2), padding="SAME")(x)
        x = block(x).repeat(2, axis=1).repeat(2, axis=2)
        x = block(nn.Conv(first, (3, 3), padding=1)(x))
        return nn.Conv(1, (3, 3), padding=1)(act(x))

    class VAE(nn.Module):
        @nn.compact
        def __call__(self, x: Any, key: Any) -> Any:
            h = act(nn.Dense(hidden)(down(x).reshape(len(x), -1)))
            mean, log_variance = jnp.split(nn.Dense(2 * LATENTS)(h), 2, axis=1)
            z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(key, mean.shape)
            return up(act(nn.Dense(hidden)(z))), mean, log_variance

    return VAE()


def _as_torch(weights: Any) -> Iterator[np.ndarray]:
    """Give dense layers in torch's order and orientation; of other layers only the sizes are used."""
    for layer in weights["params"].values():
        kernel = layer.get("kernel", layer.get("scale"))
        yield np.asarray(kernel).T
        yield np.asarray(layer["bias"])
