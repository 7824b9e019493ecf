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
from tensorflow.python.data.ops import dataset_ops
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
from harness.running.draw_places import At, caller
from harness.running.draws import Draws, now
from harness.running.random_tensorflow_graph import Make, drawn, layer, shared
from harness.running.random_tensorflow_numbers import (
    before_rate,
    binomials,
    by_counts,
    by_logits,
    by_rate,
    chosen,
    gammas,
    normal,
    poissons,
    ranged,
    truncated,
    typed,
    uniform,
    whole,
)
from harness.running.random_tensorflow_orders import dataset_shuffle, keras_shuffle, shuffle


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
        if run is not None and run.still:
            return tf.convert_to_tensor(x)
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
        at.rate = dropped(at.frame) if make is uniform else None
        return drawn(at, make, *how(**dict(zip(names, args, strict=False)), **named))

    return draw


def dropped(frame: FrameType | None) -> float | None:
    """What the dropout of ``faithful`` drops whose call this is in; None if it is in none."""
    for _ in range(NEAR):
        if frame is None:
            return None
        if frame.f_code.co_filename.endswith(DROPOUT):
            return float(frame.f_locals["self"].p)
        frame = frame.f_back
    return None


NEAR, DROPOUT = 8, "/harness/faithful/dropout.py"
"""So many calls lie between a draw and the layer that asks for it, and its file."""


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
