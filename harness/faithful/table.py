"""What to write in TensorFlow for what stands in PyTorch: data only, and every row of it is run by the tests.

A row holds two expressions that do the same, so `twinloop faithful` prints what was compared. "plain" rows need nothing
but the right arguments; "faithful" rows name a part of `harness.faithful`, because no arguments of Keras' own will do.
The names that expressions may use are `torch`, `nn`, `F`, `optim`; and `tf`, `keras`, `faithful`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """Two expressions that do the same to the same arguments.

    `takes` names the arguments both are called with: those of a layer or a function ("vector", "image", "sequence",
    "ids", ...), of a loss (Keras' called target first), of an optimizer, a clipping or a loss scale. `weights` are rows of a
    `Port` that give the Keras layer the module's weights; a part of `harness.faithful` needs none.
    """

    torch: str
    tensorflow: str
    why: str
    takes: str = "vector"
    weights: tuple[tuple[str, ...], ...] = ()

    @property
    def kind(self) -> str:
        """ "faithful" if a part of this package is needed, "plain" if Keras or TensorFlow is enough."""
        return "faithful" if "faithful." in self.tensorflow else "plain"


DENSE = (("weight", "kernel", "i o -> o i"), ("bias", "bias"))
CONV = (("weight", "kernel", "h w i o -> o i h w"), ("bias", "bias"))
NORM = (("weight", "gamma"), ("bias", "beta"))

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

CONVOLUTIONS = (
    Row(
        "nn.Conv1d(4, 3, 3)",
        "keras.layers.Conv1D(3, 3)",
        "",
        "series",
        (("weight", "kernel", "w i o -> o i w"), DENSE[1]),
    ),
    Row("nn.Conv2d(4, 3, 3)", "keras.layers.Conv2D(3, 3)", "", "image", CONV),
    Row(
        "nn.Conv2d(4, 3, 3, padding=1)",
        'keras.layers.Conv2D(3, 3, padding="same")',
        "same only at stride 1",
        "image",
        CONV,
    ),
    Row(
        "nn.Conv2d(4, 3, 3, stride=2, padding=1)",
        "keras.Sequential([keras.layers.ZeroPadding2D(1), keras.layers.Conv2D(3, 3, strides=2)])",
        'padding="same" with a stride pads behind only',
        "image",
        (("weight", "layers.1.kernel", "h w i o -> o i h w"), ("bias", "layers.1.bias")),
    ),
    Row("nn.Conv2d(4, 6, 3, groups=2)", "keras.layers.Conv2D(6, 3, groups=2)", "", "image", CONV),
    Row("nn.Conv2d(4, 3, 3, dilation=2)", "keras.layers.Conv2D(3, 3, dilation_rate=2)", "", "image", CONV),
    Row(
        "nn.Conv2d(4, 4, 3, groups=4, bias=False)",
        "keras.layers.DepthwiseConv2D(3, use_bias=False)",
        "one filter per channel",
        "image",
        (("weight", "kernel", "h w i 1 -> i 1 h w"),),
    ),
    Row(
        "nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1)",
        'keras.layers.Conv2DTranspose(3, 4, strides=2, padding="same")',
        "same crops alike only if kernel - stride is even and twice the padding",
        "image",
        (("weight", "kernel", "h w o i -> i o h w"), ("bias", "bias")),
    ),
    Row(
        "nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)",
        "faithful.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=1)",
        "same crops another pixel; valid and a Cropping2D do if padding >= output_padding",
        "image",
    ),
    Row(
        "nn.ConvTranspose1d(4, 3, 4, stride=2, padding=1)",
        "faithful.ConvTranspose1d(4, 3, 4, stride=2, padding=1)",
        "Keras' crops by no padding=1, and its output_padding is another number",
        "series",
    ),
    Row(
        "nn.ReflectionPad2d(1)",
        'lambda x: tf.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)], "REFLECT")',
        "",
        "image",
    ),
    Row("nn.ZeroPad2d(1)", "keras.layers.ZeroPadding2D(1)", "", "image"),
    Row(
        "nn.PixelShuffle(2)",
        "lambda x: tf.nn.depth_to_space(x, 2)",
        "to one channel; to more, torch groups the channels (C, r, r), TensorFlow (r, r, C): reorder them first",
        "image",
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

POOLING = (
    Row("nn.MaxPool2d(2)", "keras.layers.MaxPooling2D(2)", "", "image"),
    Row(
        "nn.MaxPool2d(3, 2, padding=1)",
        "faithful.MaxPool2d(3, 2, padding=1)",
        "same pads behind; zeros would win",
        "image",
    ),
    Row(
        "nn.MaxPool2d(2, ceil_mode=True)", "faithful.MaxPool2d(2, ceil_mode=True)", "no such argument in Keras", "image"
    ),
    Row("nn.AvgPool2d(2)", "keras.layers.AveragePooling2D(2)", "", "image"),
    Row(
        "nn.AvgPool2d(3, 2, padding=1)",
        "faithful.AvgPool2d(3, 2, padding=1)",
        "padded zeros count in the mean",
        "image",
    ),
    Row("nn.AdaptiveAvgPool2d(1)", "keras.layers.GlobalAveragePooling2D(keepdims=True)", "", "image"),
    Row("nn.AdaptiveAvgPool2d((2, 4))", "keras.layers.AdaptiveAveragePooling2D((2, 4))", "bins may overlap", "image"),
    Row("nn.Upsample(scale_factor=2)", "keras.layers.UpSampling2D(2)", "nearest, whole factors", "image"),
    Row(
        "nn.Upsample(size=(7, 9))",
        "faithful.Upsample(size=(7, 9))",
        "tf.image takes the pixel at the centre, torch the one at the corner",
        "image",
    ),
    Row(
        'nn.Upsample(scale_factor=1.5, mode="bilinear")',
        'faithful.Upsample(scale_factor=1.5, mode="bilinear")',
        "coordinates are divided by the factor, not by out / in; tf.image is float32 only",
        "image",
    ),
    Row(
        'nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True)',
        'faithful.Upsample(size=(7, 9), mode="bilinear", align_corners=True)',
        "tf.image has no aligned corners",
        "image",
    ),
    Row(
        'nn.Upsample(size=(7, 9), mode="bicubic")',
        'faithful.Upsample(size=(7, 9), mode="bicubic")',
        "the cubic's parameter is -0.75, TensorFlow's -0.5",
        "image",
    ),
)

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

LOSSES = (
    Row("nn.MSELoss()", "keras.losses.MeanSquaredError()", "equal shapes", "target"),
    Row(
        'nn.MSELoss(reduction="sum")',
        "lambda y, x: tf.reduce_sum(tf.square(x - y))",
        "Keras' sum averages the last axis",
        "target",
    ),
    Row("nn.L1Loss()", "keras.losses.MeanAbsoluteError()", "equal shapes", "target"),
    Row("nn.HuberLoss(delta=0.3)", "faithful.HuberLoss(delta=0.3)", "Keras rounds delta to float32", "target"),
    Row("nn.SmoothL1Loss(beta=0.3)", "faithful.SmoothL1Loss(beta=0.3)", "Huber's over beta", "target"),
    Row(
        "nn.BCEWithLogitsLoss()",
        "keras.losses.BinaryCrossentropy(from_logits=True)",
        "from_logits is False by default",
        "chance",
    ),
    Row(
        "nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.5))",
        "faithful.BCEWithLogitsLoss(pos_weight=2.5)",
        "weighs the positive term only",
        "chance",
    ),
    Row("nn.BCELoss()", "faithful.BCELoss()", "Keras clips at 1e-7, torch bounds the log at -100", "probability"),
    Row(
        "nn.CrossEntropyLoss()",
        "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
        "from_logits is False by default; classes last, not second",
        "labels",
    ),
    Row(
        "nn.CrossEntropyLoss(ignore_index=1)",
        "keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1)",
        "not all ignored: torch answers NaN then, Keras 0",
        "labels",
    ),
    Row(
        "nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5, 4.0]))",
        "faithful.CrossEntropyLoss(weight=[1.0, 2.0, 0.5, 4.0])",
        "the mean divides by the sum of the weights",
        "labels",
    ),
    Row(
        "nn.CrossEntropyLoss(label_smoothing=0.1)",
        "faithful.CrossEntropyLoss(label_smoothing=0.1)",
        "from labels; Keras smooths one-hot targets only",
        "labels",
    ),
    Row("nn.NLLLoss()", "faithful.NLLLoss()", "from log-probabilities; Keras would clip their exponentials", "labels"),
    Row("nn.KLDivLoss()", "faithful.KLDivLoss()", "first argument is log q; divides by all elements", "chance"),
    Row(
        'nn.KLDivLoss(reduction="batchmean")',
        'faithful.KLDivLoss(reduction="batchmean")',
        "Keras' takes probabilities and clips them at 1e-7",
        "chance",
    ),
    Row("nn.PoissonNLLLoss()", "faithful.PoissonNLLLoss()", "the prediction is the log of the rate", "chance"),
    Row(
        "lambda x, y: nn.GaussianNLLLoss()(x, y, x.exp())",
        "lambda y, x: faithful.GaussianNLLLoss()(y, (x, tf.exp(x)))",
        "not in Keras; mean and variance as a tuple, or side by side along the last axis",
        "target",
    ),
    Row(
        "lambda x, y: nn.TripletMarginLoss()(x, y, x.flip(0))",
        "lambda y, x: faithful.TripletMarginLoss()(None, (x, y, tf.reverse(x, [0])))",
        "not in Keras; 1e-6 is added to every component of a distance",
        "target",
    ),
    Row(
        "lambda x, y: nn.CosineEmbeddingLoss()(x, y, torch.ones(6))",
        "lambda y, x: faithful.CosineEmbeddingLoss()([1.0] * 6, (x, y))",
        "Keras' CosineSimilarity is minus the cosine, without a margin",
        "target",
    ),
    Row(
        "lambda x: nn.CTCLoss()(x.log_softmax(2), torch.full((5, 1), 2), torch.full((5,), 3), torch.full((5,), 1))",
        "lambda x: faithful.CTCLoss()(([[2]] * 5, [3] * 5, [1] * 5), tf.nn.log_softmax(x))",
        "Keras' is float32 only, and its mean does not divide by the lengths",
        "sequence",
    ),
    Row(
        "nn.HingeEmbeddingLoss()",
        "lambda y, x: tf.reduce_mean(tf.where(y > 0, x, tf.maximum(1.0 - x, 0.0)))",
        "Keras' Hinge is another loss",
        "sign",
    ),
    Row("nn.SoftMarginLoss()", "lambda y, x: tf.reduce_mean(tf.math.softplus(-y * x))", "", "sign"),
)

OPTIMIZERS = (
    Row("lambda p: optim.SGD(p, lr=0.1)", "faithful.SGD(lr=0.1)", "a rate of Keras' is float32", "gradients of steps"),
    Row(
        "lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)",
        "faithful.SGD(lr=0.1, momentum=0.9, weight_decay=0.01)",
        "the rate multiplies outside the momentum, and the decay goes through it",
        "gradients of steps",
    ),
    Row("lambda p: optim.Adam(p)", "faithful.Adam()", "epsilon 1e-8, added after the correction", "gradients of steps"),
    Row("lambda p: optim.AdamW(p)", "faithful.AdamW()", "decay 0.01 by default, 0.004 in Keras", "gradients of steps"),
    Row("lambda p: optim.NAdam(p)", "faithful.NAdam()", "another schedule of the momentum", "gradients of steps"),
    Row("lambda p: optim.RAdam(p)", "faithful.RAdam()", "not in Keras", "gradients of steps"),
    Row("lambda p: optim.Adamax(p)", "faithful.Adamax()", "epsilon inside the maximum", "gradients of steps"),
    Row("lambda p: optim.RMSprop(p)", "faithful.RMSprop()", "epsilon outside the root", "gradients of steps"),
    Row("lambda p: optim.Adagrad(p)", "faithful.Adagrad()", "the accumulator starts at 0", "gradients of steps"),
    Row("lambda p: optim.Adadelta(p)", "faithful.Adadelta()", "rate 1, epsilon 1e-6", "gradients of steps"),
    Row("lambda p: optim.ASGD(p)", "faithful.ASGD()", "not in Keras", "gradients of steps"),
    Row("lambda p: optim.Rprop(p)", "faithful.Rprop()", "not in Keras", "gradients of steps"),
    Row(
        "lambda p: optim.Adafactor(p)",
        "faithful.Adafactor()",
        "epsilon bounds the variance; Keras' adds it to the squared gradient, and scales by other rates",
        "gradients of steps",
    ),
    Row(
        "lambda p: optim.Muon(p)",
        "faithful.Muon()",
        "of matrices, in bfloat16; transposed=True for kernels of Dense; Keras' mixes in AdamW and other scales",
        "gradients of steps of a matrix",
    ),
    Row(
        "lambda p: optim.LBFGS(p, max_iter=4)",
        "faithful.LBFGS(max_iter=4)",
        "not in Keras: optimizer.step(closure), and the closure answers loss and gradients",
        "closure",
    ),
    Row(
        'lambda p: optim.LBFGS(p, line_search_fn="strong_wolfe")',
        'faithful.LBFGS(line_search_fn="strong_wolfe")',
        "the step is searched, and the closure asked more often",
        "closure",
    ),
    Row(
        'torch.amp.GradScaler("cpu", growth_interval=2)',
        'faithful.GradScaler("cpu", growth_interval=2)',
        "starts at 2^16; Keras' LossScaleOptimizer at 2^15, so other steps overflow and are skipped",
        "scaled gradients of steps",
    ),
    Row(
        "lambda p: nn.utils.clip_grad_norm_(p, 0.5)",
        "lambda grads: faithful.clip_grad_norm(grads, 0.5)[0]",
        "over all gradients together, with 1e-6 added to the norm",
        "gradients",
    ),
    Row(
        "lambda p: nn.utils.clip_grad_value_(p, 0.3)",
        "lambda grads: [tf.clip_by_value(grad, -0.3, 0.3) for grad in grads]",
        "dense gradients; Keras' clipvalue does the same in its optimizers",
        "gradients",
    ),
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

SECTIONS = {
    "Layers": LAYERS,
    "Convolutions": CONVOLUTIONS,
    "Normalization": NORMALIZATIONS,
    "Recurrence and attention": RECURRENT,
    "Pooling and resizing": POOLING,
    "Activations": ACTIVATIONS,
    "Losses": LOSSES,
    "Optimizers and clipping": OPTIMIZERS,
    "Operations": OPERATIONS,
}

ROWS = tuple(row for rows in SECTIONS.values() for row in rows)
