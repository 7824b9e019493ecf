"""How far a reference with mistakes in it agrees with the port: by layers, by its own rounding, in either layout, to the end."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from four_runs import LINE, changed, starting, training
from lazily import Lazily, torch

from harness.contract.probes import Probe
from harness.contract.problem import make_problem
from harness.diagnosis import given
from harness.diagnosis.comparing import Comparing
from harness.diagnosis.own_rounding import by_its_own_rounding
from harness.diagnosis.places import END, Heard, Hit, Place, worse
from harness.diagnosis.search import told
from harness.diagnosis.to_the_end import to_the_end
from harness.diagnosis.trials import Trials
from harness.oracle.evidence import Evidence, compare_runs
from harness.oracle.rules import RULES
from harness.running.start import LoopError, Mutant, Mutating, RunSpec
from harness.verdict import Difference

call, calls = Lazily("harness.mutations.call"), Lazily("harness.mutations.calls")

RNG = np.random.default_rng(5)
A, B, C = (RNG.normal(size=(4, size)) for size in (8, 9, 10))


def evidence(torch_loop: Any, port: Any, *, mistaken: Any = None, steps: int = 4) -> Evidence:
    """Two plain loops compared; ``mistaken`` is what a reference with a mistake in it is."""
    own = starting(torch_loop, port)
    other = own if mistaken is None else starting(mistaken, port)
    return compare_runs(
        lambda spec, problem: (other if spec.mutating else own)(spec, problem),
        make_problem(LINE, steps=steps), RULES["four runs"],
    )  # fmt: skip


def one_off(record: dict[str, Any], _step: int, _dtype: Any) -> None:
    record["outputs"] = record["outputs"] + 1


def probe(behind: int, name: str, given_to: Any, made: Any) -> Probe:
    return Probe(behind, (f"{name}.weight",), (given_to,), made)


def test_agreement_is_told_by_layers_where_the_port_s_were_listened_to() -> None:
    """Of two mistakes in front of one output the first that is made in the reference lets the layers before the second agree."""
    comparing = Comparing(evidence(training, changed(training, one_off)))
    port = [probe(0, "one", A, A + 1), probe(1, "two", A + 1, B + 1), probe(2, "three", B + 1, C)]
    comparing.heard = Heard(0, "outputs", port, 1e-10)
    differs = Place(Difference(0, "outputs", "outputs", "values", gap=1.0), (0, 2, 0))

    def layers(one: Any, two: Any) -> dict[str, Any]:
        heard = [(0, "one", A, one), (1, "two", one, two), (2, "three", two, C + 2)]
        return {
            f"probes/{number}\x1f{behind}\x1f{kind}\x1f{name}.weight": array
            for number, (behind, name, given_to, made) in enumerate(heard)
            for kind, array in (("given 0", given_to), ("made", made))
        }

    wrong, better = (comparing.by_layers(differs, layers(*made)) for made in ((A, B), (A + 1, B)))
    assert (str(wrong.parting), str(better.parting)) == ("one", "two")
    assert better.rank > wrong.rank
    elsewhere = Place(Difference(1, "outputs", "outputs", "values"), (1, 2, 0))
    assert comparing.by_layers(elsewhere, layers(A, B)) is elsewhere, "the port was listened to in another step"


def test_layers_that_agree_while_the_end_is_further_off_agree_by_chance() -> None:
    before = Place(Difference(0, "outputs", "outputs", "values", gap=0.5), (0, 2, 1))
    further = Place(Difference(0, "outputs", "outputs", "values", gap=9.0), (0, 2, 3))
    assert worse(further, before)
    assert not worse(Place(Difference(0, "outputs", "outputs", "values", gap=0.6), (0, 2, 3)), before)
    assert not worse(Place(Difference(0, "loss", "loss", "values", gap=9.0), (0, 4, 0)), before)
    assert worse(Place(before.first, (0, 2, 3)), before), "a mistake that changes nothing in the end has done nothing"
    assert not worse(END, before)


def test_a_slot_that_holds_nothing_is_the_same_as_none() -> None:
    """One side makes a momentum of zeros when it is built, the other with the first gradient of a parameter."""
    comparing = Comparing(evidence(training, changed(training, one_off)))
    slot, other = "slots/momentum_buffer/weight", "buffers/mean"
    assert comparing.apart(0, {}, {slot: np.zeros(3)}) is None
    assert comparing.apart(0, {slot: None}, {slot: np.zeros(3)}) is None
    used = comparing.apart(0, {}, {slot: np.ones(3)})
    assert used is not None
    assert used.first == Difference(0, "slots", slot, "missing")
    assert comparing.apart(0, {}, {other: np.zeros(3)}) is not None, "a buffer of zeros is a buffer"


@pytest.mark.parametrize(
    ("change", "shape"),
    [("transposed", (3, 3)), ("mirrored", (2, 2, 3, 3)), ("height and width exchanged", (2, 2, 3, 3)),
     ("reshaped", (4, 2)), ("reshaped", (4, 3, 2, 2)), ("input and output exchanged", (2, 2, 3)), ("blocks kvq", (6, 2))],
)  # fmt: skip
def test_a_layout_can_be_taken_back(change: str, shape: tuple[int, ...]) -> None:
    array = np.arange(float(np.prod(shape))).reshape(shape)
    assert np.array_equal(given.inverse(given.laid(array, change), change), array)


def test_a_record_is_put_back_into_the_reference_s_layout_with_all_that_belongs_to_a_tensor() -> None:
    """A port that uses a square kernel transposed, and is given it as it is, records it as it is."""
    mutant = Mutant("transposed", "x", "outputs", "weights/fc.weight", "fc.weight")
    square, bias = np.arange(9.0).reshape(3, 3), np.ones(3)
    record = {
        "params/fc.weight": square.T, "grads/fc.weight": 2 * square.T, "slots/exp_avg/fc.weight": square.T,
        "slots/step/fc.weight": np.array(2.0), "params/fc.bias": bias, "grads/other.weight": None,
    }  # fmt: skip
    made = given.restored(record, [mutant])
    assert made is not None
    assert [np.array_equal(made[name], record[name].T) for name in list(record)[:3]] == [True] * 3
    assert made["params/fc.bias"] is bias
    assert made["grads/other.weight"] is None
    assert given.restored(record, [Mutant("zeros", "x", "outputs", "weights/fc.weight", "")]) is None
    assert given.restored(record, [Mutant("hyperparameter", "x", "outputs", "hyper/lr", "")]) is None


def test_gates_are_put_back_too() -> None:
    was, settings = (("gates", "ifgo"),), (("gates", "oigf"),)
    mutant = Mutant("gates", "x", "outputs", "weights/lstm", "lstm", settings, was)
    rows = np.repeat(np.arange(4.0), 2)[:, None]
    made = given.restored({"grads/lstm.weight_hh_l0": given.gated(rows, "ifgo", "oigf")}, [mutant])
    assert made is not None
    assert np.array_equal(made["grads/lstm.weight_hh_l0"], rows)


def stirred(scale: float) -> Any:
    """A loop whose outputs move by so many times what its weights do."""

    def stir(record: dict[str, Any], _step: int, dtype: Any) -> None:
        if dtype is np.float64:
            record["outputs"] = (
                np.sin(scale * np.asarray(record["params"]["weight"], np.float64).sum()) + 0 * record["outputs"]
            )

    return changed(training, stir)


@pytest.mark.parametrize(("scale", "explained"), [(1e9, True), (1.0, False)])
def test_what_a_mistake_makes_of_rounding_is_no_further_difference(scale: float, explained: bool) -> None:
    """Adam without its decoupled decay makes steps of any size of a gradient that is zero but for rounding."""
    seen = evidence(training, changed(training, one_off), mistaken=stirred(scale))
    trials = Trials(seen, lambda *_: None)
    record = next(seen.start(RunSpec("torch", "float64", mutating=Mutating()), seen.problem)).arrays
    outputs = record["outputs"]
    assert outputs is not None
    # The port is the same mistake, up to what one unit in the weights makes of it.
    trials.targets = {0: {**record, "outputs": outputs + 1e-8}}
    (left,) = trials.left([[]])
    assert left is not None
    assert left.first is not None
    again = by_its_own_rounding(trials, [], left)
    assert (again.first is None) is explained


def test_what_cannot_be_followed_to_the_end_is_not_proved() -> None:
    seen = evidence(training, changed(training, one_off), mistaken=changed(training, one_off), steps=9)
    hit = told_of(seen)
    assert (hit.cut, hit.first) == (False, None)

    def gone(spec: RunSpec, problem: Any) -> Any:
        if spec.side == "tensorflow":
            raise LoopError("tensorflow", "float64", 0, "recorded, and gone")
        return seen.start(spec, problem)

    cut = told_of(replace(seen, start=gone))
    assert (cut.cut, cut.first) == (True, None)
    mutant = Mutant("eps of layer_norm", "layernorm-eps-default", "outputs", "a:1:1:layer_norm:", "a:1")
    strengths = [told((Hit((mutant,), place),), place, 1).strength for place in (hit, cut)]
    assert strengths == ["proved", "likely"]


def told_of(seen: Evidence) -> Place:
    (place,) = to_the_end(Trials(seen, lambda *_: None), [()])
    return place


def test_a_mistake_is_also_made_in_what_one_line_of_a_loop_leads_to() -> None:
    """As where a model is called in two lines, and in training mode in one of them only."""
    from test_mutations import listed

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            return self.last(x.square())

    model = Net().double()

    def run() -> None:
        x = torch.ones(2, 3, dtype=torch.float64)
        model(x)
        model(x + 1)

    made = [mutant for mutant in listed(run, "batch_norm") if mutant.change == "in evaluation mode"]
    assert len([mutant for mutant in made if ", every batch_norm" in mutant.label]) == 2
    assert len({mutant.site for mutant in made}) == len(made)


def test_batchnorm_in_evaluation_mode_does_not_count_the_batch() -> None:
    layer = torch.nn.BatchNorm1d(3)
    change = next(item for item in calls.CHANGES if item.name == "in evaluation mode")
    plain = torch.nn.functional.batch_norm
    try:
        torch.nn.modules.batchnorm.F.batch_norm = lambda *args, **named: change.apply(call.Call(plain, args, named), {})
        layer(torch.randn(4, 3))
    finally:
        torch.nn.modules.batchnorm.F.batch_norm = plain
    assert layer.num_batches_tracked == 0
    assert not layer.running_mean.any()
    layer(torch.randn(4, 3))
    assert layer.num_batches_tracked == 1


def test_a_term_times_zero_has_a_gradient_and_one_left_out_has_none() -> None:
    both = [
        change for change in calls.CHANGES if change.name in ("the second term left out", "the second term times zero")
    ]
    grads = []
    for change in both:
        first, second = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        change.apply(call.Call(torch.add, (first, second), {}), {}).sum().backward()
        grads.append(None if second.grad is None else second.grad.tolist())
    assert grads == [None, [0.0, 0.0]]


def test_a_rate_that_is_another_is_tried_as_a_factor_of_every_hyperparameter() -> None:
    problem = replace(make_problem(LINE, steps=1), hyper={"lr": 0.5, "decay": 0.25, "epochs": 3, "nesterov": True})
    made = {dict(mutant.settings).popitem() for mutant in given.scaled(problem, 0.5)}
    assert made == {("lr", 0.25), ("decay", 0.125)}
    changed_by = next(mutant for mutant in given.scaled(problem, 0.5) if mutant.label == "lr")
    assert given.changed(problem, [changed_by]).hyper["lr"] == 0.25
