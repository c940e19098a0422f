"""What components need of each other and give to each other, in the words that both sides use.

A component has two sets, `needs` and `gives`, of these constants. A run is refused where a part needs what no
part gives, with the line that `assembly.needs` has for it. Another package may use words of its own.
"""

from __future__ import annotations

CONTINUOUS = "continuous latents"
"""Given by posteriors over real numbers."""
CODES = "codes"
"""Given by quantisers: latents from a finite set."""
DENSITY = "a density q(z|x)"
"""Given by posteriors with one; without it there is no KL."""
PRIOR_DENSITY = "a density p(z)"
"""Given by priors that know theirs; a diffusion knows a bound on it alone."""
FACTORISED = "a posterior that is a product over the latent's dimensions"
"""Given by posteriors whose q(z|x) is an `Independent`."""
PATH = "a gradient that reaches the posterior through z alone"
"""Given by models of one level; the levels of a hierarchy pass z by."""
CODE_ENTROPY = "the entropy of a soft choice of codes"
"""Given by posteriors over codes whose distribution has `entropies()`."""
CONDITION = "a condition"
"""Given by a run with one."""
LABELS = "labels for a condition"
"""Given by conditions that are labels."""
CLASSIFIER = "a classifier q(y|x)"
"""Given by models that infer the label."""
CLASSIFIED = "an objective that trains a classifier"
"""Given by objectives that read q(y|x)."""
HIDDEN = "hidden entries"
"""Given by corruptions that hide some from the encoder."""
COMPLETE = "complete examples"
"""Given by data without missing values."""
ALONE = "a prior alone"
"""Given by models that are a prior and nothing else."""
SCORES_PRIOR = "an objective of the prior alone"
"""Given by objectives that score a prior and nothing else."""
ADVERSARY = "a second optimiser"
"""Given by training loops that train an adversary beside the model."""

BOUND = "a bound"
"""Given by objectives whose -(distortion + rate) bounds log p(x)."""
BATCHWISE = "a penalty of the batch"
"""Given by objectives whose penalty of an example depends on the examples beside it."""
STEERED = "a gradient changed on its way through z"
"""Given by objectives to which nothing may be added, as it would be changed, too."""
DIFFERENTIATES = "a gradient taken inside of a pass"
"""Given by objectives that differentiate while they score, which compiled code cannot."""

Words = frozenset[str]
"""The type of both sets."""
