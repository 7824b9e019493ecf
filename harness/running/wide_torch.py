"""torch kept float64: casts to float32, and everything that is made with ``dtype=torch.float32``.

Only Python entry points are exchanged, so what no one casts costs nothing: a function mode made a small Adam step 1.5 to
1.8 times slower. Functions that want one dtype for all their tensors are called again with float32 cast up when they refuse.
"""

from collections.abc import Callable, Sequence
from typing import Any

from harness.running.wide import Patch, Switch

FACTORIES = (
    "arange", "as_tensor", "empty", "empty_like", "empty_strided", "eye", "full", "full_like", "linspace", "logspace",
    "ones", "ones_like", "scalar_tensor", "tensor", "zeros", "zeros_like", "asarray",
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window",
)  # fmt: skip
"""Functions of torch that make a tensor of the dtype that they are asked for."""

DRAWS = ("rand", "rand_like", "randn", "randn_like", "randint", "randint_like", "randperm", "normal")
"""Functions of torch that draw other numbers in float64; the float32 numbers are kept, and are float64 from there on."""

REDUCTIONS = ("cumprod", "cumsum", "mean", "nanmean", "nansum", "prod", "sum", "softmax", "log_softmax")
"""Functions, in torch and as methods, that take the dtype to compute in."""

METHODS = ("new_empty", "new_full", "new_ones", "new_tensor", "new_zeros")

STRICT = (
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "cdist", "chain_matmul", "dot", "einsum", "inner", "lerp",
    "matmul", "mm", "mv", "outer", "tensordot", "vdot", "index_copy", "index_add", "scatter", "scatter_add", "where",
)  # fmt: skip
STRICT_METHODS = (
    *(name for name in STRICT if name not in ("chain_matmul", "einsum", "tensordot", "cdist")),
    "__matmul__", "__rmatmul__", "__setitem__", "addmm_", "baddbmm_", "bmm", "index_add_", "index_copy_", "index_put_",
    "lerp_", "masked_scatter_", "scatter_", "scatter_add_", "scatter_reduce_",
)  # fmt: skip
STRICT_FUNCTIONAL = (
    "linear", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm", "prelu", "scaled_dot_product_attention",
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss", "multi_head_attention_forward",
)  # fmt: skip
"""Functions that refuse tensors of different dtypes."""


def patches(switch: Switch) -> list[Patch]:
    """What to put where in torch while a float64 run goes on."""
    import torch
    from torch.nn import functional

    tensor, tell = torch.Tensor, switch.tell
    wider = {torch.float32: torch.float64, torch.complex64: torch.complex128}
    narrower = {wide: plain for plain, wide in wider.items()}
    names = {torch.float32: "float32", torch.complex64: "complex64"}
    small = {torch.float16: "float16", torch.bfloat16: "bfloat16", torch.int8: "int8", torch.uint8: "uint8"}
    plain_to, plain_set = tensor.to, torch.set_default_dtype

    def told(value: Any, asked: Any) -> None:
        if value.is_floating_point() or value.is_complex():
            tell("kept", f"{str(value.dtype).removeprefix('torch.')} is cast to {names[asked]}")

    def to(self: Any, *args: Any, **named: Any) -> Any:
        """``Tensor.to``: a dtype of its own, by position or name, or another tensor's."""
        if not switch.on:
            return plain_to(self, *args, **named)
        for i, asked in enumerate(args):
            dtype = asked.dtype if isinstance(asked, tensor) and self.dtype in narrower else asked
            if isinstance(dtype, torch.dtype):
                if dtype in wider:
                    told(self, dtype)
                    if asked is dtype:
                        args = (*args[:i], wider[dtype], *args[i + 1 :])
                    else:
                        args = (asked.device, wider[dtype], *args[i + 1 :])
                elif dtype in small and self.dtype in narrower:
                    tell("narrow", f"float64 is cast to {small[dtype]}")
        asked = named.get("dtype")
        if asked in wider:
            told(self, asked)
            named["dtype"] = wider[asked]
        elif asked in small and self.dtype in narrower:
            tell("narrow", f"float64 is cast to {small[asked]}")
        return plain_to(self, *args, **named)

    def as_float(self: Any, **named: Any) -> Any:
        """``Tensor.float``."""
        if not switch.on:
            return plain_float(self, **named)
        told(self, torch.float32)
        return plain_to(self, torch.float64, **named)

    def typed(self: Any, dtype: Any = None, *args: Any, **named: Any) -> Any:
        """``Tensor.type``, by dtype or by the name of a tensor type."""
        if dtype is None:
            return plain_type(self)
        if switch.on and dtype in (torch.float32, torch.FloatTensor, "torch.FloatTensor"):
            told(self, torch.float32)
            return plain_to(self, torch.float64)
        return plain_type(self, dtype, *args, **named)

    def smaller(name: str, what: str) -> Callable[..., Any]:
        plain = getattr(tensor, name)

        def cast(self: Any, *args: Any, **named: Any) -> Any:
            if switch.on and self.dtype in narrower:
                tell("narrow", f"float64 is cast to {what}")
            return plain(self, *args, **named)

        return cast

    def view(self: Any, *args: Any, **named: Any) -> Any:
        """``Tensor.view``: bits that were written for the four bytes of a float32 are taken from one."""
        asked = args[0] if args else named.get("dtype")
        if switch.on and isinstance(asked, torch.dtype) and asked.itemsize == 4 and self.dtype is torch.float64:
            tell("narrow", "float64 is cast to float32: its bits are taken")
            self = plain_to(self, torch.float32)
        return plain_view(self, *args, **named)

    def asking(plain: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function whose ``dtype=torch.float32`` means float64."""

        def wide(*args: Any, **named: Any) -> Any:
            asked = named.get("dtype")
            if asked is not None and switch.on and asked in wider and named.get("out") is None:
                source = args[0] if args and isinstance(args[0], tensor) else None
                if name in ("as_tensor", "asarray") and source is not None and source.dtype == asked:
                    return plain(*args, **named)
                if source is None or source.is_floating_point() or source.is_complex():
                    tell("kept", f"{name} is asked for {names[asked]}")
                named["dtype"] = wider[asked]
            return plain(*args, **named)

        return wide

    def drawing(plain: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function that draws in the dtype that it was asked for, and gives the numbers as float64."""

        def wide(*args: Any, **named: Any) -> Any:
            asked = named.get("dtype")
            if not switch.on or asked not in wider or named.get("out") is not None:
                return plain(*args, **named)
            tell("kept", f"{name} is asked for {names[asked]}")
            learns = named.pop("requires_grad", False)
            return plain_to(plain(*args, **named), wider[asked]).requires_grad_(learns)

        return wide

    def fitting(plain: Callable[..., Any], name: str) -> Callable[..., Any]:
        """A function that is called again with one precision for all its tensors when it refuses two."""
        into = name.endswith("_") and name not in ("__matmul__", "__rmatmul__")

        def wide(*args: Any, **named: Any) -> Any:
            try:
                return plain(*args, **named)
            except RuntimeError:
                if not switch.on:
                    raise
                kinds = set(dtypes((args, named)))
                if into and args[0].dtype in wider and wider[args[0].dtype] in kinds:
                    tell("narrow", f"float64 is cast to float32: {name} writes into float32")
                    fit = cast((args, named), narrower)
                elif any(wider.get(kind) in kinds for kind in kinds):
                    fit = cast((args, named), wider)
                else:
                    raise
            return plain(*fit[0], **fit[1])

        # A function mode is given this one, and asks it for its name and parameters.
        wide.__name__, wide.__wrapped__ = name, plain  # type: ignore[attr-defined]
        return wide

    def dtypes(value: Any) -> list[Any]:
        if isinstance(value, tensor):
            return [value.dtype]
        if isinstance(value, dict):
            return [kind for part in value.values() for kind in dtypes(part)]
        return [kind for part in value for kind in dtypes(part)] if isinstance(value, list | tuple) else []

    def cast(value: Any, table: dict[Any, Any]) -> Any:
        """Nested arguments with their tensors cast as the table says."""
        if isinstance(value, tensor):
            return plain_to(value, table[value.dtype]) if value.dtype in table else value
        if isinstance(value, dict):
            return {name: cast(part, table) for name, part in value.items()}
        return type(value)(cast(part, table) for part in value) if type(value) in (list, tuple) else value

    def set_default(dtype: Any) -> None:
        """``torch.set_default_dtype``: float32 is what a float64 run is asked not to be."""
        if switch.on and dtype is torch.float32:
            tell("kept", "the default dtype is set to float32")
            dtype = torch.float64
        plain_set(dtype)

    plain_float, plain_type, plain_view = tensor.float, tensor.type, tensor.view
    found: list[Patch] = [
        (tensor, "to", to),
        (tensor, "float", as_float),
        (tensor, "type", typed),
        (tensor, "view", view),
        (torch, "set_default_dtype", set_default),
        *((tensor, name, smaller(name, what)) for name, what in (
            ("half", "float16"), ("bfloat16", "bfloat16"), ("char", "int8"), ("byte", "uint8"),
        )),
    ]  # fmt: skip
    for make, owner, listed in (
        (asking, torch, (*FACTORIES, *REDUCTIONS)),
        (asking, tensor, (*REDUCTIONS, *METHODS)),
        (drawing, torch, DRAWS),
        (fitting, torch, STRICT),
        (fitting, tensor, STRICT_METHODS),
        (fitting, functional, STRICT_FUNCTIONAL),
    ):
        found += [
            (owner, name, make(getattr(owner, name), name)) for name in dict.fromkeys(listed) if hasattr(owner, name)
        ]
    for _, name, new in found:
        new.__name__ = name  # whoever watches calls of torch's functions is given what stands in the class, by its name
    return [*found, *compilers(found)]


def compilers(found: Sequence[Patch]) -> list[Patch]:
    """torch as it is while a compiler reads it, which knows no function but torch's own; what it compiles stays float32."""
    import torch
    import torch._dynamo  # before anything is exchanged: it remembers torch's functions by what they are when it is loaded

    plain = [(owner, name, vars(owner).get(name)) for owner, name, _ in found]

    def put(patches: Sequence[Patch]) -> None:
        for owner, name, attribute in patches:
            if attribute is None:
                delattr(owner, name)
            else:
                setattr(owner, name, attribute)

    def wide() -> bool:
        owner, name, new = found[0]
        return vars(owner).get(name) is new

    def plainly(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        put(plain)
        try:
            return function(*args, **named)
        finally:
            put(found)

    def script(*args: Any, **named: Any) -> Any:
        """``torch.jit.script``."""
        return plainly(plain_script, *args, **named)

    def compiled(*args: Any, **named: Any) -> Any:
        """``torch.compile``, which reads a function when it is called first, and torch's own when first of all."""
        from torch._dynamo import trace_rules
        from torch._dynamo.callback import callback_handler

        if not watching:
            watching.append(True)
            plainly(trace_rules.get_torch_obj_rule_map)
            callback_handler.register_start_callback(begin)
            callback_handler.register_end_callback(end)
        return plainly(plain_compile, *args, **named)

    def begin(*_why: Any) -> None:  # torch 2.6 gives no reason
        suspended.append(wide())
        if suspended[-1]:
            put(plain)

    def end(*_why: Any) -> None:
        if suspended and suspended.pop():
            put(found)

    plain_script, plain_compile = torch.jit.script, torch.compile
    watching: list[bool] = []
    suspended: list[bool] = []
    return [(torch.jit, "script", script), (torch, "compile", compiled)]
