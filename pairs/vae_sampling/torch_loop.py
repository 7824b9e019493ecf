import torch
from torch import nn
from torch.utils.data import DataLoader


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(16, 20)
        self.mean = nn.Linear(20, 3)
        self.log_variance = nn.Linear(20, 3)
        self.decoder = nn.Linear(3, 20)
        self.pixels = nn.Linear(20, 16)

    def forward(self, x):
        h = torch.tanh(self.encoder(x))
        mean, log_variance = self.mean(h), self.log_variance(h)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        logits = self.pixels(torch.tanh(self.decoder(z)))
        return logits, mean, log_variance


def train(weights, data, *, lr, batch_size, epochs):
    model = VAE()
    model.load_state_dict(weights)
    criterion = nn.BCEWithLogitsLoss(reduction="sum")
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    loader = DataLoader(data["x"], batch_size, shuffle=True)

    for _ in range(epochs):
        for x in loader:
            logits, mean, log_variance = model(x)
            reconstruction = criterion(logits, x) / len(x)
            kl = 1 + log_variance - mean.square() - log_variance.exp()
            divergence = (-0.5 * kl.sum(1)).mean()
            loss = reconstruction + divergence
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield {
                "batch": x,
                "outputs": {
                    "logits": logits,
                    "mean": mean,
                    "log_variance": log_variance,
                },
                "loss": {
                    "reconstruction": reconstruction,
                    "divergence": divergence,
                    "total": loss,
                },
                "model": model,
                "optimizer": optimizer,
            }
