import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.conv2 = nn.Conv2d(4, 8, 3)
        self.fc1 = nn.Linear(72, 16)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x, keep1, keep2):
        # Dropout by masks from outside: no two random generators agree.
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = x * keep1 / 0.75
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = x * keep2 / 0.5
        return F.log_softmax(self.fc2(x), 1)


def train(weights, batches, *, lr, rho, eps):
    model = Net()
    model.load_state_dict(weights)
    optimizer = torch.optim.Adadelta(
        model.parameters(),
        lr=lr,
        rho=rho,
        eps=eps,
    )

    for target, image, keep1, keep2 in batches:
        outputs = model(image, keep1, keep2)
        loss = F.nll_loss(outputs, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (target, image, keep1, keep2),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
