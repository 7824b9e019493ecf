from itertools import islice

import torch
from torch import nn


def train(weights, batches, *, lr, momentum, window, batch_size, order):
    model = nn.Sequential(nn.Linear(10, 24), nn.ReLU(), nn.Linear(24, 5))
    model.load_state_dict(weights)
    named = dict(model.named_parameters())
    optimizer = torch.optim.SGD(named.values(), lr=lr, momentum=momentum)
    criterion = nn.CrossEntropyLoss()
    batches_per_epoch = -(-len(order[0]) // batch_size)
    buffers = {}  # until the first update

    for _ in order:
        for count, (y, x) in enumerate(islice(batches, batches_per_epoch), 1):
            outputs = model(x)
            loss = criterion(outputs, y)
            # By the whole window, in the shorter one at the end as well.
            (loss / window).backward()
            grads = {name: p.grad for name, p in named.items()}

            if count % window == 0 or count == batches_per_epoch:
                optimizer.step()
                optimizer.zero_grad()
                state = {n: optimizer.state[p] for n, p in named.items()}
                buffers = {n: s["momentum_buffer"] for n, s in state.items()}
            yield {
                "batch": (y, x),
                "outputs": outputs,
                "loss": loss,
                "grads": grads,
                "slots": {"momentum_buffer": buffers},
                "params": named,
            }
