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
        yield {
            "batch": (tags, x),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
