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
    (slopes,) = torch.autograd.grad(score, mixed, create_graph=True)
    return (slopes.norm(dim=1) - 1).square().mean()


def train(weights, batches, *, lr, betas, penalty_weight):
    generator, critic = make_generator(), make_critic()
    model = nn.ModuleDict({"generator": generator, "critic": critic})
    model.load_state_dict(weights)
    adam = {"lr": lr, "betas": betas}
    g_optimizer = torch.optim.Adam(generator.parameters(), **adam)
    c_optimizer = torch.optim.Adam(critic.parameters(), **adam)
    params = dict(model.named_parameters())

    for points, latents, mixes in batches:
        for latent, mix in zip(latents[:-1], mixes, strict=True):
            fake = generator(latent).detach()
            mixed = mix * points + (1 - mix) * fake
            penalty = gradient_penalty(critic, mixed)
            c_loss = critic(fake).mean() - critic(points).mean()
            c_loss = c_loss + penalty_weight * penalty
            c_optimizer.zero_grad()
            c_loss.backward()
            c_optimizer.step()
        c_grads = [p.grad.clone() for p in critic.parameters()]

        fake = generator(latents[-1])
        g_loss = -critic(fake).mean()
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()
        g_grads = [p.grad for p in generator.parameters()]

        grads = dict(zip(params, g_grads + c_grads, strict=True))
        slots = {**g_optimizer.state, **c_optimizer.state}
        state = [(name, slots[p]) for name, p in params.items()]
        means = {name: slots["exp_avg"] for name, slots in state}
        squares = {name: slots["exp_avg_sq"] for name, slots in state}
        yield {
            "batch": (points, latents, mixes),
            "outputs": fake,
            "loss": {"critic": c_loss, "generator": g_loss},
            "grads": grads,
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": params,
            "metrics": {"penalty": penalty},
        }
