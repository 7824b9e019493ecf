"""Rows of the table for functions: activations and operations on tensors."""

from harness.faithful.rows import Row

ACTIVATIONS = (
    Row("nn.ReLU()", "keras.layers.ReLU()", "gradient 0 at 0; tf.maximum(x, 0) has 1"),
    Row("nn.ReLU6()", "tf.nn.relu6", ""),
    Row("nn.Sigmoid()", "tf.sigmoid", ""),
    Row("nn.Tanh()", "tf.tanh", ""),
    Row("nn.SiLU()", "tf.nn.silu", ""),
    Row("nn.ELU()", "tf.nn.elu", "alpha 1"),
    Row("nn.SELU()", "tf.nn.selu", ""),
    Row("nn.Mish()", "keras.activations.mish", ""),
    Row("nn.Softsign()", "tf.nn.softsign", ""),
    Row("nn.LogSigmoid()", "tf.math.log_sigmoid", ""),
    Row("nn.Softmax(dim=-1)", "tf.nn.softmax", "the axis is the last by default; channels second are axis=1"),
    Row("nn.LogSoftmax(dim=-1)", "tf.nn.log_softmax", "never the log of a softmax: it underflows"),
    Row("nn.Hardtanh()", "lambda x: tf.clip_by_value(x, -1.0, 1.0)", ""),
    Row("nn.GELU()", "faithful.GELU()", "tf.nn.gelu rounds its constants to float32; keras.ops.gelu is the tanh form"),
    Row('nn.GELU("tanh")', 'faithful.GELU("tanh")', "tf.nn.gelu rounds its constants to float32"),
    Row(
        "nn.LeakyReLU(0.1)",
        "faithful.LeakyReLU(0.1)",
        "tf.nn.leaky_relu rounds the slope to float32; default 0.01, not 0.3",
    ),
    Row(
        "nn.PReLU()",
        "faithful.PReLU()",
        "one slope for all, starting at 0.25; Keras has one per element, starting at 0",
    ),
    Row("nn.Softplus()", "faithful.Softplus()", "linear above 20"),
)

OPERATIONS = (
    Row(
        "lambda x: x.std(0)",
        "lambda x: tf.math.reduce_std(x, 0) * tf.sqrt(tf.constant(6 / 5, x.dtype))",
        "unbiased by default: times the root of n / (n - 1)",
    ),
    Row(
        "lambda x: x.max(1).values",
        "lambda x: tf.gather(x, tf.argmax(x, 1), axis=1, batch_dims=1)",
        "of several largest only the first gets the gradient; reduce_max shares it out",
    ),
    Row("lambda x: x.clamp(min=0)", "lambda x: tf.maximum(x, 0.0)", "gradient 1 at the bound, which relu has not"),
    Row("lambda x: x.clamp(-0.5, 0.5)", "lambda x: tf.clip_by_value(x, -0.5, 0.5)", "gradient 1 at the bounds"),
    Row(
        "lambda x: x.gather(1, torch.tensor([[0], [1], [2], [3], [0], [1]]))",
        "lambda x: tf.gather(x, [[0], [1], [2], [3], [0], [1]], axis=1, batch_dims=1)",
        "batch_dims=1, or every row is gathered for every index",
    ),
    Row(
        "lambda x: torch.zeros(3, 4, dtype=x.dtype).index_add(0, torch.tensor([0, 2, 2, 0, 0, 2]), x)",
        "lambda x: tf.math.unsorted_segment_sum(x, [0, 2, 2, 0, 0, 2], 3)",
        "a sum answers 0 where nothing arrives, in both",
    ),
    Row(
        'lambda x: torch.zeros(3, 4, dtype=x.dtype).scatter_reduce(0, torch.tensor([[0, 2, 0, 2]] * 6), x, "amax")',
        'lambda x: faithful.scatter_reduce(tf.zeros((3, 4), x.dtype), 0, [[0, 2, 0, 2]] * 6, x, "amax")',
        "unsorted_segment_max answers the dtype's lowest number where nothing arrives",
    ),
    Row(
        'lambda x: torch.segment_reduce(x, "mean", lengths=torch.tensor([2, 0, 4]))',
        'lambda x: faithful.segment_reduce(x, "mean", lengths=[2, 0, 4])',
        "an empty segment's mean is NaN, not 0; initial= says what else",
    ),
    Row(
        "lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 3, 0, 15)",
        "lambda x: faithful.fake_quantize_per_tensor_affine(x, 0.1, 3, 0, 15)",
        "TensorFlow's takes the range's ends, moves them, and stops the gradient there, torch's half a level later",
    ),
    Row(
        "lambda x: torch.fake_quantize_per_channel_affine("
        "x, torch.full((4,), 0.1, dtype=torch.float32), torch.zeros(4, dtype=torch.int32), 1, 0, 15)",
        "lambda x: faithful.fake_quantize_per_channel_affine(x, [0.1] * 4, [0] * 4, 1, 0, 15)",
        "the same for each channel",
    ),
    Row(
        "lambda x: F.cosine_similarity(x, x.flip(0))",
        "lambda x: faithful.cosine_similarity(x, tf.reverse(x, [0]))",
        "Keras' loss is its negative, with the bound on the squared norm",
    ),
    Row(
        "lambda x: F.pairwise_distance(x, x.flip(0))",
        "lambda x: faithful.pairwise_distance(x, tf.reverse(x, [0]))",
        "1e-6 is added to every component",
    ),
)
