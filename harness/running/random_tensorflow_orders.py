"""Shuffling in TensorFlow and Keras: of rows, and of data sets, in the order of the shared stream."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from harness.contract.recipes import Array
from harness.faithful.traced import as_it_stands
from harness.running.draw_places import At, caller
from harness.running.random_tensorflow_graph import current, drawn, layer, shared
from harness.running.random_tensorflow_numbers import order


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
        if run.still:
            return self
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

        made = self.batch(number).map(as_it_stands(rows)).unbatch()
        return made.apply(tf.data.experimental.assert_cardinality(number))

    return ordered
