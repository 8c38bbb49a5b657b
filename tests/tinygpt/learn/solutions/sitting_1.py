import numpy as np

V = 256


def to_ids(text):
    return np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64)


def inputs_and_targets(ids):
    return ids[:-1], ids[1:]


def count_pairs(ids):
    counts = np.zeros((V, V), np.int64)
    inputs, targets = inputs_and_targets(ids)
    np.add.at(counts, (inputs, targets), 1)
    return counts


def bigram_table(counts, smoothing):
    added = counts + smoothing
    return added / added.sum(axis=1, keepdims=True)


def nats_per_byte(table, ids):
    inputs, targets = inputs_and_targets(ids)
    return -np.log(table[inputs, targets]).mean()
