import torch
from torch import nn


class SimCLR(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(12, 24),
            nn.ReLU(),
            nn.Linear(24, 16),
        )
        self.projection = nn.Sequential(
            nn.Linear(16, 16),
            nn.ReLU(),
            nn.Linear(16, 8),
        )

    def forward(self, x):
        return self.projection(self.encoder(x))


def nt_xent(z, temperature):
    n = len(z) // 2
    cosine = nn.functional.cosine_similarity
    similarity = cosine(z[:, None], z[None], dim=-1)
    itself = torch.eye(2 * n, dtype=torch.bool)
    logits = (similarity / temperature).masked_fill(itself, -torch.inf)
    partners = torch.arange(2 * n).roll(n)
    criterion = nn.CrossEntropyLoss()
    return criterion(logits, partners), similarity


def train(weights, batches, *, lr, temperature, jitter):
    model = SimCLR()
    model.load_state_dict(weights)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for x, first, second in batches:
        views = torch.cat([x + jitter * first, x + jitter * second])
        outputs = model(views)
        loss, similarity = nt_xent(outputs, temperature)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (x, views),
            "outputs": (outputs, similarity),
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
