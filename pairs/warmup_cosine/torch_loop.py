import math

import torch
from torch import nn


def train(
    weights,
    batches,
    *,
    lr,
    weight_decay,
    warmup_steps,
    total_steps,
):
    model = nn.Sequential(
        nn.Linear(10, 24),
        nn.GELU(),
        nn.Linear(24, 5),
    )
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=lr,
        weight_decay=weight_decay,
    )

    def factor(step):
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        done = (step - warmup_steps) / (total_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1)))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    for y, x in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()

        (rate,) = scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "lr": rate,
            "model": model,
            "optimizer": optimizer,
        }
