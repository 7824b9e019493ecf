import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        self.head = nn.Linear(16 * 4 * 4, 4)

    def forward(self, x):
        features = self.backbone(x)
        return self.head(features.flatten(1))


def train(weights, batches, *, lr, momentum):
    model = Classifier()
    model.load_state_dict(weights)
    model.backbone.requires_grad_(False)
    trained = dict(model.head.named_parameters(prefix="head"))
    optimizer = torch.optim.SGD(trained.values(), lr=lr, momentum=momentum)
    criterion = nn.CrossEntropyLoss()

    model.train()
    for y, x in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = {n: optimizer.state[p] for n, p in trained.items()}
        momenta = {n: s["momentum_buffer"] for n, s in state.items()}
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "grads": {n: p.grad for n, p in trained.items()},
            "slots": {"momentum_buffer": momenta},
            "params": dict(model.named_parameters()),
            "buffers": dict(model.named_buffers()),
        }
