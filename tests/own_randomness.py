"""The pairs whose masks and noise the scenario hands in, as people write them: each framework draws for itself.

    python tests/own_randomness.py [--problems N] [--steps N] [PAIR ...]

judges each of them on so many drawn problems, up to so many steps, and prints how many are equivalent, and the worst excess.
"""

import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))

from edited import PAIRS, port, reference

from harness.running.messages import Request
from harness.running.pairs import Edit
from harness.running.pool import Worker


@dataclass(frozen=True)
class Own:
    """A pair with these changes, and what is written wrongly in the port to be told of, and how it is told."""

    pair: str
    edits: tuple[Edit, ...]
    wrong: tuple[str, str] = ("", "")
    said: str = ""


OWN = (
    Own(
        "adadelta",
        (
            reference("x = x * keep1 / 0.75", "x = F.dropout(x, 0.25)"),
            reference("x = x * keep2 / 0.5", "x = F.dropout(x, 0.5)"),
            port(
                "        # Channels first again, because fc1 reads them in torch's order.\n",
                "        x = tf.nn.dropout(x, 0.25)\n        # Channels first, as fc1 reads them in torch's order.\n",
            ),
            port("        x = x * keep1 / 0.75\n", ""),
            port("x = x * keep2 / 0.5", "x = tf.nn.dropout(x, 0.5)"),
        ),
        ("tf.nn.dropout(x, 0.25)", "tf.nn.dropout(x, 0.75)"),
        "torch drops 25 % of ({batch}, 8, 3, 3) at torch_loop.py:19, "
        "tensorflow drops 75 % of ({batch}, 3, 3, 8) at `net` in tensorflow_loop.py:21",
    ),
    Own(
        "contrastive",
        (
            reference("jitter * first", "jitter * torch.randn_like(x)"),
            reference("jitter * second", "jitter * torch.randn_like(x)"),
            port("jitter * first", "jitter * tf.random.normal(x.shape, dtype=x.dtype)"),
            port("jitter * second", "jitter * tf.random.normal(x.shape, 0.0, 1.0, x.dtype)"),
        ),
        ("tf.random.normal(x.shape, 0.0, 1.0, x.dtype)", "second"),
        "torch draws normal numbers ({batch}, 12) at torch_loop.py:",
    ),
    Own(
        "denoising_diffusion",
        (
            reference(
                "        signal_t =",
                "        noise = torch.randn_like(images)\n"
                "        timesteps = torch.randint(0, 50, (len(images),))\n        signal_t =",
            ),
            port(
                "        signal_t =",
                "        noise = tf.random.normal(images.shape, dtype=images.dtype)\n"
                "        timesteps = tf.random.uniform([len(images)], 0, 50, dtype=tf.int64)\n        signal_t =",
            ),
        ),
        ("        timesteps = tf.random.uniform([len(images)], 0, 50, dtype=tf.int64)\n", ""),
        "torch draws whole numbers ({batch},) at torch_loop.py:",
    ),
    Own(
        "gan",
        (
            reference("fake = generator(latent)", "fake = generator(torch.randn(len(images), 6, 1, 1))"),
            port(
                "z = tf.transpose(latent, (0, 2, 3, 1))",
                "z = keras.random.normal((len(images), 1, 1, 6))",
            ),
        ),
        ("(len(images), 1, 1, 6)", "(1, 1, 1, 6)"),
        "torch draws normal numbers ({batch}, 6, 1, 1) at torch_loop.py:",
    ),
    Own(
        "graph_convolution",
        (
            reference("hidden = hidden * keep / 0.5", "hidden = nn.functional.dropout(hidden, 0.5)"),
            port("hidden = hidden * keep / 0.5", "hidden = tf.nn.dropout(hidden, 0.5)"),
        ),
        ("hidden = tf.nn.dropout(hidden, 0.5)", "pass"),
        "torch drops 50 % of (60, 16) at torch_loop.py:",
    ),
    Own(
        "masked_language_model",
        (
            reference("dropout=0.0", "dropout=0.125"),
            reference(
                "        inputs =",
                "        masked = (torch.rand(tokens.shape) < 0.4) & ~padding\n"
                "        dice = torch.rand(tokens.shape)\n"
                "        word = torch.randint(2, 12, tokens.shape)\n"
                "        seen = torch.where(dice < 0.8, 1, torch.where(dice < 0.9, word, tokens))\n        inputs =",
            ),
            port("dropout=0.0", "dropout=1 / 8"),
            port(
                "        inputs =",
                "        masked = (tf.random.uniform(tf.shape(tokens)) < 0.4) & ~padding\n"
                "        dice = tf.random.uniform(tf.shape(tokens))\n"
                "        word = tf.random.uniform(tf.shape(tokens), 2, 12, tf.int64)\n"
                "        seen = tf.where(dice < 0.8, tf.constant(1, tf.int64), tf.where(dice < 0.9, word, tokens))\n"
                "        inputs =",
            ),
            port("outputs = model(inputs, padding)", "outputs = model(inputs, padding, training=True)"),
        ),
        ("dropout=1 / 8", "dropout=0.25"),
        "torch drops 12.5 % of ({batch}, 2, 8, 8) at `encoder.layers.0.self_attn` in torch_loop.py:",
    ),
    Own(
        "skip_gram",
        (
            reference("far = model(centers, negatives)", "far = model(centers, torch.randint(24, negatives.shape))"),
            port(
                "            near =",
                "            negatives = tf.random.uniform(tf.shape(negatives), 0, 24, tf.int64)\n            near =",
            ),
        ),
    ),
    Own(
        "train_eval_metrics",
        (
            reference("hidden = hidden * keep / 0.75", "hidden = nn.functional.dropout(hidden, 0.25)"),
            port("hidden = hidden * keep / 0.75", "hidden = tf.nn.dropout(hidden, 0.25)"),
        ),
        ("tf.nn.dropout(hidden, 0.25)", "tf.nn.dropout(hidden, 0.2)"),
        "torch drops 25 % of ({batch}, 24) at torch_loop.py:17, tensorflow drops 20 % of ({batch}, 24)",
    ),
    Own(
        "vae",
        (
            reference("(0.5 * log_variance) * noise", "(0.5 * log_variance) * torch.randn_like(mean)"),
            port("(0.5 * log_variance) * noise", "(0.5 * log_variance) * keras.random.normal(tf.shape(mean))"),
        ),
        ("keras.random.normal", "keras.random.truncated_normal"),
        "torch draws normal numbers ({batch}, 3) at torch_loop.py:17, tensorflow draws nothing there",
    ),
    Own(
        "wgan_gradient_penalty",
        (
            reference("fake = generator(latent).detach()", "fake = generator(torch.randn_like(latent)).detach()"),
            reference(
                "            mixed = mix * points + (1 - mix) *",
                "            u = torch.rand_like(mix)\n            mixed = u * points + (1 - u) *",
            ),
            reference("fake = generator(latents[-1])", "fake = generator(torch.randn_like(latents[-1]))"),
            port(
                "        fake = generator(latent)\n        mixed = mix * points + (1 - mix) *",
                "        fake = generator(tf.random.normal(tf.shape(latent), dtype=latent.dtype))\n"
                "        u = tf.random.uniform(tf.shape(mix), dtype=mix.dtype)\n        mixed = u * points + (1 - u) *",
            ),
            port(
                "            fake = generator(latent)\n            loss",
                "            fake = generator(tf.random.normal(tf.shape(latent), dtype=latent.dtype))\n            loss",
            ),
        ),
        ("        u = tf.random.uniform(tf.shape(mix), dtype=mix.dtype)\n", "        u = mix\n"),
        "torch draws uniform numbers ({batch}, 1) at torch_loop.py:",
    ),
    Own("attention_dropout", ()),
    Own("vae_sampling", ()),
)
"""Those that the scenario gives masks or noise, and two whose layers draw as they are."""


@click.command()
@click.argument("names", nargs=-1)
@click.option("--problems", default=100, show_default=True, help="Problems of each pair, drawn by their seeds.")
@click.option("--steps", type=int, help="Judge so many steps of each instead of all.")
def main(names: tuple[str, ...], problems: int, steps: int | None) -> None:
    """Judge every pair on so many problems."""
    with closing(Worker(300.0)) as worker:
        for own in OWN:
            if names and own.pair not in names:
                continue
            made = [
                worker.ask(Request(str(PAIRS / own.pair), edits=own.edits, seed=seed, steps=steps))
                for seed in range(problems)
            ]
            fine = sum(verdict.status == "EQUIVALENT" for verdict in made)
            worst = max(verdict.excess for verdict in made)
            click.echo(f"{own.pair:22} {fine} of {problems} equivalent, worst excess {worst:.3g}")
            for seed, verdict in enumerate(made):
                if verdict.status != "EQUIVALENT":
                    click.echo(f"  seed {seed}: {verdict.status}: {verdict.sentence}")


if __name__ == "__main__":
    main()
