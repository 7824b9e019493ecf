import torch
from torch import nn


class ConvNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(2, 6, 5, stride=2)
        self.conv2 = nn.Conv1d(6, 8, 3)
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        x = torch.relu(self.conv1(x))
        x = torch.relu(self.conv2(x))
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
    criterion = nn.CrossEntropyLoss()

    for kind, x in batches:
        outputs = model(x)
        loss = criterion(outputs, kind)
        optimizer.zero_grad()
        loss.backward()
        grads = {n: p.grad for n, p in params.items()}
        optimizer.step()
        state = optimizer.state
        momenta = {n: state[p]["momentum_buffer"] for n, p in params.items()}
        yield {
            "batch": (kind, x),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {"momentum_buffer": momenta},
            "params": params,
        }
