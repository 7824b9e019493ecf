"""Maps of deep nets: many choices in a few steps, each of them proven or said to be open, and a likely guess where none is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from plain_sides import Numbers, PlainSide, Planted, data, side

from harness.contract.alignment import aligned
from harness.contract.likeness import Links
from harness.contract.matching import match
from harness.contract.rows import Row, TensorMap, agree
from harness.contract.sides import Tensor
from harness.contract.units import of_variables

BLOCKS = 4


def right(made: TensorMap, rows: list[Row]) -> dict[tuple[str, ...], bool | None]:
    return agree(made.rows, rows, made)


def sureties(made: TensorMap) -> dict[str, str]:
    return {name: row.surety for row in made.rows for name in row.names}


def port_of(torch: PlainSide, names: Mapping[str, str], order: int = 1, **changed: Any) -> tuple[Planted, list[Row]]:
    """A port whose variables have these names, with matrices the other way round."""
    shapes = {tensor.name: tensor.shape for tensor in torch.tensors}
    rows = [Row((name,), (names[name],), "i o -> o i" if len(shapes[name]) == 2 else None) for name in names]
    variables = [Tensor(names[name], shapes[name][::-1]) for name in names]
    return Planted(torch, variables[::order], rows, **changed), rows


# Pairs of biases in one sum


def summed(blocks: int) -> PlainSide:
    """Residual blocks whose branch and whose way around both end with a bias."""

    def loss(w: Numbers) -> Any:
        h = data(5, 3)
        for block in range(blocks):
            inner = np.tanh(h @ w[f"{block}.conv.weight"].T) @ w[f"{block}.norm.weight"].T
            h = inner + w[f"{block}.norm.bias"] + h @ w[f"{block}.short.weight"].T + w[f"{block}.short.bias"]
        return (np.tanh(h) ** 2 @ data(3)).sum()

    shapes: dict[str, tuple[int, ...]] = {}
    for block in range(blocks):
        shapes |= {f"{block}.conv.weight": (3, 3), f"{block}.norm.weight": (3, 3), f"{block}.norm.bias": (3,)}
        shapes |= {f"{block}.short.weight": (3, 3), f"{block}.short.bias": (3,)}
    return side(shapes, loss)


def named(torch: PlainSide) -> dict[str, str]:
    """Names of variables that say nothing of the reference's."""
    layers = list(dict.fromkeys(tensor.name.rpartition(".")[0] for tensor in torch.tensors))
    parts = {"weight": "kernel", "bias": "bias"}
    return {
        tensor.name: f"net/layer_{layers.index(tensor.name.rpartition('.')[0])}/{parts[tensor.name.split('.')[-1]]}"
        for tensor in torch.tensors
    }


@pytest.mark.parametrize("order", [1, -1])
def test_biases_of_many_sums_take_as_many_steps_as_those_of_one(order: int) -> None:
    steps = []
    for blocks in (1, BLOCKS):
        torch = summed(blocks)
        port, rows = port_of(torch, named(torch), order)
        made = match(torch, port)
        assert made.exact
        assert all(right(made, rows).values()), "chosen by the layer of their weights, which are proven"
        unsure = {name for name, surety in sureties(made).items() if surety == "undetermined"}
        assert unsure == {name for name in named(torch) if name.endswith("bias")}
        assert {surety for name, surety in sureties(made).items() if name not in unsure} == {"proven"}
        steps.append(made.steps)
    assert steps[0] == steps[1] == 6, "two for the tied point, two exchanges on torch's side, two for the generic point"


def test_a_choice_that_no_layer_says_is_made_by_pokes() -> None:
    """Where a variable is alone in its layer, names and order mislead, and the generic point does not agree."""
    torch = summed(2)
    names = {name: f"v{place}" for place, name in enumerate(sorted(named(torch), key=lambda name: name[::-1]))}
    port, rows = port_of(torch, dict(reversed(names.items())))
    made = match(torch, port)
    assert made.exact
    wrong = {name for names, same in right(made, rows).items() if not same for name in names}
    assert wrong <= {name for name, surety in sureties(made).items() if surety == "undetermined"}


# Branches that are told apart


def gates(w: Numbers) -> Any:
    """Two branches of a bias each that gate each other: equal at a tied point, where they hold the same, and not elsewhere."""
    h, total = data(4, 3), 0
    for block in "pq":
        left = h @ w[f"{block}.left.weight"].T + w[f"{block}.left.bias"]
        right = h @ w[f"{block}.right.weight"].T + w[f"{block}.right.bias"]
        # Of third order in the difference, so that no gradient shows it where the two are equal.
        h = np.tanh(left * right + (left - right) ** 3)
        total = total + h @ data(3)
    return total.sum()


def test_what_exchanging_changes_is_proven_by_its_layer_or_by_pokes_and_never_open() -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    for block in "pq":
        for branch in ("left", "right"):
            shapes |= {f"{block}.{branch}.weight": (3, 3), f"{block}.{branch}.bias": (3,)}
    torch = side(shapes, gates)
    for order in (1, -1):
        port, rows = port_of(torch, named(torch), order)
        made = match(torch, port)
        assert made.exact
        assert all(right(made, rows).values())
        assert set(sureties(made).values()) == {"proven"}


# Buffers that the two sides change in different ways


@pytest.mark.parametrize("order", [1, -1])
def test_another_momentum_of_running_statistics_says_nothing_against_the_rows(order: int) -> None:
    norms = ("bn1", "bn2")

    def loss(w: Numbers) -> Any:
        h = np.tanh(data(4, 3) * w["bn1.weight"] + w["bn1.bias"])
        return (np.tanh(h * w["bn2.weight"] + w["bn2.bias"]) @ data(3)).sum()

    def changes(momentum: float) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, seen in (("bn1", data(4, 3)), ("bn2", data(4, 3) ** 2)):
            for part, new in (("running_mean", seen.mean(0)), ("running_var", seen.var(0))):
                made[f"{name}.{part}"] = lambda w, key=f"{name}.{part}", new=new: (
                    (1 - momentum) * w[key] + momentum * new
                )
        return made

    parts = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    names = {f"{bn}.{part}": f"net/norm_{9 - int(bn[-1])}/{other}" for bn in norms for part, other in parts.items()}
    tensors = [Tensor(name, (3,)) for name in names]
    torch = PlainSide(tensors, loss, changes=changes(0.1))
    slower = PlainSide(tensors, loss, changes=changes(0.01))
    port, rows = port_of(slower, names, order)
    made = match(torch, port)
    assert made.exact
    assert all(right(made, rows).values())
    assert sureties(made) == {name: "layer" if "running" in name else "proven" for name in names}
    # The twin: a gradient that differs does say something.
    port, _ = port_of(PlainSide(tensors, lambda w: loss(w) + (w["bn1.bias"] ** 2).sum(), changes=changes(0.1)), names)
    assert not match(torch, port).exact


# Packed along the last axis


def test_a_projection_that_is_packed_along_its_last_axis_is_found_in_three_variables() -> None:
    """As transformers' GPT-2 has it."""

    def loss(w: Numbers) -> Any:
        x = data(5, 4)
        q, k, v = np.split(x @ w["c_attn.weight"] + w["c_attn.bias"], 3, axis=-1)
        scores = np.exp(q @ k.T / 2)
        return (np.tanh((scores / scores.sum(-1, keepdims=True)) @ v @ w["c_proj.weight"]) @ data(4)).sum()

    torch = side({"c_attn.weight": (4, 12), "c_attn.bias": (12,), "c_proj.weight": (4, 4)}, loss)
    parts = ("query", "key", "value")
    rows = [
        Row(("c_attn.weight",), tuple(f"att/{part}/kernel" for part in parts), "n i h d -> i (n h d)"),
        Row(("c_attn.bias",), tuple(f"att/{part}/bias" for part in parts), "n h d -> (n h d)"),
        Row(("c_proj.weight",), ("att/output/kernel",), "h d o -> (h d) o"),
    ]
    shapes = {name: (4, 2, 2) if "kernel" in name else (2, 2) for row in rows for name in row.variables}
    shapes["att/output/kernel"] = (2, 2, 4)
    for order in (1, -1):
        made = match(torch, Planted(torch, [Tensor(name, shape) for name, shape in shapes.items()][::order], rows))
        assert made.exact
        assert all(right(made, rows).values()), made.rows
        assert sureties(made)["c_attn.weight"] == sureties(made)["c_proj.weight"] == "proven"


# A port with a mistake


def stack(w: Numbers, off: float = 0.0) -> Any:
    h = data(5, 3)
    for layer in range(6):
        h = np.tanh(h @ w[f"{layer}.weight"].T + w[f"{layer}.bias"]) + off * h**2
    return (h**2 @ data(3)).sum()


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_port_with_a_mistake_what_is_open_goes_by_the_order_of_layers(order: int) -> None:
    """Nothing is proven, no wrong row is called supported, and the guess is right whichever way the layers run."""
    shapes = {
        f"{layer}.{part}": (3, 3)[: 2 if part == "weight" else 1] for layer in range(6) for part in ("weight", "bias")
    }
    torch = side(shapes, stack)
    # Numbers in the names that belong to other layers than they seem to.
    names = {name: f"net/dense_{(int(name[0]) + 3) % 7}/{'kernel' if 'weight' in name else 'bias'}" for name in shapes}
    port, rows = port_of(torch, names, order, loss=lambda w: stack(w, 0.3))
    made = match(torch, port)
    assert not made.exact
    assert set(sureties(made).values()) <= {"supported", "ambiguous"}
    assert all(right(made, rows).values()), made.rows


def test_layers_are_aligned_by_what_they_hold_and_by_names_that_say_the_same() -> None:
    def units(*tensors: tuple[str, tuple[int, ...]]) -> Any:
        listed = [Tensor(*tensor) for tensor in tensors]
        return of_variables(listed, listed)

    ours = units(("a.weight", (3, 3)), ("a.bias", (3,)), ("b.weight", (3, 3)), ("c.weight", (3, 3)))
    theirs = units(("x/kernel", (3, 3)), ("x/bias", (3,)), ("y/kernel", (3, 3)), ("z/kernel", (3, 3)))
    assert aligned(ours, theirs, Links()) == {"a": "x", "b": "y", "c": "z"}
    assert aligned(ours, theirs[::-1], Links()) == {"a": "x", "b": "y", "c": "z"}
    ours = units(("at.k_proj.weight", (3, 3)), ("at.v_proj.weight", (3, 3)), ("at.q_proj.weight", (3, 3)))
    theirs = units(("at/k_proj/kernel", (3, 3)), ("at/q_proj/kernel", (3, 3)), ("at/v_proj/kernel", (3, 3)))
    assert aligned(ours, theirs, Links()) == {f"at.{part}_proj": f"at/{part}_proj" for part in "kvq"}


def test_a_layer_that_holds_less_than_the_ports_leaves_the_rest_of_it_to_others() -> None:
    """An encoder's layer that has its norm's tensors itself: before the mistake both norms put out the same, and so do they."""

    def outputs(w: Numbers, wrong: bool = False) -> dict[tuple[str, ...], Any]:
        h = np.tanh(data(5, 3) @ w["linear.weight"].T) * w["norm.weight"]
        return {
            ("linear.weight",): data(5, 3) @ w["linear.weight"].T,
            ("norm.weight",): h,
            ("head.weight",): (np.sin if wrong else np.tanh)(h) @ w["head.weight"].T,
        }

    shapes = {"linear.weight": (3, 3), "norm.weight": (3,), "head.weight": (3, 3)}
    torch = side(shapes, lambda w: (outputs(w)["head.weight",] @ data(3)).sum(), layers=outputs)
    names = {"linear.weight": "block/linear/kernel", "norm.weight": "block/norm.weight", "head.weight": "head/kernel"}
    port, rows = port_of(torch, names, loss=lambda w: (outputs(w, wrong=True)["head.weight",] @ data(3)).sum())

    class Joined(Planted):
        """One layer of the port's holds the norm's tensor and the linear kernel."""

        def step(self, values: Numbers) -> Any:
            made = super().step(values)
            layers = {("block/linear/kernel", "block/norm.weight"): np.real(outputs(self.here(values))["norm.weight",])}
            return replace(made, layers=layers)

    joined = Joined(port.torch, port.variables, port.rows, port.loss)
    made = match(torch, joined)
    assert not made.exact
    assert made.left == ((), ())
    assert all(right(made, rows).values()), made.rows
