"""RNN, GRU and LSTM with PyTorch's gates, its two biases, its layers and directions, and its packed sequences."""

import math
from typing import Any

import keras
import tensorflow as tf

from harness.faithful.dropout import Dropout
from harness.faithful.over_time import State, over_time
from harness.faithful.part import Part, symmetric_uniform


class Recurrent(Part):
    """What the three share: the weights, the stack of layers and directions, and what lengths mean.

    Called as torch's modules are: `layer(x, hx)` with x of shape (time, batch, input_size), or
    (batch, time, input_size) with `batch_first=True`; the answer is `(output, last state)`. Output is
    (time, batch, directions * hidden_size), batch first if told; every state is (num_layers * directions, batch,
    hidden_size) whatever `batch_first` says, layer by layer, forward before backward; zeros if not given.

    `lengths` (batch,) does what packing the batch does: the last state is that of each sequence's own last step, the
    backward direction starts there, and the output is zero behind it. `dropout` acts between layers only; `keep` may
    give its masks, one of the output's shape (time first) for each layer but the last.

    Weights, per layer k, the backward direction's ending in `_reverse`: `weight_ih_lk` (gates * hidden, inputs),
    `weight_hh_lk` (gates * hidden, hidden), `bias_ih_lk`, `bias_hh_lk` (gates * hidden,). There are two biases because
    each gets the whole gradient: their sum learns twice as fast as the one bias that Keras has.

    Raises ValueError for sizes that are not the layer's and for sequences without a batch axis or without a step, and
    `tf.errors.InvalidArgumentError` for lengths below 1 or beyond the sequences (not under XLA).
    """

    ARGUMENTS: tuple[str, ...] = (
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
    )
    GATES = 1
    STATES = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        **options: Any,
    ) -> None:
        if proj_size and self.STATES == 1:
            raise TypeError(f"{type(self).__name__} takes no proj_size, only LSTM does")
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError(
                f"input_size {input_size}, hidden_size {hidden_size} and num_layers {num_layers} must be at least 1"
            )
        super().__init__(**options)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, dropout, bidirectional
        self.proj_size = proj_size
        self._between = Dropout(dropout, dtype=self.dtype_policy)
        self._suffixes = [
            [f"_l{layer}{way}" for way in ("", "_reverse")[: 1 + bidirectional]] for layer in range(num_layers)
        ]
        bound, rows = 1.0 / math.sqrt(hidden_size), self.GATES * hidden_size
        for layer, suffixes in enumerate(self._suffixes):
            inputs = input_size if layer == 0 else self._sizes[0] * len(suffixes)
            for suffix in suffixes:
                self.parameter(f"weight_ih{suffix}", (rows, inputs), symmetric_uniform(bound))
                self.parameter(f"weight_hh{suffix}", (rows, self._sizes[0]), symmetric_uniform(bound))
                if bias:
                    self.parameter(f"bias_ih{suffix}", (rows,), symmetric_uniform(bound))
                    self.parameter(f"bias_hh{suffix}", (rows,), symmetric_uniform(bound))
                if proj_size:
                    self.parameter(f"weight_hr{suffix}", (proj_size, hidden_size), symmetric_uniform(bound))

    @property
    def _sizes(self) -> tuple[int, ...]:
        """The width of each state; the first one is the output's."""
        return (self.proj_size or self.hidden_size, self.hidden_size)[: self.STATES]

    def call(
        self,
        inputs: Any,
        hx: Any = None,
        lengths: Any = None,
        keep: Any = None,
        training: bool | None = None,
    ) -> tuple[Any, Any]:
        if inputs.shape.rank != 3 or inputs.shape[2] != self.input_size or 0 in inputs.shape[:2]:
            raise ValueError(
                f"{self.name} takes a batch of sequences of {self.input_size} numbers, of rank 3, not {inputs.shape}"
            )
        x = tf.transpose(inputs, (1, 0, 2)) if self.batch_first else inputs
        given = self._given(hx, x)
        within = None
        if lengths is not None:
            lengths = tf.cast(lengths, tf.int32)
            steps = x.shape[0] if x.shape[0] is not None else tf.shape(x)[0]
            short = tf.debugging.assert_positive(lengths, f"{self.name}: a length is not at least 1")
            long = tf.debugging.assert_less_equal(lengths, steps, f"{self.name}: a length is beyond the sequences")
            with tf.control_dependencies([short, long]):
                lengths = tf.identity(lengths)
            within = tf.range(steps)[:, None, None] < lengths[None, :, None]

        finals: list[State] = []
        for layer, suffixes in enumerate(self._suffixes):
            outputs = []
            for suffix in suffixes:
                start = tuple(state[len(finals)] for state in given)
                backward = suffix.endswith("_reverse")
                ordered = self._reversed(x, lengths) if backward else x
                output, final = self._direction(ordered, start, within, suffix)
                outputs.append(self._reversed(output, lengths) if backward else output)
                finals.append(final)
            x = tf.concat(outputs, -1) if len(outputs) > 1 else outputs[0]
            if self.dropout and layer < self.num_layers - 1:
                x = self._between(x, keep=None if keep is None else keep[layer], training=training)

        output = tf.transpose(x, (1, 0, 2)) if self.batch_first else x
        last = tuple(tf.stack(states) for states in zip(*finals, strict=True))
        return output, (last if self.STATES > 1 else last[0])

    def _given(self, hx: Any, x: Any) -> list[Any]:
        rows = sum(map(len, self._suffixes))
        if hx is None:
            return [tf.zeros((rows, tf.shape(x)[1], size), x.dtype) for size in self._sizes]
        states = list(hx) if self.STATES > 1 else [hx]
        for state, size in zip(states, self._sizes, strict=True):
            if not tf.TensorShape((rows, x.shape[1], size)).is_compatible_with(state.shape):
                raise ValueError(f"{self.name} takes states of shape {(rows, x.shape[1], size)}, not {state.shape}")
        return states

    @staticmethod
    def _reversed(x: Any, lengths: Any) -> Any:
        if lengths is None:
            return tf.reverse(x, [0])
        return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)

    def _direction(self, x: Any, start: State, within: Any, suffix: str) -> tuple[Any, State]:
        def weight(name: str) -> Any:
            return tf.convert_to_tensor(getattr(self, f"{name}{suffix}"))

        # One product over all steps: only the recurrent half has to wait for the step before.
        flat = tf.reshape(x, (-1, x.shape[-1]))
        projected = tf.matmul(flat, weight("weight_ih"), transpose_b=True)
        if self.bias:
            projected = projected + weight("bias_ih")
        projected = tf.reshape(projected, (*self._leading(x), self.GATES * self.hidden_size))
        recurrent, bias = weight("weight_hh"), weight("bias_hh") if self.bias else None
        project = weight("weight_hr") if self.proj_size else None

        def step(values: State, state: State) -> State:
            after = self._cell(values[0], tf.matmul(state[0], recurrent, transpose_b=True), bias, state)
            if project is not None:
                after = (tf.matmul(after[0], project, transpose_b=True), *after[1:])
            if len(values) == 1:
                return after
            return tuple(tf.where(values[1], new, old) for new, old in zip(after, state, strict=True))

        start = tuple(
            tf.ensure_shape(tf.cast(state, x.dtype), (x.shape[1], size))
            for state, size in zip(start, self._sizes, strict=True)
        )
        output, last = over_time(step, (projected,) if within is None else (projected, within), start)
        if within is not None:
            output = tf.where(within, output, tf.zeros_like(output))
        return output, last

    @staticmethod
    def _leading(x: Any) -> tuple[Any, Any]:
        dynamic = tf.shape(x)
        steps, batch = x.shape[0], x.shape[1]
        return (dynamic[0] if steps is None else steps, dynamic[1] if batch is None else batch)

    def _cell(self, from_input: Any, from_state: Any, bias: Any, state: State) -> State:
        """The state after a step, from both projections (batch, gates * hidden); `bias` is not yet in `from_state`.

        Each kind of cell has its own.
        """
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="twinloop")
class RNN(Recurrent):
    """`torch.nn.RNN`: h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu by `nonlinearity`. See Recurrent."""

    ARGUMENTS = (*Recurrent.ARGUMENTS, "nonlinearity")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, **options)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'nonlinearity is "tanh" or "relu", not {nonlinearity!r}')
        self.nonlinearity = nonlinearity

    def _cell(self, from_input: Any, from_state: Any, bias: Any, state: State) -> State:  # noqa: ARG002  (as the gated ones)
        total = from_input + from_state
        if bias is not None:
            total = total + bias
        return (tf.tanh(total) if self.nonlinearity == "tanh" else tf.nn.relu(total),)


@keras.saving.register_keras_serializable(package="twinloop")
class GRU(Recurrent):
    """`torch.nn.GRU`: gates in the order reset, update, new; reset acts after the recurrent product, bias included.

    See Recurrent for the call and the weights.
    """

    GATES = 3

    def _cell(self, from_input: Any, from_state: Any, bias: Any, state: State) -> State:
        if bias is not None:
            from_state = from_state + bias
        gates, new = tf.split(from_input, [2 * self.hidden_size, self.hidden_size], -1)
        gates_state, new_state = tf.split(from_state, [2 * self.hidden_size, self.hidden_size], -1)
        reset, update = tf.split(tf.sigmoid(gates + gates_state), 2, -1)
        candidate = tf.tanh(new + reset * new_state)
        return (candidate + update * (state[0] - candidate),)


@keras.saving.register_keras_serializable(package="twinloop")
class LSTM(Recurrent):
    """`torch.nn.LSTM`: gates in the order input, forget, cell, output; the state is the pair (h, c).

    No forget bias is added. With `proj_size` h, and so the output, is what `weight_hr_lk` (proj_size, hidden_size)
    makes of it, and has that width. See Recurrent for the call and the other weights.
    """

    ARGUMENTS = (*Recurrent.ARGUMENTS, "proj_size")
    GATES = 4
    STATES = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        **options: Any,
    ) -> None:
        if proj_size and not 0 < proj_size < hidden_size:
            raise ValueError(f"proj_size is {proj_size}; it must be below hidden_size {hidden_size}, and 0 for none")
        sizes = (input_size, hidden_size, num_layers)
        super().__init__(*sizes, bias, batch_first, dropout, bidirectional, proj_size, **options)

    def _cell(self, from_input: Any, from_state: Any, bias: Any, state: State) -> State:
        total = from_input + from_state
        if bias is not None:
            total = total + bias
        into, forget, cell, out = tf.split(total, 4, -1)
        c = tf.sigmoid(forget) * state[1] + tf.sigmoid(into) * tf.tanh(cell)
        return tf.sigmoid(out) * tf.tanh(c), c
