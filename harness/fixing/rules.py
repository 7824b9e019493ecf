"""Which rules mend which cause: every row by the ids of its causes, and for a cause that is unknown by the stage.

A rule only proposes; what a fix is worth is found by running the port with it. None knows a pair or a tensor's name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations, islice

from harness.diagnosis.causes import table
from harness.fixing import (
    clipping,
    expressions,
    keywords,
    layers,
    padding,
    parts,
    pipelines,
    reshapes,
    schedules,
    statements,
    weights,
)
from harness.fixing.case import Case, Rule
from harness.fixing.code import Fix
from harness.fixing.likeness import likeness
from harness.verdict import Diagnosis

BY_CAUSE: Mapping[str, tuple[Rule, ...]] = {
    "activation-other": (keywords.activation, likeness),
    "layer-omitted": (keywords.activation, likeness),
    "loss-sum-for-mean": (likeness, keywords.reduction, expressions.sums),
    "loss-sum-over-axis": (likeness, expressions.sums, keywords.reduction),
    "reduction-sum-drops-last-axis": (likeness, expressions.sums, keywords.reduction),
    "kldiv-mean-vs-batchmean": (likeness, expressions.sums),
    "l2-loss-half-factor": (likeness, expressions.sums),
    "factor-omitted": (likeness, expressions.sums),
    "factor-twice": (likeness,),
    "term-omitted": (likeness,),
    "sign-exchanged": (likeness, expressions.signs),
    "ce-from-logits-default": (keywords.from_logits,),
    "bce-from-logits-default": (keywords.from_logits,),
    "ce-ignore-index-mean": (parts.loss,),
    "ce-class-weights-normalisation": (keywords.reduction, parts.loss),
    "class-weights-omitted": (statements.unused,),
    "gradient-stopped": (likeness, expressions.flowing),
    "td-target-without-stop-gradient": (likeness, expressions.stopped),
    "concatenation-order": (likeness, expressions.order),
    "convtranspose-same-crop": (expressions.ends,),
    "conv2d-same-stride2-asymmetric-padding": (padding.padding,),
    "maxpool-same-vs-padding1": (padding.padding,),
    "maxpool-zero-padding": (padding.padding,),
    "batchnorm-running-var-unbiased": (layers.layer,),
    "batchnorm-all-keras-defaults": (layers.layer,),
    "batchnorm-training-flag-omitted": (expressions.training,),
    "dropout-omitted": (expressions.training,),
    "rnn-padded-last-hidden": (statements.unused,),
    "attention-mask-omitted": (statements.unused,),
    "schedule-omitted": (statements.missing, parts.same_arguments),
    "schedule-offset": (schedules.offset, parts.same_arguments, layers.numbers, statements.missing),
    "nchw-data-reshaped-to-nhwc": (reshapes.transposed,),
    "flatten-order-nchw-nhwc": (reshapes.flattened,),
    "shuffle-order": (pipelines.pipeline,),
    "drop-remainder-vs-drop-last": (pipelines.pipeline,),
    "lstm-gate-order": (weights.loaded, weights.axes),
    "gru-gate-order": (weights.loaded, weights.axes),
    "dense-square-kernel-not-transposed": (weights.loaded, weights.axes),
    "clip-omitted": (clipping.clipping,),
    "clip-global-norm-eps": (clipping.clipping,),
    "clip-keras-clipnorm-per-variable": (clipping.clipping,),
    "clip-by-value-for-norm": (clipping.clipping,),
}  # fmt: skip

BY_AREA: Mapping[str, tuple[Rule, ...]] = {
    "optimizers": (parts.same_arguments, keywords.keyword, parts.optimizer),
    "regularisation": (parts.same_arguments, keywords.keyword, likeness, parts.optimizer),
    "normalisation": (parts.same_arguments, keywords.keyword, layers.layer),
    "layouts": (weights.loaded, weights.axes),
    "losses": (keywords.keyword, parts.same_arguments, keywords.from_logits, likeness, expressions.sums, parts.loss),
    "schedules": (parts.same_arguments, layers.numbers, statements.missing),
    "clipping": (clipping.clipping,),
}
"""For causes without a row of their own, by what they are about."""

ALWAYS: tuple[Rule, ...] = (keywords.keyword, parts.same_arguments, likeness)

BY_STAGE: Mapping[str, tuple[Rule, ...]] = {
    "batch": (pipelines.pipeline,),
    "outputs": (likeness, keywords.defaults, layers.layer, padding.padding, parts.same_arguments, expressions.sums,
                expressions.ends, statements.unused, expressions.training, expressions.order, weights.loaded),
    "loss": (likeness, keywords.from_logits, keywords.reduction, parts.loss, expressions.sums, statements.unused),
    "grads": (likeness, expressions.flowing, expressions.stopped),
    "clipped": (clipping.clipping,),
    "lr": (schedules.offset, parts.same_arguments, layers.numbers, statements.missing, parts.optimizer),
    "slots": (parts.same_arguments, parts.optimizer),
    "params": (parts.same_arguments, parts.optimizer, layers.numbers, statements.missing),
    "buffers": (parts.same_arguments, layers.layer),
}  # fmt: skip
"""For a cause that is unknown."""


def for_cause(cause: Diagnosis) -> list[Rule]:
    """The rules that a cause's own name leads to, and those of what explains the difference as well."""
    named = [name for name in (cause.cause, *cause.also) if name]
    return [rule for name in named for rule in BY_CAUSE.get(name, BY_AREA.get(table()[name].area, ()))]


COPYING: tuple[Rule, ...] = (
    likeness,
    keywords.defaults,
    layers.layer,
    parts.same_arguments,
    parts.loss,
    keywords.keyword,
    padding.padding,
)
"""Rules that copy what stands in the reference: of these two at a time are run, where no single one helps."""

FEW = 3
"""So many fixes of each of these rules are put together by two, and twice as many of all."""


def together(case: Case) -> Iterator[Fix]:
    """Two changes of one file at once, for mistakes that show in the same quantity."""
    single = [fix for rule in COPYING for fix in islice(rule(case), FEW)][: 2 * FEW]
    for one, other in combinations(dict.fromkeys(single), 2):
        apart = all(a == b or a.end <= b.start or b.end <= a.start for a in one.cuts for b in other.cuts)
        if one.path == other.path and apart:
            cuts = tuple(dict.fromkeys((*one.cuts, *other.cuts)))
            yield replace(one, cuts=cuts, sentence=f"{one.sentence}, and {other.sentence}")


def proposed(case: Case) -> Iterator[Iterator[Fix]]:
    """Every fix that may mend a cause, each once: what its name leads to; what the reference has; two of these; and the rest.

    Each group is for where none of those before it helps.
    """
    named, stage = for_cause(case.cause), BY_STAGE.get(case.first.stage, BY_STAGE["outputs"])
    always = ALWAYS if case.cause.cause else ()
    copied = dict.fromkeys([*always, *(rule for rule in stage if rule in COPYING)])
    seen: set[tuple[object, ...]] = set()

    def each(rules: Iterable[Rule]) -> Iterator[Fix]:
        for rule in rules:
            for fix in rule(case):
                key = (fix.path, fix.cuts)
                if key not in seen:
                    seen.add(key)
                    yield fix

    yield each(named)
    yield each(copied)
    yield each((together,))
    yield each(rule for rule in stage if rule not in copied)
