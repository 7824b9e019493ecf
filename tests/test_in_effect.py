"""The same training with other bookkeeping, and differences that a team lives with: named, and passed on no one's silence."""

from typing import Any

import pytest
from corpus import only
from edited import PAIRS, accepting, judged, notes, port, reference

from harness import Accepted, UsageError
from harness.plugin import Twin
from harness.report import wording
from harness.running.pairs import Pair

pytestmark = pytest.mark.xdist_group("findings")

LINE, SIX = "linear_regression", 6
BEFORE = "        with tf.Grad"
CALL = "        outputs, loss, grads = train_step("


def logged(find: str, more: str) -> str:
    return f"{find}\n            {more}"


MOMENTUM = (
    reference("lr=lr)", "lr=lr, momentum=0.5)"),
    reference(
        '"loss": loss,',
        logged(
            '"loss": loss,', '"slots": {n: optimizer.state[p]["momentum_buffer"] for n, p in model.named_parameters()},'
        ),
    ),
    port("learning_rate=lr", "learning_rate=lr, momentum=0.5"),
    port('"loss": loss,', logged('"loss": loss,', '"slots": port.named(optimizer.momentums),')),
)
"""Keras' momentum holds the step itself: -lr times torch's momentum, as long as the rate stays what it is."""
SCHEDULE = (
    reference(
        "lr=lr)\n",
        "lr=lr)\n    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 1 / (k + 1))\n",
    ),
    reference(
        "optimizer.step()\n",
        'rate = optimizer.param_groups[0]["lr"]\n        optimizer.step()\n        scheduler.step()\n',
    ),
    reference('"loss": loss,', logged('"loss": loss,', '"lr": rate,')),
    port("for x, y in batches", "for step, (x, y) in enumerate(batches)"),
    port(
        "apply(grads, port.variables)\n",
        "apply(grads, port.variables)\n        optimizer.learning_rate = lr / (step + 2)\n",
    ),
    port('"loss": loss,', logged('"loss": loss,', '"lr": optimizer.learning_rate,')),
)
CLIPPED = (
    port("grads = tape.gradient(loss, port.variables)", "grads = [4 * g for g in tape.gradient(loss, port.variables)]"),
    port("(norm + 1e-6)", "(norm + 4e-6)"),
)
CLIPPED_GRADIENTS = tuple(f"grads/{layer}.{name}" for layer in (0, 2, 4) for name in ("weight", "bias"))
IN_EFFECT: dict[str, tuple[str, tuple[Any, ...], str, tuple[str, tuple[str, ...], float | None]]] = {
    "decay inside the logged loss": (
        LINE,
        (
            port('"loss": loss,', '"loss": loss + 0.005 * squares,'),
            port(BEFORE, f"        squares = sum(tf.reduce_sum(v**2) for v in port.variables)\n{BEFORE}"),
        ),
        "step 0, loss",
        ("decay", ("loss",), 0.01),
    ),
    "a sum with a smaller rate": (
        LINE,
        (
            port("criterion(y, outputs)", "tf.reduce_sum(tf.square(y - outputs))"),
            port("learning_rate=lr", "learning_rate=lr / 100"),
        ),
        "step 0, loss",
        ("factor", ("loss",), 100),
    ),
    "a rate logged after the scheduler's step": (
        LINE,
        SCHEDULE,
        "step 0, lr",
        ("earlier", ("lr",), None),
    ),
    "another order in the batch": (
        LINE,
        (port(BEFORE, f"        x, y = x[::-1], y[::-1]\n{BEFORE}"),),
        "step 0, batch/0",
        ("order", ("batch/0",), None),
    ),
    "another order of ids in the batch": (
        "skip_gram",
        (
            port(
                CALL,
                f"        centers, contexts, negatives = centers[::-1], contexts[::-1], negatives[::-1]\n{CALL}",
            ),
        ),
        "step 0, batch/0",
        ("order", ("batch/0",), None),
    ),
    "a gradient four times too large, clipped away": (
        "clip_global_norm",
        CLIPPED,
        "step 0, grads/0.weight",
        ("factor", CLIPPED_GRADIENTS, 4),
    ),
    "a momentum that is the step itself": (
        LINE,
        MOMENTUM,
        "step 0, slots/weight",
        ("factor", ("slots/weight",), -0.01),
    ),
}


FURTHER = ("another order of ids in the batch", "a gradient four times too large, clipped away")
"""Of a kind that another row has as well."""


@pytest.mark.parametrize("name", only(IN_EFFECT.keys() - set(FURTHER), IN_EFFECT))
def test_other_bookkeeping_is_equivalent_in_effect_with_its_relation_and_does_not_pass(
    twinloop_worker: Any, name: str
) -> None:
    pair, edits, place, relation = IN_EFFECT[name]
    settings = {"hyper": {"max_norm": "0.05"}} if pair == "clip_global_norm" else {}
    verdict = judged(twinloop_worker, pair, *edits, steps=SIX, **settings)
    assert verdict.status == "EQUIVALENT IN EFFECT", verdict.sentence
    assert verdict.sentence.startswith("parameters and buffers agree at all 6 steps, but ")
    (found,) = verdict.relations
    kind, tensors, number = relation
    assert (found.kind, found.tensors, found.throughout) == (kind, tensors, True)
    assert found.numbers == (() if number is None else pytest.approx((number,), rel=1e-5))
    assert verdict.sentence.endswith(f"; {wording.relation(found)}")
    assert verdict.first is not None
    assert verdict.first.place == place
    (finding,) = notes(verdict, "bookkeeping")
    assert finding.sentence.endswith(wording.relation(found))
    assert not verdict.agrees
    assert not verdict.passed


def test_a_gradient_four_times_too_large_is_a_difference_once_it_is_not_clipped(twinloop_worker: Any) -> None:
    """Why the same in effect is not yet the same."""
    verdict = judged(twinloop_worker, "clip_global_norm", *CLIPPED, steps=SIX, hyper={"max_norm": "50"})
    assert verdict.status == "DIFFERENT"


def test_a_momentum_that_is_the_step_itself_is_a_difference_once_the_rate_changes(twinloop_worker: Any) -> None:
    drop = (
        reference("optimizer.step()\n", 'optimizer.step()\n        optimizer.param_groups[0]["lr"] /= 2\n'),
        port(
            "apply(grads, port.variables)\n",
            "apply(grads, port.variables)\n        lr = lr / 2\n        optimizer.learning_rate = lr\n",
        ),
    )
    verdict = judged(twinloop_worker, LINE, *MOMENTUM, *drop, steps=SIX)
    assert verdict.status == "DIFFERENT"
    assert verdict.first is not None
    assert verdict.first.place == "step 0, slots/weight"


@pytest.mark.parametrize(("step", "status"), [(4, "EQUIVALENT IN EFFECT"), (5, "DIFFERENT")])
def test_a_slot_that_differs_from_the_last_step_on_may_still_have_an_effect(
    twinloop_worker: Any, step: int, status: str
) -> None:
    """Nothing was trained with it yet."""
    slots = (
        f"port.named([m / -lr * (1.001 if optimizer.iterations > {step} else 1.0) for m in optimizer.momentums])"
    )  # fmt: skip
    recorded = port('"loss": loss,', logged('"loss": loss,', f'"slots": {slots},'))
    verdict = judged(twinloop_worker, LINE, *MOMENTUM[:3], recorded, steps=SIX)
    assert verdict.first is not None
    assert (verdict.status, verdict.first.place) == (status, f"step {step}, slots/weight")


# Acceptance

REASON = "Keras multiplies by the rate before it adds up"


def test_an_accepted_difference_passes_and_shows_in_the_verdict(twinloop_worker: Any) -> None:
    verdict = judged(twinloop_worker, LINE, *MOMENTUM, *accepting(f'Accepted("slots/*", 1.02, "{REASON}")'), steps=SIX)
    assert (verdict.status, verdict.agrees) == ("EQUIVALENT", True)
    assert verdict.sentence.endswith("; 1 accepted")
    assert [finding.sentence for finding in verdict.findings] == [
        f"slots/*: up to 1.0e+00, accepted up to 1.0e+00: {REASON}"
    ]


def test_beyond_its_bound_an_accepted_difference_does_not_pass_and_it_says_so(twinloop_worker: Any) -> None:
    slots = judged(twinloop_worker, LINE, *MOMENTUM, *accepting(f'Accepted("slots/*", 0.5, "{REASON}")'), steps=SIX)
    assert slots.status == "EQUIVALENT IN EFFECT"
    assert [finding.sentence for finding in notes(slots, "accepted")] == [
        f"slots/*: 1.0e+00 in slots/weight, more than the 5.0e-01 that are accepted: {REASON}"
    ]
    everything = accepting('Accepted("*", 1e-3, "a rate rounded by hand")')
    close = judged(twinloop_worker, LINE, port("=lr)\n", "=lr * 1.0001)\n"), *everything, steps=SIX)
    far = judged(twinloop_worker, LINE, port("=lr)\n", "=lr * 1.1)\n"), *everything, steps=SIX)
    assert (close.status, far.status) == ("EQUIVALENT", "DIFFERENT")
    assert far.first is not None
    assert far.first.place == "step 0, params/weight"


PENALTY = IN_EFFECT["decay inside the logged loss"][1]


def test_a_difference_is_accepted_by_its_cause_and_for_no_other(twinloop_worker: Any) -> None:
    by_decay = accepting('Accepted("loss", 10, "the port logs its penalty", cause="decay")')
    logged_penalty = judged(twinloop_worker, LINE, *PENALTY, *by_decay, steps=SIX)
    assert logged_penalty.status == "EQUIVALENT", logged_penalty.sentence
    assert notes(logged_penalty, "accepted")[0].sentence.startswith("loss by decay: up to ")
    doubled = judged(twinloop_worker, LINE, port('"loss": loss', '"loss": 2 * loss'), *by_decay, steps=SIX)
    assert doubled.status == "EQUIVALENT IN EFFECT"
    assert [finding.sentence for finding in notes(doubled, "accepted")] == [
        "loss by decay: 1.0e+00 in loss, but its cause is factor: the port logs its penalty"
    ]


def test_a_further_port_has_acceptances_of_its_own(twinloop_worker: Any) -> None:
    """Keras' epsilon, lived with in the article's own port; the first port has nothing to accept, and nothing stale."""
    accepted = accepting('Accepted("*", 0.1, "Keras\' own Adam", port="plain_keras")')
    for variant, kinds in (("", []), ("plain_keras", ["accepted"])):
        pair = Pair(PAIRS / "mini_batch_mlp", variant)
        verdict = Twin(pair, twinloop_worker).edited(*accepted).ask(steps=SIX)
        assert verdict.status == "EQUIVALENT", verdict.sentence
        assert [finding.kind for finding in verdict.findings if finding.kind != "kept wide"] == kinds
    unknown = judged(twinloop_worker, LINE, *accepting('Accepted("*", 0.1, "no", port="plane")'))
    assert unknown.sentence == ("pair linear_regression: Accepted: no further port called plane; there are none")


def test_a_cause_that_is_none_is_said() -> None:
    with pytest.raises(UsageError, match="no cause called decoy; did you mean decay"):
        Accepted("loss", 0.1, "why", cause="decoy")  # type: ignore[arg-type]


def test_an_acceptance_that_is_no_longer_needed_is_stale(twinloop_worker: Any) -> None:
    verdict = judged(twinloop_worker, LINE, *accepting('Accepted("slots/*", 0.1, "as it used to be")'))
    assert verdict.status == "EQUIVALENT"
    assert [(finding.kind, finding.sentence) for finding in verdict.findings] == [
        (
            "stale acceptance",
            "slots/* no longer differs; take Accepted('slots/*') out of the scenario (as it used to be)",
        )
    ]


def test_what_is_accepted_gives_no_mistake_away(twinloop_worker: Any) -> None:
    """Slots that differ anyway, or everything: a mistake on purpose has to show in something else."""
    slots = (
        *MOMENTUM[:2],
        port("learning_rate=lr", "learning_rate=0.009999999776482582, momentum=0.5"),
        MOMENTUM[3],
        *accepting('Accepted("slots/*", 1.02, "known")'),
    )
    everything = (
        port("learning_rate=lr", "learning_rate=0.0100001"),
        *accepting('Accepted("*", 1e-2, "known")'),
    )
    for edits in (slots, everything):
        verdict = judged(twinloop_worker, LINE, *edits, thorough=True)
        assert verdict.sentence == (
            "with lr off by 0.001, torch trains differently and tensorflow does not: the port does not use it"
        )
    right = judged(
        twinloop_worker,
        LINE,
        port("=lr)\n", "=lr * 1.0001)\n"),
        *accepting('Accepted("*", 1e-2, "known")'),
        thorough=True,
    )
    assert right.status == "EQUIVALENT"
    assert all(trial.noticed for trial in right.sensitivity)
