"""Labelled photographs with their embeddings, and random draws of them."""

import csv

import numpy as np

DRAWN = [30, 60, 120, 300]


def read(features, labels):
    """Embeddings, labels and file names of the rows of split `train`; the others stay unseen."""
    with open(labels, newline="") as file:
        table = list(csv.DictReader(file))
    train = [index for index, row in enumerate(table) if row.get("split", "") in ("", "train")]
    values = np.load(features).astype(np.float64)
    assert len(values) == len(table), f"{features} has {len(values)} rows, {labels} has {len(table)}"
    return values[train], [table[index]["label"] for index in train], [table[index]["filename"] for index in train]


def draw(count, labels, seed):
    """Rows that are labelled and the others: the smaller draws of a seed are the beginnings of the larger ones."""
    order = np.random.default_rng(seed).permutation(count)
    return order[:labels], np.sort(order[labels:])


def against(found, base, scale=1.0):
    """Mean and spread of paired differences, and how many are above nothing."""
    difference = scale * (np.array(found) - np.array(base))
    return f"{difference.mean():+.3f}±{difference.std(ddof=1):.3f} ({(difference > 0).sum()}/{len(difference)})"
