import torch
from torch import nn


def train(weights, batches, *, lr, momentum, weight_decay):
    model = nn.Sequential(
        nn.Linear(2, 16),
        nn.Tanh(),
        nn.Linear(16, 3),
    )
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=True,
    )

    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        grads = {n: p.grad for n, p in params.items()}
        optimizer.step()
        state = optimizer.state
        momenta = {n: state[p]["momentum_buffer"] for n, p in params.items()}
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {"momentum_buffer": momenta},
            "params": params,
        }
