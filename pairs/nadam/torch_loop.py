import torch
from torch import nn


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(16, 12),
            nn.Tanh(),
            nn.Linear(12, 4),
            nn.Tanh(),
        )
        self.decoder = nn.Sequential(
            nn.Linear(4, 12),
            nn.Tanh(),
            nn.Linear(12, 16),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


def train(batches, *, epochs, lr, betas, momentum_decay):
    model = Autoencoder()
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.NAdam(
        model.parameters(),
        lr=lr,
        betas=betas,
        momentum_decay=momentum_decay,
    )

    for _ in range(epochs):
        for (image,) in batches:
            loss = criterion(model(image), image)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
