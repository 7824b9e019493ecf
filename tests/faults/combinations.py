"""Several slips in one port: rows of the corpus put together, by their names."""

from faults.table import Fault
from harness.contract.stages import STAGES

NAMES = (
    ("adam_regression: relu for silu", "adam_regression: Keras' epsilon"),
    ("adamw_groups: gelu for silu", "adamw_groups: Adam for AdamW"),
    ("adamw_groups: shortcut forgotten", "adamw_groups: betas of one group forgotten"),
    ("adamw_groups: LayerNorm's epsilon", "adamw_groups: Keras' decay"),
    ("contrastive: gelu for relu", "contrastive: from_logits forgotten"),
    ("contrastive: temperature left out", "contrastive: Keras' epsilon"),
    ("contrastive: gelu for relu", "contrastive: similarity without gradient", "contrastive: AMSGrad"),
    ("convnet_batchnorm: images reshaped", "convnet_batchnorm: softmax in front of the loss"),
    ("convnet_batchnorm: labels smoothed", "convnet_batchnorm: a tenth of the rate"),
    ("convnet_batchnorm: evaluation mode", "convnet_batchnorm: momentum 0.99"),
    ("residual_net: from_logits forgotten", "residual_net: decay forgotten"),
    ("residual_net: second BatchNorms' epsilon", "residual_net: momentum 0.5"),
    ("residual_net: images reshaped", "residual_net: labels smoothed", "residual_net: Nesterov's momentum"),
    ("gpt: GELU by tanh", "gpt: 1e-6 left out of the clipping"),
    ("gpt: from_logits forgotten", "gpt: norms decayed"),
    ("gpt: last LayerNorm's epsilon", "gpt: from_logits forgotten", "gpt: epsilon 1e-6"),
    ("gpt: shortcut round attention forgotten", "gpt: clipped by value"),
    ("masked_language_model: LayerNorm's epsilon", "masked_language_model: Adam for AdamW"),
    ("masked_language_model: padding mask turned round", "masked_language_model: loss halved"),
    ("masked_language_model: ignored words in the mean", "masked_language_model: Keras' epsilon"),
    ("dqn: BatchNorm's epsilon", "dqn: Keras' epsilon"),
    ("dqn: relu for tanh", "dqn: discount left out"),
    ("gan: Keras' slope", "gan: betas of the discriminator forgotten"),
    ("gan: BatchNorm's epsilon", "gan: from_logits forgotten"),
    ("vae: sigmoid for tanh", "vae: Keras' epsilon"),
    ("vae: divergence left out", "vae: twice the rate"),
    ("multi_task: tanh for relu", "multi_task: half of the logarithms left out"),
    ("multi_task: from_logits forgotten", "multi_task: logarithms taken off"),
    ("physics_informed: silu for tanh", "physics_informed: sum for mean"),
    ("physics_informed: boundary left out", "physics_informed: Keras' Adam"),
    ("temporal_convolution: kernel reshaped", "temporal_convolution: each gradient clipped by itself"),
    ("temporal_convolution: signals reshaped", "temporal_convolution: betas forgotten"),
    ("denoising_diffusion: GroupNorm's epsilon", "denoising_diffusion: summed over an image",
     "denoising_diffusion: weight of the average exchanged"),
    ("denoising_diffusion: cosines in front of the sines", "denoising_diffusion: second GroupNorm's epsilon"),
    ("seq2seq_attention: padding attended to", "seq2seq_attention: padding in the mean"),
    ("vision_transformer: GELU by tanh", "vision_transformer: betas forgotten"),
    ("vision_transformer: LayerNorm's epsilon", "vision_transformer: from_logits forgotten", "vision_transformer: torch's own decay"),
    ("warmup_cosine: GELU by tanh", "warmup_cosine: from_logits forgotten", "warmup_cosine: Adam for AdamW"),
    ("mobilenet_block: shortcut forgotten", "mobilenet_block: from_logits forgotten", "mobilenet_block: alpha forgotten"),
    ("attention_dropout: GELU by tanh", "attention_dropout: Adam for AdamW"),
    ("autoencoder_l1: sum for mean", "autoencoder_l1: Nesterov's momentum"),
    ("wgan_gradient_penalty: penalty taken off", "wgan_gradient_penalty: betas of the generator forgotten"),
    ("convnet_batchnorm: images reshaped", "convnet_batchnorm: flattened with channels last", "convnet_batchnorm: labels smoothed",
     "convnet_batchnorm: momentum 0.99"),
    ("gpt: GELU by tanh", "gpt: last LayerNorm's epsilon", "gpt: from_logits forgotten", "gpt: clipped by value",
     "gpt: betas forgotten"),
)  # fmt: skip


def combined(rows: dict[str, Fault], names: tuple[str, ...]) -> Fault:
    """Several rows in one port: it first differs where the first of them does."""
    parts = sorted((rows[name] for name in names), key=lambda part: (part.step, place(part.stage)))
    first, *others = parts
    steps = max(part.settings.get("steps", 3) for part in parts)
    return Fault(
        " + ".join((first.name, *(part.name.partition(": ")[2] for part in others))),
        first.pair,
        tuple(edit for part in parts for edit in part.edits),
        first.stage,
        first.step,
        first.cause,
        settings={"steps": steps},
        then=tuple(part.cause for part in others),
        layer=first.layer,
        right=tuple(cause for part in others for cause in (part.cause, *part.right)) + first.right,
    )


def place(stage: str) -> int:
    """A stage's place in causal order; one with a name of its own is as the outputs."""
    return STAGES.index(stage if stage in STAGES else "outputs")
