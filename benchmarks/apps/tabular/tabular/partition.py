"""How the examples are dealt to the nodes: skewed by label, and a function of seed, alpha and number of nodes alone."""

import numpy as np

LEAST = 12  # examples of a node, so that each has something to train on and to evaluate with


def owners(labels: np.ndarray, nodes: int, alpha: float, seed: int) -> np.ndarray:
    """The node of each example.

    Of each label, the nodes' shares are drawn from a symmetric Dirichlet distribution (Hsu, Qi and Brown, 2019,
    arXiv:1909.06335). All is drawn again, from the same generator, until each node has enough.

    Parameters
    ----------
    labels
        Of the examples, shape (n,).
    alpha
        The smaller, the more each node has labels of its own.
    """
    if not 1 <= nodes * LEAST <= len(labels):
        raise ValueError(f"{len(labels)} examples are not enough for {nodes} nodes with {LEAST} each")
    generator = np.random.default_rng(seed)
    while True:
        owner = np.empty(len(labels), dtype=int)
        for label in np.unique(labels):
            members = generator.permutation(np.flatnonzero(labels == label))
            ends = np.cumsum(generator.dirichlet([alpha] * nodes))[:-1] * len(members)
            owner[members] = np.searchsorted(np.rint(ends), np.arange(len(members)), side="right")
        if np.bincount(owner, minlength=nodes).min() >= LEAST:
            return owner
