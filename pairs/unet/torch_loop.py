import torch
from torch import nn


class DoubleConv(nn.Module):
    def __init__(self, inputs, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return torch.relu(self.conv2(torch.relu(self.conv1(x))))


class Up(nn.ConvTranspose2d):
    def __init__(self, inputs, channels):
        super().__init__(
            inputs,
            channels,
            3,
            stride=2,
            padding=1,
            output_padding=1,
        )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1 = DoubleConv(1, 4)
        self.down2 = DoubleConv(4, 6)
        self.pool = nn.MaxPool2d(2)
        self.bottom = DoubleConv(6, 8)
        self.up2 = Up(8, 6)
        self.merge2 = DoubleConv(12, 6)
        self.up1 = Up(6, 4)
        self.merge1 = DoubleConv(8, 4)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        skip1 = self.down1(x)
        skip2 = self.down2(self.pool(skip1))
        x = self.bottom(self.pool(skip2))
        x = self.merge2(torch.cat([skip2, self.up2(x)], 1))
        x = self.merge1(torch.cat([skip1, self.up1(x)], 1))
        return self.head(x)


def train(weights, batches, *, lr, bright_weight, brightest_weight):
    model = UNet()
    model.load_state_dict(weights)
    class_weights = torch.tensor([1.0, bright_weight, brightest_weight])
    criterion = nn.CrossEntropyLoss(weight=class_weights)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for images, masks in batches:
        outputs = model(images)
        loss = criterion(outputs, masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (images, masks),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
