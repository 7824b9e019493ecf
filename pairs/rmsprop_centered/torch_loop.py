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
    params = dict(model.named_parameters())
    optimizer = torch.optim.RMSprop(
        model.parameters(),
        lr=lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
        centered=True,
    )
    criterion = nn.MSELoss()

    for (pen,) in batches:
        outputs = model(pen[:, :-1])
        loss = criterion(outputs, pen[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        grads = {n: p.grad for n, p in params.items()}
        optimizer.step()
        state = [(n, optimizer.state[p]) for n, p in params.items()]
        square_avg = {n: s["square_avg"] for n, s in state}
        grad_avg = {n: s["grad_avg"] for n, s in state}
        momenta = {n: s["momentum_buffer"] for n, s in state}
        yield {
            "batch": pen,
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {
                "square_avg": square_avg,
                "grad_avg": grad_avg,
                "momentum_buffer": momenta,
            },
            "params": params,
        }
