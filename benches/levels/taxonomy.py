"""One head over the leaves of a tree, or one head a level: which learns more from the same labels?

    weathervane export --images scenes --labels scenes.csv --embeddings scenes.npy      (and so for each set)
    python -m venv levels && levels/bin/pip install -r benches/levels/requirements.txt
    levels/bin/python benches/levels/taxonomy.py --set scenes scenes.npy scenes.csv --set flowers flowers.npy flowers.csv
    levels/bin/python benches/levels/taxonomy.py --set scenes scenes.npy scenes.csv \
        --parents "built=buildings,street;nature=forest,glacier,mountain,sea"

Leaves are the classes of all sets, parents the sets, unless --parents names others. Random labels of split `train`
teach; the training images that were not drawn are the pool, and judge. `val` is not looked at.

flat      one head over all leaves
levels    a head over parents, and in each parent a head over its leaves that learns from its labels and from the pool's
          images that the first head sees there: P(parent) P(leaf | parent)
labelled  the same, the heads over leaves without the pool
mixed     the head over parents, and within a parent the flat head's shares
added     one head over leaves: the logits of `flat` and, times a factor, of the parents; both factors by the loss out of fold
"""

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from head import Head, Sigmoid, Softmax, scaled
from sets import DRAWN, against, draw, read


def tree(names, sets, written, shuffle):
    """The parent of each leaf, counted from 0."""
    if written:
        of = {leaf: number for number, part in enumerate(written.split(";")) for leaf in part.split("=")[1].split(",")}
        parents = np.array([of[name.split("/")[1]] for name in names])
    else:
        parents = np.array([sets.index(name.split("/")[0]) for name in names])
    return np.random.default_rng(0).permutation(parents) if shuffle else parents


def added(leaves, tops, targets, parents, rows):
    def logits(of_leaves, of_tops, a, b):
        return a * of_leaves / leaves.temperature + b * of_tops[:, parents] / tops.temperature

    def loss(factors):
        return Softmax.loss(Softmax.probabilities(logits(leaves.out_of_fold, tops.out_of_fold, *factors), 1.0), targets)

    best = min(itertools.product([0.7, 1, 1.4], [0, 0.25, 0.5, 0.75, 1, 1.5]), key=loss)
    return Softmax.probabilities(logits(leaves.scores(rows), tops.scores(rows), *best), 1.0)


def probabilities(kind, rows, standard, leaf, parents, drawn, rest):
    """P(leaf) of the rows that were not drawn, by each way."""
    def head(rows_of, classes, targets, pool):
        one_hot = np.eye(classes)[targets]
        return Head(kind, rows[rows_of], standard[rows_of], one_hot, targets, rows[pool])

    count = parents.max() + 1
    of_parents, of_leaves = head(drawn, count, parents[leaf[drawn]], rest), head(drawn, len(parents), leaf[drawn], rest)
    top = of_parents.probabilities(rows[rest])
    found = {"flat": of_leaves.probabilities(rows[rest])}
    if kind is Softmax:
        found["added"] = added(of_leaves, of_parents, np.eye(len(parents))[leaf[drawn]], parents, rows[rest])
    for name in ["levels", "labelled", "mixed"]:
        found[name] = np.zeros_like(found["flat"])
    for parent in range(count):
        leaves = np.flatnonzero(parents == parent)
        here = drawn[parents[leaf[drawn]] == parent]
        of_flat = found["flat"][:, leaves]
        found["mixed"][:, leaves] = top[:, [parent]] * of_flat / of_flat.sum(1, keepdims=True)
        for name, pool in [("levels", rest[top.argmax(1) == parent]), ("labelled", rest[:0])]:
            within = np.full((len(rest), len(leaves)), 1 / len(leaves))
            if len(here) and len(leaves) > 1:
                within = head(here, len(leaves), np.searchsorted(leaves, leaf[here]), pool).probabilities(rows[rest])
            found[name][:, leaves] = top[:, [parent]] * within
    return found


def figures(kind, found, leaf, parents):
    """Leaf right, parent of the answer right, log loss; for a multiple choice exactly the right leaf, any leaf of the parent."""
    loss = kind.loss(found, np.eye(len(parents))[leaf])
    if kind is Sigmoid:
        said = found >= 0.5
        exact = (said == np.eye(len(parents), dtype=bool)[leaf]).all(1)
        mates = parents[None, :] == parents[leaf][:, None]
        return exact.mean(), ((said & mates).any(1) & ~(said & ~mates).any(1)).mean(), loss
    said = found.argmax(1)
    return (said == leaf).mean(), (parents[said] == parents[leaf]).mean(), loss


def replay(job, rows, standard, leaf, parents, kind):
    labels, seed = job
    drawn, rest = draw(len(leaf), labels, seed)
    found = probabilities(kind, rows, standard, leaf, parents, drawn, rest)
    return {name: figures(kind, found[name], leaf[rest], parents) for name in found}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=3, action="append", required=True, metavar=("NAME", "FILE.npy", "FILE.csv"))
    parser.add_argument("--parents", help="PARENT=CLASS,..;PARENT=CLASS,.. of one set")
    parser.add_argument("--shuffle", action="store_true", help="leaves under parents by chance")
    parser.add_argument("--multiple", action="store_true", help="any number of leaves may be chosen")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    parts = [(name, *read(features, labels)) for name, features, labels in arguments.set]
    features = np.vstack([part[1] for part in parts])
    named = [f"{name}/{label}" for name, _, labels, _ in parts for label in labels]
    names = sorted(set(named))
    leaf = np.searchsorted(names, named)
    parents = tree(names, [part[0] for part in parts], arguments.parents, arguments.shuffle)
    rows, standard = scaled(features, np.arange(len(features)))
    kind = Sigmoid if arguments.multiple else Softmax
    one = partial(replay, rows=rows, standard=standard, leaf=leaf, parents=parents, kind=kind)
    jobs = [(labels, seed) for labels in DRAWN for seed in range(arguments.seeds)]
    with ProcessPoolExecutor(arguments.workers) as workers:
        runs = list(workers.map(one, jobs))
    print(f"{len(leaf)} images, {len(names)} leaves, {parents.max() + 1} parents")
    print("| labels | way | leaf right | over flat's | parent right | over flat's | log loss | over flat's |")
    print("|---|---|---|---|---|---|---|---|")
    for labels in DRAWN:
        of = [run for job, run in zip(jobs, runs) if job[0] == labels]
        for name in of[0]:
            cells = []
            for place, scale in enumerate([100, 100, 1]):
                values = np.array([scale * run[name][place] for run in of])
                cells.append(f"{values.mean():.3f}±{values.std(ddof=1):.3f}")
                base = [scale * run["flat"][place] for run in of]
                cells.append("" if name == "flat" else against(values, base))
            print(f"| {labels} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
