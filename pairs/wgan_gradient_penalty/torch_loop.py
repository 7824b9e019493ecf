import torch
from torch import nn


def make_generator():
    return nn.Sequential(
        nn.Linear(2, 12),
        nn.Tanh(),
        nn.Linear(12, 12),
        nn.Tanh(),
        nn.Linear(12, 2),
    )


def make_critic():
    return nn.Sequential(
        nn.Linear(2, 12),
        nn.Tanh(),
        nn.Linear(12, 12),
        nn.Tanh(),
        nn.Linear(12, 1),
    )


def gradient_penalty(critic, mixed):
    mixed.requires_grad_()
    score = critic(mixed).sum()
    (gradient,) = torch.autograd.grad(score, mixed, create_graph=True)
    return (gradient.norm(dim=1) - 1).square().mean()


def train(weights, batches, *, lr, betas, penalty_weight):
    generator, critic = make_generator(), make_critic()
    model = nn.ModuleDict({"generator": generator, "critic": critic})
    model.load_state_dict(weights)
    g_optimizer = torch.optim.Adam(generator.parameters(), lr, betas)
    c_optimizer = torch.optim.Adam(critic.parameters(), lr, betas)

    for points, latents, mixes in batches:
        # The critic's steps.
        for latent, mix in zip(latents[:-1], mixes, strict=True):
            fake = generator(latent).detach()
            mixed = mix * points + (1 - mix) * fake
            penalty = gradient_penalty(critic, mixed)
            on_real, on_fake = critic(points), critic(fake)
            loss = on_fake.mean() - on_real.mean()
            loss = loss + penalty_weight * penalty
            c_optimizer.zero_grad()
            loss.backward()
            c_optimizer.step()
            yield {
                "batch": (points, latent, mix),
                "outputs": {"on_real": on_real, "on_fake": on_fake},
                "loss": {"critic": loss},
                "model": {"critic": critic},
                "optimizer": c_optimizer,
                "metrics": {"penalty": penalty},
            }

        # The generator's step.
        fake = generator(latents[-1])
        loss = -critic(fake).mean()
        g_optimizer.zero_grad()
        loss.backward()
        g_optimizer.step()
        yield {
            "batch": latents[-1],
            "outputs": {"fake": fake},
            "loss": {"generator": loss},
            "model": {"generator": generator},
            "optimizer": g_optimizer,
        }
