"""An unchanged TensorFlow training function, seen through TensorFlow's and Keras' own entry points.

Eagerly, a step is over when an optimizer has applied gradients. In a traced function it is when the outermost call returns,
which covers ``tf.function``, ``fit``, ``train_on_batch`` and a ``train_step`` of one's own alike.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common.stateless_scope import in_stateless_scope
from tensorflow.python.eager import backprop, record
from tensorflow.python.eager.polymorphic_function import concrete_function, polymorphic_function
from tensorflow.python.ops import clip_ops

from harness.contract.unmapped import HELD
from harness.errors import UsageError
from harness.faithful.traced import as_it_stands
from harness.running import capture_tensorflow_legacy
from harness.running.capture import Driven, variables
from harness.running.capture_tensorflow_cells import Applied, Block, Seen, enclosing, names, shown
from harness.running.capture_tensorflow_optimizers import Optimizers
from harness.running.capture_tensorflow_values import tensors, value_of
from harness.running.legacy_keras import classes

CLIPS = ("clip_by_global_norm", "clip_by_norm", "clip_by_value")
FAITHFUL = ("clip_grad_norm", "clip_grad_value", "clip_grads_with_norm")
"""Functions that clip gradients, or a single one: TensorFlow's, and those that do as torch's."""


class Pass:
    """One pass of a training function with the hooks in. ``told`` is called, inside it, at each step.

    values: what variables start from, by the order in which they are created. first: called before gradients are first
    applied, be it only in a trace: all models are there by then, and nothing has changed them.
    roots: the models that were called under a tape. called: those called otherwise.
    """

    def __init__(
        self,
        train: Callable[[], Any],
        told: Callable[[Applied], None],
        values: Mapping[int, Any] | None = None,
        *,
        first: Callable[[], None] = lambda: None,
    ) -> None:
        self.told, self.values = told, values or {}
        self.created: list[Any] = []
        self.trainable: set[int] = set()
        self.roots: list[Any] = []
        self.called: list[Any] = []
        self.eager = Seen()
        self.blocks: dict[int, Block] = {}
        self.begun: dict[int, int] = {}
        self.layers = self.calls = 0
        self.undo: list[Callable[[], Any]] = []
        self.driven = Driven(lambda _: train())
        self.optimizers = Optimizers(self.driven, first, self.applied)
        self.legacy = classes()
        self.layer: tuple[Any, ...] = (keras.layers.Layer, *([self.legacy.layer] if self.legacy else []))

    def __next__(self) -> Any:
        if not self.undo:
            self.put()
        return next(self.driven)

    def close(self) -> None:
        """End the function, and take the hooks out."""
        try:
            self.driven.close()
        finally:
            while self.undo:
                self.undo.pop()()
            self.blocks.clear()

    # The hooks

    def put(self) -> None:
        """Put the hooks in."""
        scope = tf.variable_creator_scope(self.creator)
        scope.__enter__()
        self.undo.append(lambda: scope.__exit__(None, None, None))
        self.exchange(polymorphic_function.Function, "__call__", self.function_call)
        self.exchange(concrete_function.ConcreteFunction, "_call_flat", self.graph_call)
        self.exchange(keras.layers.Layer, "__call__", self.layer_call)
        self.exchange(backprop.GradientTape, "gradient", self.gradient)
        self.optimizers.put(self.exchange)
        if self.legacy is not None:
            self.exchange(self.legacy.layer, "__call__", self.layer_call)
            capture_tensorflow_legacy.put(self.legacy, self.exchange, self.optimizers)
        from harness import faithful
        from harness.faithful import clipping

        for owner in (tf, clip_ops):
            for name in CLIPS:
                self.exchange(owner, name, self.clipping)
        for name in FAITHFUL:
            getattr(faithful, name)  # which keeps what it finds at the first time
            for owner in (faithful, clipping):
                self.exchange(owner, name, self.clipping)

    def exchange(self, owner: Any, name: str, wrapped: Callable[[Any], Any]) -> None:
        """Put a wrapper in the place of an attribute until ``close``; AutoGraph leaves it alone."""
        plain = vars(owner)[name]
        setattr(owner, name, as_it_stands(functools.wraps(plain)(wrapped(plain))))
        self.undo.append(lambda: setattr(owner, name, plain))

    def creator(self, following: Any, **asked: Any) -> Any:
        """A variable is created: with its starting value, if it has one."""
        if not self.driven.inside:
            return following(**asked)
        number = len(self.created)
        value = self.values.get(number)
        self.created.append(None)
        if value is not None:
            asked["initial_value"] = lambda: tf.constant(value, asked.get("dtype"))
        made = self.created[number] = following(**asked)
        if made.trainable:
            self.trainable.add(id(made))
        if value is not None and tuple(made.shape) != value.shape:
            raise UsageError(
                f"{made.name} was created with the shape {value.shape} at first, and now with {tuple(made.shape)}: the "
                "training function makes other variables when it is run again"
            )
        return made

    @property
    def seen(self) -> Seen:
        """What was seen where we are: eagerly, or in the graph that is being traced."""
        return self.eager if tf.executing_eagerly() else self.block.seen

    @property
    def block(self) -> Block:
        """The block of the graph that is being traced."""
        graph = tf.compat.v1.get_default_graph()
        if id(graph) not in self.blocks:
            self.blocks[id(graph)] = Block(graph)
        return self.blocks[id(graph)]

    def traced(self) -> int:
        """How many steps the call that is being traced makes before what is traced now."""
        within = list(enclosing(tf.compat.v1.get_default_graph()))
        again = {names(graph) for graph in within}  # an earlier trace of what is traced now
        blocks = {
            block.name: block
            for block in self.blocks.values()
            if block.name not in again or any(block.graph is graph for graph in within)
        }
        outermost = within[-1]
        return sum(len(block.applied) for block in blocks.values() if list(enclosing(block.graph))[-1] is outermost)

    def function_call(self, plain: Any) -> Any:
        """The outermost call of a traced function: when it returns, its steps are over."""

        def call(function: Any, *args: Any, **kwargs: Any) -> Any:
            if self.calls or not self.driven.inside or not tf.executing_eagerly():
                return plain(function, *args, **kwargs)
            self.calls += 1
            self.begun = {}
            try:
                made = plain(function, *args, **kwargs)
            except BaseException:
                for block in self.blocks.values():
                    block.counted()  # a call that raised, as at the end of the data, has made no step
                raise
            finally:
                self.calls -= 1
            if self.blocks:
                self.returned()
            return made

        return call

    def graph_call(self, plain: Any) -> Any:
        """A graph is run from Python, which need not ask the graph's own count: a graph inside another is not."""

        def call(function: Any, *args: Any, **kwargs: Any) -> Any:
            made = plain(function, *args, **kwargs)
            if self.blocks and self.driven.inside and tf.executing_eagerly():
                self.begun[id(function.graph)] = self.begun.get(id(function.graph), 0) + 1
            return made

        return call

    def layer_call(self, plain: Any) -> Any:
        """The outermost call of a layer under a tape is a forward pass."""

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if self.layers or not self.driven.inside or in_stateless_scope():
                return plain(layer, *args, **kwargs)
            if HELD.blind and not self.eager.calls and record.could_possibly_record():
                HELD.variables.outputs.clear()  # calls that only build a model came before
            self.layers += 1
            try:
                made = plain(layer, *args, **kwargs)
            finally:
                self.layers -= 1
            outputs = list(tensors(made))
            if outputs and record.could_possibly_record() and layer.trainable_variables:
                self.remember(layer)
                inputs = list(tensors((args, {name: kwargs[name] for name in kwargs if name != "training"})))
                if not tf.executing_eagerly():
                    inputs, outputs = self.block.cells(inputs), self.block.cells(outputs)
                self.seen.calls.append((inputs, outputs))
            elif (
                outputs
                and not self.optimizers.trained
                and layer.variables
                and not any(layer is each for each in self.called)
            ):
                self.called.append(layer)
            return made

        return call

    def remember(self, layer: Any) -> None:
        """Note the outermost model that this layer belongs to."""
        if self.within(layer):
            return
        holding = [
            value
            for _, value in variables()
            if isinstance(value, self.layer) and any(inner is layer for inner in value._flatten_layers())
        ]
        self.roots.append(max(holding or [layer], key=lambda value: len(list(value._flatten_layers()))))

    def within(self, layer: Any) -> bool:
        """Whether a layer is one of the models that were called under a tape, or a part of one."""
        return any(layer is inner for root in self.roots for inner in root._flatten_layers())

    def gradient(self, plain: Any) -> Any:
        """What a tape is asked for: the loss, and gradients as they are before anything is done to them."""

        def gradient(tape: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
            made = plain(tape, target, sources, *args, **kwargs)
            if not self.driven.inside:
                return made
            known = [value_of(source) for source in tf.nest.flatten(sources)]
            if not any(isinstance(source, tf.Variable) for source in known):
                return made
            seen = self.seen
            loss = next(iter(tensors(target)), None)
            if not tf.executing_eagerly():
                loss = self.block.cell(loss)
            seen.losses.append((loss, {id(source) for source in known}))
            for source, of in zip(known, tf.nest.flatten(made), strict=False):
                seen.raw.setdefault(id(source), []).append(of)
                seen.made[id(of)] = of
            return made

        return gradient

    def clipping(self, plain: Any) -> Any:
        """A function that clips: which tensor it made of which."""

        def clip(*args: Any, **kwargs: Any) -> Any:
            made = plain(*args, **kwargs)
            if self.driven.inside and not self.optimizers.applying:
                before = args[0] if args else next(iter(kwargs.values()))
                after = made[0] if isinstance(made, tuple) and not hasattr(made, "_fields") else made
                before, after = ([value] if not isinstance(value, list | tuple) else value for value in (before, after))
                for old, new in zip(before, after, strict=False):
                    if new is not None:
                        older = self.seen.unclipped.get(id(old), (old, old))[1]
                        self.seen.unclipped[id(new)] = (new, older)
            return made

        return clip

    # Steps

    def applied(self, optimizer: Any, handed: list[Any], known: list[Any]) -> None:
        """Gradients were applied: give way, or where a graph is traced, note what it will show."""
        seen = self.seen
        pairs = [(grad, variable) for grad, variable in zip(handed, known, strict=False) if grad is not None]
        grads: dict[int, Any] = {id(variable): None for variable in known}
        clipped: dict[int, Any] = {}
        for grad, variable in pairs:
            grads[id(variable)] = grad
            raw = seen.raw.get(id(variable), [])
            before = seen.unclipped[id(grad)][1] if id(grad) in seen.unclipped else None
            if before is None and id(grad) not in seen.made and len(raw) == 1 and raw[0] is not None:
                before = raw[0]
            if before is not None:
                grads[id(variable)], clipped[id(variable)] = before, grad
        clip = self.optimizers.clip
        if clip is not None and len(clip[1]) == len(pairs):
            clipped |= {id(variable): grad for (_, variable), grad in zip(pairs, clip[1], strict=True)}
        if clipped:
            clipped = {**{id(variable): grad for grad, variable in pairs}, **clipped}
        losses, calls = seen.taken(set(grads))
        rate = self.optimizers.rate
        if tf.executing_eagerly():
            self.told(Applied(optimizer, known, grads, clipped, rate, losses, calls))
            return
        block = self.block
        keep = {id(grad): block.cell(grad) for grad in (*grads.values(), *clipped.values())}
        block.applied.append(
            Applied(
                optimizer,
                known,
                {key: keep[id(grad)] for key, grad in grads.items()},
                {key: keep[id(grad)] for key, grad in clipped.items()},
                block.cell(rate),
                losses,
                calls,
            )
        )

    def returned(self) -> None:
        """The outermost traced call has returned: tell of the steps in the graphs that were run."""
        ran = [(block, times) for key, block in self.blocks.items() if (times := block.ran(self.begun.get(key, 0)))]
        names = {block.name for block, _ in ran}
        for key, block in list(self.blocks.items()):
            if not block.before and block.name in names:  # another trace of the same function took its place
                del self.blocks[key]
        steps: list[Applied] = []
        for block, times in ran:
            if not block.applied:
                continue
            if times > 1:
                raise UsageError(
                    f"{times} steps were made in one call of a traced function, of which only the last can be seen; make "
                    "one step a call: steps_per_execution=1, or the loop over the data outside of tf.function"
                )
            steps += block.applied
        loose = [block.seen for block, _ in ran if not block.applied or block.seen.calls]
        calls = [call for seen in loose for call in seen.calls]
        losses = [loss for seen in loose for loss in seen.losses]
        if not steps:  # the next call may write over the cells
            self.eager.calls += [([*map(shown, inputs)], [*map(shown, outputs)]) for inputs, outputs in calls]
            self.eager.losses += [(shown(loss), of) for loss, of in losses]
            return
        for number, applied in enumerate(steps):
            more = calls if number == 0 else []
            self.told(
                Applied(
                    applied.optimizer, applied.variables, applied.grads, applied.clipped, applied.rate,
                    [*applied.losses, *(loss for loss, of in losses if of & set(applied.grads))],
                    [*more, *applied.calls], alone=len(steps) == 1,
                )
            )  # fmt: skip
