import torch
from torch import nn


class CountNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 12)
        self.scale = nn.Parameter(torch.ones(12))
        self.head = nn.Linear(12, 1)

    def forward(self, x):
        x = self.scale * torch.tanh(self.hidden(x))
        return self.head(x).squeeze(1)


def train(weights, batches, *, lr, betas, eps, weight_decay):
    model = CountNet()
    model.load_state_dict(weights)
    criterion = nn.PoissonNLLLoss(log_input=True)
    optimizer = torch.optim.Adam(
        model.parameters(),
        lr=lr,
        betas=betas,
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=True,
    )

    for x, count in batches:
        outputs = model(x)
        loss = criterion(outputs, count)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (x, count),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
