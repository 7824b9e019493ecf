"""A mutated reference: what is written out without a mistake is torch's own, and what is mutated is what was asked for."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus import only
from faults import FAULTS
from lazily import Lazily, torch

from harness.contract.problem import make_problem
from harness.diagnosis import given
from harness.diagnosis.search import expected, rank, waves
from harness.diagnosis.to_the_end import to_the_end
from harness.diagnosis.trials import Trials
from harness.oracle.evidence import compare_runs
from harness.oracle.rules import RULES
from harness.report import wording
from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.running.pool import Worker
from harness.running.reuse import leaves_nothing
from harness.running.start import LoopError, Mutant, Mutating
from harness.running.wide import Wide
from harness.verdict import Diagnosis, Difference, Verdict

call, calls, layers, optimizers, sites, mutated = (
    Lazily(f"harness.mutations.{name}") for name in ("call", "calls", "layers", "optimizers", "sites", "mutated")
)
functional = Lazily("torch.nn.functional")
PAIRS = Path(__file__).parent.parent / "pairs"


OWN: tuple[tuple[str, dict[str, Any], str, dict[str, Any]], ...] = (
    ("Adam", {}, "adam", {}),
    ("Adam", {"weight_decay": 0.1, "eps": 1e-3}, "adam", {}),
    ("AdamW", {"weight_decay": 0.1, "betas": (0.5, 0.9)}, "adam", {}),
    ("SGD", {}, "sgd", {}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.1}, "sgd", {}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3}, "sgd", {}),
    ("SGD", {"momentum": 0.9, "nesterov": True}, "sgd", {}),
    ("SGD", {"momentum": 0.9, "nesterov": True}, "sgd", {"keras": True}),  # the same while the rate stays
    ("RMSprop", {"weight_decay": 0.1}, "rmsprop", {"inside": False}),
    ("RMSprop", {"momentum": 0.9, "centered": True}, "rmsprop", {"inside": False}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5}, "adagrad", {"inside": False}),
)


@pytest.mark.parametrize(("kind", "settings", "name", "options"), OWN, ids=lambda part: str(part))
def test_an_update_that_is_written_out_without_a_mistake_is_torch_s(
    kind: str, settings: dict[str, Any], name: str, options: dict[str, Any]
) -> None:
    """So that a mutant differs from the reference by its mistake, and by nothing else."""
    update = getattr(optimizers, name)
    other = optimizers.Other("as it is", "", frozenset({kind}), update=lambda step, _: update(step, **options))

    def trained(wanted: dict[str, Any]) -> list[np.ndarray]:
        torch.manual_seed(0)
        parameters = [torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.zeros(3, dtype=torch.float64)]
        parameters[1].requires_grad_(True)
        optimizer = getattr(torch.optim, kind)(parameters, lr=0.05, **settings)
        watching = optimizers.Watching(wanted)
        hooks = [
            optimizer.register_step_pre_hook(watching.begin),
            optimizer.register_step_post_hook(watching.end),
        ]
        for _ in range(5):
            optimizer.zero_grad()
            ((parameters[0].sin().sum(0) + parameters[1] - 1) ** 2).sum().backward()
            optimizer.step()
        for hook in hooks:
            hook.remove()
        state = [optimizer.state[p] for p in parameters]
        slots = [s[key] for s in state for key in sorted(s) if key != "step" and isinstance(s[key], torch.Tensor)]
        return [item.detach().numpy() for item in (*parameters, *slots)]

    for own, torchs in zip(trained({"optimizer 0": [(other, {})]}), trained({}), strict=True):
        np.testing.assert_allclose(own, torchs, rtol=1e-13, atol=1e-15)


def test_a_mistake_moves_the_parameters() -> None:
    """The twin: every other update is another one."""
    for other in optimizers.CHANGES:
        if other.update is None or other.name == "rate inside the velocity":
            continue
        for kind in sorted(other.kinds & {"Adam", "AdamW", "SGD", "RMSprop", "Adagrad"})[:1]:
            group = {
                "lr": 0.1, "eps": 1e-2, "weight_decay": 0.1, "betas": (0.9, 0.99), "amsgrad": False, "momentum": 0.9,
                "dampening": 0.5, "nesterov": False, "alpha": 0.9, "centered": False, "lr_decay": 0.0,
                "initial_accumulator_value": 0.0,
                "decoupled_weight_decay": kind == "AdamW",
            }  # fmt: skip
            right = {
                "Adam": lambda s: optimizers.adam(s), "AdamW": lambda s: optimizers.adam(s),
                "SGD": lambda s: optimizers.sgd(s), "RMSprop": lambda s: optimizers.rmsprop(s, inside=False),
                "Adagrad": lambda s: optimizers.adagrad(s, inside=False),
            }[kind]  # fmt: skip
            names = ("exp_avg", "exp_avg_sq", "square_avg", "sum", "momentum_buffer")
            moved = False
            for shape in ((3,), (3, 2)):
                wrong = own = torch.full(shape, 2.0, dtype=torch.float64)
                states = [{name: torch.zeros_like(own) for name in names} for _ in range(2)]
                for count in (1.0, 2.0):
                    for state in states:
                        state |= {"step": count, "fresh": count == 1}
                    grad = torch.full(shape, 0.3 * count, dtype=torch.float64)
                    wrong = other.update(optimizers.Step(wrong, grad, states[0], group), {})
                    own = right(optimizers.Step(own, grad, states[1], group))
                moved = moved or not torch.equal(wrong, own)
            assert moved or other.name == "rate inside the momentum", other.name  # the rate stays here


def test_a_call_is_run_with_another_value_by_name_or_position() -> None:
    value = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    by_name = call.Call(functional.layer_norm, (value, (3,)), {"eps": 1e-5})
    by_place = call.Call(functional.layer_norm, (value, (3,), None, None, 1e-5), {})
    wanted = functional.layer_norm(value, (3,), eps=1e-1)
    assert by_name.given["eps"] == by_place.given["eps"] == 1e-5
    assert torch.equal(by_name.run(eps=1e-1), wanted)
    assert torch.equal(by_place.run(eps=1e-1), wanted)
    weight = torch.ones(3, 3, dtype=torch.float64)
    weight[0, 1] = 2
    linear = call.Call(functional.linear, (value, weight), {})
    assert torch.equal(linear.run(weight=weight.t()), value @ weight)


def change(name: str, cause: str) -> Any:
    return next(item for item in calls.CHANGES if (item.name, item.cause) == (name, cause))


def test_a_convolution_without_dilation_is_as_long_as_before() -> None:
    """Of a causal one, which is padded at its start, the end is kept: what it sees is the latest steps."""
    value, weight = (
        torch.arange(24.0, dtype=torch.float64).reshape(1, 2, 12) % 5,
        torch.ones(3, 2, 3, dtype=torch.float64),
    )
    causal = call.Call(functional.conv1d, (functional.pad(value, (8, 0)), weight), {"dilation": 4})
    made = change("without dilation, the end kept", "dilation-omitted").apply(causal, {})
    assert torch.equal(made, functional.conv1d(functional.pad(value, (2, 0)), weight))
    both = call.Call(functional.conv1d, (value, weight), {"dilation": 4, "padding": 4})
    made = change("without dilation, the middle kept", "dilation-omitted").apply(both, {})
    assert torch.equal(made, functional.conv1d(value, weight, padding=1))
    plain = call.Call(functional.conv1d, (value, weight), {})
    assert not list(change("without dilation, the end kept", "dilation-omitted").offers(plain))


def test_data_that_were_reshaped_reach_a_convolution_as_a_channels_last_port_reads_them() -> None:
    value, weight = (
        torch.arange(24.0, dtype=torch.float64).reshape(1, 2, 3, 4),
        torch.ones(1, 2, 1, 1, dtype=torch.float64),
    )
    weight[0, 1] = 3
    one = call.Call(functional.conv2d, (value, weight), {})
    read = value.reshape(1, 3, 4, 2)
    made = change("its input's axes reshaped", "nchw-data-reshaped-to-nhwc").apply(one, {})
    assert torch.equal(made, (read[..., 0] + 3 * read[..., 1])[:, None])


def test_huber_s_loss_stands_in_for_a_smooth_one() -> None:
    value, goal = torch.tensor([0.2, 3.0], dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    made = change("Huber's loss of delta 0.5", "smoothl1-beta-vs-huber-delta").apply(
        call.Call(functional.smooth_l1_loss, (value, goal), {}), {}
    )
    assert float(made) == pytest.approx((0.2**2 / 2 + 0.5 * (3 - 0.25)) / 2)


def test_a_mask_of_minus_infinity_is_turned_round_as_well() -> None:
    mask = torch.tensor([[0.0, -torch.inf]])
    one = call.Call(functional.multi_head_attention_forward, (), {})
    one.given = {"key_padding_mask": mask}
    assert layers.hides("key_padding_mask")(one)
    assert not layers.hides("attn_mask")(one)


def test_one_group_of_an_optimizer_is_changed_and_the_other_is_not() -> None:
    first, second = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [first], "lr": 1.0, "weight_decay": 0.5}, {"params": [second], "lr": 1.0}])
    other = next(item for item in optimizers.CHANGES if item.name == "another group's decay")
    assert list(other.offers({"weight_decay": 0.0}, [{"weight_decay": 0.5}])) == [
        ({"weight_decay": 0.5}, {"weight_decay": 0.0})
    ]
    assert not list(other.offers({"weight_decay": 0.5}))
    watching = optimizers.Watching({"optimizer 0 group 1": [(other, {"weight_decay": 0.25})]})
    (first.sum() + second.sum()).backward()
    watching.begin(optimizer, (), {})
    optimizer.step()
    watching.end(optimizer, (), {})
    assert (first.tolist(), second.tolist()) == ([-0.5, -0.5], [-0.25, -0.25])


def listed(run: Any, word: str = "test_mutations") -> list[Mutant]:
    """The mistakes in calls that could be made in a float64 run of this, at sites with this word."""
    watching, wide = mutated.Mutated(Mutating(list=True)), Wide("torch")
    with wide.active(), watching.active():
        run()
    wide.close()
    return [mutant for mutant in watching.offers if mutant.stage != "grads" and word in mutant.site]


def test_a_method_that_a_float64_run_widens_is_seen_by_its_name() -> None:
    made = listed(lambda: torch.ones(2, 3, dtype=torch.float64).mean(1).log_softmax(-1))
    assert {mutant.cause for mutant in made} == {"loss-sum-for-mean", "layer-omitted"}


def test_a_mistake_in_a_line_is_made_in_each_module_that_runs_it() -> None:
    """Two blocks of one class: each norm by itself, both by the line that calls them; where in the run each was reached."""

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.last = torch.nn.LayerNorm(4), torch.nn.LayerNorm(4)

        def forward(self, x: Any) -> Any:
            return self.last(self.norm(x))

    blocks = torch.nn.ModuleList([Block(), Block()]).double()

    def run() -> None:
        x = torch.ones(2, 4, dtype=torch.float64)
        for block in blocks:
            x = block(x)

    made = [mutant for mutant in listed(run) if dict(mutant.settings) == {"eps": 1e-3}]
    sites = [mutant.label.split(", ", 1)[1] for mutant in made]
    assert sites == [
        "0.norm first, layer_norm", "0.last first, layer_norm",
        "0.norm, layer_norm", "0.last, layer_norm", "1.norm, layer_norm", "1.last, layer_norm",
    ]  # fmt: skip
    assert [mutant.behind for mutant in made] == [0, 1, 0, 1, 2, 3]


def test_a_mistake_in_all_calls_of_a_function_is_tried_before_it_is_in_any_of_them() -> None:
    """In a large model the calls are too many to be tried one by one first."""
    norms = torch.nn.Sequential(*(torch.nn.LayerNorm(4) for _ in range(3))).double()
    made = listed(lambda: norms(torch.ones(2, 4, dtype=torch.float64)), "layer_norm")
    values: dict[str, list[str]] = {}
    for mutant in made:
        values.setdefault(f"{mutant.change} {mutant.settings}", []).append(mutant.site)
    assert values
    for sites_of in values.values():
        assert "*" in sites_of[0]
        assert ["*" in site for site in sites_of[1:]] == [False] * 3


def test_a_mistake_in_a_module_is_made_wherever_it_is_called() -> None:
    """A discriminator is called in two lines; its variable names it beside the generator."""
    generator = torch.nn.Sequential(torch.nn.Linear(3, 3)).double()
    critic = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.LeakyReLU()).double()

    def run() -> None:
        made = generator(torch.ones(2, 3, dtype=torch.float64))
        critic(made)
        critic(made * 2)

    made = [mutant for mutant in listed(run, "leaky_relu") if dict(mutant.settings) == {"negative_slope": 0.2}]
    assert [mutant.label.split(", ", 1)[-1] for mutant in made] == [
        "leaky_relu", "critic.1, leaky_relu", "critic.1, leaky_relu",
    ]  # fmt: skip


def test_what_stands_there_is_no_mistake() -> None:
    """No mutant is the reference itself."""
    value = torch.ones(2, 3, dtype=torch.float64)
    one = call.Call(functional.layer_norm, (value, (3,)), {"eps": 1e-5})
    change = next(item for item in calls.CHANGES if item.cause == "layernorm-eps-default")
    offered = [settings["eps"] for settings, _ in change.offers(one)]
    assert 1e-3 in offered
    assert 1e-5 not in offered
    assert all(was == {"eps": 1e-5} for _, was in change.offers(one))


@pytest.mark.parametrize(
    ("change", "shape"),
    [("transposed", (3, 3)), ("mirrored", (2, 2, 3, 3)), ("height and width exchanged", (2, 2, 3, 3)), ("zeros", (4,)),
     ("reshaped", (4, 2)), ("input and output exchanged", (2, 2, 3)), ("blocks kqv", (6, 2))],
)  # fmt: skip
def test_another_layout_has_the_same_shape_and_other_numbers(change: str, shape: tuple[int, ...]) -> None:
    array = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    made = given.laid(array, change)
    assert made.shape == shape
    assert not np.array_equal(made, array)
    assert change == "zeros" or sorted(made.ravel()) == sorted(array.ravel())
    assert change in {name for name, _ in given.layouts(array)}


def test_gates_in_another_order_are_what_the_order_says() -> None:
    rows = np.repeat(np.arange(4.0), 2)[:, None]
    assert given.gated(rows, "ifgo", "igfo")[::2, 0].tolist() == [0, 2, 1, 3]


def test_a_stage_shows_first_in_the_first_one_that_is_recorded() -> None:
    assert expected("outputs", {"loss", "params"}) == rank("loss")
    assert expected("clipped", {"outputs", "params"}) == rank("params")
    assert expected("metrics", {"outputs"}) is None
    assert rank("hidden") == rank("outputs")


def test_the_mistakes_that_show_at_a_stage_are_tried_first(seen: Any) -> None:
    mutants = [
        Mutant("a", "x", "outputs", "here", ""), Mutant("b", "x", "params", "here", ""),
        Mutant("c", "x", "outputs", "weights/w", ""), Mutant("d", "x", "outputs", "hyper/lr", ""),
    ]  # fmt: skip
    found = [
        [item.change for item in wave]
        for wave in waves(mutants, Difference(0, "outputs", "outputs", "values"), seen, [])
    ]
    assert found == [["a"], ["c"], [], [], ["d"]]
    late = [
        [item.change for item in wave]
        for wave in waves(mutants, Difference(0, "params", "params/w", "values"), seen, [])
    ]
    assert late[0] == ["b"], "where the gradients agree, no layer is tried"
    assert not late[2]


def test_where_parameters_have_moved_what_shows_later_is_tried_first(seen: Any) -> None:
    """As where a discriminator's own step is in what the generator is told by it."""
    mutants = [Mutant("a", "x", "outputs", "here", ""), Mutant("b", "x", "slots", "optimizer *", "")]
    first = Difference(0, "outputs", "outputs", "values")
    orders = [
        [item.change for wave in waves(mutants, first, seen, [], moved=moved) for item in wave]
        for moved in (False, True)
    ]
    assert orders == [["a", "b"], ["b", "a"]]


@pytest.fixture
def seen() -> Any:
    from four_runs import LINE, starting, training

    return compare_runs(starting(training, training), make_problem(LINE, steps=2), RULES["four runs"])


def test_the_port_s_records_are_kept_from_the_first_difference_on(seen: Any) -> None:
    from four_runs import LINE, changed, starting, training

    assert not seen.apart, "nothing is kept where two sides agree"

    def wrong(record: dict[str, Any], step: int, _dtype: Any) -> None:
        if step >= 2:
            record["outputs"] = record["outputs"] + 1

    made = compare_runs(starting(training, changed(training, wrong)), make_problem(LINE, steps=9), RULES["four runs"])
    assert list(made.apart) == [2, 3, 4]


@pytest.mark.parametrize("raises", [False, True])
def test_a_reference_that_raises_later_does_not_agree_to_the_end(raises: bool) -> None:
    """What explains the steps that were kept is followed to the end of the run; one that stops on the way is not proved."""
    from four_runs import LINE, changed, starting, training

    def wrong(record: dict[str, Any], _step: int, _dtype: Any) -> None:
        record["outputs"] = record["outputs"] + 1

    def mutated_run(record: dict[str, Any], step: int, dtype: Any) -> None:
        if raises and step == 6:
            raise LoopError("torch", "float64", step, "refuses")
        wrong(record, step, dtype)

    own, mistaken = starting(training, changed(training, wrong)), starting(changed(training, mutated_run), training)
    seen = compare_runs(
        lambda spec, problem: (mistaken if spec.mutating else own)(spec, problem),
        make_problem(LINE, steps=9), RULES["four runs"],
    )  # fmt: skip
    (place,) = to_the_end(Trials(seen, lambda *_: None), [()])
    assert not place.cut
    assert (place.first.step if place.first else None) == (6 if raises else None)


def test_a_loop_in_torch_may_share_a_process_unless_it_changes_torch_for_all() -> None:
    assert leaves_nothing("import torch\ndef train(w):\n  torch.manual_seed(3)\n  yield torch.nn.Linear(2, 2)")
    assert not leaves_nothing("import torch\ntorch.backends.mkldnn.enabled = False")
    assert not leaves_nothing("import torch\ntorch.set_num_threads(3)")
    assert not leaves_nothing("import torch\ntorch.nn.Linear.forward = None")


def test_a_model_of_keras_is_compiled_for_itself_and_torch_for_all() -> None:
    assert leaves_nothing("import keras\ndef train(x):\n  model = keras.Sequential()\n  model.compile(loss='mse')")
    assert not leaves_nothing("import torch\ndef train(x):\n  return torch.compile(x)")
    assert not leaves_nothing("import torch\nnet = torch\ndef train(x):\n  return net.compile(x)")
    assert not leaves_nothing("def train(x):\n  return compile(x)")


PROVED = (
    "nesterov forgotten", "from_logits forgotten", "zero_grad forgotten", "BatchNorm momentum 0.1 for 0.9",
    "running variance biased", "Adam's epsilon outside the correction", "1e-6 left out of the clipping",
    "GELU, beta and schedule",
)  # fmt: skip
"""Faults of each kind: a loss, a layer, an optimizer, a loop, and three at once."""


def diagnosed(twinloop_worker: Worker, name: str, *, explain: bool = True) -> Verdict:
    fault = next(fault for fault in FAULTS if fault.name == name)
    return twinloop_worker.ask(Request(str(PAIRS / fault.pair), edits=fault.edits, explain=explain, **fault.settings))


@pytest.mark.xdist_group("causes")
@pytest.mark.parametrize("name", only(PROVED[1:3], PROVED))
def test_the_cause_of_a_planted_fault_is_proved(twinloop_worker: Worker, name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    verdict = diagnosed(twinloop_worker, name)
    assert [item.cause for item in verdict.causes][:1] == [fault.cause]
    assert {item.cause for item in verdict.causes} == {fault.cause, *fault.then}
    assert all(item.strength == "proved" for item in verdict.causes)


UNKNOWN = ("skip_gram: Keras' Adam on repeated words", "vision_transformer: channels from blue to red")
"""Held faults, the first of which a search is soon through with."""


@pytest.mark.xdist_group("causes")
@pytest.mark.parametrize("name", only(UNKNOWN[:1], UNKNOWN))
def test_what_has_no_row_that_is_tried_is_unknown_with_its_narrowest_place(twinloop_worker: Worker, name: str) -> None:
    verdict = diagnosed(twinloop_worker, name)
    assert not [item for item in verdict.causes if item.strength == "proved"]
    assert verdict.causes[-1].cause == ""
    assert verdict.causes[-1].where.startswith(("slots/exp_avg_sq", "outputs; before patches"))
    assert verdict.causes[-1].tried > 10


@pytest.mark.xdist_group("causes")
def test_no_cause_is_looked_for_where_nobody_asks(twinloop_worker: Worker) -> None:
    assert not diagnosed(twinloop_worker, "nesterov forgotten", explain=False).causes


@pytest.mark.xdist_group("causes")
def test_what_mistakes_of_ours_have_torch_print_is_not_told_as_the_loop_s(twinloop_worker: Worker) -> None:
    """A target that is turned round is one of them, and torch warns of it."""
    edit = Edit("tensorflow_loop.py", "loss = criterion", "loss = 2 * criterion")
    verdict = twinloop_worker.ask(Request(str(PAIRS / "linear_regression"), edits=(edit,), steps=4, explain=True))
    assert [item.cause for item in verdict.causes] == ["loss-scaled"]
    assert not verdict.printed
    assert not [item for item in verdict.findings if item.kind == "printed"]


def test_a_cause_is_told_in_two_lines() -> None:
    found = Diagnosis(
        "adam-eps-default", "proved", "Adam", "eps", {"eps": "1e-08"}, {"eps": "1e-07"}, "It differs.", "eps=1e-8"
    )
    assert wording.diagnosis(found) == [
        "cause (proved): adam-eps-default at Adam: It differs.",
        "evidence: in this step and up to two more the reference with eps 1e-07 for 1e-08 is the port",
    ]
    rest = Difference(3, "params", "params/w", "values")
    likely = dataclasses.replace(found, strength="likely", remains=rest, also=("rmsprop-defaults",))
    assert wording.diagnosis(likely)[1:] == [
        "evidence: with eps 1e-07 for 1e-08 the reference agrees up to step 3, params/w",
        "as well explained by: rmsprop-defaults",
    ]
    (unknown,) = wording.diagnosis(Diagnosis("", "shown", "outputs", tried=31))
    assert unknown == (
        "cause unknown: none of 31 known mistakes made in the reference explains it; narrowest place: outputs"
    )
