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
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    batches_per_epoch = -(-len(order[0]) // batch_size)
    held_out = batches_per_epoch // 4

    for _ in order:
        # One epoch of training.
        model.train()
        total, correct, count = 0.0, 0, 0
        for y, x, keep in islice(batches, batches_per_epoch - held_out):
            outputs = model(x, keep)
            loss = criterion(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

            total += loss.item() * len(y)
            correct += (outputs.argmax(1) == y).sum().item()
            count += len(y)
            yield {
                "batch": (y, x, keep),
                "outputs": outputs,
                "loss": loss,
                "model": model,
                "optimizer": optimizer,
                "metrics": {
                    "train_loss": total / count,
                    "train_accuracy": correct / count,
                },
            }

        # What was held out.
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
                "params": dict(model.named_parameters()),
                "buffers": dict(model.named_buffers()),
                "metrics": {
                    "eval_loss": total / count,
                    "eval_accuracy": correct / count,
                },
            }
