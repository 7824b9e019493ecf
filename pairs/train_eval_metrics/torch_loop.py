from itertools import islice

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear1 = nn.Linear(10, 24, bias=False)
        self.norm = nn.BatchNorm1d(24)
        self.linear2 = nn.Linear(24, 5)

    def forward(self, x, keep):
        hidden = torch.relu(self.norm(self.linear1(x)))
        if self.training:
            hidden = hidden * keep / 0.75
        return self.linear2(hidden)


def train(weights, batches, *, lr, momentum, batch_size, order):
    model = Net()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    buffers = dict(model.named_buffers())
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=lr,
        momentum=momentum,
    )
    criterion = nn.CrossEntropyLoss()
    batches_per_epoch = -(-len(order[0]) // batch_size)
    held_out = batches_per_epoch // 4

    for _ in order:
        model.train()
        total, correct, count = 0.0, 0, 0
        for y, x, keep in islice(batches, batches_per_epoch - held_out):
            outputs = model(x, keep)
            loss = criterion(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            grads = {n: p.grad for n, p in params.items()}
            optimizer.step()
            state = optimizer.state
            momenta = {n: state[p]["momentum_buffer"] for n, p in params.items()}

            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
            count += len(y)
            yield {
                "batch": (y, x, keep),
                "outputs": outputs,
                "loss": loss,
                "grads": grads,
                "slots": {"momentum_buffer": momenta},
                "params": params,
                "buffers": buffers,
                "metrics": {
                    "train_loss": total / count,
                    "train_accuracy": correct / count,
                },
            }

        model.eval()
        total, correct, count = 0.0, 0, 0
        for y, x, keep in islice(batches, held_out):
            with torch.no_grad():
                outputs = model(x, keep)
                loss = criterion(outputs, y)

            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
            count += len(y)
            yield {
                "batch": (y, x, keep),
                "outputs": outputs,
                "loss": loss,
                "params": params,
                "buffers": buffers,
                "metrics": {
                    "eval_loss": total / count,
                    "eval_accuracy": correct / count,
                },
            }
