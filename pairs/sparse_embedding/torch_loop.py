import torch
from torch import nn


class Ratings(nn.Module):
    def __init__(self):
        super().__init__()
        self.users = nn.Embedding(60, 4, sparse=True)
        self.items = nn.Embedding(80, 4, sparse=True)
        self.item_bias = nn.Embedding(80, 1, sparse=True)

    def forward(self, user, item):
        match = (self.users(user) * self.items(item)).sum(1)
        return match + self.item_bias(item).squeeze(1)


def train(weights, batches, *, lr, betas, eps):
    model = Ratings()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.MSELoss()
    optimizer = torch.optim.SparseAdam(
        model.parameters(),
        lr=lr,
        betas=betas,
        eps=eps,
    )

    for user, item, rating in batches:
        outputs = model(user, item)
        loss = criterion(outputs, rating)
        optimizer.zero_grad()
        loss.backward()
        grads = {n: p.grad for n, p in params.items()}
        optimizer.step()
        state = {n: optimizer.state[p] for n, p in params.items()}
        yield {
            "batch": (user, item, rating),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {
                "exp_avg": {n: s["exp_avg"] for n, s in state.items()},
                "exp_avg_sq": {n: s["exp_avg_sq"] for n, s in state.items()},
            },
            "params": params,
        }
