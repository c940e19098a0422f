"""What the terms of a page mean, in a sentence each, and where a page explains them."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

TERMS = {
    "nat": "The unit of information with natural logarithms: 1 nat is 1.44 bits. R nats tell at most e^R "
    "examples apart.",
    "rate": "What the latent carries about an example: the KL divergence of its posterior from the prior, in "
    "nats. Zero means that every example gets the same latent.",
    "distortion": "What reconstruction costs: the expected −log p(x|z), in nats. It compares runs of equal "
    "likelihood and transform alone.",
    "ELBO": "The evidence lower bound on log p(x): −(distortion + rate). Training a VAE makes it as large as "
    "it can.",
    "β": "The weight of the rate in the loss. Larger: latents carry less and fit the prior better; "
    "reconstructions get worse; too large: collapse.",
    "active": "Of a latent dimension: it carries something, by a KL or a variance of its mean over 0.01.",
    "collapse": "Latents that carry nothing: the decoder then draws one average example for all.",
    "MSE": "Mean squared error of reconstructions, per value.",
    "variance explained": "1 − MSE / the error of always giving the mean: 100 % is perfect, 0 % is no better "
    "than the mean.",
    "PCA": "Principal component analysis: the best linear autoencoder, without training. A network with "
    "as many latents should not be much worse.",
    "bits per dimension": "−ELBO for each value of an example, in bits: what an ideal code needs.",
    "BD-rate": "How many more bits one codec takes than another at equal PSNR, as a mean over what both "
    "reach; below 0 it takes fewer.",
    "posterior": "q(z|x): the distribution that the encoder gives an example in the latent space.",
    "prior": "p(z): the distribution that latents of samples are drawn from.",
    "precision": "Of samples: the share that lies among real examples, in a feature space.",
    "recall": "Of samples: the share of real examples that lie among the samples.",
}
_WORDS = re.compile(
    r"(?<![\w^])(" + "|".join(map(re.escape, sorted(TERMS, key=len, reverse=True))) + r")s?(?!\w)",
    re.IGNORECASE,
)


def key(term: str) -> str:
    """Give the anchor of a term.

    Args:
        term: one of `TERMS`.

    Returns:
        Such as "term-variance-explained".
    """
    return "term-" + term.lower().replace("β", "beta").replace(" ", "-")


class Glosser:
    """Links the first mention of each term on a page to what it means, and lists these terms."""

    def __init__(self) -> None:
        """Begin a page."""
        self._by_name = {term.lower(): term for term in TERMS}
        self._linked: set[str] = set()

    def gloss(self, text: str) -> Markup:
        """Link terms that were not linked before.

        Args:
            text: any; everything else in it stays text.

        Returns:
            Markup.
        """
        parts, done = [], 0
        for found in _WORDS.finditer(text):
            term = self._by_name[found.group(1).lower()]
            if term in self._linked:
                continue
            self._linked.add(term)
            parts += [escape(text[done : found.start()]), _link(found.group(), term)]
            done = found.end()
        return Markup("").join([*parts, escape(text[done:])])

    def entries(self) -> list[tuple[str, str, str]]:
        """Give anchor, term and meaning of each term that was linked so far."""
        return [(key(term), term, meaning) for term, meaning in TERMS.items() if term in self._linked]


def _link(word: str, term: str) -> Markup:
    return Markup('<a class="term" href="#{}" title="{}">{}</a>').format(key(term), TERMS[term], word)
