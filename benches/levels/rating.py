"""What a head over stars should answer, and whether it should know that stars have an order.

    weathervane export --images scenes --labels scenes.csv --embeddings scenes.npy      (and so for each set)
    python -m venv levels && levels/bin/pip install -r benches/levels/requirements.txt
    levels/bin/python benches/levels/rating.py --set scenes scenes.npy scenes.csv scenes --set weather ... \
        --order weather shine,cloudy,rain

Stars are told from the pixels: five groups of brightness, colour (Hasler & Suesstrunk 2003) or contrast of each set's
images, as large as each other (`equal`), of 5, 10, 20, 40 and 25 % (`skewed`), or equal after a person's error of half
the spread (`noisy`). `--order` adds classes of a set that have an order. Random labels of split `train` teach; the
training images that were not drawn are the pool, and judge. `val` is not looked at.

likeliest    a head over stars, the most probable one
median       of the same head the star with as much before as behind it: least expected error
mean         of the same head the mean star, rounded
cumulative   a head for each border between two stars, "more than k?" (Frank & Hall 2001), in one ridge; its median
number       ridge on the number of stars, rounded
thresholds   the same, with borders and slope by the labels out of fold (proportional odds, McCullagh 1980); its median
bell         the same number as the middle of a bell over the stars (adjacent categories, Goodman 1979), whose width,
             slope and shift are by the labels out of fold; its most probable star
its median   the same, its median
chosen       `bell` or `likeliest`, whichever has the less log loss of the labels out of fold
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import minimize
from scipy.special import expit, ndtri

from head import LEAST, Head, Number, Sigmoid, Softmax, scaled
from sets import DRAWN, against, draw, read

# ../../src/model/fit/steps.rs
USUAL_VARIANCE, USUAL_LABELS = 0.03, 5.0
SHARES = {"equal": [0.2] * 5, "skewed": [0.05, 0.1, 0.2, 0.4, 0.25], "noisy": [0.2] * 5}
WAYS = ["likeliest", "median", "mean", "cumulative", "number", "thresholds", "bell", "its median", "chosen"]


def pixels(path):
    """Brightness, colour and contrast of an image."""
    with Image.open(path) as image:
        r, g, b = np.moveaxis(np.asarray(image.convert("RGB"), dtype=np.float64), 2, 0)
    luminance, rg, yb = 0.299 * r + 0.587 * g + 0.114 * b, r - g, (r + g) / 2 - b
    colour = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    return luminance.mean(), colour, luminance.std()


def stars(values, shares, noise):
    """Groups of these shares by rank, counted from 0."""
    places = np.argsort(np.argsort(values)) + 0.5
    if noise:
        errors = np.random.default_rng(0).normal(size=len(values))
        places = np.argsort(np.argsort(ndtri(places / len(values)) + noise * errors)) + 0.5
    return np.searchsorted(np.cumsum(shares)[:-1], places / len(values))


def proportional_odds(scores, star, count):
    """Borders and steepness by the labels, drawn towards borders halfway between stars."""
    halfway = (np.arange(count - 1) + 0.5) / (count - 1)

    def split(parameters):
        return np.sort(parameters[1:]), np.exp(parameters[0])

    def loss(parameters):
        borders, slope = split(parameters)
        more = np.hstack([np.ones((len(star), 1)), expit(slope * (scores[:, None] - borders)), np.zeros((len(star), 1))])
        p = (more[:, :-1] - more[:, 1:])[np.arange(len(star)), star]
        pull = ((parameters[1:] - halfway) ** 2).sum() * (count - 1) ** 2
        return -np.log(np.maximum(p, LEAST)).sum() + pull

    start = np.concatenate([[np.log(2.0 * (count - 1))], halfway])
    return split(minimize(loss, start, method="BFGS").x)


def median(probabilities):
    return (np.cumsum(probabilities, 1) < 0.5).sum(1).clip(max=probabilities.shape[1] - 1)


def bell(scores, star, count):
    """Probabilities of stars by their number s from 0 to 1: softmax of `(a s + b) u - c u² / 2`, as steps.rs has it."""
    places = np.arange(count) / (count - 1)

    def known(s):
        return np.stack([np.outer(s, places), np.tile(places, (len(s), 1)), np.tile(-(places**2) / 2, (len(s), 1))])

    start = np.array([1 / USUAL_VARIANCE, 0, 1 / USUAL_VARIANCE])
    usual = Softmax.probabilities(np.tensordot(start, known(places), 1), 1.0)
    targets = np.vstack([np.eye(count)[star], USUAL_LABELS / count * usual])
    weights, features = targets.sum(1, keepdims=True), known(np.concatenate([scores, places]))

    def loss(parameters):
        p = Softmax.probabilities(np.tensordot(parameters, features, 1), 1.0)
        gradient = (features * (weights * p - targets)).sum((1, 2))
        return -(targets * np.log(np.maximum(p, 1e-300))).sum(), gradient

    found = minimize(loss, start, jac=True, method="BFGS").x
    return lambda scores: Softmax.probabilities(np.tensordot(found, known(scores), 1), 1.0), 1 / found[2]


def replay(job, tasks):
    """Mean error in stars and share that is exactly right, by each way; and log losses of the two that have one."""
    name, labels, seed = job
    rows, standard, star = tasks[name]
    count = star.max() + 1
    drawn, rest = draw(len(star), labels, seed)

    def head(kind, targets):
        return Head(kind, rows[drawn], standard[drawn], targets, star[drawn], rows[rest])

    apart = head(Softmax, np.eye(count)[star[drawn]])
    flat = apart.probabilities(rows[rest])
    borders = head(Sigmoid, (star[drawn][:, None] > np.arange(count - 1)).astype(float)).probabilities(rows[rest])
    number = head(Number, star[drawn][:, None] / (count - 1))
    guessed = number.scores(rows[rest])[:, 0]
    cuts, _ = proportional_odds(number.out_of_fold[:, 0], star[drawn], count)
    of_number, variance = bell(number.out_of_fold[:, 0], star[drawn], count)
    steps = of_number(guessed)
    # What each says of the labels it had not seen.
    unseen = [Softmax.probabilities(apart.out_of_fold, apart.temperature), of_number(number.out_of_fold[:, 0])]
    flat_loss, bell_loss = (Softmax.loss(p, np.eye(count)[star[drawn]]) for p in unseen)
    chosen = steps if bell_loss <= flat_loss else flat
    answers = {
        "likeliest": flat.argmax(1),
        "median": median(flat),
        "mean": np.rint(flat @ np.arange(count)).astype(int),
        "cumulative": (borders >= 0.5).sum(1),
        "number": np.rint(guessed * (count - 1)).astype(int).clip(0, count - 1),
        "thresholds": (guessed[:, None] > cuts).sum(1),
        "bell": steps.argmax(1),
        "its median": median(steps),
        "chosen": chosen.argmax(1),
    }
    truth = star[rest]
    figures = {way: (np.abs(said - truth).mean(), (said == truth).mean()) for way, said in answers.items()}
    more = np.hstack([np.ones((len(rest), 1)), np.minimum.accumulate(borders, 1), np.zeros((len(rest), 1))])
    at = np.arange(len(rest)), truth
    losses = [-np.log(np.maximum(p[at], LEAST)).mean() for p in (flat, more[:, :-1] - more[:, 1:], steps, chosen)]
    return figures, losses, variance


def tasks_of(arguments):
    tasks, orders = {}, dict(arguments.order)
    for name, features, labels, folder in arguments.set:
        values, classes, files = read(features, labels)
        rows, standard = scaled(values, np.arange(len(values)))
        seen = np.array([pixels(Path(folder) / file) for file in files])
        for column, of in enumerate(["brightness", "colour", "contrast"]):
            for groups, shares in SHARES.items() if of == "colour" else [("equal", SHARES["equal"])]:
                found = stars(seen[:, column], shares, 0.5 if groups == "noisy" else 0)
                tasks[f"{name}, {of}, {groups}"] = rows, standard, found
        if name in orders:
            order = orders[name].split(",")
            kept = np.array([at for at, label in enumerate(classes) if label in order])
            rows, standard = scaled(values[kept], np.arange(len(kept)))
            tasks[f"{name}, order"] = rows, standard, np.array([order.index(classes[at]) for at in kept])
    return tasks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs=4, action="append", required=True, metavar=("NAME", "FILE.npy", "FILE.csv", "DIR"))
    parser.add_argument("--order", nargs=2, action="append", default=[], metavar=("NAME", "CLASS,.."))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    tasks = tasks_of(arguments)
    jobs = [(name, labels, seed) for name in tasks for labels in DRAWN for seed in range(arguments.seeds)]
    with ProcessPoolExecutor(arguments.workers) as workers:
        runs = dict(zip(jobs, workers.map(partial(replay, tasks=tasks), jobs, chunksize=10)))
    of_all = {groups: [name for name in tasks if name.endswith(groups)] for groups in [*SHARES, "order"]}
    parts = [(f"all {groups}", names) for groups, names in of_all.items() if names]
    for part, names in [*parts, *((name, [name]) for name in tasks)]:
        print(f"\n{part}: {len(names)} tasks, {arguments.seeds} draws each, differences to `likeliest`\n")
        print("| labels | way | error, stars | over likeliest's | exactly right, % | over likeliest's |\n|---|---|---|---|---|---|")
        for labels in DRAWN:
            # Mean over tasks first: the draws are what is paired.
            of = [[runs[name, labels, seed] for name in names] for seed in range(arguments.seeds)]
            mean = lambda way, place: np.array([np.mean([run[0][way][place] for run in seed]) for seed in of])
            for way in WAYS:
                error, right = mean(way, 0), 100 * mean(way, 1)
                over = ["", ""] if way == "likeliest" else [
                    against(error, mean("likeliest", 0)), against(right, 100 * mean("likeliest", 1))
                ]
                print(f"| {labels} | {way} | {error.mean():.3f}±{error.std(ddof=1):.3f} | {over[0]} | {right.mean():.1f}"
                      f"±{right.std(ddof=1):.1f} | {over[1]} |")
            losses = np.mean([[run[1] for run in seed] for seed in of], (0, 1))
            variance = np.median([run[2] for seed in of for run in seed])
            told = ", ".join(f"{way} {loss:.3f}" for way, loss in zip(["flat", "cumulative", "bell", "chosen"], losses))
            print(f"| {labels} | variance {variance:.3f}, log loss: {told} | | | | |", flush=True)


if __name__ == "__main__":
    main()
