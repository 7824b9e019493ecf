import torch
from torch import nn


def train(weights, batches, *, lr, betas, eps):
    model = nn.Sequential(
        nn.Linear(10, 24),
        nn.SiLU(),
        nn.Linear(24, 16),
        nn.SiLU(),
        nn.Linear(16, 1),
    )
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr, betas=betas, eps=eps)

    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": {n: p.grad for n, p in params.items()},
            "slots": optimizer.state,
            "params": params,
        }
