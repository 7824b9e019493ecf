from itertools import islice

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau


def train(weights, batches, *, lr, momentum, factor, batch_size, order):
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    model.load_state_dict(weights)
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    # No patience, so that the rate falls within a few epochs.
    scheduler = ReduceLROnPlateau(
        optimizer,
        factor=factor,
        patience=0,
        threshold=0.1,
    )
    batches_per_epoch = -(-len(order[0]) // batch_size)

    for _ in order:
        total, count = 0.0, 0
        for x, y in islice(batches, batches_per_epoch):
            outputs = model(x)
            loss = criterion(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total, count = total + loss.item() * len(x), count + len(x)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": loss,
                "model": model,
                "optimizer": optimizer,
                "metrics": {"mean_loss": total / count},
            }
        scheduler.step(total / count)
