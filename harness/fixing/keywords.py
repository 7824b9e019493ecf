"""Fixes that put one argument of a call: torch's value under the name that Keras has for it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.diagnosis.causes import table
from harness.fixing.calls import Call
from harness.fixing.case import Case, literal, same
from harness.fixing.code import Cut, Fix

OPTIMIZERS = frozenset(
    ("SGD", "Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Nadam", "Lion", "Ftrl", "Lamb", "Adafactor")
)
BY_OPTIMIZER = frozenset(("clipped", "lr", "slots", "params", "buffers", "metrics"))
"""Stages of the first step in which an optimizer has a part."""
WITH_EPSILON = frozenset(("Adam", "AdamW", "Adamax", "Adagrad", "Adadelta", "RMSprop", "Nadam", "Lamb"))
WITH_BETAS = frozenset(("Adam", "AdamW", "Adamax", "Nadam", "Lion", "Lamb"))
NORMS = frozenset(("BatchNormalization", "LayerNormalization", "GroupNormalization"))
ENTROPIES = frozenset((
    "SparseCategoricalCrossentropy", "CategoricalCrossentropy", "BinaryCrossentropy", "BinaryFocalCrossentropy",
    "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy",
))  # fmt: skip
LOSSES = ENTROPIES | frozenset((
    "MeanSquaredError", "MeanAbsoluteError", "Huber", "KLDivergence", "Poisson", "Hinge", "SquaredHinge", "LogCosh",
))  # fmt: skip
DENSE = frozenset(
    ("Dense", "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "DepthwiseConv2D", "Activation")
)


def itself(value: object) -> object:
    """The same value."""
    return value


def rest(value: object) -> object:
    """One minus it."""
    return round(1 - value, 12) if isinstance(value, int | float) else value


@dataclass(frozen=True)
class Keyword:
    """torch's argument, the calls that have it in Keras, its name there, what it is there, and Keras' default."""

    torch: str
    calls: frozenset[str]
    keras: str
    to: Callable[[object], object] = itself
    default: object = None


KEYWORDS: tuple[Keyword, ...] = (
    Keyword("eps", NORMS, "epsilon", default=1e-3),
    Keyword("eps", frozenset({"RMSNormalization"}), "epsilon", default=1e-6),
    Keyword("eps", WITH_EPSILON, "epsilon", default=1e-7),
    Keyword("momentum", frozenset({"BatchNormalization"}), "momentum", rest, 0.99),
    Keyword("momentum", frozenset({"SGD", "RMSprop"}), "momentum", default=0.0),
    Keyword("nesterov", frozenset({"SGD"}), "nesterov", default=False),
    Keyword("alpha", frozenset({"RMSprop"}), "rho", default=0.9),
    Keyword("rho", frozenset({"Adadelta"}), "rho", default=0.95),
    Keyword("centered", frozenset({"RMSprop"}), "centered", default=False),
    Keyword("amsgrad", frozenset({"Adam", "AdamW"}), "amsgrad", default=False),
    Keyword("betas.0", WITH_BETAS, "beta_1", default=0.9),
    Keyword("betas.1", WITH_BETAS, "beta_2", default=0.999),
    Keyword("weight_decay", frozenset({"AdamW"}), "weight_decay", default=0.004),
    Keyword("initial_accumulator_value", frozenset({"Adagrad"}), "initial_accumulator_value", default=0.1),
    Keyword("negative_slope", frozenset({"LeakyReLU", "leaky_relu"}), "negative_slope", default=0.3),
    Keyword("alpha", frozenset({"ELU", "elu"}), "alpha", default=1.0),
    Keyword("approximate", frozenset({"gelu"}), "approximate", lambda kind: kind == "tanh", default=None),
    Keyword("activation", DENSE, "activation"),
    Keyword("label_smoothing", ENTROPIES, "label_smoothing", default=0.0),
    Keyword("ignore_index", ENTROPIES, "ignore_class"),
    Keyword("delta", frozenset({"Huber", "huber"}), "delta", default=1.0),
    Keyword("count_include_pad", frozenset({"AveragePooling2D"}), "count_include_pad"),
    Keyword("align_corners", frozenset({"resize"}), "align_corners", default=False),
    Keyword("reduction", LOSSES, "reduction", lambda kind: "sum" if kind == "sum" else "sum_over_batch_size",
            "sum_over_batch_size"),
)  # fmt: skip


def keyword(case: Case) -> Iterator[Fix]:
    """The argument that the cause is about, in each call that has it, where names fit first, and in all at once."""
    others = elsewhere(case)
    for key, text in case.cause.torch.items():
        value, wrong = case.value(text), case.value(case.cause.port.get(key, ""))
        fitting = [
            (call, row)
            for row in KEYWORDS
            if row.torch == key and not row.calls & others
            for call in case.calls
            if call.last in row.calls and not call.part and differs(case, call, row, value)
        ]
        fitting.sort(key=lambda item: (item[0].owner != case.owner, not has(case, item[0], item[1], wrong)))
        puts = [(call, row, case.written(call, row.torch, row.to(value))) for call, row in fitting]
        single = [
            call.fix([call.put(row.keras, said)], f"{row.keras}={said} in {call.name}") for call, row, said in puts
        ]
        alike = [put for put in puts if has(case, *put[:2], wrong)]
        every = []
        if len(alike) > 1 and len({call.code for call, *_ in alike}) == 1:
            first, row, said = alike[0]
            every = [first.fix([call.put(row.keras, said) for call, row, said in alike], f"{row.keras}={said} in all")]
        at_once = case.everywhere or by_default(case, key, [call.last for call, *_ in alike])
        yield from (*every, *single) if at_once else (*single, *every)


def elsewhere(case: Case) -> frozenset[str]:
    """Calls that the cause is not about, though they have an argument of that name: norms and optimizers share some."""
    area = table()[case.cause.cause].area if case.cause.cause else ""
    early = case.first.step == 0 and case.first.stage not in BY_OPTIMIZER
    if early or area == "normalisation":
        return OPTIMIZERS
    return NORMS if area == "optimizers" else frozenset()


def by_default(case: Case, key: str, kinds: Sequence[str]) -> bool:
    """Whether the reference has torch's own default in all of its layers of these kinds, so that all of the port are to."""
    return any(kind in NAMES for kind in kinds) and key not in stated(case, kinds)


def stated(case: Case, kinds: Iterable[str]) -> set[str | None]:
    """The arguments that the reference gives by name to any of its layers of these kinds."""
    theirs = {name for kind in kinds for name in NAMES.get(kind, ())}
    return {item.arg for call in case.of_torch if call.last in theirs for item in call.node.keywords}


TORCH: Mapping[tuple[str, str], object] = {
    ("LayerNormalization", "eps"): 1e-5, ("GroupNormalization", "eps"): 1e-5,
    ("BatchNormalization", "eps"): 1e-5, ("BatchNormalization", "momentum"): 0.1,
}  # fmt: skip
"""What torch has where nothing is said and Keras has another number."""


NAMES: Mapping[str, tuple[str, ...]] = {
    "LayerNormalization": ("LayerNorm",), "GroupNormalization": ("GroupNorm",),
    "BatchNormalization": ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
}  # fmt: skip
"""What torch calls these layers."""


def defaults(case: Case) -> Iterator[Fix]:
    """torch's defaults in every layer of a class that has other numbers, where the reference says none: all of a file at once."""
    for kind in NAMES:
        of_kind = [call for call in case.calls if call.last == kind and not call.part]
        said = stated(case, [kind])
        rows = [row for row in KEYWORDS if kind in row.calls and (kind, row.torch) in TORCH and row.torch not in said]
        for code in dict.fromkeys(call.code for call in of_kind):
            cuts: list[Cut] = []
            told: dict[str, str] = {}
            for call in [call for call in of_kind if call.code is code]:
                apart = {row.keras: literal(row.to(TORCH[kind, row.torch])) for row in rows
                         if not has(case, call, row, TORCH[kind, row.torch])}  # fmt: skip
                known = {key for key in apart if call.argument(key) is not None}
                cuts += [call.put(key, apart[key]) for key in known]
                added = ", ".join(f"{key}={said}" for key, said in apart.items() if key not in known)
                cuts += [call.add(added)] if added else []
                told |= apart
            if cuts:
                call = next(call for call in of_kind if call.code is code)
                yield call.fix(cuts, f"{', '.join(f'{key}={said}' for key, said in told.items())} in every {call.name}")


def current(case: Case, call: Call, row: Keyword) -> object:
    """What a call has there, as far as the source tells; its own text if that is no literal."""
    given = call.argument(row.keras)
    if given is None:
        return row.default
    text = call.code.said(given.value)
    return case.hyper.get(text, case.value(text))


def differs(case: Case, call: Call, row: Keyword, value: object) -> bool:
    """Whether a call has another value than torch's."""
    return not same(current(case, call, row), row.to(value))


def has(case: Case, call: Call, row: Keyword, value: object) -> bool:
    """Whether a call has this value."""
    return same(current(case, call, row), row.to(value))


def from_logits(case: Case) -> Iterator[Fix]:
    """``from_logits=True`` in each cross-entropy that does not have it, and left out of each that does."""
    for call in case.calls:
        if call.last in ENTROPIES and not call.part:
            given = call.argument("from_logits")
            said = "False" if given is not None and call.code.said(given.value) == "True" else "True"
            yield call.fix([call.put("from_logits", said)], f"from_logits={said} in {call.name}")


REDUCTIONS = ("sum_over_batch_size", "sum", "mean_with_sample_weight", "mean")


def reduction(case: Case) -> Iterator[Fix]:
    """Another reduction of each loss of Keras' own."""
    for call in case.calls:
        if call.last in LOSSES and call.last[0].isupper() and not call.part:
            given = call.argument("reduction")
            own = case.value(call.code.said(given.value)) if given is not None else "sum_over_batch_size"
            for said in REDUCTIONS:
                if said != own:
                    yield call.fix([call.put("reduction", f'"{said}"')], f'reduction="{said}" in {call.name}')


ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "silu": "silu", "elu": "elu", "gelu": "gelu",
               "softplus": "softplus", "leaky_relu": "leaky_relu", "softmax": "softmax", "selu": "selu"}  # fmt: skip
"""Activations that torch and Keras call alike."""


def activation(case: Case) -> Iterator[Fix]:
    """The reference's activation at each layer that has another one, or none; a function's name where one is called."""
    parts = case.cause.site.split(":")
    wanted = str(case.cause.torch.get("activation", parts[3] if len(parts) > 3 else parts[-1]))
    wrong = str(case.cause.port.get("activation", ""))
    if wanted not in ACTIVATIONS:
        return
    layers = [call for call in case.calls if call.last in DENSE and not call.part and call.last != "Activation"]
    other = [
        call for call in layers if (item := call.argument("activation")) and call.code.said(item.value)[1:-1] != wanted
    ]
    bare = [call for call in layers if call.argument("activation") is None]
    ranked = other + bare if wrong else bare + other
    for call in sorted(ranked, key=lambda call: call.owner != case.owner):
        yield call.fix([call.put("activation", f'"{wanted}"')], f'activation="{wanted}" in {call.name}')
    for call in case.calls:
        if call.last == wrong and not call.part:
            write = call.name.removesuffix(call.last) + wanted
            yield call.fix([call.code.instead(call.node.func, write)], f"{write} for {call.name}")
