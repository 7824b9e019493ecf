import torch
from torch import nn
from torch.nn import functional as F


class ResidualNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 12)
        self.norm1 = nn.LayerNorm(12)
        self.fc1 = nn.Linear(12, 24)
        self.fc2 = nn.Linear(24, 12)
        self.norm2 = nn.LayerNorm(12)
        self.head = nn.Linear(12, 4)

    def forward(self, x):
        x = self.embed(x)
        x = x + self.fc2(F.silu(self.fc1(self.norm1(x))))
        return self.head(self.norm2(x))


def train(weights, batches, *, lr, betas, weight_decay):
    model = ResidualNet()
    model.load_state_dict(weights)
    criterion = nn.CrossEntropyLoss()
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    spared = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": spared, "weight_decay": 0.0},
        ],
        lr=lr,
        betas=betas,
    )

    for x, y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (x, y),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
