import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16, bias=False)
        self.norm = nn.BatchNorm1d(16)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x):
        return self.fc2(torch.tanh(self.norm(self.fc1(x))))


def train(weights, batches, *, lr, momentum, rho):
    model = Net()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)

    for y, x in batches:
        # The ascent, to the highest loss at a distance of rho.
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        with torch.no_grad():
            norm = nn.utils.get_total_norm([p.grad for p in params.values()])
            ascent = {n: rho / norm * p.grad for n, p in params.items()}
            for n, p in params.items():
                p.add_(ascent[n])

        # The gradient there; BatchNorm counts the second pass too.
        perturbed = criterion(model(x), y)
        optimizer.zero_grad()
        perturbed.backward()

        # The descent, from where the ascent began.
        with torch.no_grad():
            for n, p in params.items():
                p.sub_(ascent[n])
        optimizer.step()
        yield {
            "batch": (y, x),
            "outputs": outputs,
            "loss": loss,
            "ascent": ascent,
            "perturbed": perturbed,
            "model": model,
            "optimizer": optimizer,
        }
