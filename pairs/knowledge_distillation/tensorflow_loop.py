import keras
import tensorflow as tf

from harness import Port


class Distillation(keras.Model):
    def __init__(self):
        super().__init__()
        self.teacher = keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(32, activation="tanh"),
                keras.layers.Dense(5),
            ]
        )
        self.student = keras.Sequential(
            [
                keras.Input((8,)),
                keras.layers.Dense(12, activation="tanh"),
                keras.layers.Dense(5),
            ]
        )


def train(weights, batches, *, lr, temperature, alpha):
    model = Distillation()
    model.teacher.trainable = False
    t, s = model.teacher.layers, model.student.layers
    frozen = Port(
        ("teacher.0.weight", t[0].kernel, "i o -> o i"),
        ("teacher.0.bias", t[0].bias),
        ("teacher.2.weight", t[1].kernel, "i o -> o i"),
        ("teacher.2.bias", t[1].bias),
    )
    trained = Port(
        ("student.0.weight", s[0].kernel, "i o -> o i"),
        ("student.0.bias", s[0].bias),
        ("student.2.weight", s[1].kernel, "i o -> o i"),
        ("student.2.bias", s[1].bias),
    )
    frozen.load(weights)
    trained.load(weights)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True,
    )
    optimizer = keras.optimizers.SGD(learning_rate=lr)

    for x, y in batches:
        with tf.GradientTape() as tape:
            teacher = model.teacher(x)
            student = model.student(x)
            log_p = tf.nn.log_softmax(teacher / temperature)
            log_q = tf.nn.log_softmax(student / temperature)
            # keras.losses.KLDivergence clips probabilities at 1e-7.
            kl_div = tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=1)
            distilled = tf.reduce_mean(kl_div)
            labelled = cross_entropy(y, student)
            loss = alpha * temperature**2 * distilled + (1 - alpha) * labelled
        grads = tape.gradient(loss, trained.variables)
        optimizer.apply(grads, trained.variables)
        yield {
            "batch": (x, y),
            "outputs": {"teacher": teacher, "student": student},
            "loss": {
                "distilled": distilled,
                "labelled": labelled,
                "total": loss,
            },
            "grads": trained.named(grads),
            "model": (frozen, trained),
            "optimizer": optimizer,
        }
