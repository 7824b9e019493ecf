import torch
from torch import nn


class SparseAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(10, 16)
        self.decoder = nn.Linear(16, 10)

    def forward(self, x):
        code = torch.relu(self.encoder(x))
        return self.decoder(code), code


def train(weights, batches, *, lr, momentum, l1):
    model = SparseAutoencoder()
    model.load_state_dict(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)

    for (x,) in batches:
        outputs, code = model(x)
        code.retain_grad()
        error = nn.functional.mse_loss(outputs, x)
        penalty = l1 * code.abs().sum(dim=1).mean()
        loss = error + penalty
        optimizer.zero_grad()
        loss.backward()
        grads = {n: p.grad for n, p in model.named_parameters()}
        optimizer.step()
        yield {
            "batch": x,
            "outputs": {"reconstruction": outputs, "code": code},
            "loss": {"total": loss, "error": error, "penalty": penalty},
            "grads": {"code": code.grad, **grads},
            "model": model,
            "optimizer": optimizer,
        }
