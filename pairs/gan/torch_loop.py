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
    criterion = nn.BCEWithLogitsLoss()
    g_optimizer = torch.optim.Adam(generator.parameters(), lr, betas)
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr, betas)
    g_params = dict(generator.named_parameters("generator"))
    d_params = dict(discriminator.named_parameters("discriminator"))

    for images, latent in batches:
        # The discriminator's step.
        fake = generator(latent)
        on_real = discriminator(images)
        on_fake = discriminator(fake.detach())
        d_loss = criterion(on_real, torch.ones_like(on_real))
        d_loss = d_loss + criterion(on_fake, torch.zeros_like(on_fake))
        d_optimizer.zero_grad()
        d_loss.backward()
        # Copies, because g_loss.backward() adds to these gradients.
        d_grads = {n: p.grad.clone() for n, p in d_params.items()}
        d_optimizer.step()

        # The generator's step.
        g_logits = discriminator(fake)
        g_loss = criterion(g_logits, torch.ones_like(g_logits))
        g_optimizer.zero_grad()
        g_loss.backward()
        g_grads = {n: p.grad for n, p in g_params.items()}
        g_optimizer.step()

        distance = images.mean(0) - fake.mean(0)
        yield {
            "batch": (images, latent),
            "outputs": {
                "fake": fake,
                "on_real": on_real,
                "on_fake": on_fake,
                "g_logits": g_logits,
            },
            "loss": {"discriminator": d_loss, "generator": g_loss},
            "grads": {**g_grads, **d_grads},
            "model": model,
            "optimizer": (g_optimizer, d_optimizer),
            "metrics": {"distance": distance.abs().mean()},
        }
