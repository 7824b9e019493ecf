"""The first slips that were planted, and combinations of them in one port, beside the first rewrites."""

from faults.table import Fault, Rewrite, edit

FAULTS = (
    Fault(
        "nesterov forgotten", "sgd_nesterov", edit("nesterov=True", "nesterov=False"),
        "params", cause="sgd-nesterov-omitted",
    ),
    Fault(
        "sum for mean", "linear_regression",
        edit("criterion(y, outputs)", "tf.reduce_sum(tf.square(outputs - y))"),
        "loss", cause="loss-sum-for-mean",
    ),
    Fault(
        "from_logits forgotten", "sgd_nesterov", edit("from_logits=True,", ""),
        "loss", cause="ce-from-logits-default",
    ),
    Fault(
        "zero_grad forgotten", "linear_regression", edit("        optimizer.zero_grad()\n", "", "torch_loop.py"),
        "grads", step=1, cause="zero-grad-omitted",
    ),
    Fault(
        "square kernel not transposed", "transformer_block", edit("h d o -> o (h d)", "h d o -> (h d) o"),
        "outputs", cause="dense-square-kernel-not-transposed",
    ),
    Fault(
        "BatchNorm momentum 0.1 for 0.9", "convnet_batchnorm",
        edit("faithful.BatchNorm(6)", "faithful.BatchNorm(6, momentum=0.9)"),
        "buffers", cause="batchnorm-momentum-convention", tensor="buffers/bn1.running_mean",
    ),
    Fault(
        "BatchNorm epsilon 1e-3", "convnet_batchnorm", edit("faithful.BatchNorm(6)", "faithful.BatchNorm(6, eps=1e-3)"),
        "outputs", cause="batchnorm-eps-default",
    ),
    Fault(
        "running variance biased", "convnet_batchnorm",
        (
            *edit("faithful.BatchNorm(6)", "keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)"),
            *edit("model.bn1.weight", "model.bn1.gamma"),
            *edit("model.bn1.bias", "model.bn1.beta"),
            *edit("model.bn1.running_mean", "model.bn1.moving_mean"),
            *edit("model.bn1.running_var", "model.bn1.moving_variance"),
            *edit("model.bn1.num_batches_tracked", "model.bn2.num_batches_tracked"),
        ),
        "buffers", cause="batchnorm-running-var-unbiased", tensor="buffers/bn1.running_var",
    ),
    Fault(
        "Adam's epsilon 1e-7", "mini_batch_mlp", edit("faithful.Adam(lr=lr)", "faithful.Adam(lr=lr, eps=1e-7)"),
        "params", cause="adam-eps-default",
    ),
    Fault(
        "Adam's epsilon outside the correction", "mini_batch_mlp",
        (
            *edit("faithful.Adam(lr=lr)", "keras.optimizers.Adam(lr, epsilon=1e-8)"),
            *edit("optimizer.exp_avg)", "optimizer._momentums)"),
            *edit("optimizer.exp_avg_sq)", "optimizer._velocities)"),
        ),
        "params", cause="adam-eps-hat-placement",
    ),
    Fault(
        "L2 without the half", "binary_classifier", edit("tf.nn.l2_loss(v)", "tf.reduce_sum(tf.square(v))"),
        "loss", cause="l2-loss-half-factor",
    ),
    Fault(
        "last partial batch dropped", "mini_batch_mlp",
        edit("dataset.batch(batch_size)", "dataset.batch(batch_size, drop_remainder=True)"),
        "batch", step=2, cause="drop-remainder-vs-drop-last", settings={"batch_size": 400, "steps": 4},
    ),
    Fault(
        "shuffle order different", "mini_batch_mlp",
        edit("dataset.batch(batch_size)", "dataset.shuffle(1000, seed=1).batch(batch_size)"),
        "batch", cause="shuffle-order",
    ),
    Fault(
        "training flag not passed", "convnet_batchnorm", edit("model(x, training=True)", "model(x)"),
        "outputs", cause="batchnorm-training-flag-omitted",
    ),
    Fault(
        "LSTM gates in another order", "lstm_classifier",
        edit(
            "    port.load(weights)\n",
            "    def reordered(w):\n"
            "        i, f, g, o = tf.split(w, 4)\n"
            "        return tf.concat([i, g, f, o], 0)\n"
            "    port.load({n: reordered(w) if 'lstm' in n else w for n, w in weights.items()})\n",
        ),
        "outputs", cause="lstm-gate-order",
    ),
    Fault(
        "GELU tanh for exact", "transformer_block", edit("faithful.GELU()", "faithful.GELU('tanh')"),
        "outputs", cause="gelu-tanh-default-in-keras-ops",
    ),
    Fault(
        "accuracy not reset", "binary_classifier", edit("        train_accuracy.reset_state()\n", ""),
        "metrics", step=2, cause="metric-reset-state-omitted", tensor="metrics/accuracy",
        status="EQUIVALENT IN EFFECT", settings={"batch_size": 250, "steps": 4},
    ),
    Fault(
        "no rounding to bfloat16", "bfloat16_mixed",
        edit("return tf.cast(tf.cast(x, tf.bfloat16), tf.float32)", "return x"),
        "outputs", cause="bf16-autocast-vs-keras-mixed-policy",
    ),
    Fault(
        "AdamW with Keras' decay, in bfloat16", "bfloat16_mixed",
        edit("faithful.AdamW(lr=lr)", "faithful.AdamW(lr=lr, weight_decay=0.004)"),
        "params", cause="adamw-default-weight-decay",
    ),
    Fault(
        "AdamW's epsilon 1e-3, in bfloat16", "bfloat16_mixed",
        edit("faithful.AdamW(lr=lr)", "faithful.AdamW(lr=lr, eps=1e-3)"),
        "params", cause="adam-eps-default",
    ),
    Fault(
        "RMSprop's epsilon 1e-3", "rmsprop_centered", edit("        eps=eps,\n", "        eps=1e-3,\n"),
        "slots", cause="rmsprop-defaults",
    ),
    Fault(
        "mean gradient not taken off", "rmsprop_centered", edit("centered=True", "centered=False"),
        "slots", cause="rmsprop-centered",
    ),
    Fault(
        "RMSprop's momentum forgotten", "rmsprop_centered", edit("        momentum=momentum,\n", ""),
        "slots", cause="sgd-momentum-other",
    ),
    Fault(
        "RMSprop's alpha 0.9", "rmsprop_centered", edit("        alpha=alpha,\n", "        alpha=0.9,\n"),
        "slots", cause="rmsprop-defaults",
    ),
    Fault(
        "dampening forgotten", "sgd_dampening", edit("        dampening=dampening,\n", ""),
        "slots", step=1, cause="sgd-dampening",
    ),
    Fault(
        "momentum 0.5", "sgd_dampening", edit("        momentum=momentum,\n", "        momentum=0.5,\n"),
        "slots", step=1, cause="sgd-momentum-other",
    ),
    Fault(
        "mean over time summed", "sgd_dampening", edit("tf.reduce_mean(x, 1)", "tf.reduce_sum(x, 1)"),
        "outputs", cause="loss-sum-for-mean",
    ),
    Fault(
        "1e-6 left out of the clipping", "clip_global_norm", edit("(norm + 1e-6)", "norm"),
        "clipped", cause="clip-global-norm-eps",
    ),
    Fault(
        "each gradient clipped by itself", "clip_global_norm",
        edit("[grad * scale for grad in grads]", "[tf.clip_by_norm(grad, max_norm) for grad in grads]"),
        "clipped", cause="clip-keras-clipnorm-per-variable",
    ),
    Fault(
        "clipping forgotten", "clip_global_norm", edit("[grad * scale for grad in grads]", "list(grads)"),
        "clipped", cause="clip-omitted",
    ),
    Fault(
        "weight decay forgotten", "clip_global_norm", edit("        weight_decay=weight_decay,\n", ""),
        "slots", cause="weight-decay-omitted",
    ),
    Fault(
        "relu for tanh", "clip_global_norm",
        edit('second := keras.layers.Dense(20, activation="tanh")', 'second := keras.layers.Dense(20, activation="relu")'),
        "outputs", cause="activation-other",
    ),
    Fault(
        "schedule one step behind", "warmup_cosine",
        edit("(optimizer, factor)", "(optimizer, lambda step: factor(max(step - 1, 0)))"),
        "lr", step=1, cause="schedule-offset",
    ),
    Fault(
        "schedule one step ahead", "warmup_cosine", edit("(optimizer, factor)", "(optimizer, lambda step: factor(step + 1))"),
        "lr", cause="schedule-offset",
    ),
    Fault(
        "schedule forgotten", "warmup_cosine", edit("            scheduler.step()\n", ""),
        "lr", step=1, cause="schedule-omitted",
    ),
    Fault(
        "beta 0.99", "warmup_cosine",
        edit("        weight_decay=weight_decay,\n", "        weight_decay=weight_decay,\n        betas=(0.9, 0.99),\n"),
        "slots", cause="adam-betas-other",
    ),
    Fault(
        "AdamW with Keras' decay", "warmup_cosine",
        edit("        weight_decay=weight_decay,\n", "        weight_decay=0.004,\n"),
        "params", cause="adamw-default-weight-decay",
    ),
    Fault(
        "GRU gates as Keras has them", "gru_tagger",
        edit(
            "    port.load(weights)\n",
            "    def reordered(w):\n"
            "        r, z, n = tf.split(w, 3)\n"
            "        return tf.concat([z, r, n], 0)\n"
            "    port.load({n: reordered(w) if 'gru' in n else w for n, w in weights.items()})\n",
        ),
        "outputs", cause="gru-gate-order",
    ),
    Fault(
        "ignored words in the mean", "gru_tagger",
        edit(
            "loss = criterion(tags, outputs)",
            "loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy("
            "tags, outputs, from_logits=True, ignore_class=-100))",
        ),
        "loss", cause="ce-ignore-index-mean",
    ),
    Fault(
        "lengths not passed", "gru_tagger", edit("self.gru(x, lengths=lengths)", "self.gru(x)"),
        "outputs", cause="rnn-padded-last-hidden", right=("embedding-padding-idx",),
    ),
    Fault(
        "weighted loss divided by the count", "unet",
        edit('"mean_with_sample_weight"', '"sum_over_batch_size"'), "loss", cause="ce-class-weights-normalisation",
    ),
    Fault(
        "class weights forgotten", "unet", edit("criterion(masks, outputs, pixel_weights)", "criterion(masks, outputs)"),
        "loss", cause="class-weights-omitted",
    ),
    Fault(
        "transposed convolution cropped at the other end", "unet", edit("[:, 1:, 1:]", "[:, :-1, :-1]"),
        "outputs", cause="convtranspose-same-crop",
    ),
    Fault(
        "skip joined behind", "unet", edit("[skip1, self.up1(x)]", "[self.up1(x), skip1]"),
        "outputs", cause="concatenation-order",
    ),
    Fault(
        "shortcut forgotten", "residual_net", edit("tf.nn.relu(h + shortcut)", "tf.nn.relu(h)"),
        "outputs", cause="term-omitted",
    ),
    Fault(
        "stride padded as SAME", "residual_net",
        (
            *edit("(channels, 3, stride, use_bias=False)", '(channels, 3, stride, padding="same", use_bias=False)'),
            *edit("self.conv1(self.pad(x))", "self.conv1(x)"),
        ),
        "outputs", cause="conv2d-same-stride2-asymmetric-padding",
    ),
    Fault(
        "maximum padded as SAME", "residual_net",
        (
            *edit("keras.layers.MaxPooling2D(3, 2)", 'keras.layers.MaxPooling2D(3, 2, padding="same")'),
            *edit("self.maxpool(self.pad(x))", "self.maxpool(x)"),
        ),
        "outputs", cause="maxpool-same-vs-padding1",
    ),
    Fault(
        "first BatchNorm's epsilon 1e-3", "residual_net",
        edit("        self.bn1 = faithful.BatchNorm(6)\n", "        self.bn1 = faithful.BatchNorm(6, eps=1e-3)\n"),
        "outputs", cause="batchnorm-eps-default",
    ),
    Fault(
        "pixels averaged", "vae",
        edit("tf.reduce_sum(criterion(x, logits)) / len(x)", "tf.reduce_mean(criterion(x, logits))"),
        "loss", cause="reduction-sum-drops-last-axis",
    ),
    Fault(
        "pixels not divided", "vae",
        edit("tf.reduce_sum(criterion(x, logits)) / len(x)", "tf.reduce_sum(criterion(x, logits))"),
        "loss", cause="factor-omitted",
    ),
    Fault(
        "variance for deviation", "vae", edit("tf.exp(0.5 * log_variance)", "tf.exp(log_variance)"),
        "outputs", cause="factor-omitted",
    ),
    Fault(
        "divergence not halved", "vae", edit("-0.5 * tf.reduce_sum(kl, 1)", "-tf.reduce_sum(kl, 1)"),
        "loss", cause="factor-omitted",
    ),
    Fault(
        "mean without gradient", "vae", edit("z = mean + tf.exp", "z = tf.stop_gradient(mean) + tf.exp"),
        "grads", cause="gradient-stopped",
    ),
    Fault(
        "LayerNorm's epsilon 1e-3", "transformer_block",
        edit("self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5)", "self.norm2 = keras.layers.LayerNormalization()"),
        "outputs", cause="layernorm-eps-default",
    ),
    Fault(
        "mean over tokens summed", "transformer_block",
        edit("tf.reduce_mean(self.norm3(x), 1)", "tf.reduce_sum(self.norm3(x), 1)"),
        "outputs", cause="loss-sum-for-mean",
    ),
    Fault(
        "second shortcut forgotten", "transformer_block",
        edit("x = x + self.contract(self.gelu(self.expand(h)))", "x = self.contract(self.gelu(self.expand(h)))"),
        "outputs", cause="term-omitted",
    ),
    Fault(
        "every LayerNorm's epsilon 1e-6", "vision_transformer",
        (
            *edit("self.norm1 = keras.layers.LayerNormalization(epsilon=1e-5)",
                  "self.norm1 = keras.layers.LayerNormalization(epsilon=1e-6)"),
            *edit("self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5)",
                  "self.norm2 = keras.layers.LayerNormalization(epsilon=1e-6)"),
            *edit("self.norm = keras.layers.LayerNormalization(epsilon=1e-5)",
                  "self.norm = keras.layers.LayerNormalization(epsilon=1e-6)"),
        ),
        "outputs", cause="layernorm-eps-default",
    ),
    Fault(
        "activation forgotten", "mini_batch_mlp", edit('keras.layers.Dense(10, activation="relu")', "keras.layers.Dense(10)"),
        "outputs", cause="layer-omitted",
    ),
    Fault(
        "square of the temperature left out", "knowledge_distillation",
        edit("alpha * temperature**2 * distilled", "alpha * distilled"), "loss", cause="factor-omitted",
    ),
    Fault(
        "divergence averaged over all", "knowledge_distillation",
        edit("tf.reduce_mean(kl_div)", "tf.reduce_mean(tf.exp(log_p) * (log_p - log_q))"),
        "loss", cause="kldiv-mean-vs-batchmean",
    ),
    Fault(
        "sum for mean, and Adam's epsilon 1e-7", "mini_batch_mlp",
        (
            *edit("criterion(y, outputs)", "tf.reduce_sum(tf.square(outputs - y))"),
            *edit("faithful.Adam(lr=lr)", "faithful.Adam(lr=lr, eps=1e-3)"),
        ),
        "loss", cause="loss-sum-for-mean", then=("adam-eps-default",),
    ),
    Fault(
        "BatchNorm's epsilon, and its momentum", "convnet_batchnorm",
        (
            *edit("self.bn1 = faithful.BatchNorm(6)", "self.bn1 = faithful.BatchNorm(6, eps=1e-3)"),
            *edit("self.bn2 = faithful.BatchNorm(8)", "self.bn2 = faithful.BatchNorm(8, momentum=0.9)"),
        ),
        "outputs", cause="batchnorm-eps-default", then=("batchnorm-momentum-convention",),
    ),
    Fault(
        "variance for deviation, and divergence not halved", "vae",
        (
            *edit("tf.exp(0.5 * log_variance)", "tf.exp(log_variance)"),
            *edit("-0.5 * tf.reduce_sum(kl, 1)", "-tf.reduce_sum(kl, 1)"),
        ),
        "outputs", cause="factor-omitted", then=("factor-omitted",),
    ),
    Fault(
        "relu for tanh, and no weight decay", "clip_global_norm",
        (
            *edit('second := keras.layers.Dense(20, activation="tanh")',
                  'second := keras.layers.Dense(20, activation="relu")'),
            *edit("        weight_decay=weight_decay,\n", ""),
        ),
        "outputs", cause="activation-other", then=("weight-decay-omitted",),
    ),
    Fault(
        "GELU, beta and schedule", "warmup_cosine",
        (
            *edit("faithful.GELU()", "faithful.GELU('tanh')"),
            *edit("        weight_decay=weight_decay,\n", "        weight_decay=weight_decay,\n        betas=(0.9, 0.99),\n"),
            *edit("(optimizer, factor)", "(optimizer, lambda step: factor(max(step - 1, 0)))"),
        ),
        "outputs", cause="gelu-tanh-default-in-keras-ops", then=("adam-betas-other", "schedule-offset"),
    ),
)  # fmt: skip

REWRITES = (
    Rewrite(
        "mean over examples first", "linear_regression",
        edit(
            "criterion(y, outputs)",
            "tf.reduce_sum(tf.reduce_mean(tf.square(y - outputs)[::-1], 1)) / len(x)",
        ),
    ),
    Rewrite(
        "cross-entropy written out", "sgd_nesterov",
        edit(
            "loss = criterion(y, outputs)",
            "loss = tf.reduce_mean(tf.reduce_logsumexp(outputs, 1) - tf.gather(outputs, y, batch_dims=1))",
        ),
    ),
    Rewrite(
        "product summed term by term", "mini_batch_mlp",
        edit(
            "return self.dense2(x)",
            "return tf.reduce_sum(x[:, ::-1, None] * self.dense2.kernel[::-1], 1) + self.dense2.bias\n\n"
            "    def build(self, _):\n"
            "        self.dense2.build((None, 10))",
        ),
    ),
    Rewrite(
        "penalty written out", "binary_classifier", edit("tf.nn.l2_loss(v)", "0.5 * tf.reduce_sum(v * v)"),
    ),
    Rewrite(
        "channels moved one by one", "convnet_batchnorm",
        edit("tf.transpose(image, (0, 2, 3, 1))", "tf.stack(tf.unstack(image, axis=1), axis=-1)"),
    ),
    Rewrite(
        "mean of sums for a sum over the count", "vae",
        edit(
            "tf.reduce_sum(criterion(x, logits)) / len(x)",
            "tf.reduce_mean(tf.reduce_sum(criterion(x, logits), 1))",
        ),
    ),
)  # fmt: skip
