import torch
from torch import nn


class VQVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(12, 16),
            nn.ReLU(),
            nn.Linear(16, 3),
        )
        self.codebook = nn.Embedding(8, 3)
        self.decoder = nn.Sequential(
            nn.Linear(3, 16),
            nn.ReLU(),
            nn.Linear(16, 12),
        )

    def forward(self, x):
        z = self.encoder(x)
        codes = torch.cdist(z, self.codebook.weight).argmin(1)
        quantized = self.codebook(codes)
        # The gradient passes straight through from the decoder to z.
        outputs = self.decoder(z + (quantized - z).detach())
        return outputs, z, quantized, codes


def train(weights, batches, *, lr, beta):
    model = VQVAE()
    model.load_state_dict(weights)
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for (x,) in batches:
        outputs, z, quantized, codes = model(x)
        reconstruction = criterion(outputs, x)
        codebook = criterion(quantized, z.detach())
        commitment = criterion(z, quantized.detach())
        loss = reconstruction + codebook + beta * commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": x,
            "outputs": {"codes": codes, "reconstructed": outputs},
            "loss": {
                "reconstruction": reconstruction,
                "codebook": codebook,
                "commitment": commitment,
                "total": loss,
            },
            "model": model,
            "optimizer": optimizer,
        }
