"""Mistakes planted in ten deep ports, three in each: what people get wrong in a forward pass or a loss, never in a Port."""

from harness.running.pairs import Edit

PORT = "tensorflow_loop.py"


def planted(*rows: tuple[str, str]) -> tuple[Edit, ...]:
    """Edits of the port, one for each mistake."""
    return tuple(Edit(PORT, find, write) for find, write in rows)


MISTAKES: dict[str, tuple[Edit, ...]] = {
    "gpt": planted(
        ("/ math.sqrt(8)", "/ math.sqrt(16)"),
        ("self.gelu(self.c_fc(self.ln_2(x)))", "self.gelu(self.c_fc(x + self.ln_2(x)))"),
        ("tf.where(past, att, -math.inf), axis=-1)", "tf.where(past, att, 0.0), axis=-1)"),
    ),
    "vision_transformer": planted(
        ("self.norm2 = keras.layers.LayerNormalization(epsilon=1e-5)", "self.norm2 = keras.layers.LayerNormalization()"),
        ("        x = x + h\n        h = self.norm2(x)", "        h = self.norm2(h)"),
        ("return self.head(self.norm(x)[:, 0])", "return self.head(self.norm(x)[:, -1])"),
    ),
    "transformer_block": planted(
        ("x = x + self.contract(self.gelu(self.expand(h)))", "x = x + self.contract(tf.nn.relu(self.expand(h)))"),
        ("tf.reduce_mean(self.norm3(x), 1)", "tf.reduce_max(self.norm3(x), 1)"),
        ("h = self.norm1(x)\n", "h = x + self.norm1(x)\n"),
    ),
    "residual_net": planted(
        ("return tf.nn.relu(h + shortcut)", "return tf.nn.relu(h) + shortcut"),
        ('self.conv1 = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)\n        self.bn1 = faithful.BatchNorm(6)',
         'self.conv1 = keras.layers.Conv2D(6, 3, padding="same", use_bias=False)\n'
         "        self.bn1 = faithful.BatchNorm(6, eps=1e-3)"),
        ("self.maxpool = keras.layers.MaxPooling2D(3, 2)", "self.maxpool = keras.layers.AveragePooling2D(3, 2)"),
    ),
    "unet": planted(
        ("tf.concat([skip2, self.up2(x)], -1)", "tf.concat([self.up2(x), skip2], -1)"),
        ("return super().call(x)[:, 1:, 1:]", "return super().call(x)[:, :-1, :-1]"),
        ("return tf.nn.relu(self.conv2(tf.nn.relu(self.conv1(x))))", "return tf.nn.relu(self.conv2(self.conv1(x)))"),
    ),
    "mobilenet_block": planted(
        ("        return x + self.project(h)", "        return self.project(h)"),
        ("x = tf.nn.relu6(self.stem(x))", "x = tf.nn.tanh(self.stem(x))"),
        ("tf.reduce_mean(x, (1, 2))", "tf.reduce_max(x, (1, 2))"),
    ),
    "denoising_diffusion": planted(
        ("self.norm1 = layers.GroupNormalization(2, epsilon=1e-5)", "self.norm1 = layers.GroupNormalization(4, epsilon=1e-5)"),
        ("tf.concat([tf.sin(angles), tf.cos(angles)], -1)", "tf.concat([tf.cos(angles), tf.sin(angles)], -1)"),
        ("return self.conv_out(x + h)", "return self.conv_out(h)"),
    ),
    "seq2seq_attention": planted(
        ("(source == 0)[:, None], -math.inf, scores)", "(source == 0)[:, None], 0.0, scores)"),
        ("tf.concat((query, context), axis=-1)", "tf.concat((context, query), axis=-1)"),
        ("x = tf.tanh(self.combine(", "x = tf.nn.relu(self.combine("),
    ),
    "masked_language_model": planted(
        ("x = layer(x, src_key_padding_mask=padding)", "x = layer(x)"),
        ("self.embedding(tokens) + self.position(tf.range(8))", "self.embedding(tokens) + self.position(tf.range(7, -1, -1))"),
        ("return self.head(x)", "return self.head(tf.nn.tanh(x))"),
    ),
    "temporal_convolution": planted(
        ('padding="causal",', 'padding="same",'),
        ("return tf.nn.relu(h + self.skip(x))", "return h + self.skip(x)"),
        ("Block(8, 8, dilation=4),", "Block(8, 8, dilation=2),"),
    ),
}  # fmt: skip
