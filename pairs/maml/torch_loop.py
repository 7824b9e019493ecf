import torch
from torch import nn


def adapted(model, inner_lr, support_x, support_y, query_x):
    before = nn.functional.mse_loss(model(support_x), support_y)
    slow = dict(model.named_parameters())
    grads = torch.autograd.grad(before, slow.values(), create_graph=True)
    steps = zip(slow.items(), grads, strict=True)
    fast = {name: p - inner_lr * grad for (name, p), grad in steps}
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
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for x, y in batches:
        support_x, query_x = x.split((5, 10), dim=1)
        support_y, query_y = y.split((5, 10), dim=1)
        # The inner loop: a step on each task's support set.
        tasks = zip(support_x, support_y, query_x, strict=True)
        runs = [adapted(model, inner_lr, *task) for task in tasks]
        outputs = torch.stack([after for after, _ in runs])
        before = torch.stack([loss for _, loss in runs]).mean()
        # The outer loop: the loss of the query sets.
        loss = nn.functional.mse_loss(outputs, query_y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
            "metrics": {"before": before},
        }
