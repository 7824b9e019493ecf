import torch
from torch import nn


def make_generator():
    return nn.Sequential(
        nn.ConvTranspose2d(6, 8, 2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 4, 2, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 1, 4, 2, padding=1, bias=False),
        nn.Tanh(),
    )


def make_discriminator():
    return nn.Sequential(
        nn.Conv2d(1, 6, 4, 2, padding=1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(6, 8, 4, 2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 2, bias=False),
        nn.Flatten(),
    )


def train(weights, batches, *, lr, betas):
    generator, discriminator = make_generator(), make_discriminator()
    networks = {"generator": generator, "discriminator": discriminator}
    model = nn.ModuleDict(networks)
    model.load_state_dict(weights)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr, betas)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr, betas)
    bce = nn.BCEWithLogitsLoss()
    params = dict(model.named_parameters())

    for images, latent in batches:
        fake = generator(latent)
        on_real = discriminator(images)
        on_fake = discriminator(fake.detach())
        d_loss = bce(on_real, torch.ones_like(on_real))
        d_loss = d_loss + bce(on_fake, torch.zeros_like(on_fake))
        d_optimizer.zero_grad()
        d_loss.backward()
        # A copy, because g_loss.backward() adds to these gradients.
        d_grads = [p.grad.clone() for p in discriminator.parameters()]
        d_optimizer.step()

        judged = discriminator(fake)
        g_loss = bce(judged, torch.ones_like(judged))
        g_optimizer.zero_grad()
        g_loss.backward()
        g_grads = [p.grad for p in generator.parameters()]
        g_optimizer.step()

        grads = dict(zip(params, g_grads + d_grads, strict=True))
        slots = {**g_optimizer.state, **d_optimizer.state}
        state = [(name, slots[p]) for name, p in params.items()]
        means = {name: slots["exp_avg"] for name, slots in state}
        squares = {name: slots["exp_avg_sq"] for name, slots in state}
        distance = images.mean(0) - fake.mean(0)
        yield {
            "batch": (images, latent),
            "outputs": {
                "fake": fake,
                "on_real": on_real,
                "on_fake": on_fake,
                "judged": judged,
            },
            "loss": {"discriminator": d_loss, "generator": g_loss},
            "grads": grads,
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": params,
            "buffers": dict(model.named_buffers()),
            "metrics": {"distance": distance.abs().mean()},
        }
