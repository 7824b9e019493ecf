import torch
from torch import nn


class Predictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(2, 8, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        hidden, _ = self.lstm(x)
        return x + self.head(hidden)


def train(weights, batches, *, lr, alpha, eps, momentum):
    model = Predictor()
    model.load_state_dict(weights)
    criterion = nn.MSELoss()
    optimizer = torch.optim.RMSprop(
        model.parameters(),
        lr=lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
        centered=True,
    )

    for (pen,) in batches:
        outputs = model(pen[:, :-1])
        loss = criterion(outputs, pen[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": pen,
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
