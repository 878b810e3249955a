"""The head of weathervane in NumPy, without its gradient refinement: what peers that need a model are given.

Kernel ridge on one-hot targets; group weights by the labels' marginal likelihood (Rasmussen & Williams 2006, ch. 5), as
in src/model/fit/evidence.rs. Here the strength is chosen so too, and every column has one spread: the program now
chooses the strength out of fold and scales groups as a whole.
"""

import itertools

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

STRENGTHS = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
# The usual temperature of ridge scores, src/model/fit/calibration.rs.
TEMPERATURE = 0.15


def standardise(features, train, groups):
    """Columns less their mean over the training images, each group with unit mean square."""
    mean, spread = features[train].mean(0), features[train].std(0)
    scaled = np.zeros_like(features)
    for columns in groups:
        of_group = spread[columns]
        typical = np.sqrt((of_group**2).mean())
        used = of_group > 1e-3 * typical
        divisor = np.where(used, of_group * np.sqrt(len(of_group)), np.inf)
        scaled[:, columns] = (features[:, columns] - mean[columns]) / divisor
    return scaled


class EvidenceRidge(ClassifierMixin, BaseEstimator):
    """Fits standardised rows; `groups` are the columns that share a weight."""

    def __init__(self, groups=None):
        self.groups = groups

    def fit(self, X, y, sample_weight=None):
        self.classes_, labels = np.unique(y, return_inverse=True)
        n, targets = len(labels), np.eye(len(self.classes_))[labels]
        self.share_ = targets.mean(0)
        if len(self.classes_) == 1:
            self.weights_ = None
            return self
        y, centre = targets - self.share_, np.eye(n) - 1 / n
        kernels = [centre @ (X[:, c] @ X[:, c].T).astype(float) @ centre for c in self.groups]
        best, tried = (np.inf,), set()
        for raw in itertools.product([0, 1, 3], repeat=len(self.groups)):
            weights = tuple(np.round(np.array(raw) / max(sum(raw), 1), 9))
            if sum(raw) == 0 or weights in tried:
                continue
            tried.add(weights)
            s, v = np.linalg.eigh(sum(w * k for w, k in zip(weights, kernels)))
            p = ((v.T @ y) ** 2).sum(1)
            for strength in STRENGTHS:
                d = np.maximum(s, 0) + strength
                energy = np.log(d).sum() + n * np.log((p / d).sum())
                if energy < best[0]:
                    best = (energy, weights, strength)
        _, self.weights_, self.strength_ = best
        self.factors_ = np.zeros(X.shape[1])
        for columns, weight in zip(self.groups, self.weights_):
            self.factors_[columns] = np.sqrt(weight)
        rows = X * self.factors_
        self.mean_ = rows.mean(0)
        rows = rows - self.mean_
        self.coefficients_ = rows.T @ np.linalg.solve(rows @ rows.T + self.strength_ * np.eye(n), y)
        return self

    def predict_proba(self, X):
        if self.weights_ is None:
            return np.ones((len(X), 1))
        scores = (X * self.factors_ - self.mean_) @ self.coefficients_ + self.share_
        scores = np.exp((scores - scores.max(1, keepdims=True)) / TEMPERATURE)
        return scores / scores.sum(1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]
