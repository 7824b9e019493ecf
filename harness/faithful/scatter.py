"""Reductions by index and by segment, with PyTorch's answer where nothing arrives and its gradient where several tie.

TensorFlow's segment reductions answer an empty segment with the lowest number of the dtype (max) or with 0 (mean), and
pass over NaN and negative indices.
"""

import math
from typing import Any

import tensorflow as tf

from harness.faithful.part import refuse_complex

REDUCTIONS = ("sum", "prod", "mean", "amax", "amin")


def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:  # noqa: A002
    """`torch.scatter_reduce`: `input` with the elements of `src` brought to the places that `index` names along `dim`.

    `reduce` is "sum", "prod", "mean", "amax" or "amin". `input`, `src` and `index` have as many axes; `index` may be
    smaller than `src`, and than `input` along all other axes, and only so much of `src` counts. Where nothing arrives
    the input stays as it is; elsewhere it takes part only with `include_self`. Equal extremes share the gradient, the
    input's number too where it equals the extreme, even without `include_self`: so torch does. The mean of integers is
    rounded down. Raises ValueError for shapes, dtypes or a `reduce` that torch refuses, and
    `tf.errors.InvalidArgumentError` for an index outside of `input` (not under XLA, which drops assertions).
    """
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce is {reduce!r}; it is one of {', '.join(REDUCTIONS)}")
    x, index, src = (tf.convert_to_tensor(value) for value in (input, index, src))
    refuse_complex(x, src)
    rank = x.shape.rank
    if x.dtype != src.dtype:
        raise ValueError(f"input is {x.dtype.name} and src {src.dtype.name}; tf.cast one to the other's dtype")
    if not rank or not rank == src.shape.rank == index.shape.rank or not -rank <= dim < rank:
        raise ValueError(
            f"input {x.shape}, index {index.shape} and src {src.shape} need as many axes, and dim {dim} is one of them"
        )
    dim %= rank
    for axis in range(rank):
        size, room = index.shape[axis], x.shape[axis]
        if size is None:
            continue
        if (src.shape[axis] or size) < size or (axis != dim and (room or size) < size):
            raise ValueError(
                f"index {index.shape} may be no larger than src {src.shape}, nor than input {x.shape} but along {dim}"
            )
    place = _places(x, dim, tf.cast(index, tf.int64))
    arriving = tf.reshape(tf.slice(src, [0] * rank, tf.shape(index)), [-1])
    flat = tf.reshape(x, [-1])
    made = (_extreme if reduce in ("amax", "amin") else _total)(flat, place, arriving, reduce, include_self)
    return tf.reshape(made, tf.shape(x))


def _places(x: Any, dim: int, index: Any) -> Any:
    """Of each element of `index`, where it stands in the flattened `x`."""
    sizes, shape = tf.shape(index, tf.int64), tf.shape(x, tf.int64)
    checks = [
        tf.debugging.assert_non_negative(index, "an index is negative"),
        tf.debugging.assert_less(index, shape[dim], "an index lies beyond the input"),
    ]
    with tf.control_dependencies(checks):
        index = tf.identity(index)
    place = tf.zeros_like(index)
    for axis in range(x.shape.rank):
        along = [-1 if other == axis else 1 for other in range(x.shape.rank)]
        mine = index if axis == dim else tf.reshape(tf.range(sizes[axis]), along)
        place = place * shape[axis] + mine
    return tf.reshape(place, [-1])


def _total(flat: Any, place: Any, arriving: Any, reduce: str, include_self: bool) -> Any:
    count = tf.size(flat)
    times = tf.math.unsorted_segment_sum(tf.ones_like(place), place, count)
    segment = tf.math.unsorted_segment_prod if reduce == "prod" else tf.math.unsorted_segment_sum
    made = segment(arriving, place, count)
    if include_self:
        made = flat * made if reduce == "prod" else flat + made
    if reduce == "mean":
        number = tf.cast(times + 1 if include_self else tf.maximum(times, 1), flat.dtype)
        made = made / number if flat.dtype.is_floating else made // number
    return tf.where(times > 0, made, flat)


def _extreme(flat: Any, place: Any, arriving: Any, reduce: str, include_self: bool) -> Any:
    count = tf.size(flat)

    def extreme(flat: Any, arriving: Any) -> Any:
        touched = tf.math.unsorted_segment_sum(tf.ones_like(place), place, count) > 0
        most = _most(arriving, place, count, reduce)
        if include_self:
            most = _wins(flat, most, reduce)
        made = tf.where(touched, most, flat)

        def gradient(upstream: Any) -> Any:
            is_mine = tf.cast(flat == made, upstream.dtype)
            is_theirs = tf.cast(arriving == tf.gather(made, place), upstream.dtype)
            share = upstream / (is_mine + tf.math.unsorted_segment_sum(is_theirs, place, count))
            mine = is_mine * share
            if not include_self:
                mine = tf.where(touched, tf.zeros_like(mine), mine)
            return mine, is_theirs * tf.gather(share, place)

        return made, gradient

    return tf.custom_gradient(extreme)(flat, arriving)


def _most(values: Any, place: Any, count: Any, reduce: str) -> Any:
    """The extreme of each segment; NaN where there is one among its values."""
    segment = tf.math.unsorted_segment_max if reduce == "amax" else tf.math.unsorted_segment_min
    most = segment(values, place, count)
    if not values.dtype.is_floating:
        return most
    lost = tf.math.unsorted_segment_sum(tf.cast(tf.math.is_nan(values), tf.int32), place, count) > 0
    return tf.where(lost, tf.constant(math.nan, values.dtype), most)


def _wins(one: Any, other: Any, reduce: str) -> Any:
    """The larger or smaller of two; NaN if either is."""
    most = (tf.maximum if reduce == "amax" else tf.minimum)(one, other)
    if not one.dtype.is_floating:
        return most
    return tf.where(tf.math.is_nan(one) | tf.math.is_nan(other), tf.constant(math.nan, one.dtype), most)


def segment_reduce(
    data: Any,
    reduce: str,
    *,
    lengths: Any = None,
    indices: Any = None,
    offsets: Any = None,
    axis: int = 0,
    unsafe: bool = False,
    initial: float | None = None,
) -> Any:
    """`torch.segment_reduce`: the elements of `data` along `axis`, in pieces that follow one another, each reduced.

    `reduce` is "sum", "prod", "mean", "max" or "min". Pieces are given by their `lengths` (..., segments) or else by
    `offsets` (..., segments + 1), where each begins and the last ends; the axes before the last are those of `data`
    before `axis`. `initial` takes part in every piece but is not counted in the mean. An empty piece gives `initial`,
    or without it 0, 1, NaN, -infinity or infinity. Equal extremes share a gradient above zero, and each have the whole of
    one below: so torch does. Raises TypeError for `indices`,
    which torch has not either, ValueError for shapes that do not fit, and `tf.errors.InvalidArgumentError` for lengths
    that are negative or, unless `unsafe`, do not make up the axis (not under XLA, which drops assertions).
    """
    names = {"max": "amax", "min": "amin"}
    reduce = names.get(reduce, reduce)
    if reduce not in REDUCTIONS:
        raise ValueError(f"reduce is {reduce!r}; it is one of sum, prod, mean, max, min")
    if indices is not None:
        raise TypeError("segment_reduce takes no indices, in torch neither; scatter_reduce does")
    given = lengths if lengths is not None else offsets
    if given is None:
        raise ValueError("segment_reduce needs the lengths of the pieces, or their offsets")
    x, given = tf.convert_to_tensor(data), tf.cast(tf.convert_to_tensor(given), tf.int64)
    refuse_complex(x)
    if not x.dtype.is_floating:
        raise TypeError(f"data is {x.dtype.name}; segment_reduce takes floating-point numbers, in torch too")
    rank = given.shape.rank
    if not rank or axis % x.shape.rank != rank - 1 or not given.shape[:-1].is_compatible_with(x.shape[: rank - 1]):
        raise ValueError(
            f"axis {axis} of data {x.shape} and pieces of shape {given.shape} do not fit: the last axis of the pieces is "
            "that axis, and those before it are data's"
        )
    before, rest = tf.shape(x)[: rank - 1], tf.shape(x)[rank:]
    length, rows = tf.shape(x, tf.int64)[rank - 1], tf.reduce_prod(before)
    edges = tf.reshape(given, tf.stack([rows, tf.shape(given)[-1]]))
    if lengths is not None:
        edges = _edges(edges, length, unsafe=unsafe)
    pieces = tf.shape(edges)[1] - 1
    # Which piece an element is in: how many have begun; 0 for none and one more than the last behind the end.
    positions = tf.broadcast_to(tf.range(length), tf.stack([tf.cast(rows, tf.int64), length]))
    piece = tf.cast(tf.searchsorted(edges, positions, "right"), tf.int32)
    place = tf.reshape(tf.range(rows)[:, None] * (pieces + 2) + piece, [-1])
    values = tf.reshape(x, tf.concat([[rows * tf.shape(x)[rank - 1]], rest], 0))
    made = _segments(values, place, rows * (pieces + 2), reduce, initial)
    made = tf.reshape(made, tf.concat([[rows, pieces + 2], rest], 0))[:, 1:-1]
    return tf.reshape(made, tf.concat([before, [pieces], rest], 0))


def _edges(lengths: Any, length: Any, *, unsafe: bool) -> Any:
    checks = [tf.debugging.assert_non_negative(lengths, "a length is negative")]
    if not unsafe:
        total = tf.reduce_sum(lengths, -1)
        checks.append(
            tf.debugging.assert_equal(total, tf.fill(tf.shape(total), length), "lengths do not make up the axis")
        )
    with tf.control_dependencies(checks):
        return tf.cumsum(tf.pad(lengths, [[0, 0], [1, 0]]), axis=1)


EMPTY = {"sum": 0.0, "mean": math.nan, "prod": 1.0, "amax": -math.inf, "amin": math.inf}


def _segments(values: Any, place: Any, count: Any, reduce: str, initial: float | None) -> Any:
    times = tf.math.unsorted_segment_sum(tf.ones_like(place), place, count)
    along = tf.concat([[count], tf.ones([values.shape.rank - 1], tf.int32)], 0)
    empty = tf.reshape(times == 0, along)
    start = None if initial is None else tf.constant(initial, values.dtype)
    if reduce in ("amax", "amin"):

        def extreme(values: Any) -> Any:
            most = _most(values, place, count, reduce)
            most = most if start is None else _wins(most, start, reduce)

            def gradient(upstream: Any) -> Any:
                is_theirs = tf.math.is_nan(values) | (values == tf.gather(most, place))
                theirs = tf.cast(is_theirs, upstream.dtype)
                equals = tf.maximum(tf.math.unsorted_segment_sum(theirs, place, count), 1.0)
                share = tf.where(upstream > 0.0, upstream / equals, upstream)
                return tf.where(is_theirs, tf.gather(share, place), tf.zeros_like(theirs))

            return most, gradient

        made = tf.custom_gradient(extreme)(values)
    else:
        segment = tf.math.unsorted_segment_prod if reduce == "prod" else tf.math.unsorted_segment_sum
        made = segment(values, place, count)
        if start is not None:
            made = made * start if reduce == "prod" else made + start
        if reduce == "mean":
            made = made / tf.reshape(tf.cast(tf.maximum(times, 1), values.dtype), along)
    return tf.where(empty, tf.constant(EMPTY[reduce] if initial is None else initial, values.dtype), made)
