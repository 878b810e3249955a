"""The head of weathervane in NumPy, without its gradient refinement: what peers that need a model are given.

Kernel ridge on one-hot targets as in src/model/fit: group weights by the labels' marginal likelihood (Rasmussen &
Williams 2006, ch. 5), the strength by the error out of fold, and self-training on the unlabelled pool. Its folds are
drawn by class alone, and it is exact where the program has a basis of landmarks.
"""

import itertools

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator, ClassifierMixin

# src/model/fit/evidence.rs
EVIDENCE_STRENGTHS = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
EVIDENCE_LABELS = 128
# src/model/fit/ridge.rs
STRENGTHS = [1.0, 0.3, 0.1]
# src/model/fit/self_training.rs
POOL_WEIGHT, ROUNDS, POOL_TEMPERATURE = 0.2, 3, 0.1
# The usual temperature of ridge scores, src/model/fit/calibration.rs.
TEMPERATURE = 0.15
FOLDS = 5


def standardise(features, train, groups):
    """Columns less their mean over the training images, each group as a whole with unit mean square."""
    mean, spread = features[train].mean(0), features[train].std(0)
    scaled = np.zeros_like(features)
    for columns in groups:
        typical = np.sqrt((spread[columns] ** 2).mean())
        divisor = np.where(spread[columns] > 1e-3 * typical, typical * np.sqrt(len(columns)), np.inf)
        scaled[:, columns] = (features[:, columns] - mean[columns]) / divisor
    return scaled


def softmax(scores, temperature):
    scores = np.exp((scores - scores.max(1, keepdims=True)) / temperature)
    return scores / scores.sum(1, keepdims=True)


def evidence_weights(rows, targets, groups):
    """The group weights with the least energy of the labels, summing to one."""
    n = len(rows)
    y, centre = targets - targets.mean(0), np.eye(n) - 1 / n
    kernels = [centre @ (rows[:, c] @ rows[:, c].T) @ centre for c in groups]
    best, tried = (np.inf,), set()
    for raw in itertools.product([0, 1, 3], repeat=len(groups)):
        weights = tuple(np.round(np.array(raw) / max(sum(raw), 1), 9))
        if sum(raw) == 0 or weights in tried:
            continue
        tried.add(weights)
        s, v = np.linalg.eigh(sum(w * k for w, k in zip(weights, kernels)))
        p = ((v.T @ y) ** 2).sum(1)
        for strength in EVIDENCE_STRENGTHS:
            d = np.maximum(s, 0) + strength
            best = min(best, (np.log(d).sum() + n * np.log((p / d).sum()), weights))
    return best[1]


def solver(kernel, rows, weights, strength):
    """Ridge on weighted `rows` of `kernel`, whose intercept is not shrunk, in its dual form: targets to scores of all."""
    share, root = weights / weights.sum(), np.sqrt(weights)
    part = kernel[np.ix_(rows, rows)]
    mean = part @ share
    centred = part - mean[:, None] - mean + share @ mean
    factor = cho_factor(root[:, None] * centred * root + strength * np.eye(len(rows)))
    across = kernel[:, rows]
    across = across - (across @ share)[:, None] - mean + share @ mean
    return lambda y: across @ (root[:, None] * cho_solve(factor, root[:, None] * (y - share @ y))) + share @ y


def self_trained(kernel, targets, labelled, pool, strength):
    """Scores of all rows of `kernel` by ridge on `labelled` rows, then on guesses of `pool` rows too."""
    ones = np.ones(len(labelled))
    scores = solver(kernel, labelled, ones, strength)(targets[labelled])
    if len(pool):
        weights = np.concatenate([ones, np.full(len(pool), POOL_WEIGHT)])
        fitted = solver(kernel, np.concatenate([labelled, pool]), weights, strength)
        for _ in range(ROUNDS):
            scores = fitted(np.concatenate([targets[labelled], softmax(scores[pool], POOL_TEMPERATURE)]))
    return scores


class SelfTrainedRidge(ClassifierMixin, BaseEstimator):
    """Fits standardised rows; `groups` are the columns that share a weight, `pool` all rows, labelled or not."""

    def __init__(self, groups=None, pool=None):
        self.groups, self.pool = groups, pool

    def fit(self, X, y, sample_weight=None):
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            return self
        n, targets = len(labels), np.eye(len(self.classes_))[labels]
        self.labelled_, self.targets_ = X, targets
        few = slice(None, EVIDENCE_LABELS)
        weights = evidence_weights(X[few], targets[few], self.groups)
        self.factors_ = np.zeros(X.shape[1])
        for columns, weight in zip(self.groups, weights):
            self.factors_[columns] = np.sqrt(weight)
        known = {row.tobytes() for row in X}
        self.open_ = np.array([row for row in self.pool if row.tobytes() not in known]).reshape(-1, X.shape[1])
        rows = np.vstack([X, self.open_]) * self.factors_
        kernel, pool = rows @ rows.T, np.arange(n, len(rows))
        fold = np.empty(n, int)
        fold[np.argsort(labels, kind="stable")] = np.arange(n) % min(FOLDS, n)

        def error(strength):
            found = np.empty_like(targets)
            for number in range(fold.max() + 1):
                seen = np.flatnonzero(fold != number)
                found[fold == number] = self_trained(kernel, targets, seen, pool, strength)[:n][fold == number]
            return ((found - targets) ** 2).sum()

        self.strength_ = min(STRENGTHS, key=error)
        return self

    def predict_proba(self, X):
        if len(self.classes_) == 1:
            return np.ones((len(X), 1))
        n, p = len(self.labelled_), len(self.open_)
        rows = np.vstack([self.labelled_, self.open_, X]) * self.factors_
        kernel = rows @ rows[: n + p].T
        scores = self_trained(kernel, self.targets_, np.arange(n), np.arange(n, n + p), self.strength_)
        return softmax(scores[n + p :], TEMPERATURE)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(1)]
