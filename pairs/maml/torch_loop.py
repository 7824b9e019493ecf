import torch
from torch import nn


def adapted(model, inner_lr, support_x, support_y, query_x):
    before = nn.functional.mse_loss(model(support_x), support_y)
    slow = dict(model.named_parameters())
    slopes = torch.autograd.grad(before, slow.values(), create_graph=True)
    steps = zip(slow.items(), slopes, strict=True)
    fast = {name: p - inner_lr * slope for (name, p), slope in steps}
    return torch.func.functional_call(model, fast, query_x), before


def train(weights, batches, *, lr, inner_lr):
    model = nn.Sequential(
        nn.Linear(1, 16),
        nn.Tanh(),
        nn.Linear(16, 16),
        nn.Tanh(),
        nn.Linear(16, 1),
    )
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for x, y in batches:
        support_x, query_x = x.split((5, 10), dim=1)
        support_y, query_y = y.split((5, 10), dim=1)
        tasks = zip(support_x, support_y, query_x, strict=True)
        runs = [adapted(model, inner_lr, *task) for task in tasks]
        outputs = torch.stack([after for after, _ in runs])
        before = torch.stack([loss for _, loss in runs]).mean()
        loss = nn.functional.mse_loss(outputs, query_y)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in params.items()}

        optimizer.step()
        state = {name: optimizer.state[p] for name, p in params.items()}
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {
                "exp_avg": {n: s["exp_avg"] for n, s in state.items()},
                "exp_avg_sq": {n: s["exp_avg_sq"] for n, s in state.items()},
            },
            "params": params,
            "metrics": {"before": before},
        }
