"""Pairs of library models, a reference in PyTorch beside the same model in Keras, whose rows are known: written into a folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers_models import DATA, MODELS, SCENARIO, TORCH, recipe

# transformers: PyTorch's class beside TensorFlow's, of legacy Keras

LEGACY = """\
import tensorflow as tf
import tf_keras
from transformers import {config}, TF{model}
from transformers.modeling_tf_pytorch_utils import convert_tf_weight_name_to_pt_weight_name

from harness import Port

SHAPES = {shapes}
AXES = {{"simple": "i o -> o i", "conv2d": "h w i o -> o i h w"}}


def entry(variable):
    name, turned = convert_tf_weight_name_to_pt_weight_name(
        variable.name, tf_weight_shape=variable.shape
    )
    if turned.value in AXES:
        return name, variable, AXES[turned.value]
    if len(variable.shape) > len(SHAPES[name]):
        return name, variable, "1 o -> o"
    return name, variable


def train(weights, batches, *, lr):
    model = TF{model}({config}({sizes}))
    model(model.dummy_inputs)
    port = Port(*map(entry, model.trainable_variables))
    port.load(weights)
    optimizer = tf_keras.optimizers.SGD(learning_rate=lr)

    for batch in batches:
        with tf.GradientTape() as tape:
            outputs = model(batch._asdict(), training=True)
            loss = tf.reduce_mean(outputs.loss)
        grads = [tf.convert_to_tensor(grad) for grad in tape.gradient(loss, port.variables)]
        optimizer.apply_gradients(zip(grads, port.variables, strict=True))
        yield {{
            "outputs": outputs.logits,
            "loss": loss,
            "grads": port.named(grads),
            "params": port.named(port.variables),
        }}
"""


def legacy(name: str, layers: int) -> Callable[[Path], None]:
    """Writes the pair of a model of transformers with so many layers; its rows are those of the library's own conversion."""

    def write(folder: Path) -> None:
        import transformers

        model, config, sizes = MODELS[name]
        sizes = sizes.replace("layers=2", f"layers={layers}").replace("n_layer=2", f"n_layer={layers}")
        made = getattr(transformers, config)(**eval(f"dict({sizes})"))  # noqa: S307  # the table of this folder
        reference = getattr(transformers, model)(made)
        shapes = {key: tuple(tensor.shape) for key, tensor in reference.named_parameters()}
        weights = "\n".join(f'        "{key}": {recipe(key, shape)},' for key, shape in shapes.items())
        parts: dict[str, Any] = {"model": model, "config": config, "sizes": sizes, "shapes": shapes}
        folder.mkdir(parents=True)
        text = SCENARIO.format(name=name, weights=weights, data=", ".join(DATA[name]))
        (folder / "scenario.py").write_text(text, encoding="utf-8")
        (folder / "torch_loop.py").write_text(TORCH.format(**parts), encoding="utf-8")
        (folder / "tensorflow_loop.py").write_text(LEGACY.format(**parts), encoding="utf-8")

    return write


# Training functions as they are

CAPTURED = """\
from harness import Scenario, integers, normal

scenario = Scenario(
    "{name}: both train the same.",
    data={{"x": {x}, "y": integers(4, high=3)}},
    batch_size=2,
    epochs=1,
    hyper={{"lr": 0.01}},
    may_rise="few steps",
)
"""
TORCH_TRAIN = """\
import torch
{imports}


{reference}


def train(x, y, *, lr, batch_size):
    model = reference()
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for first in range(0, len(y), batch_size):
        inputs, labels = x[first : first + batch_size], y[first : first + batch_size]
        loss = torch.nn.functional.cross_entropy({torch_call}, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
KERAS_TRAIN = """\
import keras
import tensorflow as tf
{imports}

from harness import Port

{port}


def train(x, y, *, lr, batch_size):
    model = {port_model}
    optimizer = keras.optimizers.SGD(lr)
    criterion = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for first in range(0, len(y), batch_size):
        inputs, labels = x[first : first + batch_size], y[first : first + batch_size]
        with tf.GradientTape() as tape:
            loss = criterion(labels, {keras_call})
        variables = model.trainable_variables
        grads = tape.gradient(loss, variables)
        optimizer.apply([tf.convert_to_tensor(grad) for grad in grads], variables)
"""


@dataclass(frozen=True)
class Library:
    """A model of two libraries. reference: the body of torch's ``reference()``; made: Keras' expression of the same.

    port: a function ``port(model)`` that gives the rows which are right. The calls give logits of three classes.
    """

    name: str
    x: str
    torch_imports: str
    reference: str
    torch_call: str
    imports: str
    made: str
    keras_call: str
    port: str

    def write(self, folder: Path) -> None:
        """Write the pair."""
        body = "\n".join(f"    {line}" for line in self.reference.splitlines())
        folder.mkdir(parents=True)
        files = {
            "scenario": CAPTURED.format(name=self.name, x=self.x),
            "torch_loop": TORCH_TRAIN.format(
                imports=self.torch_imports, reference=f"def reference():\n{body}", torch_call=self.torch_call
            ),
            "tensorflow_loop": KERAS_TRAIN.format(
                imports=self.imports, port=self.port, port_model=self.made, keras_call=self.keras_call
            ),
        }
        for file, text in files.items():
            (folder / f"{file}.py").write_text(text, encoding="utf-8")


# keras.applications beside torchvision

VISION = """\
import sys
from functools import partial

try:
    import torchvision
except RuntimeError:  # the wheel is for CUDA and torch is not, so that operators which no classifier needs are unknown
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
"""

IMAGES = """\
KINDS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.BatchNormalization, keras.layers.Dense)
NORM = {{"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}}
NAMES = {names}


def rows(name, layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        return [(f"{{name}}.{{part}}", getattr(layer, own)) for own, part in NORM.items()]
    axes = {{2: "i o -> o i", 4: "h w i o -> o i h w"}}[len(layer.kernel.shape)]
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        axes = "h w c 1 -> c 1 h w"
    kernel = [(f"{{name}}.weight", layer.kernel, axes)]
    return kernel + ([(f"{{name}}.bias", layer.bias)] if {biases} and layer.use_bias else [])


def port(model):
    layers = [layer for layer in model.layers if type(layer) in KINDS]
    layers = [model.get_layer(name) for _, name in NAMES] if NAMES[0][1] else layers
    return Port(*(row for (name, _), layer in zip(NAMES, layers, strict=True) for row in rows(name, layer)))
"""


def residual(name: str) -> str:
    """What keras.applications calls a layer of torchvision's ResNet-50."""
    if name == "fc":
        return "predictions"
    if name in ("conv1", "bn1"):
        return "conv1_conv" if name == "conv1" else "conv1_bn"
    stage, block, *rest = name.split(".")
    place = f"conv{int(stage[-1]) + 1}_block{int(block) + 1}"
    if rest[0] == "downsample":
        return f"{place}_0_{'conv' if rest[1] == '0' else 'bn'}"
    return f"{place}_{rest[0][-1]}_{rest[0][:-1]}"


def pictures(
    name: str, reference: str, made: str, *, size: int, named: Callable[[str], str] = lambda _: "", biases: bool = True
) -> Callable[[Path], None]:
    """Writes the pair of a model for pictures. named: Keras' name of a layer, where its order is not torch's."""

    def write(folder: Path) -> None:
        import torch

        space: dict[str, Any] = {"torch": torch}
        body = "\n".join(f"    {line}" for line in reference.splitlines())
        exec(f"{VISION}\n\ndef reference():\n{body}", space)  # noqa: S102  # this module's own text
        kinds = (torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Linear)
        names = [(key, named(key)) for key, module in space["reference"]().named_modules() if isinstance(module, kinds)]
        Library(
            name,
            f"normal(4, 3, {size}, {size})",
            VISION,
            reference,
            "model(inputs)",
            "",
            made,
            "model(tf.transpose(inputs, (0, 2, 3, 1)), training=True)",
            IMAGES.format(names=names, biases=biases),
        ).write(folder)

    return write


RESNET = """\
model = torchvision.models.resnet50(num_classes=5, norm_layer=partial(torch.nn.BatchNorm2d, eps=1.001e-5))
for block in model.modules():  # as in the paper, and in Keras: the first convolution of a block has its stride
    if isinstance(block, torchvision.models.resnet.Bottleneck):
        block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
return model"""
VGG = """\
features = torchvision.models.vgg16().features
return torch.nn.Sequential(features, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(512, 5))"""
MOBILE = """\
norm = partial(torch.nn.BatchNorm2d, eps=1e-3)
return torchvision.models.mobilenet_v2(num_classes=5, norm_layer=norm, dropout=0.0)"""
EFFICIENT = """\
class Scaled(torch.nn.Module):  # Keras' model holds the scaling of its pictures
    def __init__(self):
        super().__init__()
        self.net = torchvision.models.efficientnet_b0(
            num_classes=5, norm_layer=partial(torch.nn.BatchNorm2d, eps=1e-3), dropout=0.0, stochastic_depth_prob=0.0
        )

    def forward(self, x):
        return self.net(x / 255)

return Scaled()"""
HEAD = "classes=5, weights=None, classifier_activation=None"

# keras-hub beside transformers

BERT = """\
def port(model):
    rows = [
        ("embeddings.word_embeddings.weight", model.token_embedding.embeddings),
        ("embeddings.position_embeddings.weight", model.get_layer("position_embedding").position_embeddings),
        ("embeddings.token_type_embeddings.weight", model.get_layer("segment_embedding").embeddings),
        ("embeddings.LayerNorm.weight", model.get_layer("embeddings_layer_norm").gamma),
        ("embeddings.LayerNorm.bias", model.get_layer("embeddings_layer_norm").beta),
        ("pooler.dense.weight", model.get_layer("pooled_dense").kernel, "i o -> o i"),
        ("pooler.dense.bias", model.get_layer("pooled_dense").bias),
    ]
    for number in range(LAYERS):
        layer, at = model.get_layer(f"transformer_layer_{number}"), f"encoder.layer.{number}"
        attention = layer._self_attention_layer
        for part in ("query", "key", "value"):
            dense, name = getattr(attention, f"_{part}_dense"), f"{at}.attention.self.{part}"
            rows += [(f"{name}.weight", dense.kernel, "i h d -> (h d) i"), (f"{name}.bias", dense.bias, "h d -> (h d)")]
        dense, name = attention._output_dense, f"{at}.attention.output.dense"
        rows += [(f"{name}.weight", dense.kernel, "h d o -> o (h d)"), (f"{name}.bias", dense.bias)]
        for name, dense in (
            (f"{at}.intermediate.dense", layer._feedforward_intermediate_dense),
            (f"{at}.output.dense", layer._feedforward_output_dense),
        ):
            rows += [(f"{name}.weight", dense.kernel, "i o -> o i"), (f"{name}.bias", dense.bias)]
        for name, norm in (
            (f"{at}.attention.output.LayerNorm", layer._self_attention_layer_norm),
            (f"{at}.output.LayerNorm", layer._feedforward_layer_norm),
        ):
            rows += [(f"{name}.weight", norm.gamma), (f"{name}.bias", norm.beta)]
    return Port(*rows)
"""
GPT2 = """\
def port(model):
    norm = model.get_layer("layer_norm")
    rows = [
        ("wte.weight", model.token_embedding.embeddings),
        ("wpe.weight", model.get_layer("position_embedding").position_embeddings),
        ("ln_f.weight", norm.gamma),
        ("ln_f.bias", norm.beta),
    ]
    for number in range(LAYERS):
        layer, at = model.get_layer(f"transformer_layer_{number}"), f"h.{number}"
        attention = layer._self_attention_layer
        three = [getattr(attention, f"_{part}_dense") for part in ("query", "key", "value")]
        rows += [
            (f"{at}.attn.c_attn.weight", tuple(dense.kernel for dense in three), "n i h d -> i (n h d)"),
            (f"{at}.attn.c_attn.bias", tuple(dense.bias for dense in three), "n h d -> (n h d)"),
            (f"{at}.attn.c_proj.weight", attention._output_dense.kernel, "h d o -> (h d) o"),
            (f"{at}.attn.c_proj.bias", attention._output_dense.bias),
            (f"{at}.mlp.c_fc.weight", layer._feedforward_intermediate_dense.kernel),
            (f"{at}.mlp.c_fc.bias", layer._feedforward_intermediate_dense.bias),
            (f"{at}.mlp.c_proj.weight", layer._feedforward_output_dense.kernel),
            (f"{at}.mlp.c_proj.bias", layer._feedforward_output_dense.bias),
            (f"{at}.ln_1.weight", layer._self_attention_layer_norm.gamma),
            (f"{at}.ln_1.bias", layer._self_attention_layer_norm.beta),
            (f"{at}.ln_2.weight", layer._feedforward_layer_norm.gamma),
            (f"{at}.ln_2.bias", layer._feedforward_layer_norm.beta),
        ]
    return Port(*rows)
"""


def hub(kind: str, layers: int) -> Callable[[Path], None]:
    """Writes the pair of keras-hub's backbone and transformers' model in PyTorch."""
    x = "integers(4, 12, low=1, high=40)"
    if kind == "bert":
        return Library(
            f"BERT of {layers} layers",
            x,
            "from transformers import BertConfig, BertModel",
            f"return BertModel(BertConfig(vocab_size=40, hidden_size=32, num_hidden_layers={layers}, num_attention_heads=4,"
            ' intermediate_size=64, max_position_embeddings=16, hidden_act="gelu_pytorch_tanh",'
            " hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))",
            "model(inputs).pooler_output[:, :3]",
            "import keras_hub",
            f"keras_hub.models.BertBackbone(vocabulary_size=40, num_layers={layers}, num_heads=4, hidden_dim=32,"
            " intermediate_dim=64, dropout=0.0, max_sequence_length=16)",
            'model({"token_ids": inputs, "segment_ids": tf.zeros_like(inputs), "padding_mask": tf.ones_like(inputs)})'
            '["pooled_output"][:, :3]',
            f"LAYERS = {layers}\n\n\n{BERT}",
        ).write
    return Library(
        f"GPT-2 of {layers} layers",
        x,
        "from transformers import GPT2Config, GPT2Model",
        f"return GPT2Model(GPT2Config(vocab_size=40, n_positions=16, n_embd=32, n_layer={layers}, n_head=4, resid_pdrop=0.0,"
        " embd_pdrop=0.0, attn_pdrop=0.0))",
        "model(inputs).last_hidden_state[:, -1, :3]",
        "import keras_hub",
        f"keras_hub.models.GPT2Backbone(vocabulary_size=40, num_layers={layers}, num_heads=4, hidden_dim=32,"
        " intermediate_dim=128, dropout=0.0, max_sequence_length=16)",
        'model({"token_ids": inputs, "padding_mask": tf.ones_like(inputs)})[:, -1, :3]',
        f"LAYERS = {layers}\n\n\n{GPT2}",
    ).write


LIBRARIES: dict[str, tuple[str, Callable[[Path], None]]] = {
    **{f"transformers_{name}": ("legacy", legacy(name, 2)) for name in MODELS},
    "transformers_bert_12": ("legacy", legacy("bert", 12)),
    "keras_hub_bert": ("", hub("bert", 2)),
    "keras_hub_bert_12": ("", hub("bert", 12)),
    "keras_hub_gpt2": ("", hub("gpt2", 2)),
    "vgg16": (
        "",
        pictures(
            "VGG16",
            VGG,
            'keras.Sequential([*keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")'
            ".layers, keras.layers.Dense(5)])",
            size=32,
        ),
    ),
    "resnet50": (
        "",
        pictures(
            "ResNet-50",
            RESNET,
            f"keras.applications.ResNet50({HEAD}, input_shape=(33, 33, 3))",
            size=33,
            named=residual,
            biases=False,
        ),
    ),
    "mobilenet_v2": (
        "",
        pictures("MobileNetV2", MOBILE, f"keras.applications.MobileNetV2({HEAD}, input_shape=(33, 33, 3))", size=33),
    ),
    "efficientnet_b0": (
        "",
        pictures(
            "EfficientNetB0", EFFICIENT, f"keras.applications.EfficientNetB0({HEAD}, input_shape=(33, 33, 3))", size=33
        ),
    ),
}
"""A pair's name -> whether its processes need legacy Keras, and what writes it."""
