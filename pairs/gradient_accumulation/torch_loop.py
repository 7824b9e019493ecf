from itertools import islice

import torch
from torch import nn


def train(weights, batches, *, lr, momentum, window, batch_size, order):
    model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 5))
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    batches_per_epoch = -(-len(order[0]) // batch_size)

    for _ in order:
        for count, (y, x) in enumerate(islice(batches, batches_per_epoch), 1):
            outputs = model(x)
            loss = criterion(outputs, y)
            # By the whole window, in the shorter one at the end as well.
            (loss / window).backward()
            grads = {n: p.grad for n, p in model.named_parameters()}

            if count % window == 0 or count == batches_per_epoch:
                optimizer.step()
                optimizer.zero_grad()
            yield {
                "batch": (y, x),
                "outputs": outputs,
                "loss": loss,
                "grads": grads,
                "model": model,
                "optimizer": optimizer,
            }
