import torch
from torch import nn


def train(weights, batches, *, lr, viscosity):
    model = nn.Sequential(
        nn.Linear(2, 16),
        nn.Tanh(),
        nn.Linear(16, 16),
        nn.Tanh(),
        nn.Linear(16, 1),
    )
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for points, initial, start, time, side in batches:
        points.requires_grad_()
        u = model(points)
        (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True)
        u_t, u_x = slope[:, :1], slope[:, 1:]
        (bend,) = torch.autograd.grad(u_x.sum(), points, create_graph=True)
        u_xx = bend[:, 1:]

        equation = u_t + u * u_x - viscosity * u_xx
        residual = equation.square().mean()
        beginning = (model(initial) - start).square().mean()
        wall = model(torch.cat([time, side], dim=1))
        boundary = wall.square().mean()
        loss = residual + beginning + boundary
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in params.items()}

        optimizer.step()
        state = {name: optimizer.state[p] for name, p in params.items()}
        yield {
            "batch": (points, initial, start, time, side),
            "outputs": {"u": u, "u_t": u_t, "u_x": u_x, "u_xx": u_xx},
            "loss": {
                "residual": residual,
                "beginning": beginning,
                "boundary": boundary,
                "total": loss,
            },
            "grads": grads,
            "slots": {
                "exp_avg": {n: s["exp_avg"] for n, s in state.items()},
                "exp_avg_sq": {n: s["exp_avg_sq"] for n, s in state.items()},
            },
            "params": params,
        }
