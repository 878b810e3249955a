"""The head of weathervane in NumPy, without its gradient refinement, for any targets: src/model/fit, file by file.

`check.py` holds it against the program's own result.
"""

import itertools

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize_scalar
from scipy.special import expit

# scaling.rs; the groups of `lite0` as the trainer merges them
GROUPS, LEAST_SPREAD = [1280, 128, 384, 384], 1e-3
# ../../eval/copies.rs
NEAR_COPY = 0.85
# evidence.rs
WEIGHTS, EVIDENCE_STRENGTHS, EVIDENCE_LABELS = [0, 1, 3], [0.003, 0.01, 0.03, 0.1, 0.3, 1.0], 128
# folds.rs
LEAVE_ONE_OUT, FOLDS, MANY_LABELS, FEW_FOLDS = 40, 10, 200, 5
# ridge.rs
LANDMARKS, LANDMARKS_OF_POOL, STRENGTHS = 512, 128, [1.0, 0.3, 0.1]
# self_training.rs
POOL_WEIGHT, ROUNDS, POOL_ROWS, POOL_TEMPERATURE = 0.2, 3, 1_000, 0.1
# calibration.rs
USUAL, LABELS_PER_CLASS = 0.15, 3.0
LEAST = 1e-7


class Softmax:
    """One class an image."""

    @staticmethod
    def probabilities(scores, temperature):
        scores = np.exp((scores - scores.max(1, keepdims=True)) / temperature)
        return scores / scores.sum(1, keepdims=True)

    @staticmethod
    def loss(found, targets):
        return -np.log(np.maximum((found * targets).sum(1), LEAST)).mean()


class Sigmoid:
    """Each class by itself."""

    @staticmethod
    def probabilities(scores, temperature):
        return expit((scores - 0.5) / temperature)

    @staticmethod
    def loss(found, targets):
        return -np.log(np.maximum(np.where(targets > 0.5, found, 1 - found), LEAST)).sum(1).mean()


class Number:
    """Plain regression on numbers from 0 to 1: no temperature."""

    @staticmethod
    def probabilities(scores, _):
        return np.clip(scores, 0, 1)

    loss = None


def scaled(features, pool):
    """Columns less their mean over `pool`, each group with unit mean square; and the same at one spread a column."""
    mean, spread = features[pool].mean(0), features[pool].std(0)
    rows, standard = np.zeros_like(features), np.zeros_like(features)
    for columns in np.split(np.arange(features.shape[1]), np.cumsum(GROUPS)[:-1]):
        typical = np.sqrt((spread[columns] ** 2).mean())
        kept = columns[spread[columns] > LEAST_SPREAD * typical]
        rows[:, kept] = (features[:, kept] - mean[kept]) / (typical * np.sqrt(len(columns)))
        standard[:, kept] = rows[:, kept] * typical / spread[kept]
    return rows, standard / np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), 1e-12)


def near_copies(standard):
    """A group's number for each row: its least row."""
    groups = np.arange(len(standard))
    for a, b in np.argwhere(np.triu(standard @ standard.T >= NEAR_COPY, 1)):
        low, high = sorted((groups[a], groups[b]))
        groups[groups == high] = low
    return groups


def spread_over_classes(strata, most):
    n = len(strata)
    if n <= most:
        return np.arange(n)
    return np.sort(np.argsort(strata, kind="stable")[np.arange(most) * n // most])


def evidence_weights(rows, targets):
    """The group weights with the least energy of the labels, summing to one."""
    n = len(rows)
    y, centre = targets - targets.mean(0), np.eye(n) - 1 / n
    y = y[:, np.abs(y).max(0) > 0]
    if y.shape[1] == 0:
        y = np.zeros((n, 1))
    parts = np.split(rows, np.cumsum(GROUPS)[:-1], axis=1)
    kernels = [centre @ (part @ part.T) @ centre for part in parts]
    best, tried = (np.inf,), set()
    # The first group's weight changes first, as in the program: of equals the first wins.
    for raw in (digits[::-1] for digits in itertools.product(WEIGHTS, repeat=len(kernels))):
        weights = tuple(np.round(np.array(raw) / max(sum(raw), 1), 9))
        if sum(raw) == 0 or weights in tried:
            continue
        tried.add(weights)
        kernel = sum(w * k for w, k in zip(weights, kernels))
        for strength in EVIDENCE_STRENGTHS:
            lower = cholesky(kernel + strength * np.eye(n), lower=True, check_finite=False)
            half = solve_triangular(lower, y, lower=True, check_finite=False)
            variance = max((half**2).sum() / (n * y.shape[1]), 1e-300)
            energy = 2 * np.log(lower.diagonal()).sum() + n * np.log(variance)
            if energy < best[0]:
                best = (energy, weights)
    return np.array(best[1])


def folds_of(strata, copies):
    """A fold for each row: near-copies together, classes spread."""
    n = len(strata)
    groups = [np.flatnonzero(copies == group) for group in np.unique(copies)]
    limit = len(groups) if n <= LEAVE_ONE_OUT else FOLDS if n < MANY_LABELS else FEW_FOLDS
    count = min(limit, len(groups))
    groups.sort(key=lambda rows: (strata[rows[0]], -len(rows), rows[0]))
    filled, sizes, fold_of = np.zeros((count, strata.max() + 1), int), np.zeros(count, int), np.empty(n, int)
    for rows in groups:
        stratum = strata[rows[0]]
        fold = min(range(count), key=lambda fold: (filled[fold, stratum], sizes[fold]))
        filled[fold, stratum] += len(rows)
        sizes[fold] += len(rows)
        fold_of[rows] = fold
    return fold_of


def sums(z, y):
    return np.array([float(len(z))]), z.T @ z, z.sum(0), z.T @ y, y.sum(0)


def solve(of, factor):
    n, z = max(of[0][0], 1.0), of[2]
    map_ = cho_solve(factor, of[3] - np.outer(z, of[4]) / n)
    return map_, (of[4] - z @ map_) / n


def system(of, strength):
    n, z = max(of[0][0], 1.0), of[2]
    return cho_factor(of[1] - np.outer(z, z) / n + strength * np.eye(len(z)))


class Head:
    """Learns `targets`, `n x classes`, of scaled `rows`; `pool` are scaled rows without labels."""

    def __init__(self, kind, rows, standard, targets, strata, pool):
        self.kind = kind
        few = spread_over_classes(strata, EVIDENCE_LABELS)
        weights = evidence_weights(rows[few], targets[few])
        self.factors = np.sqrt(np.repeat(weights, GROUPS))
        pool = pool[np.arange(min(len(pool), POOL_ROWS)) * len(pool) // max(min(len(pool), POOL_ROWS), 1)]
        rows, pool = rows * self.factors, pool * self.factors
        of_pool = min(len(pool), LANDMARKS_OF_POOL)
        labelled = spread_over_classes(strata, LANDMARKS - of_pool)
        self.landmarks = np.vstack([rows[labelled], pool[np.arange(of_pool) * len(pool) // max(of_pool, 1)]])
        kernel = self.landmarks @ self.landmarks.T
        self.lower = cholesky(kernel + 1e-6 * max(kernel.trace() / len(kernel), 1e-7) * np.eye(len(kernel)), lower=True)
        self.pool = self.basis(pool)
        self.of_pool = sums(self.pool, np.zeros((len(pool), targets.shape[1])))
        fold, z = folds_of(strata, near_copies(standard)), self.basis(rows)
        whole = sums(z, targets)
        held = [sums(z[fold == number], targets[fold == number]) for number in range(fold.max() + 1)]
        best = (np.inf,)
        for strength in STRENGTHS:
            scores = np.empty_like(targets)
            for number, part in enumerate(held):
                map_, intercept = self.fit([a - b for a, b in zip(whole, part)], strength)
                scores[fold == number] = z[fold == number] @ map_ + intercept
            error = ((scores - targets) ** 2).sum()
            if error >= best[0]:
                break
            best = (error, strength, scores)
        _, strength, self.out_of_fold = best
        self.map, self.intercept = self.fit(whole, strength)
        if kind.loss is not None:
            self.temperature = self.calibrated(targets)

    def basis(self, rows):
        return solve_triangular(self.lower, self.landmarks @ rows.T, lower=True).T

    def fit(self, labelled, strength):
        map_, intercept = solve(labelled, system(labelled, strength))
        if len(self.pool):
            both = [a + POOL_WEIGHT * b for a, b in zip(labelled, self.of_pool)]
            factor = system(both, strength)
            for _ in range(ROUNDS):
                guesses = self.kind.probabilities(self.pool @ map_ + intercept, POOL_TEMPERATURE)
                both[3] = labelled[3] + POOL_WEIGHT * self.pool.T @ guesses
                both[4] = labelled[4] + POOL_WEIGHT * guesses.sum(0)
                map_, intercept = solve(both, factor)
        return map_, intercept

    def calibrated(self, targets):
        def loss(log_t):
            return self.kind.loss(self.kind.probabilities(self.out_of_fold, np.exp(log_t)), targets)

        found = minimize_scalar(loss, bounds=(-4, 1), method="bounded", options={"xatol": 0.01}).x
        n, few = len(targets), LABELS_PER_CLASS * targets.shape[1]
        return np.exp((n * found + few * np.log(USUAL)) / (n + few))

    def scores(self, rows):
        return self.basis(rows * self.factors) @ self.map + self.intercept

    def probabilities(self, rows):
        return self.kind.probabilities(self.scores(rows), self.temperature)
