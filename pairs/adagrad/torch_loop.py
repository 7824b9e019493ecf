import torch
from torch import nn


def train(
    weights,
    batches,
    *,
    lr,
    lr_decay,
    weight_decay,
    initial_accumulator_value,
):
    model = nn.Linear(40, 4)
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.Adagrad(
        model.parameters(),
        lr=lr,
        lr_decay=lr_decay,
        weight_decay=weight_decay,
        initial_accumulator_value=initial_accumulator_value,
    )

    for tags, x in batches:
        outputs = model(x)
        loss = criterion(outputs, tags)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = {n: optimizer.state[p] for n, p in params.items()}
        yield {
            "batch": (tags, x),
            "outputs": outputs,
            "loss": loss,
            "grads": {n: p.grad for n, p in params.items()},
            "slots": {
                "step": {n: s["step"] for n, s in state.items()},
                "sum": {n: s["sum"] for n, s in state.items()},
            },
            "params": params,
        }
