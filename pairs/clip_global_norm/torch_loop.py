import torch
from torch import nn


def train(weights, batches, *, lr, momentum, weight_decay, max_norm):
    model = nn.Sequential(
        nn.Linear(8, 20),
        nn.Tanh(),
        nn.Linear(20, 20),
        nn.Tanh(),
        nn.Linear(20, 1),
    )
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
    )

    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        # Copies, because the clipping works in place.
        grads = {n: p.grad.clone() for n, p in params.items()}

        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        clipped = {n: p.grad for n, p in params.items()}
        optimizer.step()
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "clipped": clipped,
            "model": model,
            "optimizer": optimizer,
            "metrics": {"norm": norm},
        }
