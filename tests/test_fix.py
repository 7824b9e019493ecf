"""A fix is an edit of the port that was run: nothing else is offered, and nothing that was not judged is written over."""

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner
from plain_pair import write
from test_layout import imported

from harness.__main__ import main
from harness.errors import UsageError
from harness.fixing import command, patch, places, repro, sources, told
from harness.fixing.case import Case, literal, with_import
from harness.fixing.code import Code, Cut, Fix
from harness.fixing.places import place
from harness.fixing.proof import CANDIDATES, Mended, mend
from harness.fixing.rules import BY_AREA, BY_CAUSE, BY_STAGE, proposed
from harness.report import markdown, page_data
from harness.report.terminal import explanation
from harness.running.messages import Request
from harness.running.overlaid import overlay
from harness.running.pairs import Edit, Pair
from harness.running.pool import Worker
from harness.verdict import Diagnosis, Difference, Verdict

PORT = """\
import keras
import tensorflow as tf

from harness import Port


def train(weights, batches, *, lr, momentum):
    model = Net()  # as it was
    optimizer = keras.optimizers.Adam(lr)  # a comment
    criterion = keras.losses.SparseCategoricalCrossentropy()
    for x, y in batches:
        with tf.GradientTape() as tape:
            outputs = model(x)
            loss = criterion(y, outputs)
        yield {"slots": optimizer._momentums, "loss": loss}
"""
REFERENCE = """\
import torch
from torch import nn


def train(weights, batches, *, lr, momentum):
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()
    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        yield {"loss": loss}
"""
FIRST = Difference(0, "params", "params/fc.weight", "values", excess=1e9)


def case(port: str, reference: str = REFERENCE, /, cause: str = "", stage: str = "params", **known: object) -> Case:
    """What a rule is given; ``known`` are fields of the diagnosis."""
    first = replace(FIRST, stage=stage, tensor=f"{stage}/fc.weight")
    found = Diagnosis(cause, "proved" if cause else "shown", **known)  # type: ignore[arg-type]
    codes = Code(Path("/p/port.py"), port), Code(Path("/p/reference.py"), reference)
    return Case(found, first, codes[:1], codes[1:], {"lr": 0.01, "momentum": 0.9})


def at(given: Case) -> tuple[Path, int] | None:
    """Where the fix is that a case means."""
    fix = place(given)
    return fix and (fix.path, fix.line)


def offered(*args: str, **known: object) -> list[str]:
    """The texts of the port that are proposed."""
    given = case(*args, **known)  # type: ignore[arg-type]
    return [given.port[0].changed(fix) for fix in chain.from_iterable(proposed(given))]


LINE = "def f(weights, x, y, z, lr, momentum, grads, lengths, scheduler, gamma):\n    "
RULES = {
    "an argument of Keras' own": (
        "layernorm-eps-default", "outputs", "layer = keras.layers.LayerNormalization()",
        "layer = nn.LayerNorm(8)", "layer = keras.layers.LayerNormalization(epsilon=1e-5)",
    ),
    "an argument of a part": (
        "adam-eps-default", "params", "o = faithful.Adam(lr=lr, eps=1e-7)", "o = torch.optim.Adam(ps, lr=lr)",
        "o = faithful.Adam(lr=lr)",
    ),
    "an optimizer that is given a schedule": (
        "adamw-default-weight-decay", "params", "o = keras.optimizers.AdamW(Own(lr, 3))",
        "o = torch.optim.AdamW(ps, lr=lr, weight_decay=gamma)", "o = faithful.AdamW(lr=Own(lr, 3), weight_decay=gamma)",
    ),
    "an optimizer of groups": (
        "adam-betas-other", "slots", "o = keras.optimizers.AdamW(lr, weight_decay=gamma)",
        "o = torch.optim.AdamW([{'params': x, 'weight_decay': gamma}], lr=lr, amsgrad=True)",
        "o = faithful.AdamW(lr=lr, amsgrad=True, weight_decay=gamma)",
    ),
    "an argument that is missing": (
        "sgd-momentum-other", "slots", "o = faithful.SGD(lr=lr)", "o = torch.optim.SGD(ps, lr, momentum)",
        "o = faithful.SGD(lr=lr, momentum=momentum)",
    ),
    "a part of another name": (
        "adam-weight-decay-coupled", "slots", "o = faithful.AdamW(lr=lr)", "o = torch.optim.Adam(ps, lr=lr)",
        "o = faithful.Adam(lr=lr)",
    ),
    "a model that is called as in evaluation": (
        "batchnorm-training-flag-omitted", "outputs", "a = model(x, training=False)", "a = model(x)",
        "a = model(x, training=True)",
    ),
    "a term of a line that stands elsewhere": (
        "term-omitted", "outputs", "x = y\n    x = tf.exp(x)\n    x = z\n    return x",
        "x = torch.exp(y)\n    x = x + z\n    return x", "x = y\n    x = tf.exp(x)\n    x = x + z\n    return x",
    ),
    "from_logits": (
        "ce-from-logits-default", "loss", "c = keras.losses.SparseCategoricalCrossentropy()", "c = nn.CrossEntropyLoss()",
        "c = keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
    ),
    "a factor": (
        "factor-omitted", "outputs", "a = x + tf.exp(y) * z", "a = x + torch.exp(0.5 * y) * z", "a = x + tf.exp(0.5 * y) * z",
    ),
    "a quotient": (
        "factor-omitted", "loss", "a = tf.reduce_sum(x)", "a = x.sum() / len(x)", "a = tf.reduce_sum(x) / len(x)",
    ),
    "a term": ("term-omitted", "outputs", "a = tf.nn.relu(x)", "a = F.relu(x + y)", "a = tf.nn.relu(x + y)"),
    "a mean": (
        "loss-sum-for-mean", "outputs", "a = tf.reduce_sum(x, 1)", "a = x.mean(1)", "a = tf.reduce_mean(x, 1)",
    ),
    "a gradient": (
        "gradient-stopped", "grads", "a = tf.stop_gradient(x) + y", "a = x + y", "a = x + y",
    ),
    "a target": (
        "td-target-without-stop-gradient", "grads", "a = x * y", "a = (x * y).detach()", "a = tf.stop_gradient(x * y)",
    ),
    "an order": (
        "concatenation-order", "outputs", "a = tf.concat([y, x], -1)", "b = torch.cat([x, y], 1)", "a = tf.concat([x, y], -1)",
    ),
    "a factor in a product of others": (
        "factor-omitted", "outputs", "a = x + tf.random.normal(z) * tf.exp(y)", "a = x + torch.randn_like(x) * (0.5 * y).exp()",
        "a = x + tf.random.normal(z) * tf.exp(0.5 * y)",
    ),
    "a default": (
        "", "outputs", "layer = layers.LayerNormalization()", "layer = nn.LayerNorm(8)",
        "layer = layers.LayerNormalization(epsilon=1e-5)",
    ),
    "a default that was written otherwise": (
        "", "outputs", "a, b = layers.LayerNormalization(epsilon=1e-6), LayerNormalization()", "a = nn.LayerNorm(8)",
        "a, b = layers.LayerNormalization(epsilon=1e-5), LayerNormalization(epsilon=1e-5)",
    ),
    "a layer": (
        "", "outputs", "layer = layers.LeakyReLU()", "layer = nn.LeakyReLU(0.1)", "layer = faithful.LeakyReLU(0.1)",
    ),
    "a loss": (
        "", "loss", "c = keras.losses.BinaryCrossentropy()", 'c = F.binary_cross_entropy_with_logits(x, y, reduction="sum")',
        'c = faithful.BCEWithLogitsLoss(reduction="sum")',
    ),
    "an end": (
        "convtranspose-same-crop", "outputs", "a = x[:, :-1, :-1]", "b = x", "a = x[:, 1:, 1:]",
    ),
    "a flag": ("batchnorm-training-flag-omitted", "outputs", "a = x(y)", "b = x(y)", "a = x(y, training=True)"),
    "what is not used": (
        "rnn-padded-last-hidden", "outputs", "a = x(y)", "b = x", "a = x(y, lengths=lengths)",
    ),
    "a pipeline": (
        "shuffle-order", "batch", "a = x.shuffle(9).batch(3)", "b = x", "a = x.batch(3)",
    ),
    "a buffer": (
        "shuffle-order", "batch", "a = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(9)", "b = DataLoader(x, shuffle=True)",
        "a = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x))",
    ),
    "a remainder": (
        "drop-remainder-vs-drop-last", "batch", "a = x.batch(3, drop_remainder=True)", "b = x", "a = x.batch(3)",
    ),
    "the axes of a row": (
        "dense-square-kernel-not-transposed", "outputs", 'a = ("fc.weight", x, "i o -> i o")', "b = x",
        'a = ("fc.weight", x, "i o -> o i")',
    ),
    "what is loaded": ("lstm-gate-order", "outputs", "x.load(y(weights))", "x.load_state_dict(weights)", "x.load(weights)"),
    "a norm": (
        "clip-global-norm-eps", "clipped", "norm = y\n    a = x / norm", "clip_grad_norm_(x, 1.0)",
        "norm = y\n    a = x / (norm + 1e-6)",
    ),
    "clipping": (
        "clip-omitted", "clipped", "a = list(grads)", "clip_grad_norm_(x, 1.0)",
        "a = faithful.clip_grad_norm(grads, 1.0)[0]",
    ),
    "the arguments of a schedule": (
        "schedule-offset", "lr", "s = faithful.LambdaLR(x, lambda step: gamma(step + 1))", "s = LambdaLR(x, gamma)",
        "s = faithful.LambdaLR(x, gamma)",
    ),
    "a number": (
        "schedule-offset", "lr", "a = 0.1 if x == 3 else 1", "if x == 2: a = 0", "a = 0.1 if x == 2 else 1",
    ),
    "a statement": (
        "schedule-omitted", "lr", "for a in x:\n        y(a)", "for a in x:\n        scheduler.step()",
        "for a in x:\n        y(a)\n        scheduler.step()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_rule_writes_what_the_reference_has_and_leaves_the_rest(name: str) -> None:
    cause, stage, port, reference, wanted = RULES[name]
    known = {"torch": {"eps": "1e-05"}, "port": {"eps": "0.001"}} if "eps" in cause and "norm" in cause else {}
    texts = offered(f"{LINE}{port}  # why\n", f"{LINE}{reference}\n", cause=cause, stage=stage, **known)
    bodies = [text[text.index("def f") :] for text in texts]
    assert f"{LINE}{wanted}  # why\n" in bodies or f"{LINE}{port}  # why\n        scheduler.step()\n" in bodies, bodies


@pytest.mark.parametrize("name", RULES)
def test_where_the_reference_says_the_same_nothing_is_copied_from_it(name: str) -> None:
    """The twin: a port that is right gets none of what is read from the reference."""
    cause, stage, _, reference, wanted = RULES[name]
    if name in (
        "a factor",
        "a quotient",
        "a term",
        "a mean",
        "the arguments of a schedule",
        "a number",
        "an argument of a part",
    ):
        texts = offered(f"{LINE}{wanted}\n", f"{LINE}{reference}\n", cause=cause, stage=stage)
        assert not [text for text in texts if f"{LINE}{wanted}" in text and text != f"{LINE}{wanted}\n"]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("tf.cast(step, tf.float32) + 1", ["tf.cast(step, tf.float32)"]), ("step - 1", ["step"]),
     ("tf.cast(step, tf.float32)", ["tf.cast((step + 1), tf.float32)", "tf.cast((step - 1), tf.float32)"])],
)  # fmt: skip
def test_the_step_of_a_schedule_that_is_written_out_is_moved_by_one(said: str, wanted: list[str]) -> None:
    own = "class Own(keras.optimizers.schedules.LearningRateSchedule):\n    def __call__(self, step):\n        return {}\n"
    made = offered(own.format(said), "scheduler.step()\n", cause="schedule-offset", stage="lr")
    assert [text for text in made if any(own.format(other) in text for other in wanted)] == [
        own.format(other) for other in wanted
    ]


def test_an_argument_is_put_whatever_area_its_cause_is_of() -> None:
    """Activations have no rules of their own."""
    approximate, exact = "a = keras.activations.gelu(x, approximate=True)\n", "a = nn.GELU()(x)\n"
    settings = {"torch": {"approximate": "none"}, "port": {"approximate": "tanh"}}
    texts = offered(approximate, exact, cause="gelu-tanh-default-in-keras-ops", stage="outputs", **settings)
    assert "a = keras.activations.gelu(x, approximate=False)\n" in texts
    assert not offered(approximate, exact, stage="outputs"), "of a cause that is unknown nothing is known"


def test_an_optimizer_is_replaced_by_the_part_with_its_import_and_its_slots() -> None:
    text = offered(PORT, cause="adam-eps-hat-placement")[0]
    assert "from harness import Port, faithful\n" in text
    assert "    optimizer = faithful.Adam(lr=lr)  # a comment\n" in text
    assert "optimizer.exp_avg," in text
    assert len(text.splitlines()) == len(PORT.splitlines())


def test_a_name_of_the_reference_that_the_port_does_not_know_is_not_written() -> None:
    reference = REFERENCE.replace("lr=lr", "lr=lr, eps=own_epsilon")
    assert not [text for text in offered(PORT, reference, cause="adam-eps-default") if "own_epsilon" in text]


def test_parts_of_a_change_that_overlap_or_are_no_python_are_refused() -> None:
    code = Code(Path("x.py"), "a = (1)\n")
    with pytest.raises(ValueError, match="overlap"):
        code.changed(Fix(code.path, (Cut(0, 3, "b ="), Cut(2, 5, "")), "", 1))
    with pytest.raises(ValueError, match="no Python"):
        code.changed(Fix(code.path, (Cut(5, 6, ")"),), "", 1))
    assert code.changed(Fix(code.path, (Cut(5, 6, "2"),), "", 1)) == "a = (2)\n"


def test_positions_are_characters_where_a_line_has_others_than_ascii() -> None:
    code = Code(Path("x.py"), 's = "äö"; layer = keras.layers.LayerNormalization()\n')
    call = next(call for call in case(code.text).calls if call.last == "LayerNormalization")
    assert code.changed(call.fix([call.put("epsilon", "1e-5")], "")).endswith("LayerNormalization(epsilon=1e-5)\n")


def test_an_import_is_added_where_imports_stand_and_only_where_there_is_none() -> None:
    def made(text: str) -> str:
        code = Code(Path("x.py"), text)
        return code.changed(Fix(code.path, tuple(with_import(code)), "", 1))

    assert (
        made('"""Doc."""\nimport keras\n\nx = 1\n')
        == '"""Doc."""\nimport keras\nfrom harness import faithful\n\nx = 1\n'
    )
    assert made('"""Doc."""\nx = 1\n') == '"""Doc."""\nfrom harness import faithful\nx = 1\n'
    assert (
        made("from harness import (\n    Port,\n)\n")
        == "from harness import (\n    Port,\n)\nfrom harness import faithful\n"
    )
    assert made("from harness import faithful\n") == "from harness import faithful\n"


def test_which_function_is_the_port_is_never_changed() -> None:
    port, reference = ('train = captured("mine.keras:train")\n', 'train = captured("mine.torch:train")\n')
    assert not [text for stage in ("outputs", "loss", "lr") for text in offered(port, reference, stage=stage)]
    port, reference = (text.replace("captured", "net") for text in (port, reference))
    assert offered(port, reference, stage="outputs") == [reference], "the twin"


def test_numbers_are_written_as_people_write_them() -> None:
    assert [literal(value) for value in (1e-08, 0.1, 1e-05, True, "sum", 3)] == [
        "1e-8",
        "0.1",
        "1e-5",
        "True",
        '"sum"',
        "3",
    ]


def test_the_place_in_the_port_is_the_one_line_that_is_meant() -> None:
    assert at(case(PORT, cause="adam-eps-hat-placement")) == (Path("/p/port.py"), 9)
    layer = "class Net:\n    def __init__(self):\n        self.one = LayerNormalization()\n"
    known = {"torch": {"eps": "1e-05"}, "port": {"eps": "0.001"}, "cause": "layernorm-eps-default", "stage": "outputs"}
    assert at(case(layer, **known)) == (Path("/p/port.py"), 3)  # type: ignore[arg-type]


def test_a_verdict_names_the_line_of_the_port_where_there_is_one(tmp_path: Path) -> None:
    found = case(
        PORT, cause="adam-eps-hat-placement", change="epsilon before the correction", sentence="Keras is another."
    )
    cause = places.told(Pair(tmp_path / "pairs" / "mine"), found)
    verdict = Verdict("mine", "DIFFERENT", "odd", causes=(cause,))
    shown = [line for line, _ in explanation(verdict, cause)]
    assert "port.py:9 has: optimizer = keras.optimizers.Adam(lr)  # a comment" in shown
    assert not [line for line, _ in explanation(verdict, found.cause) if "has:" in line], "the twin"


def test_a_report_has_a_patch_that_was_not_run_and_says_so(tmp_path: Path) -> None:
    cause = places.told(Pair(tmp_path / "pairs" / "mine"), case(PORT, cause="adam-eps-hat-placement"))
    assert "-    optimizer = keras.optimizers.Adam(lr)  # a comment\n" in cause.patch
    assert "+    optimizer = faithful.Adam(lr=lr)  # a comment\n" in cause.patch
    assert page_data.causes(Verdict("mine", "DIFFERENT", "odd", causes=(cause,)))[0]["patch"] == cause.patch
    written = "".join(markdown.explained(Verdict("mine", "DIFFERENT", "odd"), cause))
    assert "```diff\n--- a/p/port.py\n" in written
    assert "twinloop fix mine</code> runs it" in written
    assert not places.told(Pair(tmp_path / "mine"), case(PORT, cause="layer-omitted")).patch, "the twin"


def test_a_place_that_could_be_several_is_not_guessed_unless_a_name_fits() -> None:
    """The twin."""
    both = PORT.replace("    model = Net()", "    other = keras.optimizers.Adam(lr)\n    model = Net()")
    assert place(case(both, cause="adam-eps-hat-placement")) is None
    layers = "class Net:\n    def __init__(self):\n" + "".join(
        f"        self.{n} = LayerNormalization()\n" for n in "ab"
    )
    known = {"torch": {"eps": "1e-05"}, "port": {"eps": "0.001"}, "cause": "layernorm-eps-default", "stage": "outputs"}
    assert place(case(layers, **known)) is None  # type: ignore[arg-type]
    named = known | {"site": "torch_loop.py:3:4:layer_norm:blocks.b"}
    assert at(case(layers, **named)) == (Path("/p/port.py"), 4)  # type: ignore[arg-type]


NORMS = PORT.replace("Net()  # as it was", "BatchNormalization()\n    other = BatchNormalization()")
EPSILON = {"torch": {"eps": "1e-05"}, "port": {"eps": "0.001"}, "cause": "batchnorm-eps-default", "stage": "outputs"}


def of_epsilon(reference: str = REFERENCE, **known: object) -> list[str]:
    """What is proposed for an epsilon that two norms of the port have otherwise."""
    given = case(NORMS, reference, **{**EPSILON, **known})  # type: ignore[arg-type]
    return [fix.sentence for fix in chain.from_iterable(proposed(given))]


def test_what_the_reference_has_in_all_its_layers_is_put_into_all_of_the_ports_first() -> None:
    stated = REFERENCE.replace("Net()", "nn.BatchNorm2d(3, eps=1e-5)")
    assert of_epsilon()[0] == of_epsilon(stated, site="*:batch_norm")[0] == "epsilon=1e-5 in all"
    single = of_epsilon(stated, site="torch_loop.py:3:4:batch_norm:a")
    assert single[0] == "epsilon=1e-5 in BatchNormalization", "another layer may have another one"
    assert "epsilon=1e-5 in all" in single


def test_an_argument_of_a_layer_is_not_looked_for_in_the_optimizer_nor_the_other_way_round() -> None:
    assert not [said for said in of_epsilon(stage="buffers") if "Adam" in said and said.startswith("epsilon")]
    of_adam = {"cause": "adam-eps-default", "torch": {"eps": "1e-08"}, "port": {"eps": "1e-07"}, "stage": "params"}
    said = [said for said in of_epsilon(**of_adam) if said.startswith("epsilon")]
    assert said
    assert not [text for text in said if "BatchNormalization" in text and ", and " not in text]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("clipped = [tf.clip_by_norm(g, 0.5) for g in grads]", "clipped = faithful.clip_grad_norm(grads, 0.5)[0]\n"),
        ("clipped, norm = tf.clip_by_global_norm(grads, 0.5)", "clipped, norm = faithful.clip_grad_norm(grads, 0.5)\n"),
        (
            "clipped, norm = [tf.clip_by_value(g, -0.5, 0.5) for g in grads], tf.linalg.global_norm(grads)",
            "clipped, norm = faithful.clip_grad_norm(grads, 0.5)\n",
        ),
    ],
)
def test_gradients_are_clipped_as_the_reference_clips_them(before: str, after: str) -> None:
    port = PORT.replace(
        "        yield", f"        grads = tape.gradient(loss, model.weights)\n        {before}\n        yield"
    )
    reference = REFERENCE.replace(
        "        yield", "        nn.utils.clip_grad_norm_(model.parameters(), 0.5)\n        yield"
    )
    made = offered(port, reference, cause="clip-by-value-for-norm", stage="clipped")
    assert after in made[0]


def test_what_the_reference_says_in_groups_of_its_parameters_is_put_into_the_ports_optimizers() -> None:
    port = PORT.replace("keras.optimizers.Adam(lr)", "faithful.AdamW(lr=lr, weight_decay=0.004)")
    groups = '[{"params": many, "weight_decay": momentum}, {"params": few, "weight_decay": 0.0}]'
    reference = REFERENCE.replace("Adam(model.parameters(), lr=lr)", f"AdamW({groups}, lr=lr)")
    made = offered(port, reference, cause="adamw-default-weight-decay")
    assert "faithful.AdamW(lr=lr, weight_decay=momentum)" in made[0]
    assert "faithful.AdamW(lr=lr, weight_decay=0.0)" in made[1]


def test_where_the_reference_hands_its_settings_over_as_they_are_the_cause_tells_them() -> None:
    port = PORT.replace("keras.optimizers.Adam(lr)", "faithful.Adam(lr, eps=1e-7)").replace(
        "momentum)", "momentum, eps)"
    )
    reference = REFERENCE.replace("lr=lr)", "**settings)")
    known = {"torch": {"eps": "0.0010000000474974513"}, "port": {"eps": "1e-07"}, "cause": "adam-eps-default"}
    given = replace(case(port, reference, **known), hyper={"lr": 0.01, "eps": 1e-3})  # type: ignore[arg-type]
    first = next(chain.from_iterable(proposed(given)))
    assert "faithful.Adam(lr, eps=eps)" in given.port[0].changed(first)


def test_what_one_side_lacked_from_the_start_is_no_harm_of_a_fix(tmp_path: Path) -> None:
    """A gradient differs, and the port has a slot more; once the gradient is right, that slot is the first to differ."""
    request = Request(str(pair_of(tmp_path).folder))
    extra = Difference(0, "slots", "slots/more", "extra")
    for ended, mended in ((extra, 1), (None, 0)):

        def ask(request: Request, ended: Difference | None = ended) -> Verdict:
            made = asked(lambda text: None if "faithful.Adam" in text else (0, "grads"))(request)
            cause = Diagnosis("adam-eps-hat-placement", "proved", "the optimizer")
            if made.agrees:
                return replace(made, status="DIFFERENT", first=extra, causes=())
            return replace(made, causes=(cause,), ended=ended)

        assert len(mend(request, ask).mended) == mended


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("loss = loss - tf.reduce_sum(y)", "loss = loss + tf.reduce_sum(y)"),
        ("loss -= tf.reduce_sum(y)", "loss += tf.reduce_sum(y)"),
        ("loss = (loss) + (y - 1)", "loss = (loss) - (y - 1)"),
    ],
)
def test_a_sign_is_exchanged(before: str, after: str) -> None:
    port = PORT.replace("        yield", f"        {before}\n        yield")
    made = offered(port, cause="sign-exchanged", stage="loss")
    assert any(after in text for text in made[:2])


def test_a_reshape_that_stands_for_a_transpose_becomes_one() -> None:
    port = PORT.replace("outputs = model(x)", "outputs = model(tf.reshape(x, (-1, 8, 8, 3)))")
    made = offered(port, cause="nchw-data-reshaped-to-nhwc", stage="outputs")
    assert "outputs = model(tf.transpose(x, (0, 2, 3, 1)))" in made[0]
    assert "outputs = model(tf.transpose(x, (0, 3, 1, 2)))" in made[1]
    vectors = PORT.replace("outputs = model(x)", "outputs = model(tf.reshape(x, (-1, 192)))")
    assert not [
        text for text in offered(vectors, cause="nchw-data-reshaped-to-nhwc", stage="outputs") if "transpose" in text
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("outputs = model(tf.reshape(x, (-1, 192)))", "model(tf.reshape(tf.transpose(x, (0, 3, 1, 2)), (-1, 192)))"),
        (
            "flat = keras.layers.Flatten()\n            outputs = model(flat(x))",
            "model(flat(tf.transpose(x, (0, 3, 1, 2))))",
        ),
        (
            "outputs = keras.Sequential([keras.layers.Flatten()])(x)",
            "keras.Sequential([keras.layers.Permute((3, 1, 2)), keras.layers.Flatten()])(x)",
        ),
    ],
)
def test_feature_maps_are_flattened_with_their_channels_first(before: str, after: str) -> None:
    port = PORT.replace("outputs = model(x)", before)
    assert after in offered(port, cause="flatten-order-nchw-nhwc", stage="outputs")[0]


def pair_of(root: Path, port: str = PORT, reference: str = REFERENCE) -> Pair:
    folder = root / "pairs" / "one"
    folder.mkdir(parents=True)
    (root / "pyproject.toml").write_text("")
    (folder / "scenario.py").write_text("import shared\n")
    (folder / "torch_loop.py").write_text(reference)
    (folder / "tensorflow_loop.py").write_text(port)
    return Pair(folder)


def asked(
    wanted: Callable[[str], tuple[int, str] | None], seen: list[str] | None = None
) -> Callable[[Request], Verdict]:
    """Judges by the port's text alone: where it differs first, or that it agrees; the cause is that of Adam's epsilon."""

    def ask(request: Request) -> Verdict:
        text = sources.text_of(request.pair, request.pair.folder.resolve() / "tensorflow_loop.py")
        if seen is not None:
            seen.append(text)
        at = wanted(text)
        if at is None:
            return Verdict("one", "EQUIVALENT", "EQUIVALENT", {"lr": "0.01"}, excess=0.8)
        first = Difference(at[0], at[1], f"{at[1]}/w", "values", excess=1e9)
        cause = "adam-eps-hat-placement" if at[1] == "params" else "ce-from-logits-default"
        known = (Diagnosis(cause, "proved", "the optimizer", sentence="Keras is another."),)
        return Verdict(
            "one", "DIFFERENT", "they differ", {"lr": "0.01"}, first=first, causes=known if request.explain else ()
        )

    return ask


def test_a_fix_that_helps_is_offered_as_a_patch_and_one_that_does_not_is_not(tmp_path: Path) -> None:
    pair = pair_of(tmp_path)
    request = Request(str(pair.folder))
    outcome = mend(request, asked(lambda text: None if "faithful.Adam" in text else (0, "params")))
    assert outcome.verdict.agrees
    assert [item.fix.line for item in outcome.mended] == [9]
    shown = patch.diff(patch.texts(outcome.mended), tmp_path)
    assert "--- a/pairs/one/tensorflow_loop.py\n+++ b/pairs/one/tensorflow_loop.py\n" in shown
    assert (
        "-    optimizer = keras.optimizers.Adam(lr)  # a comment\n+    optimizer = faithful.Adam(lr=lr)  # a comment\n"
        in shown
    )
    line = told.proved(1, outcome.mended[0], outcome.first, tmp_path)
    assert "(pairs/one/tensorflow_loop.py:9)" in line
    assert line.endswith("with that change the remaining difference is rounding, 0.8 times")

    seen: list[str] = []
    outcome = mend(request, asked(lambda _: (0, "params"), seen))
    assert outcome.mended == ()
    assert 1 < len(seen) <= CANDIDATES + 1
    assert len(set(seen)) == len(seen), "no text is judged twice"
    said = "\n".join(told.left(outcome))
    assert "not mended: they differ" in said
    assert "twinloop explain adam-eps-hat-placement" in said


def test_a_fix_behind_which_they_differ_earlier_or_at_the_same_place_is_not_offered(tmp_path: Path) -> None:
    request = Request(str(pair_of(tmp_path).folder))
    for at in ((0, "outputs"), (0, "params")):
        outcome = mend(request, asked(lambda text, at=at: at if "faithful.Adam" in text else (0, "params")))
        assert outcome.mended == (), at


def test_a_fix_that_leaves_the_same_stage_is_taken_if_none_does_better(tmp_path: Path) -> None:
    request = Request(str(pair_of(tmp_path).folder))
    outcome = mend(request, asked(lambda text: (2, "params") if "faithful.Adam" in text else (1, "params")))
    assert ["faithful.Adam" in item.text for item in outcome.mended] == [True]
    assert told.remains(outcome.mended[0].after) == "with that change the two agree up to step 2, params/w"


def of_layers(said: Callable[[str], tuple[int, float]]) -> Callable[[Request], Verdict]:
    """Judges by the port's text: how many layers agree before its outputs differ, and by how much those do."""

    def ask(request: Request) -> Verdict:
        text = sources.text_of(request.pair, request.pair.folder.resolve() / "tensorflow_loop.py")
        agreeing, gap = said(text)
        if agreeing == 3:
            return Verdict("one", "EQUIVALENT", "EQUIVALENT", {"lr": "0.01"}, excess=0.8)
        first = Difference(0, "outputs", "outputs", "values", excess=1e9, gap=gap)
        norm = Diagnosis("batchnorm-eps-default", "proved", torch={"eps": "1e-05"}, port={"eps": "0.001"})
        cause = norm if agreeing == 1 else Diagnosis("adam-eps-hat-placement", "proved", "the optimizer")
        listened = agreeing if request.explain or request.listening else None
        return Verdict(
            "one", "DIFFERENT", "they differ", {"lr": "0.01"}, first=first, causes=(cause,), agreeing=listened
        )

    return ask


NORMED = PORT.replace("Net()", "keras.layers.BatchNormalization()")


def test_of_two_mistakes_in_front_of_one_output_each_is_mended_where_more_layers_agree_with_it(tmp_path: Path) -> None:
    request = Request(str(pair_of(tmp_path, NORMED).folder))

    def said(text: str) -> tuple[int, float]:
        first, second = "epsilon=1e-5" in text, "faithful.Adam" in text
        return (1 + first + (first and second), 1.0 - 0.5 * first)

    outcome = mend(request, of_layers(said))
    assert outcome.verdict.agrees
    assert [item.fix.line for item in outcome.mended] == [8, 9]
    said = told.remains(outcome.mended[0].after)
    assert said == "with that change the two agree up to step 0, outputs, and in its first 2 layers"


def test_a_part_of_a_fix_that_helps_is_not_run(tmp_path: Path) -> None:
    request = Request(str(pair_of(tmp_path, NORMS).folder))
    seen: list[str] = []

    def said(text: str) -> tuple[int, float]:
        seen.append(text)
        return (2, 0.5) if text.count("epsilon=1e-5") == 2 else (1, 1.0)

    def ask(request: Request) -> Verdict:
        made = of_layers(said)(request)
        return replace(made, causes=tuple(replace(cause, site="*:batch_norm") for cause in made.causes))

    outcome = mend(request, ask)
    assert [len(item.fix.cuts) for item in outcome.mended] == [2]
    assert {text.count("epsilon=1e-5") for text in seen} == {0, 2}, "one alone is a part of all"


def test_more_layers_that_agree_while_the_outputs_are_further_off_are_no_fix(tmp_path: Path) -> None:
    """The twin."""
    request = Request(str(pair_of(tmp_path, NORMED).folder))
    for gap in (9.0, 1.0):
        outcome = mend(request, of_layers(lambda text, gap=gap: (2, gap) if "epsilon=1e-5" in text else (1, 1.0)))  # type: ignore[misc]
        assert outcome.mended == (), gap


def test_several_mistakes_are_mended_in_the_order_in_which_they_show(tmp_path: Path) -> None:
    request = Request(str(pair_of(tmp_path).folder))

    def judged(text: str) -> tuple[int, str] | None:
        if "from_logits=True" not in text:
            return (0, "loss")
        return None if "faithful.Adam" in text else (0, "params")

    outcome = mend(request, asked(judged))
    assert [item.cause.cause for item in outcome.mended] == ["ce-from-logits-default", "adam-eps-hat-placement"]
    assert outcome.verdict.agrees
    (before, after), *others = patch.texts(outcome.mended).values()
    assert not others
    assert before == PORT
    assert "from_logits=True" in after
    assert "faithful.Adam" in after
    assert "agree up to step 0, params/w" in told.remains(outcome.mended[0].after)


def one_fix(path: Path, before: str, after: str) -> Mended:
    return Mended(Diagnosis("", "shown"), Fix(path, (), "", 1), before, after, Verdict("one", "EQUIVALENT", ""), 1)


def two_factors() -> tuple[str, str]:
    """A port that lacks two factors of its reference."""
    port = PORT.replace("model(x)", "tf.exp(model(x) * y)").replace("criterion(y", "tf.square(y")
    reference = REFERENCE.replace("model(x)", "torch.exp(model(x) * y * 0.5)")
    return port, reference.replace("loss = criterion", "loss = 3 * torch.square")


def test_two_mistakes_in_one_quantity_are_mended_together(tmp_path: Path) -> None:
    request = Request(str(pair_of(tmp_path, *two_factors()).folder))
    both = mend(request, asked(lambda text: None if "0.5 *" in text and "3 *" in text else (0, "loss")))
    assert both.verdict.agrees
    assert [item.fix.sentence.count(", and ") for item in both.mended] == [1]


def test_where_one_change_is_enough_no_second_is_made_with_it(tmp_path: Path) -> None:
    """The twin."""
    request = Request(str(pair_of(tmp_path, *two_factors()).folder))
    one = mend(request, asked(lambda text: None if "0.5 *" in text else (0, "loss")))
    assert [item.fix.sentence.count(", and ") for item in one.mended] == [0]


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_printed_patch_can_be_applied(tmp_path: Path, end: str) -> None:
    file = tmp_path / "src" / "a.py"
    file.parent.mkdir()
    before, middle, after = (f"x = 1\n# äö\n{line}{end}" for line in ("y = 1", "y = 2", "z = 3\ny = 2"))
    file.write_text(before, encoding="utf-8")
    shown = patch.diff(patch.texts([one_fix(file, before, middle), one_fix(file, middle, after)]), tmp_path)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.encode(), check=True)  # noqa: S607
    assert file.read_text(encoding="utf-8") == after


def test_a_file_that_was_edited_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.py", "b.py")]
    for file in files:
        file.write_text("x = 1\n")
    changes = patch.texts([one_fix(file, "x = 1\n", "x = 2\n") for file in files])
    files[1].write_text("x = 1  # mine\n")
    with pytest.raises(UsageError, match="nothing was written"):
        patch.write(changes)
    assert [file.read_text() for file in files] == ["x = 1\n", "x = 1  # mine\n"]


def test_a_file_that_is_as_it_was_is_written_with_its_own_line_ends(tmp_path: Path) -> None:
    """The twin."""
    file = tmp_path / "a.py"
    file.write_bytes(b"x = 1\r\ny = 3\r\n")
    patch.write(patch.texts([one_fix(file, "x = 1\ny = 3\n", "x = 2\ny = 3\n")]))
    assert file.read_bytes() == b"x = 2\r\ny = 3\r\n"


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("faithful.Embedding(vocab, dim) for layers.Embedding", "dense gradient: Keras' optimizers get a sparse one"),
        ("faithful.Embedding(vocab, dim, padding_idx=0) for layers.Embedding", "the row gets no gradient"),
        ("faithful.BatchNorm for every layers.BatchNormalization", "unbiased running variance"),
        ("faithful.RMSprop(lr=lr, alpha=0.9) for keras.optimizers.RMSprop", "epsilon outside the root"),
    ],
)
def test_a_part_says_what_it_does_otherwise_where_the_cause_has_no_name(sentence: str, said: str) -> None:
    part = sentence.split("(")[0].split()[0]
    assert told.unnamed(sentence).startswith(f"cause without a name; of {part}: {said}")
    assert told.unnamed("2 for 3 beside epoch") == "cause without a name"


def test_only_the_port_s_own_files_may_be_changed(tmp_path: Path) -> None:
    package = tmp_path / "src" / "mine"
    package.mkdir(parents=True)
    for name, text in {
        "port_keras": "import keras\nfrom mine import layers, shared, data\n",
        "model_torch": "import torch\nfrom mine import shared\n",
        "layers": "x = 1\n", "shared": "y = 1\n", "data": "z = 1\n",
    }.items():  # fmt: skip
        (package / f"{name}.py").write_text(text)
    pair = pair_of(
        tmp_path, 'train = captured("mine.port_keras:train")\n', 'train = captured("mine.model_torch:train")\n'
    )
    (pair.folder / "scenario.py").write_text("from mine import data\n")
    names = {code.path.name for code in sources.port(pair)}
    assert names == {"tensorflow_loop.py", "port_keras.py", "layers.py"}
    assert {code.path.name for code in sources.reference(pair)} == {"torch_loop.py", "model_torch.py", "shared.py"}


def test_a_plain_port_is_mended_by_runs_and_written(tmp_path: Path, twinloop_worker: Worker) -> None:
    """With a real worker: what is planted is found without a name for it, and the file is what it was."""
    folder = write(tmp_path, "plain", ("tensorflow_loop.py", "grad = 2 * np", "grad = np"))
    outcome = mend(Request(str(folder), steps=3), twinloop_worker.ask)
    assert outcome.verdict.status == "EQUIVALENT", outcome.verdict.sentence
    assert [item.fix.sentence for item in outcome.mended] == ["2 * np.asarray(x).T for np.asarray(x).T"]
    patch.write(patch.texts(outcome.mended))
    assert (folder / "tensorflow_loop.py").read_text() == (folder / "torch_loop.py").read_text()


class Judge:
    """Stands in for a worker."""

    def __init__(self, ask: Callable[[Request], Verdict]) -> None:
        self.answer, self.meanwhile = ask, lambda: None

    def ask(self, request: Request, *_: object) -> Verdict:
        verdict = self.answer(request)
        if verdict.agrees:
            self.meanwhile()
        return verdict

    def close(self) -> None:
        """Nothing runs."""


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    made = Judge(asked(lambda text: None if "faithful.Adam" in text else (0, "params")))
    monkeypatch.setattr(command, "Worker", lambda _: made)
    return made


def fix(folder: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["fix", "one", "--pairs", str(folder.parent), *options])
    return result.exit_code, result.output


def test_without_write_the_patch_is_printed_and_nothing_is_written(tmp_path: Path, judge: Judge) -> None:
    folder = pair_of(tmp_path).folder
    code, said = fix(folder)
    assert (code, (folder / "tensorflow_loop.py").read_text()) == (0, PORT)
    assert "1. step 0, params/w: adam-eps-hat-placement: Keras is another. (" in said
    assert "+    optimizer = faithful.Adam(lr=lr)  # a comment\n" in said
    assert "nothing was written" in said
    judge.answer = asked(lambda _: (0, "params"))
    code, said = fix(folder)
    assert code == 1
    assert "not mended: they differ" in said
    judge.answer = asked(lambda _: None)
    assert fix(folder) == (0, "one: judged as it is\nEQUIVALENT; nothing to mend\n")


def test_write_writes_the_port_alone_and_runs_it_again(tmp_path: Path, judge: Judge) -> None:
    folder = pair_of(tmp_path).folder
    code, said = fix(folder, "--write")
    assert code == 0
    assert said.endswith("written; one: EQUIVALENT: EQUIVALENT\n")
    assert "faithful.Adam(lr=lr)" in (folder / "tensorflow_loop.py").read_text()
    assert (folder / "torch_loop.py").read_text() == REFERENCE
    assert judge.answer(Request(str(folder))).agrees


def test_write_refuses_where_the_port_was_edited_meanwhile(tmp_path: Path, judge: Judge) -> None:
    """The twin."""
    folder = pair_of(tmp_path).folder
    mine = f"{PORT}# mine\n"
    judge.meanwhile = lambda: (folder / "tensorflow_loop.py").write_text(mine)
    code, said = fix(folder, "--write")
    assert code == 2
    assert "was changed while its fixes were tried, so nothing was written" in " ".join(said.split())
    assert (folder / "tensorflow_loop.py").read_text() == mine


def test_exit_codes_are_documented() -> None:
    said = CliRunner().invoke(main, ["fix", "--help"]).output
    assert "Exit code: 0" in said
    assert "--write" in said


def test_a_module_is_imported_with_its_edits_and_its_file_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "overlaid_module.py"
    file.write_text("def answer():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    pair = Pair(tmp_path, edits=(Edit(str(file), "return 1", "return 2"), Edit(str(file), "return 2", "return 3")))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    overlay(pair.overlaid())
    module = importlib.import_module("overlaid_module")
    assert module.answer() == 3
    assert inspect.getsource(module.answer) == "def answer():\n    return 3\n", "AutoGraph reads it so"
    assert file.read_text() == "def answer():\n    return 1\n"
    overlay({})  # the twin
    del sys.modules["overlaid_module"]
    assert importlib.import_module("overlaid_module").answer() == 1
    del sys.modules["overlaid_module"]


def test_an_edit_of_a_module_that_no_longer_fits_is_said(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("x = 1\n")
    with pytest.raises(UsageError, match="occurs 0 times in"):
        Pair(tmp_path, edits=(Edit(str(file), "x = 2", "x = 3"),)).overlaid()


@pytest.mark.parametrize("name", ["mini_batch_mlp", "vae", "unet"])
def test_every_rule_can_read_an_ordinary_port(name: str) -> None:
    pair = Pair(Path(__file__).parent.parent / "pairs" / name)
    known = Diagnosis("", "shown", torch={"eps": "1e-05", "activation": "relu"}, site="torch_loop.py:9:2:relu:conv1")
    given = Case(known, FIRST, sources.port(pair), sources.reference(pair), {})
    every = {rule for rows in (BY_CAUSE, BY_AREA, BY_STAGE) for rules in rows.values() for rule in rules}
    made = [given.port[0].changed(fix) for rule in every for fix in rule(given)]
    assert len(made) > 5


SHOWN = {
    "an optimizer": (
        "adam-eps-hat-placement", "params", "optimizer 0", "    o = keras.optimizers.Adam(lr)",
        "    o = torch.optim.Adam(model.parameters(), lr=lr)",
        ("torch.optim.Adam([p], lr=0.01)", "keras.optimizers.Adam(0.01)"),
    ),
    "a loss": (
        "ce-from-logits-default", "loss", "t.py:1:2:cross_entropy:", "    c = keras.losses.SparseCategoricalCrossentropy()",
        "    c = nn.CrossEntropyLoss()", ("nn.CrossEntropyLoss()(", "keras.losses.SparseCategoricalCrossentropy()("),
    ),
    "a layer": (
        "layernorm-eps-default", "outputs", "t.py:1:2:layer_norm:norm", "    norm = layers.LayerNormalization()",
        "    norm = nn.LayerNorm(8)", ("nn.LayerNorm(8)(", "keras.layers.LayerNormalization()(", "size=(4, 8)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_a_script_has_both_calls_as_they_stand_and_needs_no_twinloop(name: str) -> None:
    """Whether it shows a difference is seen when it is run, which the command does before it gives it."""
    cause, stage, site, port, reference, wanted = SHOWN[name]
    given = case(f"def f(lr):\n{port}\n", f"def f(lr):\n{reference}\n", cause=cause, stage=stage, site=site)
    text = repro.script(given, "one")
    assert all(part in text for part in wanted)
    assert len(text.splitlines()) <= repro.LINES
    assert imported(text) <= {"numpy", "torch", "keras", "tensorflow"}


@pytest.mark.parametrize("name", SHOWN)
def test_where_an_argument_cannot_be_copied_there_is_no_script_but_a_reason(name: str) -> None:
    """The twin."""
    cause, stage, site, port, reference, _ = SHOWN[name]
    port = f"{port[:-1]}{'' if port.endswith('()') else ', '}epsilon=own)"
    given = case(f"def f(lr, own):\n{port}\n", f"def f(lr):\n{reference}\n", cause=cause, stage=stage, site=site)
    with pytest.raises(UsageError, match=f"no script shows {cause} alone"):
        repro.script(given, "one")
