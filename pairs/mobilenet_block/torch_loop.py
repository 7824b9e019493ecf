import torch
from torch import nn
from torch.nn.functional import relu6


def conv(inputs, channels, size=1):
    options = {"padding": size // 2, "bias": False}
    return nn.Sequential(
        nn.Conv2d(inputs, channels, size, **options),
        nn.BatchNorm2d(channels),
    )


def depthwise(inputs, multiplier, stride):
    channels = inputs * multiplier
    options = {"padding": 1, "groups": inputs, "bias": False}
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 3, stride, **options),
        nn.BatchNorm2d(channels),
    )


class InvertedResidual(nn.Module):
    def __init__(self, channels, expansion):
        super().__init__()
        wide = channels * expansion
        self.expand = conv(channels, wide)
        self.depthwise = depthwise(wide, 1, stride=1)
        self.project = conv(wide, channels)

    def forward(self, x):
        h = relu6(self.expand(x))
        h = relu6(self.depthwise(h))
        return x + self.project(h)


class Separable(nn.Module):
    def __init__(self, inputs, channels, multiplier):
        super().__init__()
        self.depthwise = depthwise(inputs, multiplier, stride=2)
        self.pointwise = conv(inputs * multiplier, channels)

    def forward(self, x):
        h = relu6(self.depthwise(x))
        return relu6(self.pointwise(h))


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 6, size=3)
        self.residual = InvertedResidual(6, expansion=2)
        self.separable = Separable(6, 8, multiplier=2)
        self.classifier = nn.Linear(8, 3)

    def forward(self, x):
        x = relu6(self.stem(x))
        x = self.residual(x)
        x = self.separable(x)
        return self.classifier(x.mean((2, 3)))


def train(weights, batches, *, lr, alpha, eps, momentum):
    model = MobileNet()
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.RMSprop(
        model.parameters(),
        lr=lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
    )

    for images, labels in batches:
        outputs = model(images)
        loss = criterion(outputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (images, labels),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
