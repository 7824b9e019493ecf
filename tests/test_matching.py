"""The map of tensors by itself, over sides in plain NumPy: what is planted is found, said to be open, or never claimed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_sides import Numbers, PlainSide, Planted, data, side

from harness.contract.matching import match, match_by_values
from harness.contract.port import Port
from harness.contract.rows import Held, Row, TensorMap, agree
from harness.contract.sides import Response, Tensor
from harness.contract.tied import Tie, lopsided, tied
from harness.contract.units import flattened, of_tensors, of_variables


def planted(
    torch: PlainSide, rows: Sequence[Row], shapes: Mapping[str, tuple[int, ...]], loss: Any = None, order: int = 1
) -> Planted:
    return Planted(torch, [Tensor(name, shape) for name, shape in shapes.items()][::order], rows, loss)


def right(made: TensorMap, rows: Sequence[Row]) -> dict[tuple[str, ...], bool | None]:
    return agree(made.rows, rows, made)


def sureties(made: TensorMap) -> dict[str, str]:
    return {name: row.surety for row in made.rows for name in row.names}


# A plain network


def network(w: Numbers) -> Any:
    """Three square layers, whose kernels and biases no shape tells apart."""
    h = data(5, 3)
    for layer in ("a", "b", "c"):
        h = np.tanh(h @ w[f"{layer}.weight"].T + w[f"{layer}.bias"])
    return (h**2 @ data(3)).sum()


SHAPES = {f"{layer}.{part}": (3, 3)[: 2 if part == "weight" else 1] for layer in "abc" for part in ("weight", "bias")}
ROWS = [
    Row((f"{layer}.{part}",), (f"net/{other}/{what}",), "i o -> o i" if part == "weight" else None)
    for layer, other in zip("abc", ("dense_2", "dense", "dense_1"), strict=True)
    for part, what in (("weight", "kernel"), ("bias", "bias"))
]
VARIABLES = {row.variables[0]: SHAPES[row.names[0]] for row in ROWS}


@pytest.mark.parametrize("order", [1, -1])
def test_square_layers_are_told_apart_in_two_steps_a_side_whatever_their_names_and_order(order: int) -> None:
    torch = side(SHAPES, network)
    made = match(torch, planted(torch, ROWS, VARIABLES, order=order))
    assert made.exact
    assert set(sureties(made).values()) == {"proven"}
    assert all(right(made, ROWS).values())
    assert made.steps == 4
    assert made.left == ((), ())


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    st.permutations(["a", "b", "c"]),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.permutations(list(range(6))),
)
def test_any_planted_map_is_found(layers: list[str], turned: list[bool], order: list[int]) -> None:
    rows = []
    for place, layer in enumerate(layers):
        rows.append(Row((f"{layer}.weight",), (f"v{place}/kernel",), "i o -> o i" if turned[place] else None))
        rows.append(Row((f"{layer}.bias",), (f"v{place}/bias",), None))
    torch = side(SHAPES, network)
    shapes = {rows[index].variables[0]: SHAPES[rows[index].names[0]] for index in order}
    made = match(torch, planted(torch, rows, shapes))
    assert made.exact
    assert all(right(made, rows).values())
    assert set(sureties(made).values()) == {"proven"}


@pytest.mark.parametrize("wrong", ["another activation", "a scaled layer", "a missing bias", "a scaled loss"])
@pytest.mark.parametrize("order", [1, -1])
def test_nothing_is_proven_of_a_port_with_a_mistake(wrong: str, order: int) -> None:
    def mistaken(w: Numbers) -> Any:
        h = data(5, 3)
        for layer in ("a", "b", "c"):
            h = h @ w[f"{layer}.weight"].T + (0 if wrong == "a missing bias" and layer == "b" else w[f"{layer}.bias"])
            h = np.sin(h) if wrong == "another activation" and layer == "b" else np.tanh(h)
            h = h * (1.25 if wrong == "a scaled layer" and layer == "b" else 1)
        return (h**2 @ data(3)).sum() * (3 if wrong == "a scaled loss" else 1)

    torch = side(SHAPES, network)
    made = match(torch, planted(torch, ROWS, VARIABLES, mistaken, order))
    assert not made.exact
    assert set(sureties(made).values()) <= {"supported", "ambiguous"}
    held = right(made, ROWS)
    assert all(held[row.names] for row in made.rows if row.surety == "supported"), "a wrong row is not called supported"


def outputs(w: Numbers, wrong: bool = False) -> dict[tuple[str, ...], Any]:
    """What each layer of the network puts out; the third one takes another activation's, if that is wrong."""
    h, made = data(5, 3), {}
    for layer in ("a", "b", "c"):
        names = (f"{layer}.weight", f"{layer}.bias")
        made[names] = h @ w[names[0]].T + w[names[1]]
        h = np.sin(made[names]) if wrong and layer == "b" else np.tanh(made[names])
    return made


def mistaken(w: Numbers) -> Any:
    return (np.tanh(outputs(w, wrong=True)["c.weight", "c.bias"]) ** 2 @ data(3)).sum()


@pytest.mark.parametrize("order", [1, -1])
def test_layers_before_a_mistake_are_proven_by_what_they_put_out_and_none_behind_it(order: int) -> None:
    torch = side(SHAPES, network, layers=outputs)
    port = planted(torch, ROWS, VARIABLES, mistaken, order)
    port.layers = lambda w: outputs(w, wrong=True)
    made = match(torch, port)
    assert not made.exact
    held = right(made, ROWS)
    assert {name for name, surety in sureties(made).items() if surety == "proven"} == {
        "a.weight", "a.bias", "b.weight", "b.bias",
    }  # fmt: skip
    assert all(held[row.names] for row in made.rows if row.surety in ("proven", "supported"))


def scaled(w: Numbers, wrong: bool = False) -> dict[tuple[str, ...], Any]:
    """A layer with two factors and two shifts that could be exchanged, and one tensor that could not."""
    first = np.tanh(data(4, 2) @ w["weight"].T) * w["scale"] * w["gain"] + w["bias"] + w["shift"]
    return {
        ("weight", "scale", "gain", "bias", "shift"): first,
        ("head",): (np.sin if wrong else np.tanh)(first) * w["head"],
    }


def test_tensors_of_a_layer_that_could_be_exchanged_are_not_proven_by_its_output() -> None:
    shapes = {"weight": (3, 2), **dict.fromkeys(("scale", "gain", "bias", "shift", "head"), (3,))}
    rows = [Row((name,), (f"net/v{place}",), None) for place, name in enumerate(shapes)]
    torch = side(shapes, lambda w: (scaled(w)[("head",)] @ data(3)).sum(), layers=scaled)
    port = planted(torch, rows, {row.variables[0]: shapes[row.names[0]] for row in rows})
    port.loss, port.layers = (
        lambda w: (scaled(w, wrong=True)[("head",)] @ data(3)).sum(),
        lambda w: scaled(w, wrong=True),
    )
    made = match(torch, port)
    assert not made.exact
    assert {name for name, surety in sureties(made).items() if surety == "proven"} <= {"weight"}


def twins(w: Numbers, wrong: bool = False) -> dict[tuple[str, ...], Any]:
    """Two equal layers that are summed, before the mistake."""
    left, right = (np.tanh(data(4, 3) @ w[name].T) for name in ("left", "right"))
    return {("left",): left, ("right",): right, ("head",): (np.sin if wrong else np.tanh)(left + right) @ w["head"].T}


def test_twins_are_not_told_apart_by_what_they_put_out() -> None:
    shapes = {"left": (3, 3), "right": (3, 3), "head": (2, 3)}
    rows = [Row((name,), (f"net/v{place}",), "i o -> o i") for place, name in enumerate(shapes)]
    torch = side(shapes, lambda w: (twins(w)[("head",)] @ data(2)).sum(), layers=twins)
    port = planted(torch, rows, {row.variables[0]: shapes[row.names[0]][::-1] for row in rows}, order=-1)
    port.loss, port.layers = lambda w: (twins(w, wrong=True)[("head",)] @ data(2)).sum(), lambda w: twins(w, wrong=True)
    made = match(torch, port)
    assert not made.exact
    assert "proven" not in sureties(made).values()


# What nothing tells apart


def two_biases(w: Numbers) -> Any:
    return (np.tanh(data(4, 2) @ w["weight"].T + w["bias_ih"] + w["bias_hh"]) @ data(3)).sum()


def test_two_biases_in_one_sum_are_said_to_be_undetermined_and_chosen_by_their_names() -> None:
    shapes = {"weight": (3, 2), "bias_ih": (3,), "bias_hh": (3,)}
    rows = [Row((name,), (f"cell/{name}",), None) for name in shapes]
    torch = side(shapes, two_biases)
    for order in (1, -1):
        made = match(torch, planted(torch, rows, {f"cell/{n}": s for n, s in shapes.items()}, order=order))
        assert made.exact
        assert sureties(made) == {"weight": "proven", "bias_ih": "undetermined", "bias_hh": "undetermined"}
        assert all(right(made, rows).values())


def branches(w: Numbers) -> Any:
    """Two equal branches that are summed, each of two layers: which is which cannot be told, but layers belong together."""
    x, total = data(4, 3), 0
    for branch in ("left", "right"):
        total = total + np.tanh(np.tanh(x @ w[f"{branch}.0"].T) @ w[f"{branch}.1"].T)
    return (total @ data(3)).sum()


def test_a_choice_between_equal_branches_is_made_once_and_all_their_layers_follow_it() -> None:
    shapes = {f"{branch}.{layer}": (3, 3) for branch in ("left", "right") for layer in "01"}
    rows = [
        Row((name,), (variable,), "i o -> o i")
        for name, variable in zip(shapes, ("p/kernel", "q/kernel", "r/kernel", "s/kernel"), strict=True)
    ]
    torch = side(shapes, branches)
    for order in ("pqrs", "srqp", "psrq"):  # in the last one, each layer's likeliest choice goes with another branch
        made = match(torch, planted(torch, rows, {f"{letter}/kernel": (3, 3) for letter in order}))
        assert made.exact, "a choice that is not consistent computes something else at a generic point"
        assert set(sureties(made).values()) == {"undetermined"}
        chosen = {row.names[0]: row.variables[0] for row in made.rows}
        assert {chosen["left.0"], chosen["left.1"]} in ({"p/kernel", "q/kernel"}, {"r/kernel", "s/kernel"})


def test_a_mistake_that_no_tied_point_shows_is_seen_at_the_generic_one() -> None:
    torch = side(SHAPES, network)
    port = planted(torch, ROWS, VARIABLES, lambda w: network(w) + ((w["a.weight"] - w["b.weight"]) ** 2).sum())
    made = match(torch, port)
    assert not made.exact
    assert "proven" not in sureties(made).values()


def test_tensors_that_tie_at_the_tied_point_alone_are_told_apart_by_pokes() -> None:
    """Equal layers whose gradients are equal there by symmetry, and not elsewhere: a product of two traces."""

    def loss(w: Numbers) -> Any:
        return np.trace(w["a"] @ data(3, 3)) * np.trace(w["b"] @ data(3, 3)) ** 1 + 0.5 * np.trace(w["b"]) ** 3 * 0

    def uneven(w: Numbers) -> Any:
        return loss(w) + (np.trace(w["a"]) - np.trace(w["b"])) ** 3

    shapes = {"a": (3, 3), "b": (3, 3)}
    rows = [Row(("a",), ("second",), None), Row(("b",), ("first",), None)]
    torch = side(shapes, uneven)
    made = match(torch, planted(torch, rows, {"first": (3, 3), "second": (3, 3)}))
    assert made.exact
    assert sureties(made) == {"a": "proven", "b": "proven"}
    assert all(right(made, rows).values())
    assert made.steps > 4


# Tensors without a gradient


def test_frozen_tensors_are_found_by_what_poking_them_does() -> None:
    torch = side(SHAPES, network, frozen=frozenset(SHAPES))
    made = match(torch, planted(torch, ROWS, VARIABLES, order=-1))
    assert made.exact
    assert set(sureties(made).values()) == {"proven"}
    assert all(right(made, ROWS).values())


def test_buffers_are_found_by_what_the_step_makes_of_them_and_counters_by_their_layer() -> None:
    def loss(w: Numbers) -> Any:
        return (np.tanh(data(4, 3) * w["bn1.weight"]) @ (w["bn2.weight"] ** 2)).sum()

    shapes: dict[str, tuple[int, ...]] = {f"{bn}.{part}": (3,) for bn in ("bn1", "bn2") for part in ("weight", "mean")}
    changes = {
        "bn1.mean": lambda w: 0.9 * w["bn1.mean"] + data(4, 3).mean(0),
        "bn2.mean": lambda w: 0.9 * w["bn2.mean"] + np.tanh(data(4, 3) * w["bn1.weight"]).mean(0),
        "bn1.count": lambda w: w["bn1.count"] + 1,
        "bn2.count": lambda w: w["bn2.count"] + 1,
    }
    tensors = [Tensor(name, shape) for name, shape in shapes.items()]
    tensors += [Tensor(f"{bn}.count", (), whole=True) for bn in ("bn1", "bn2")]
    torch = PlainSide(tensors, loss, changes=changes)
    other = {"bn1": "norm_7", "bn2": "norm_3"}
    rows = [Row((t.name,), (f"{other[t.name[:3]]}/{t.name[4:]}",), None) for t in tensors]
    variables = [Tensor(row.variables[0], t.shape, t.whole) for row, t in zip(rows, tensors, strict=True)]
    for backwards in (False, True):
        made = match(torch, Planted(torch, variables[::-1] if backwards else variables, rows))
        assert made.exact
        assert all(right(made, rows).values())
        found = sureties(made)
        assert {found.pop("bn1.count"), found.pop("bn2.count")} == {"layer"}
        assert set(found.values()) == {"proven"}


def test_a_tensor_without_any_effect_is_not_called_proven() -> None:
    shapes = {"weight": (3, 2), "unused": (5,), "idle": (5,)}

    def loss(w: Numbers) -> Any:
        return (np.tanh(data(4, 2) @ w["weight"].T) @ data(3)).sum() + 0 * w["unused"].sum() + 0 * w["idle"].sum()

    rows = [Row((name,), (f"net/{name}",), None) for name in shapes]
    torch = side(shapes, loss)
    made = match(torch, planted(torch, rows, {f"net/{name}": shape for name, shape in shapes.items()}))
    assert sureties(made) == {"weight": "proven", "unused": "undetermined", "idle": "undetermined"}


# Packed tensors, merged axes, gates, Flatten


def attention(w: Numbers) -> Any:
    x = data(5, 4)
    q, k, v = np.split(x @ w["in_proj_weight"].T + w["in_proj_bias"], 3, axis=-1)
    scores = np.exp(q @ k.T / 2)
    return (np.tanh((scores / scores.sum(-1, keepdims=True)) @ v @ w["out.weight"].T) @ data(4)).sum()


PACKED = {"in_proj_weight": (12, 4), "in_proj_bias": (12,), "out.weight": (4, 4)}
SPLIT = [
    Row(("in_proj_weight",), ("att/query/kernel", "att/key/kernel", "att/value/kernel"), "n i h d -> (n h d) i"),
    Row(("in_proj_bias",), ("att/query/bias", "att/key/bias", "att/value/bias"), "n h d -> (n h d)"),
    Row(("out.weight",), ("att/output/kernel",), "h d o -> o (h d)"),
]


@pytest.mark.parametrize("order", [1, -1])
def test_a_packed_attention_is_found_in_three_variables_with_axes_for_the_heads(order: int) -> None:
    shapes = {name: (4, 2, 2) if "kernel" in name else (2, 2) for row in SPLIT for name in row.variables}
    shapes["att/output/kernel"] = (2, 2, 4)
    torch = side(PACKED, attention)
    made = match(torch, planted(torch, SPLIT, shapes, order=order))
    assert made.exact
    assert all(right(made, SPLIT).values())
    # The key's bias moves every score of a query alike, which the softmax takes back.
    assert sureties(made) == {"in_proj_weight": "proven", "in_proj_bias": "layer", "out.weight": "proven"}


def gated(w: Numbers) -> Any:
    """A GRU's cell over three steps."""
    h = np.zeros((2, 3))
    for x in data(3, 2, 2):
        gi, gh = x @ w["weight_ih"].T + w["bias_ih"], h @ w["weight_hh"].T + w["bias_hh"]
        (ir, iz, inn), (hr, hz, hn) = np.split(gi, 3, -1), np.split(gh, 3, -1)
        r, z = 1 / (1 + np.exp(-ir - hr)), 1 / (1 + np.exp(-iz - hz))
        h = (1 - z) * np.tanh(inn + r * hn) + z * h
    return (h @ data(3)).sum()


def test_the_order_of_gates_is_found_and_both_biases_in_one_variable() -> None:
    shapes = {"weight_ih": (9, 2), "weight_hh": (9, 3), "bias_ih": (9,), "bias_hh": (9,)}
    gates = (("g", "z r n -> r z n"),)
    rows = [
        Row(("weight_ih",), ("cell/kernel",), "i (g o) -> (g o) i", gates),
        Row(("weight_hh",), ("cell/recurrent_kernel",), "i (g o) -> (g o) i", gates),
        Row(("bias_ih", "bias_hh"), ("cell/bias",), "n (g o) -> n (g o)", gates),
    ]
    torch = side(shapes, gated)
    made = match(
        torch, planted(torch, rows, {"cell/kernel": (2, 9), "cell/recurrent_kernel": (3, 9), "cell/bias": (2, 9)})
    )
    assert made.exact
    assert set(sureties(made).values()) == {"proven"}
    assert all(right(made, rows).values())


def flat(w: Numbers) -> Any:
    """A convolution of 1 x 1, in torch's order of channels, and a dense layer behind a Flatten."""
    maps = np.tanh(np.einsum("nchw,oc->nohw", data(2, 2, 2, 3), w["conv.weight"][:, :, 0, 0]))
    return (np.tanh(maps.reshape(2, -1) @ w["fc.weight"].T + w["fc.bias"]) @ data(4)).sum()


def test_the_kernel_behind_a_flatten_is_found_with_its_image_counted_by_the_other_side() -> None:
    shapes = {"conv.weight": (5, 2, 1, 1), "fc.weight": (4, 30), "fc.bias": (4,)}
    rows = [
        Row(("conv.weight",), ("conv/kernel",), "h w i o -> o i h w"),
        Row(("fc.weight",), ("fc/kernel",), "(p c) o -> o (c p)", (("p", 6),)),
        Row(("fc.bias",), ("fc/bias",), None),
    ]
    torch = side(shapes, flat)
    made = match(torch, planted(torch, rows, {"conv/kernel": (1, 1, 2, 5), "fc/kernel": (30, 4), "fc/bias": (4,)}))
    assert made.exact
    assert set(sureties(made).values()) == {"proven"}
    assert all(right(made, rows).values())
    assert made.steps == 6, "the plain point is tried first"


# Where a converter has filled both sides


def test_values_that_a_converter_has_copied_prove_a_row_and_zeros_go_by_their_layer() -> None:
    ours = {name: data(*shape) if len(shape) > 1 else np.zeros(shape) for name, shape in SHAPES.items()}
    # Three kernels of one shape, each with numbers of its own.
    for place, name in enumerate(name for name in ours if name.endswith("weight")):
        ours[name] = ours[name] + place
    theirs = Planted(side(SHAPES, network), [Tensor(n, s) for n, s in VARIABLES.items()], ROWS).there(ours)
    tensors = [Tensor(name, shape) for name, shape in SHAPES.items()]
    variables = [Tensor(name, shape) for name, shape in VARIABLES.items()][::-1]
    made = match_by_values(tensors, variables, ours, theirs)
    assert made.exact
    assert made.steps == 0
    assert all(right(made, ROWS).values())
    assert {row.surety for row in made.rows if row.pattern} == {"proven"}
    assert {row.surety for row in made.rows if not row.pattern} == {"layer"}


def test_values_that_two_tensors_share_prove_nothing() -> None:
    """The twin: without other tensors in their layers nothing is known of them."""
    tensors, variables = [Tensor("a", (3, 3)), Tensor("b", (3, 3))], [Tensor("p", (3, 3)), Tensor("q", (3, 3))]
    same = data(3, 3)
    made = match_by_values(tensors, variables, {"a": same, "b": same}, {"p": same, "q": same})
    assert {row.surety for row in made.rows} == {"ambiguous"}


# What is left, and rows there and back


def test_where_tensorflow_has_one_bias_for_torchs_two_the_second_is_zero_and_left() -> None:
    shapes = {"weight_hh": (3, 2), "bias_ih": (3,), "bias_hh": (3,)}
    torch = side(
        shapes, lambda w: (np.tanh(data(4, 2) @ w["weight_hh"].T + w["bias_ih"] + w["bias_hh"]) @ data(3)).sum()
    )

    class OneBias(Planted):
        def here(self, values: Numbers) -> Numbers:
            return {**super().here(values), "bias_hh": np.zeros(3)}

    rows = [Row(("weight_hh",), ("cell/kernel",), "i o -> o i"), Row(("bias_ih",), ("cell/bias",), None)]
    made = match(torch, OneBias(torch, [Tensor("cell/kernel", (2, 3)), Tensor("cell/bias", (3,))], rows))
    assert made.exact
    assert all(right(made, rows).values())
    assert [tensor.name for tensor in made.left[0]] == ["bias_hh"]


def test_a_second_name_of_a_tied_weight_is_seen_to_be_one_and_left() -> None:
    """As ``state_dict`` gives both names, ``load_state_dict`` loads the last, and ``named_parameters`` has the first."""

    class Tied(PlainSide):
        def step(self, values: Numbers) -> Response:
            self.tensors, every = [tensor for tensor in every_one if tensor.name != "head.weight"], self.tensors
            try:
                known = {name: array for name, array in values.items() if name != "head.weight"}
                made = super().step({**known, "embedding.weight": values["head.weight"]})
            finally:
                self.tensors = every
            after = {
                name: values["head.weight"] if name == "embedding.weight" else array for name, array in known.items()
            }
            return Response(made.numbers, made.grads, after)

    def loss(w: Numbers) -> Any:
        return (
            np.tanh(np.tanh(data(4, 3) @ w["embedding.weight"].T) @ w["embedding.weight"] + w["bias"]) @ data(3)
        ).sum()

    shapes = {"embedding.weight": (3, 3), "bias": (3,), "head.weight": (3, 3)}
    every_one = [Tensor(name, shape) for name, shape in shapes.items()]
    torch = Tied(every_one, loss)
    rows = [Row(("embedding.weight",), ("e/embeddings",), None), Row(("bias",), ("b/bias",), None)]
    plain = side({"embedding.weight": (3, 3), "bias": (3,)}, loss)
    made = match(torch, planted(plain, rows, {"b/bias": (3,), "e/embeddings": (3, 3)}))
    assert made.exact
    assert sureties(made) == {"embedding.weight": "proven", "bias": "proven"}
    assert all(right(made, rows).values())
    assert [tensor.name for tensor in made.left[0]] == ["head.weight"]


def test_what_has_no_counterpart_is_left_and_said() -> None:
    torch = side({**SHAPES, "extra.weight": (7, 2)}, lambda w: network(w) + (w["extra.weight"] ** 2).sum())

    class Lacking(Planted):
        def here(self, values: Numbers) -> Numbers:
            return {**super().here(values), "extra.weight": np.zeros((7, 2))}

    variables = [Tensor(name, shape) for name, shape in VARIABLES.items()] + [Tensor("net/other", (11,))]
    made = match(torch, Lacking(torch, variables, ROWS))
    assert not made.exact
    assert [tensor.name for tensor in made.left[0]] == ["extra.weight"]
    assert [tensor.name for tensor in made.left[1]] == ["net/other"]
    assert "proven" not in sureties(made).values()


@pytest.mark.parametrize(
    ("tensor", "variables"),
    [
        ((4, 3), [(3, 4)]), ((4, 2, 3, 5), [(3, 5, 2, 4)]), ((6, 1, 3, 3), [(3, 3, 2, 3)]), ((12, 4), [(4, 2, 2)] * 3),
        ((4, 4), [(2, 2, 4)]), ((8,), [(1, 1, 8)]), ((1, 5, 8), [(5, 8)]), ((4, 2, 1, 1), [(1, 1, 2, 4)]), ((), [()]),
    ],
)  # fmt: skip
def test_a_row_loads_and_reads_back_what_it_was_given(
    tensor: tuple[int, ...], variables: list[tuple[int, ...]]
) -> None:
    """There and back, for every order of axes that the shapes allow."""
    theirs = [Tensor(f"v{index}", shape) for index, shape in enumerate(variables)]
    ours = [Tensor("t", tensor)]
    there = of_variables(theirs, ours)
    here = of_tensors(ours, there)
    assert len(here) == len(there)
    from harness.contract.axis_orders import arranged, orders, written

    found = orders(there[0].shape, here[0].shape, {})
    assert found
    numbers = np.arange(max(1, int(np.prod(tensor)))).reshape(tensor).astype(float)
    for order in found:
        made = written(theirs[0].shape, there[0].groups, order, here[0].shape, stacked=len(theirs) > 1)
        row = Row(("t",), tuple(t.name for t in theirs), made.pattern, tuple(made.sizes.items()))
        held = {t.name: Held(t.shape) for t in theirs}
        port = Port(row.given(held))
        port.load({"t": numbers})
        assert np.array_equal(port.named(port.variables)["t"].numpy(), numbers)
        for unit, part in zip(there, here, strict=True):
            value = held[unit.tensor.name].value
            assert np.array_equal(arranged(unit.of(value), order, part.shape), part.of(numbers)), (order, made)


def test_tied_values_know_nothing_of_the_order_of_axes() -> None:
    tie = Tie(blocks={12: 4})
    assert np.array_equal(tied((3, 5), tie), tied((5, 3), tie).T)
    assert np.array_equal(tied((12, 5), tie), np.tile(tied((4, 5), tie), (3, 1))), "blocks are alike"
    square = tied((4, 4), tie)
    assert np.array_equal(square, square.T)
    assert len(np.unique(square)) == 10, "and nothing else is"


def test_a_poke_tells_every_axis_and_place_from_all_others() -> None:
    """The twin: tied values cannot."""
    factors = lopsided((4, 4))
    assert len(np.unique(factors)) == 16
    assert np.array_equal(lopsided((4, 1, 4)).reshape(4, 4), factors)


def test_only_the_channels_of_a_convolution_can_make_a_flattened_axis() -> None:
    conv, dense = Tensor("conv", (4, 3, 3, 3)), Tensor("fc", (10, 64))
    assert flattened([conv, dense]) == {64: (16,)}
    assert not flattened([dense])
