#!/usr/bin/env python3
"""The chain of dataflows/weather.toml as a Polars pipeline: NDJSON in, NDJSON out to nowhere.

    polars_chain.py INPUT.ndjson BUCKET_SIZE ROWS SECONDS
    polars_chain.py --check INPUT.ndjson BUCKET_SIZE ROWS SECONDS    # compares with pandas and scikit-learn

What expressions can say is one lazy query a message, which Polars spreads over the cores by itself; the two
transformers, the normalizer and the binarizer are scikit-learn's on NumPy arrays.
"""

import json
import sys
import time

import polars as pl
from sklearn import preprocessing as sk

import chain as plain

THRESHOLD = 0.2


def expressions(numbers):
    """The steps from replace to robust_scaler, as far as they are by column."""

    def scaled(shift, scale):
        # A column without spread is divided by 1, as scikit-learn does.
        return lambda x: (x - shift(x)) / pl.when(scale(x) == 0.0).then(1.0).otherwise(scale(x))

    before = [
        lambda x: x.replace({-9999.0: None, 32767.0: None}),
        lambda x: x.interpolate().forward_fill().backward_fill(),
        lambda x: x.fill_null(0.0),
        lambda x: x.clip(x.quantile(0.01, "linear"), x.quantile(0.99, "linear")),
    ]
    after = [
        scaled(lambda x: x.mean(), lambda x: x.std(ddof=0)),
        scaled(lambda x: x.min(), lambda x: x.max() - x.min()),
        scaled(lambda x: pl.lit(0.0), lambda x: x.abs().max()),
        scaled(lambda x: x.median(), lambda x: x.quantile(0.75, "linear") - x.quantile(0.25, "linear")),
    ]
    return [[[step(pl.col(name)).alias(name) for name in numbers] for step in steps] for steps in (before, after)]


def serve(schema, batch, before, after, numbers, binarize=True):
    """Takes the lines of a message through the chain; the result."""
    query = pl.read_ndjson("".join(batch).encode(), schema=schema).lazy().unique(maintain_order=True, keep="first")
    for columns in before:
        query = query.with_columns(columns)
    query = query.filter(pl.sum_horizontal(pl.all().is_not_null().cast(pl.UInt32)) >= 20)
    for columns in after:
        query = query.with_columns(columns)
    frame = query.collect()
    values = frame.select(numbers).to_numpy()
    values = sk.PowerTransformer().fit_transform(values)
    values = sk.QuantileTransformer(subsample=None).fit_transform(values)
    values = sk.Normalizer().fit_transform(values)
    if binarize:
        values = sk.Binarizer(threshold=THRESHOLD).fit_transform(values)
    return frame.with_columns(pl.Series(name, values[:, place]) for place, name in enumerate(numbers))


def check(steps, batch, ours):
    frame = plain.prepare_frame(batch)
    for step in steps[:-1]:
        frame = plain.oracle.apply(frame, step)
    numbers = [name for name in frame.columns if name not in plain.TEXT]
    off = abs(frame[numbers].to_numpy() - ours.select(numbers).to_numpy())
    assert off.shape[0] == len(ours), (off.shape, len(ours))
    return off


def main():
    checks = sys.argv[1] == "--check"
    load = plain.Load(*sys.argv[1 + checks :])
    first = json.loads(open(load.path).readline())
    schema = {name: pl.String if name in plain.TEXT else pl.Float64 for name in first}
    numbers = [name for name in first if name not in plain.TEXT]
    before, after = expressions(numbers)
    if checks:
        steps = plain.tomllib.load(open("dataflows/weather.toml", "rb"))["subtask"]
        # Before the binarizer, which makes a whole of the least difference.
        off = [check(steps, batch, serve(schema, batch, before, after, numbers, False)) for batch in load.messages()]
        beyond = sum(int((part > 1e-6).sum()) for part in off)
        print(f"{sum(part.size for part in off)} values, {beyond} further off than 1e-6")
        return

    def timed(batch):
        start = time.perf_counter()
        serve(schema, batch, before, after, numbers).write_ndjson()
        return len(batch), time.perf_counter() - start

    plain.warm_up(timed, load)
    load.tell([timed(batch) for batch in load.messages()])


if __name__ == "__main__":
    main()
