import torch
from torch import nn


class GraphConv(nn.Module):
    def __init__(self, features_in, features_out):
        super().__init__()
        self.lin = nn.Linear(features_in, features_out, bias=False)
        self.bias = nn.Parameter(torch.zeros(features_out))

    def forward(self, x, propagate):
        return propagate @ self.lin(x) + self.bias


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = GraphConv(12, 16)
        self.conv2 = GraphConv(16, 4)

    def forward(self, x, propagate, keep=None):
        hidden = torch.relu(self.conv1(x, propagate))
        if keep is not None:
            # Dropout of one half, with the mask handed in.
            hidden = hidden * keep / 0.5
        return self.conv2(hidden, propagate)


def normalised(adjacency):
    loops = adjacency + torch.eye(len(adjacency))
    scale = loops.sum(dim=1).rsqrt()
    return scale[:, None] * loops * scale


def train(weights, batches, *, lr, weight_decay):
    model = GCN()
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    first = list(model.conv1.parameters())
    second = list(model.conv2.parameters())
    groups = [
        {"params": first, "weight_decay": weight_decay},
        {"params": second, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=lr)

    for y, x, adjacency, known, keep in batches:
        propagate = normalised(adjacency)
        outputs = model(x, propagate, keep)
        loss = criterion(outputs[known], y[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            rest = model(x, propagate)[~known]
            unknown = criterion(rest, y[~known])
        yield {
            "batch": (y, x, propagate, known, keep),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
            "metrics": {"unknown": unknown},
        }
