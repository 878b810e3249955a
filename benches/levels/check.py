"""Whether head.py is the program's head: the same labels, the same accuracy on `val`?

    weathervane export --images weather --labels weather.csv --embeddings weather.npy
    levels/bin/python benches/levels/check.py --features weather.npy --labels weather.csv --picks picks.csv
    weathervane simulate --features weather.npy --labels weather.csv --groups 1280,128,384,384 --first 30 --batch 30 \
        --rounds 3 --seeds 5 --epochs 0 --picks picks.csv --format json > program.json
    levels/bin/python benches/levels/check.py --features weather.npy --labels weather.csv --against program.json

The first writes random picks, the second prints accuracies of both on them.
"""

import argparse
import csv
import json

import numpy as np

from head import Head, Softmax, scaled

SEEDS, ROUNDS, BATCH = 5, 4, 30


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--picks", help="CSV file to write")
    parser.add_argument("--against", help="JSON of `weathervane simulate`")
    arguments = parser.parse_args()
    with open(arguments.labels, newline="") as file:
        table = list(csv.DictReader(file))
    classes, labels = np.unique([row["label"] for row in table], return_inverse=True)
    train = np.array([index for index, row in enumerate(table) if row["split"] == "train"])
    judge = np.array([index for index, row in enumerate(table) if row["split"] == "val"])
    orders = [np.random.default_rng(seed).permutation(train)[: ROUNDS * BATCH] for seed in range(SEEDS)]
    if arguments.picks:
        with open(arguments.picks, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["strategy", "seed", "round", "filename"])
            for seed, order in enumerate(orders):
                writer.writerows(["chance", seed, at // BATCH, table[row]["filename"]] for at, row in enumerate(order))
    if not arguments.against:
        return
    with open(arguments.against) as file:
        program = [line for line in json.load(file)["strategies"] if line["name"] == "chance"][0]
    rows, standard = scaled(np.load(arguments.features).astype(np.float64), train)
    for number, point in enumerate(program["rounds"]):
        for seed, order in enumerate(orders):
            drawn = order[: (number + 1) * BATCH]
            rest = np.setdiff1d(train, drawn)
            target = np.eye(len(classes))[labels[drawn]]
            head = Head(Softmax, rows[drawn], standard[drawn], target, labels[drawn], rows[rest])
            found = (head.probabilities(rows[judge]).argmax(1) == labels[judge]).mean()
            print(f"{len(drawn)} labels, seed {seed}: {100 * found:.2f} here, {100 * point['each'][seed]:.2f} there")


if __name__ == "__main__":
    main()
