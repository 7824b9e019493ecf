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


def train(weights, batches, *, lr, betas, momentum_decay):
    model = Autoencoder()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.NAdam(
        model.parameters(),
        lr=lr,
        betas=betas,
        momentum_decay=momentum_decay,
    )

    for (image,) in batches:
        outputs = model(image)
        loss = criterion(outputs, image)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in params.items()}
        optimizer.step()
        state = {name: optimizer.state[p] for name, p in params.items()}
        yield {
            "batch": image,
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {
                "exp_avg": {n: s["exp_avg"] for n, s in state.items()},
                "exp_avg_sq": {n: s["exp_avg_sq"] for n, s in state.items()},
                "mu_product": {n: s["mu_product"] for n, s in state.items()},
            },
            "params": params,
        }
