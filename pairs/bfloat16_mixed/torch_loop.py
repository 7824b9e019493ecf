import torch
from torch import nn


def train(weights, batches, *, lr):
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4))
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()

    for y, x in batches:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = model(x)
            loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = {n: optimizer.state[p] for n, p in params.items()}
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "grads": {n: p.grad for n, p in params.items()},
            "slots": {
                "exp_avg": {n: s["exp_avg"] for n, s in state.items()},
                "exp_avg_sq": {n: s["exp_avg_sq"] for n, s in state.items()},
            },
            "params": params,
        }
