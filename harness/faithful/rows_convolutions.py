"""Rows of the table for what slides over pictures and series: convolutions and pooling."""

from harness.faithful.rows import CONV, DENSE, Row

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
