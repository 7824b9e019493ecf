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
    parameters = model.parameters()
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=momentum)
    cross_entropy = nn.functional.cross_entropy
    batches_per_epoch = -(-len(order[0]) // batch_size)
    held_out = batches_per_epoch // 4

    for _ in order:
        model.train()
        total, correct, count = 0.0, 0, 0
        for y, x, keep in islice(batches, batches_per_epoch - held_out):
            outputs = model(x, keep)
            loss = cross_entropy(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            grads = {name: p.grad for name, p in model.named_parameters()}

            optimizer.step()
            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
            count += len(y)
            yield {
                "batch": (y, x, keep),
                "outputs": outputs,
                "loss": loss,
                "grads": grads,
                "params": dict(model.named_parameters()),
                "buffers": dict(model.named_buffers()),
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
            loss = cross_entropy(outputs, y)
            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
            count += len(y)
            yield {
                "batch": (y, x, keep),
                "outputs": outputs,
                "loss": loss,
                "params": dict(model.named_parameters()),
                "buffers": dict(model.named_buffers()),
                "metrics": {
                    "eval_loss": total / count,
                    "eval_accuracy": correct / count,
                },
            }
