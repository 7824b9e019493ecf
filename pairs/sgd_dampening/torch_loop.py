import torch
from torch import nn
from torch.nn import functional as F


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(2, 6, 5, stride=2)
        self.conv2 = nn.Conv1d(6, 8, 3)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return self.fc(x.mean(2))


def train(weights, batches, *, lr, momentum, dampening):
    model = ConvNet()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=lr,
        momentum=momentum,
        dampening=dampening,
    )

    for kind, x in batches:
        outputs = model(x)
        loss = F.cross_entropy(outputs, kind)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = [(n, optimizer.state[p]) for n, p in params.items()]
        slots = {
            "momentum_buffer": {n: s["momentum_buffer"] for n, s in state},
        }
        yield {
            "batch": (kind, x),
            "outputs": outputs,
            "loss": loss,
            "grads": {n: p.grad for n, p in params.items()},
            "slots": slots,
            "params": params,
        }
