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
    trained = model.head.parameters()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(trained, lr=lr, momentum=momentum)

    model.train()
    for y, x in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
