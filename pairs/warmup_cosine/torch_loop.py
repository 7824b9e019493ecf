import math

import torch
from torch import nn


def train(batches, *, epochs, lr, weight_decay, warmup_steps, total_steps):
    model = nn.Sequential(
        nn.Linear(10, 24),
        nn.GELU(),
        nn.Linear(24, 5),
    )
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

    for _ in range(epochs):
        for y, x in batches:
            loss = criterion(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
