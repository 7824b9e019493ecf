import torch
from torch import nn


class Regressor(nn.Module):
    """Written as a LightningModule is."""

    def __init__(self, lr, betas, eps):
        super().__init__()
        self.settings = {"lr": lr, "betas": betas, "eps": eps}
        self.net = nn.Sequential(
            nn.Linear(10, 24),
            nn.SiLU(),
            nn.Linear(24, 16),
            nn.SiLU(),
            nn.Linear(16, 1),
        )

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.mse_loss(self(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), **self.settings)


class Trainer:
    """What Lightning's Trainer does, without what this needs not."""

    def __init__(self, max_epochs):
        self.max_epochs = max_epochs

    def fit(self, module, train_dataloaders):
        optimizer = module.configure_optimizers()
        module.train()
        for _ in range(self.max_epochs):
            for batch_idx, batch in enumerate(train_dataloaders):
                loss = module.training_step(batch, batch_idx)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()


def train(batches, *, epochs, lr, betas, eps):
    module = Regressor(lr, betas, eps)
    trainer = Trainer(max_epochs=epochs)
    trainer.fit(module, train_dataloaders=batches)
