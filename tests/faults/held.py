"""Slips of causes that the search knows nothing of: it is to say so, and to name the place. The split is by cause.

``CAUSES`` is the split: no change, relation or rule for them is to be written; test_faults.py holds that.
"""

from faults.table import row, rows

FAULTS = (
    row("ema_weights", "average from the initial weights", "new = 1 - decay if step else 1.0", "new = 1 - decay", "buffers",
        "ema-initialisation"),
    row("denoising_diffusion", "average from zero", "averages = [tf.Variable(v) for v in port.variables]",
        "averages = [tf.Variable(tf.zeros_like(v)) for v in port.variables]", "buffers", "ema-initialisation"),
    row("ema_weights", "decay that grows with the steps", "new = 1 - decay if step else 1.0",
        "new = 1 - min(decay, (1 + step) / (10 + step)) if step else 1.0", "buffers", "ema-num-updates-dynamic-decay", step=1),
    row("warmup_cosine", "warm-up from zero", "return (step + 1) / warmup_steps", "return step / warmup_steps", "lr",
        "sched-warmup-first-step-zero"),
    row("warmup_cosine", "rate per epoch", "            train_step(y, x)\n            scheduler.step()\n",
        "            train_step(y, x)\n        scheduler.step()\n", "lr", "sched-epoch-vs-step", step=1, settings={}),
    row("warmup_cosine", "cosine that rises again", "math.pi * min(done, 1)", "2 * math.pi * done", "lr", "sched-cosine-beyond-tmax",
        step=7, settings={"steps": 9}),
    row("plateau_schedule", "patience of one more", "patience=0", "patience=1", "lr", "sched-plateau-patience-off-by-one", settings={},
        step=10),
    row("plateau_schedule", "absolute threshold", "threshold=0.1,", 'threshold=0.1,\n        threshold_mode="abs",', "lr",
        "sched-plateau-relative-threshold", settings={}, step=15),
    row("skip_gram", "Keras' Adam on repeated words", "faithful.Adam(lr=lr, betas=betas)",
        "keras.optimizers.Adam(lr, *betas, epsilon=1e-8)", "slots", "keras3-adam-embedding-duplicate-ids"),
    row("gru_tagger", "Keras' Adam on repeated words", "faithful.Adam(lr=lr)", "keras.optimizers.Adam(lr, epsilon=1e-8)", "slots",
        "keras3-adam-embedding-duplicate-ids"),
    row("seq2seq_attention", "Keras' Adam on repeated words", "faithful.Adam(lr=lr)", "keras.optimizers.Adam(lr, epsilon=1e-8)",
        "slots", "keras3-adam-embedding-duplicate-ids"),
    row("sparse_embedding", "rows move that are absent", "faithful.SparseAdam(", "faithful.Adam(", "params",
        "adam-sparse-embedding-grad"),
    row("lstm_language_model", "norm of the gradients of a repeated word", "faithful.clip_grad_norm(grads, max_norm)",
        "tf.clip_by_global_norm(grads, max_norm)", "clipped", "clip-indexedslices-duplicate-rows"),
    row("mobilenet_block", "multiples in another order", "h w c m -> (c m) 1 h w", "h w c m -> (m c) 1 h w", "outputs",
        "depthwise-multiplier-channel-order", layer="separable.depthwise.0"),
    row("masked_language_model", "norms in front", "        batch_first=True,\n", "        batch_first=True,\n        norm_first=True,\n",
        "outputs", "transformer-norm-first-default", layer="encoder.layers.0"),
    row("lstm_language_model", "state not carried over", "model(tokens, (h, c))", "model(tokens, None)", "outputs", "rnn-stateful-carry", step=1,
        layer="rnn"),
    row("seq2seq_attention", "decoder begins from zeros", "self.decoder(self.target_embedding(target), state)",
        "self.decoder(self.target_embedding(target))", "outputs", "rnn-stateful-carry", layer="decoder"),
    row("convnet_batchnorm", "images of 255", "x = tf.transpose(image, (0, 2, 3, 1))", "x = tf.transpose(image, (0, 2, 3, 1)) / 255",
        "outputs", "image-scale-0-255-vs-0-1", layer="conv1"),
    row("residual_net", "images of 255", "x = tf.transpose(images, (0, 2, 3, 1))", "x = tf.transpose(images, (0, 2, 3, 1)) / 255",
        "outputs", "image-scale-0-255-vs-0-1", layer="conv1"),
    row("frozen_backbone", "images from -1 to 1", "model(tf.transpose(x, (0, 2, 3, 1)), training", "model(2 * tf.transpose(x, (0, 2, 3, 1)) - 1, training",
        "outputs", "imagenet-preprocess-mode", layer="backbone.0"),
    row("vision_transformer", "channels from blue to red", "model(tf.transpose(images, (0, 2, 3, 1)))",
        "model(tf.transpose(images, (0, 2, 3, 1))[..., ::-1])", "outputs", "imagenet-preprocess-mode", layer="patches"),
    row("dqn", "target without statistics", "            target.set_weights(model.get_weights())\n        yield",
        "            for a, b in zip(target.trainable_variables, model.trainable_variables, strict=True):\n"
        "                a.assign(b)\n        yield", "buffers", "target-network-sync-misses-buffers", step=5, settings={"steps": 8}),
    row("gradient_accumulation", "what is left at the end of an epoch carried over", "count % window == 0 or count == batches_per_epoch",
        "count % window == 0", "slots", "grad-accumulation-leftover-window", settings={"steps": 14}, step=10),
    row("train_eval_metrics", "mean of the batches' means",
        "test_step(y, x, keep)\n\n            mean_loss.update_state(loss, sample_weight=len(y))",
        "test_step(y, x, keep)\n\n            mean_loss.update_state(loss)", "metrics", "epoch-loss-unweighted-mean-of-batches",
        settings={"steps": 8}, status="EQUIVALENT IN EFFECT", step=7),
    row("gan", "both gradients from one pass", "            d_optimizer.apply(d_grads, d_port.variables)\n\n            # The generator's step.\n            g_logits = discriminator(fake, training=True)\n            g_loss = criterion(tf.ones_like(g_logits), g_logits)\n",
        "            # The generator's step.\n            g_logits = discriminator(fake, training=True)\n            g_loss = criterion(tf.ones_like(g_logits), g_logits)\n        d_optimizer.apply(d_grads, d_port.variables)\n",
        "outputs", "gan-simultaneous-vs-alternating-update"),
    row("gan", "real and fake in one batch", "                on_real = discriminator(real, training=True)\n                on_fake = discriminator(fake, training=True)\n",
        "                both = discriminator(tf.concat([real, fake], 0), training=True)\n                on_real, on_fake = tf.split(both, 2)\n",
        "outputs", "gan-batch-concatenation-changes-batchnorm", layer="discriminator.3"),
    rows("vae", "state of Adam lost as training goes on", (
        ("    for x, noise in batches:\n", "    for step, (x, noise) in enumerate(batches):\n        if step == 2:\n            optimizer = faithful.Adam(lr=lr)\n"),),
        "slots", "recompile-resets-optimizer-state", step=2, settings={"steps": 4}),
    rows("residual_net", "momentum lost as training goes on", (
        ("    for images, labels in batches:\n", "    for step, (images, labels) in enumerate(batches):\n        if step == 2:\n"
         "            optimizer = faithful.SGD(\n                lr=lr, momentum=momentum, weight_decay=weight_decay\n            )\n"),),
        "slots", "recompile-resets-optimizer-state", step=2, settings={"steps": 4}),
    rows("convnet_batchnorm", "statistics lost as training goes on", (
        ("    for image, label in batches:\n", "    for step, (image, label) in enumerate(batches):\n        if step == 2:\n"
         "            buffers.load(weights)\n"),), "buffers", "checkpoint-without-buffers", step=2, settings={"steps": 4}),
    row("vae_sampling", "batches shuffled, not examples", "dataset.shuffle(len(data[\"x\"])).batch(batch_size)",
        "dataset.batch(batch_size).shuffle(len(data[\"x\"]))", "batch", "tfdata-batch-before-shuffle"),
    row("mini_batch_mlp", "batches across epochs", "dataset.batch(batch_size)", "dataset.repeat(2).batch(batch_size)", "batch",
        "tfdata-repeat-before-batch", step=3, settings={"batch_size": 300, "steps": 5}),
    row("binary_classifier", "batches across epochs", "dataset.batch(batch_size)", "dataset.repeat(2).batch(batch_size)", "batch",
        "tfdata-repeat-before-batch", step=1, settings={"batch_size": 300, "steps": 5}),
    row("plateau_schedule", "Keras' own batches", "        batch_size=batch_size,\n", "", "loss", "fit-batch-size-default-32",
        settings={"steps": 4}),
    row("temporal_convolution", "kernel looks ahead", 'padding="causal"', 'padding="same"', "outputs", "conv-padding-not-causal",
        layer="blocks.0.conv1"),
)  # fmt: skip

CAUSES = tuple(sorted({fault.cause for fault in FAULTS}))
