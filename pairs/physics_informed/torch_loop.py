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
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for points, initial, start, time, side in batches:
        # The solution's first and second derivatives.
        points.requires_grad_()
        u = model(points)
        (first,) = torch.autograd.grad(u.sum(), points, create_graph=True)
        u_t, u_x = first[:, :1], first[:, 1:]
        (second,) = torch.autograd.grad(u_x.sum(), points, create_graph=True)
        u_xx = second[:, 1:]

        # The residual, and the initial and boundary conditions.
        equation = u_t + u * u_x - viscosity * u_xx
        residual = equation.square().mean()
        beginning = (model(initial) - start).square().mean()
        wall = model(torch.cat([time, side], dim=1))
        boundary = wall.square().mean()
        loss = residual + beginning + boundary
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (points, initial, start, time, side),
            "outputs": {"u": u, "u_t": u_t, "u_x": u_x, "u_xx": u_xx},
            "loss": {
                "residual": residual,
                "beginning": beginning,
                "boundary": boundary,
                "total": loss,
            },
            "model": model,
            "optimizer": optimizer,
        }
