"""What other Python packages pick from the same features, for `weathervane simulate --picks` to judge with one head.

    weathervane export --images weather4 --labels weather4-split.csv --embeddings weather4.npy
    python -m venv peers && peers/bin/pip install -r benches/peers/requirements.txt
    peers/bin/python benches/peers/pick.py --features weather4.npy --labels weather4-split.csv --out picks.csv
    weathervane simulate --features weather4.npy --labels weather4-split.csv --groups 1280,48,80,160,224,384 \
        --first 15 --rounds 7 --picks picks.csv

Peers see the features standardised by group: scaled to length one, or, where they need a model, as the model sees
them, which is the head of head.py. Those that can't pick without a model start from random images,
or, with `--start FILE.json` (the JSON of `weathervane simulate`), all from the named strategy's first batch.
"""

import argparse
import csv
import json
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from head import SelfTrainedRidge, standardise

warnings.filterwarnings("ignore")


class Pool:
    """The training images of one replay: what is labelled, and how to ask for more."""

    def __init__(self, rows, raw, labels, groups, seed):
        self.rows, self.raw, self.labels, self.groups, self.seed = rows, raw, labels, groups, seed
        self.picked = []

    def known(self):
        y = np.full(len(self.rows), np.nan)
        y[self.picked] = self.labels[self.picked]
        return y

    def open(self):
        return np.setdiff1d(np.arange(len(self.rows)), self.picked)

    def head(self):
        return SelfTrainedRidge(self.groups, self.raw).fit(self.raw[self.picked], self.labels[self.picked])

    def random(self, count):
        generator = np.random.default_rng([self.seed, len(self.picked)])
        return generator.choice(self.open(), count, replace=False)


def activeml(name, needs_head=False, **arguments):
    def pick(pool, count):
        import skactiveml.pool as strategies
        from skactiveml.classifier import SklearnClassifier

        strategy = getattr(strategies, name)(random_state=pool.seed * 1000 + len(pool.picked), **arguments)
        if not needs_head:
            return strategy.query(pool.rows, pool.known(), batch_size=count)
        # Not scaled to length one: the head that judges sees them so too.
        head = SklearnClassifier(SelfTrainedRidge(pool.groups, pool.raw), classes=np.unique(pool.labels), random_state=0)
        return strategy.query(pool.raw, pool.known(), clf=head, batch_size=count)

    return pick, needs_head


def modal(metric):
    def pick(pool, count):
        from modAL.batch import uncertainty_batch_sampling
        from modAL.models import ActiveLearner

        learner = ActiveLearner(
            SelfTrainedRidge(pool.groups, pool.raw), X_training=pool.raw[pool.picked], y_training=pool.labels[pool.picked]
        )
        there = pool.open()
        found = uncertainty_batch_sampling(learner, pool.raw[there], n_instances=count, metric=metric)
        found = found[0] if isinstance(found, tuple) else found
        return there[np.asarray(found).ravel()[:count]]

    return pick, True


def mundig(uncertain):
    def pick(pool, count):
        from lightly_mundig import Selection

        selection = Selection()
        selection.add_diversifying_strategy(pool.rows.astype(np.float32), 1.0)
        if uncertain:
            top = np.sort(pool.head().predict_proba(pool.raw), 1)[:, ::-1]
            second = top[:, 1] if top.shape[1] > 1 else 0.0
            selection.add_weighting_strategy((1.0 - (top[:, 0] - second) + 1e-6).astype(np.float32), 1.0)
        # Without any label its first image is always the same, so each seed starts from another.
        before = list(map(int, pool.picked)) or [int(pool.random(1)[0])]
        extra = 0 if len(pool.picked) else 1
        found = selection.run_selection(before, len(pool.rows), len(before) + count - extra)
        return np.array(found[len(before) - extra :])

    return pick, uncertain


def apricot():
    def pick(pool, count):
        from apricot import FacilityLocationSelection

        first = pool.picked if len(pool.picked) else pool.random(1)
        extra = 0 if len(pool.picked) else 1
        selection = FacilityLocationSelection(
            count - extra, metric="cosine", initial_subset=np.array(first), random_state=pool.seed
        )
        found = list(selection.fit(pool.rows.astype(np.float64)).ranking)
        return np.array((list(first) if extra else []) + found)[:count]

    return pick, False


PEERS = {
    "activeml-margin": activeml("UncertaintySampling", True, method="margin_sampling"),
    "activeml-entropy": activeml("UncertaintySampling", True, method="entropy"),
    "activeml-core-set": activeml("CoreSet"),
    "activeml-badge": activeml("Badge", True),
    "activeml-typiclust": activeml("TypiClust"),
    "activeml-prob-cover": activeml("ProbCover", n_classes=4),
    "activeml-drop-query": activeml("DropQuery", True),
    "activeml-max-herding": activeml("MaxHerding"),
    "activeml-falcun": activeml("Falcun", True),
    "modal-batch": modal("cosine"),
    "mundig-diverse": mundig(False),
    "mundig-uncertain": mundig(True),
    "apricot-facility": apricot(),
}


def replay(job):
    """One peer, one seed: rows of the training images in each round, and the seconds they took."""
    peer, seed, rows, raw, labels, groups, sizes, start = job
    pick, needs_head = PEERS[peer]
    pool, rounds, seconds = Pool(rows, raw, labels, groups, seed), [], 0.0
    for size in sizes:
        begun = time.perf_counter()
        if not rounds and start is not None:
            found = np.array(start)
        elif not rounds and needs_head:
            found = pool.random(size)
        else:
            found = np.asarray(pick(pool, size), int)
        seconds += time.perf_counter() - begun
        assert len(set(found) - set(pool.picked)) == size, f"{peer}, seed {seed}: picked twice or too few"
        rounds.append(found.tolist())
        pool.picked = pool.picked + found.tolist()
    return rounds, seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--split", default="split")
    parser.add_argument("--groups", default="1280,128,384,384", help="column widths, as the head merges them")
    parser.add_argument("--first", type=int, default=15)
    parser.add_argument("--batch", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--start", help="JSON of `weathervane simulate`: take first batches from there")
    parser.add_argument("--start-strategy", default="u-herding", help="whose first batches in that JSON")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()

    with open(arguments.labels, newline="") as file:
        table = list(csv.DictReader(file))
    names = [row["filename"] for row in table]
    classes = sorted({row["label"] for row in table})
    train = np.array([row.get(arguments.split, "") in ("", "train") for row in table])
    labels = np.array([classes.index(row["label"]) for row in table])[train]
    widths = [int(width) for width in arguments.groups.split(",")]
    edges = np.cumsum([0, *widths])
    groups = [np.arange(a, b) for a, b in zip(edges, edges[1:])]
    raw = standardise(np.load(arguments.features).astype(np.float64), train, groups)[train]
    rows = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    train_names = [name for name, used in zip(names, train) if used]
    starts = [None] * arguments.seeds
    if arguments.start:
        with open(arguments.start) as file:
            found = [line for line in json.load(file)["strategies"] if line["name"] == arguments.start_strategy]
        number = {name: index for index, name in enumerate(train_names)}
        starts = [[number[name] for name in rounds[0]] for rounds in found[0]["picks"]]

    sizes = [arguments.first] + [arguments.batch] * arguments.rounds
    with open(arguments.out, "w", newline="") as file, ProcessPoolExecutor(arguments.workers) as workers:
        writer = csv.writer(file)
        writer.writerow(["strategy", "seed", "round", "filename"])
        for peer in arguments.peers.split(","):
            jobs = [(peer, s, rows, raw, labels, groups, sizes, starts[s]) for s in range(arguments.seeds)]
            try:
                runs = list(workers.map(replay, jobs))
            except Exception as error:
                print(f"{peer}: left out, {type(error).__name__}: {error}", file=sys.stderr)
                continue
            seconds = np.mean([seconds for _, seconds in runs])
            print(f"{peer}: {seconds:.2f} s a replay", file=sys.stderr)
            for seed, (rounds, _) in enumerate(runs):
                for number, found in enumerate(rounds):
                    writer.writerows([peer, seed, number, train_names[index]] for index in found)
            file.flush()


if __name__ == "__main__":
    main()
