"""Rows of the table for layers: dense, embedding, normalization and recurrent ones."""

from harness.faithful.rows import DENSE, NORM, Row

LAYERS = (
    Row("nn.Linear(4, 3)", "keras.layers.Dense(3)", "the kernel is transposed", weights=DENSE),
    Row(
        "nn.Embedding(7, 4)",
        "faithful.Embedding(7, 4)",
        "dense gradient: Keras' optimizers get a sparse one with repeated ids wrong",
        "ids",
    ),
    Row(
        "nn.Embedding(7, 4, padding_idx=0)",
        "faithful.Embedding(7, 4, padding_idx=0)",
        "the row gets no gradient, and no mask changes the layers behind; mask_zero does the opposite of both",
        "ids",
    ),
    Row("nn.Flatten()", "keras.layers.Flatten()", "for vectors and sequences the order is the same", "sequence"),
    Row(
        "nn.Flatten()",
        "keras.Sequential([keras.layers.Permute((3, 1, 2)), keras.layers.Flatten()])",
        "torch flattens channels first",
        "image, flat",
    ),
    Row(
        "nn.Dropout(0.25)",
        "faithful.Dropout(0.25)",
        "outside of training both pass; in training hand the same mask to both sides: keep=",
    ),
)

NORMALIZATIONS = (
    Row("nn.BatchNorm1d(4)", "faithful.BatchNorm(4)", "unbiased running variance; momentum weighs the new value"),
    Row(
        "nn.BatchNorm2d(4)",
        "faithful.BatchNorm(4)",
        "the same over height and width; axis=1 for channels second",
        "image",
    ),
    Row(
        "nn.SyncBatchNorm(4)",
        "faithful.SyncBatchNorm(4)",
        "in a tf.distribute strategy the statistics are those of all replicas; alone it is BatchNorm",
    ),
    Row("nn.LayerNorm(4)", "keras.layers.LayerNormalization(epsilon=1e-5)", "epsilon is 1e-3 by default", weights=NORM),
    Row(
        "nn.GroupNorm(2, 4)",
        "keras.layers.GroupNormalization(2, epsilon=1e-5)",
        "epsilon 1e-3 by default",
        "image",
        NORM,
    ),
    Row(
        "nn.InstanceNorm2d(4)",
        "keras.layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False)",
        "one group per channel, nothing learned",
        "image",
    ),
    Row(
        "nn.RMSNorm(4, eps=1e-6)",
        "keras.layers.RMSNormalization(epsilon=1e-6)",
        "torch's default is the epsilon of the dtype: 1.1920929e-07 in float32",
        weights=(("weight", "scale"),),
    ),
    Row(
        "nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))",
        "faithful.weight_norm(keras.layers.Dense(3))",
        "axes are torch's: dim=0 is the output channel",
    ),
    Row(
        "nn.utils.parametrizations.weight_norm(nn.ConvTranspose1d(4, 3, 4))",
        "faithful.weight_norm(faithful.ConvTranspose1d(4, 3, 4))",
        "dim=0 of a transposed convolution is the input channel",
        "series",
    ),
    Row(
        "nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 3, 3))",
        "faithful.spectral_norm(keras.layers.Conv2D(3, 3))",
        "Keras' overwrites the kernel and drops the gradient through the singular value",
        "image",
    ),
    Row("lambda x: F.normalize(x)", "lambda x: faithful.normalize(x)", "the norm is bounded, not its square; axis 1"),
)

RECURRENT = (
    Row("nn.RNN(4, 3, batch_first=True)", "faithful.RNN(4, 3, batch_first=True)", "two biases, both learn", "sequence"),
    Row(
        "nn.GRU(4, 3, batch_first=True)",
        "faithful.GRU(4, 3, batch_first=True)",
        "two biases; gates r, z, n",
        "sequence",
    ),
    Row(
        "nn.LSTM(4, 3, batch_first=True)",
        "faithful.LSTM(4, 3, batch_first=True)",
        "two biases; no forget bias",
        "sequence",
    ),
    Row(
        "nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True)",
        "faithful.LSTM(4, 3, 2, batch_first=True, bidirectional=True)",
        "lengths= does what packing does",
        "sequence",
    ),
    Row(
        "nn.MultiheadAttention(4, 2, batch_first=True)",
        "faithful.MultiheadAttention(4, 2, batch_first=True)",
        "packed projection; a mask's True means ignore; a query that may look nowhere gets NaN",
        "attention",
    ),
    Row(
        "nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)",
        "faithful.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)",
        "norms after the sums, relu, epsilon 1e-5, 2048 wide with dropout 0.1 by default",
        "sequence",
    ),
)
