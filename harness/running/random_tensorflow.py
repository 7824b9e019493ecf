"""TensorFlow's and Keras' random numbers taken from the shared stream, eager, in a graph and under ``fit``.

The generated functions behind ``tf.random``, ``keras.random`` and every layer are exchanged for functions that draw from the
stream: at once where operations run at once, by a call of Python from the graph where one is traced. Such calls run in the
order in which they were written, as all operations with a state do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import tensorflow as tf
from keras.src.backend.tensorflow import random as keras_random
from tensorflow.python import pywrap_tfe
from tensorflow.python.data.ops import dataset_ops
from tensorflow.python.eager.polymorphic_function import attributes
from tensorflow.python.framework import tensor_util
from tensorflow.python.ops import (
    gen_candidate_sampling_ops,
    gen_image_ops,
    gen_nn_ops,
    gen_random_ops,
    gen_stateful_random_ops,
    gen_stateless_random_ops,
    gen_stateless_random_ops_v2,
    nn_ops,
)

from harness.contract.recipes import Array
from harness.running import shared_random
from harness.running.draws import HERE, At, Draws, caller, now

Make = Callable[..., Array]
"""Numbers for a draw, by the run, where it is made from, its shape and further inputs as arrays."""

TRACING = "_create_concrete_function"
"""TensorFlow's function that traces a graph, whose options say whether XLA compiles it."""


def layer(frame: FrameType) -> str:
    """The name of the Keras layer that a frame is the call of."""
    owner = frame.f_locals.get("self") if frame.f_code.co_name == "__call__" else None
    # Asked of its type, as to ask the layer would gather its variables.
    return str(owner.name) if owner is not None and hasattr(type(owner), "trainable_variables") else ""


def shared(at: At) -> Draws | None:
    """The run that goes on, unless the draw is an initial value, or a layer's that is called to be built: TensorFlow's own."""
    run = now("tensorflow")
    if run is None or not run.started or at.phase == "start":
        return None
    if not run.trained and at.phase == "step":
        if tf.executing_eagerly() and pywrap_tfe.TFE_Py_TapeSetIsEmpty():
            return None if at.line()[1] else run
        run.trained = True
    return run


def drawn(at: At, make: Make, dtype: Any, shape: Any, *inputs: Any) -> Any:
    """A tensor of numbers that are made now, or whenever the graph runs that is being traced."""
    kind = tf.as_dtype(dtype)
    if tf.executing_eagerly():
        size = tuple(int(axis) for axis in np.asarray(shape).ravel())
        made = make(current(), at, size, *(as_array(value) for value in inputs))
        return tf.constant(made.astype(kind.as_numpy_dtype), kind)
    uncompiled(at.frame)
    kept = at.settled()

    def later(size: Array, *values: Array) -> Array:
        return np.asarray(make(current(), kept, tuple(size.ravel().tolist()), *values), kind.as_numpy_dtype)

    result = tf.numpy_function(later, [shape, *inputs], kind)
    result.set_shape(tensor_util.constant_value_as_shape(tf.convert_to_tensor(shape)))
    return result


def current() -> Draws:
    """The run that goes on when the numbers are made."""
    run = now("tensorflow")
    if run is None:
        raise RuntimeError("a function that was traced in a comparison draws random numbers outside of it")
    return run


def as_array(value: Any) -> Array:
    """An eager tensor, a variable or a number as an array."""
    return np.asarray(value)


def uncompiled(frame: FrameType | None) -> None:
    """Have the graphs that are being traced run without XLA, which cannot call Python."""
    while frame is not None and frame.f_code.co_filename != HERE:
        if frame.f_code.co_name == TRACING:
            options = frame.f_locals["tracing_options"].attributes
            if options and options.get(attributes.XLA_COMPILE):
                options[attributes.XLA_COMPILE] = False
        frame = frame.f_back


# What is drawn


def uniform(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """Between 0 and 1."""
    return shared_random.uniform(run.bits("uniform", "unit", shape, at))


def normal(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """Of mean 0 and deviation 1."""
    return run.normal("normal", shape, at)


def truncated(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """The same, no further than 2 from 0."""
    return run.normal("truncated normal", shape, at, "truncated")


def whole(run: Draws, at: At, shape: tuple[int, ...], low: Array, high: Array) -> Array:
    """Whole numbers."""
    return shared_random.integers(run.bits("integers", "integers", shape, at), int(low), int(high))


def order(run: Draws, at: At, shape: tuple[int, ...]) -> Array:
    """An order of so many things."""
    return run.permutation(shape[0], at)


def chosen(run: Draws, at: At, shape: tuple[int, ...], logits: Array) -> Array:
    """Columns by the logarithms of their weights."""
    wide = logits.astype(np.float64)
    weights = np.exp(wide - wide.max(axis=1, keepdims=True))
    return shared_random.chosen(run.bits("multinomial", "categorical", shape, at), weights, again=True)


def gammas(run: Draws, at: At, shape: tuple[int, ...], alpha: Array) -> Array:
    """By their shape parameter."""
    return run.distributed("gamma", "gamma", at, np.broadcast_to(alpha.astype(np.float64), shape))


def poissons(run: Draws, at: At, shape: tuple[int, ...], rate: Array) -> Array:
    """By their rate."""
    return run.distributed("poisson", "poisson", at, np.broadcast_to(rate.astype(np.float64), shape))


def binomials(run: Draws, at: At, shape: tuple[int, ...], counts: Array, chance: Array) -> Array:
    """By how many trials, and their chance."""
    every = np.broadcast_to(counts.astype(np.int64), shape), np.broadcast_to(chance.astype(np.float64), shape)
    return run.distributed("binomial", "binomial", at, *every)


# What is exchanged


class Decided:
    """What TensorFlow takes for uniform numbers: compared with the rate, as it does, it gives the mask."""

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def __ge__(self, rate: Any) -> Any:
        return self.mask


def dropout(plain: Callable[..., Any]) -> Callable[..., Any]:
    """``nn_ops._dropout``, which every dropout of TensorFlow's and Keras' comes to."""

    def drop(
        x: Any, rate: Any, noise_shape: Any, uniform_sampler: Any, dummy_rng_step: Any, name: Any, default_name: Any
    ) -> Any:
        run = now("tensorflow")
        # Not an initial value, so that the stack need not be looked through once the layers are built.
        at = At(caller(2), layer, known="step" if run is not None and run.trained else None)
        if shared(at) is None:
            return plain(x, rate, noise_shape, uniform_sampler, dummy_rng_step, name, default_name)
        tensor = tf.convert_to_tensor(x)

        def make(run: Draws, where: At, shape: tuple[int, ...], share: Array, value: Array) -> Array:
            known = float(share)
            return shared_random.kept(
                run.bits("dropout", "unit", shape, where, rate=known, source=lambda: np.asarray(value)), known
            )

        def sampler(shape: Any, **_: Any) -> Decided:
            share = np.float64(rate) if isinstance(rate, float | int) else rate
            return Decided(drawn(at, make, tf.bool, shape, share, tensor))

        return plain(tensor, rate, noise_shape, sampler, lambda: None, name, default_name)

    return drop


def exchange(plain: Callable[..., Any], make: Make, how: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    """A generated function; how: from its arguments, by name, the dtype, the shape and further inputs of the draw."""
    names = plain.__code__.co_varnames[: plain.__code__.co_argcount] if hasattr(plain, "__code__") else ()

    def draw(*args: Any, **named: Any) -> Any:
        at = At(caller(2), layer)
        if shared(at) is None:
            return plain(*args, **named)
        return drawn(at, make, *how(**dict(zip(names, args, strict=False)), **named))

    return draw


def typed(shape: Any, dtype: Any = tf.float32, **_: Any) -> tuple[Any, ...]:
    """Of a function that takes a shape and a dtype."""
    return dtype, shape


def ranged(shape: Any, minval: Any, maxval: Any, **_: Any) -> tuple[Any, ...]:
    """Of a function that takes a range."""
    low, high = tf.convert_to_tensor(minval), tf.convert_to_tensor(maxval)
    return low.dtype, shape, low, high


def by_logits(logits: Any, num_samples: Any, output_dtype: Any = tf.int64, **_: Any) -> tuple[Any, ...]:
    """Of a function that takes logits."""
    logits = tf.convert_to_tensor(logits)
    return output_dtype, tf.stack([tf.shape(logits)[0], tf.cast(num_samples, tf.int32)]), logits


def by_counts(shape: Any, counts: Any, probs: Any, dtype: Any = tf.int64, **_: Any) -> tuple[Any, ...]:
    """Of a binomial."""
    return dtype, shape, tf.convert_to_tensor(counts), tf.convert_to_tensor(probs)


def by_rate(shape: Any, lam: Any, dtype: Any, **_: Any) -> tuple[Any, ...]:
    """Of a Poisson distribution whose shape is all of it."""
    return dtype, shape, tf.convert_to_tensor(lam)


def before_rate(shape: Any, rate: Any, dtype: Any = tf.int64, **_: Any) -> tuple[Any, ...]:
    """Of one whose shape comes before that of its parameter."""
    rate = tf.convert_to_tensor(rate)
    return dtype, tf.concat([tf.cast(shape, tf.int32), tf.shape(rate)], 0), rate


def gamma(plain: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    """A gamma distribution, through which its shape parameter has a gradient. before: its shape comes before alpha's."""

    def draw(shape: Any, *args: Any, alpha: Any = None, **named: Any) -> Any:
        at = At(caller(2), layer)
        if shared(at) is None:
            return plain(shape, *args, **named) if alpha is None else plain(shape, *args, alpha=alpha, **named)
        parameter = tf.convert_to_tensor(args[0] if alpha is None else alpha)
        size = tf.concat([tf.cast(shape, tf.int32), tf.shape(parameter)], 0) if before else shape

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def sampled(every: Any) -> Any:
            made = drawn(at, gammas, every.dtype, size, every)
            return made, lambda upstream: upstream * gen_random_ops.random_gamma_grad(every, made)

        return sampled(tf.broadcast_to(parameter, size))

    return draw


def shuffle(plain: Callable[..., Any]) -> Callable[..., Any]:
    """``tf.random.shuffle`` and its like: rows in the order of the stream."""

    def draw(value: Any, *args: Any, **named: Any) -> Any:
        at = At(caller(2), layer, known="order")
        if shared(at) is None:
            return plain(value, *args, **named)
        value = tf.convert_to_tensor(value)
        return tf.gather(value, drawn(at, order, tf.int64, tf.shape(value)[:1]))

    return draw


def keras_shuffle(plain: Callable[..., Any]) -> Callable[..., Any]:
    """``keras.random.shuffle``, which orders by uniform numbers."""

    def draw(x: Any, axis: int = 0, seed: Any = None) -> Any:
        at = At(caller(2), layer, known="order")
        if shared(at) is None:
            return plain(x, axis, seed)
        x = tf.convert_to_tensor(x)
        return tf.gather(x, drawn(at, order, tf.int64, tf.shape(x)[axis : axis + 1]), axis=axis)

    return draw


def dataset_shuffle(plain: Callable[..., Any]) -> Callable[..., Any]:
    """``Dataset.shuffle`` in the order of the stream; one by a buffer smaller than the data is another law, and is noted."""

    def ordered(
        self: Any, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: Any = True, name: Any = None
    ) -> Any:
        at = At(caller(2), layer, known="order")
        run = shared(at)
        if run is None:
            return plain(self, buffer_size, seed, reshuffle_each_iteration, name)
        number = int(self.cardinality()) if tf.executing_eagerly() else -1
        whole_data = all(
            isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined()
            for spec in tf.nest.flatten(self.element_spec)
        )
        if number < 1 or not whole_data:
            run.left_out("Dataset.shuffle of elements whose number or shape is not known", at)
            return plain(self, buffer_size, seed, reshuffle_each_iteration, name)
        if buffer_size < number:
            run.in_order("order", number, at, int(buffer_size))
            return plain(self, buffer_size, seed, reshuffle_each_iteration, name)
        where = at.settled()
        once: list[Array] = []

        def permutation() -> Array:
            if once and reshuffle_each_iteration is False:
                return once[0]
            called = "order kept" if reshuffle_each_iteration is False else "order"
            once[:] = [current().permutation(number, where, name=called)]
            return once[0]

        def rows(*elements: Any) -> Any:
            taken = tf.ensure_shape(tf.numpy_function(permutation, [], tf.int64), (number,))
            parts = elements if isinstance(self.element_spec, tuple) else elements[0]
            return tf.nest.map_structure(lambda part: tf.gather(part, taken), parts)

        made = self.batch(number).map(rows).unbatch()
        return made.apply(tf.data.experimental.assert_cardinality(number))

    return ordered


def own(plain: Callable[..., Any], name: str) -> Callable[..., Any]:
    """An operation that goes on drawing from TensorFlow's own generator, which is noted."""

    def draw(*args: Any, **named: Any) -> Any:
        at = At(caller(2), layer)
        run = shared(at)
        if run is not None:
            run.left_out(name, at)
        return plain(*args, **named)

    return draw


OWN: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (gen_random_ops, ("parameterized_truncated_normal",)),
    (gen_stateless_random_ops, ("stateless_parameterized_truncated_normal",)),
    (gen_stateful_random_ops, ("stateful_random_binomial", "non_deterministic_ints")),
    (
        gen_candidate_sampling_ops,
        (
            "all_candidate_sampler", "fixed_unigram_candidate_sampler", "learned_unigram_candidate_sampler",
            "log_uniform_candidate_sampler", "thread_unsafe_unigram_candidate_sampler", "uniform_candidate_sampler",
        ),
    ),
    (gen_nn_ops, ("fractional_avg_pool", "fractional_max_pool")),
    (gen_image_ops, ("sample_distorted_bounding_box", "sample_distorted_bounding_box_v2")),
)  # fmt: skip
"""Generated functions that are not shared."""


def patches() -> Iterator[tuple[Any, str, Any]]:
    """Owner, attribute, and what stands there while a run goes on."""
    stateful, stateless, second = gen_random_ops, gen_stateless_random_ops, gen_stateless_random_ops_v2
    makes: tuple[tuple[Any, str, Make, Callable[..., tuple[Any, ...]]], ...] = (
        (stateful, "random_uniform", uniform, typed),
        (stateful, "random_standard_normal", normal, typed),
        (stateful, "truncated_normal", truncated, typed),
        (stateful, "random_uniform_int", whole, ranged),
        (stateful, "multinomial", chosen, by_logits),
        (stateful, "random_poisson_v2", poissons, before_rate),
        (second, "stateless_random_uniform_v2", uniform, typed),
        (second, "stateless_random_normal_v2", normal, typed),
        (second, "stateless_truncated_normal_v2", truncated, typed),
        (second, "stateless_random_uniform_int_v2", whole, ranged),
        (stateless, "stateless_multinomial", chosen, by_logits),
        (stateless, "stateless_random_poisson", poissons, by_rate),
        (stateless, "stateless_random_binomial", binomials, by_counts),
    )
    for module, name, make, how in makes:
        yield module, name, exchange(getattr(module, name), make, how)
    yield nn_ops, "_dropout", dropout(nn_ops._dropout)
    yield stateful, "random_gamma", gamma(stateful.random_gamma, before=True)
    yield second, "stateless_random_gamma_v3", gamma(second.stateless_random_gamma_v3, before=False)
    yield stateful, "random_shuffle", shuffle(stateful.random_shuffle)
    yield second, "stateless_shuffle", shuffle(second.stateless_shuffle)
    yield keras_random, "shuffle", keras_shuffle(keras_random.shuffle)
    yield dataset_ops.DatasetV2, "shuffle", dataset_shuffle(dataset_ops.DatasetV2.shuffle)
    for module, names in OWN:
        for name in names:
            yield module, name, own(getattr(module, name), name)


class Exchanged:
    """The functions that stand in TensorFlow's place, for as many runs as want them."""

    def __init__(self) -> None:
        self.runs = 0
        self.new = list(patches())
        self.was: list[tuple[Any, str, Any]] = []

    def put(self) -> None:
        """Exchange them, if no run has done so."""
        self.runs += 1
        if self.runs == 1:
            self.was = [(owner, name, vars(owner)[name]) for owner, name, _ in self.new]
            for owner, name, new in self.new:
                setattr(owner, name, new)

    def take_back(self) -> None:
        """Put TensorFlow's own back, once no run wants others."""
        self.runs -= 1
        if self.runs == 0:
            for owner, name, old in self.was:
                setattr(owner, name, old)


EXCHANGED = Exchanged()


@contextmanager
def exchanged() -> Iterator[None]:
    """Inside, TensorFlow draws from the stream of the run that goes on."""
    EXCHANGED.put()
    try:
        yield
    finally:
        EXCHANGED.take_back()
