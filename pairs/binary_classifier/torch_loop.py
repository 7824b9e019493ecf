import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class ClassificationModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense1 = nn.Linear(10, 32)
        self.dense2 = nn.Linear(32, 1)

    def forward(self, inputs):
        x = torch.relu(self.dense1(inputs))
        return torch.sigmoid(self.dense2(x))


def train(weights, data, *, lr, l2, batch_size, epochs):
    model = ClassificationModel()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    dataset = TensorDataset(data["x"], data["y"])
    loader = DataLoader(dataset, batch_size=batch_size)
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for _ in range(epochs):
        correct = seen = 0
        for x, y in loader:
            outputs = model(x)
            penalty = sum(p.square().sum() / 2 for p in model.parameters())
            loss = criterion(outputs, y) + l2 * penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            state = {n: optimizer.state[p] for n, p in params.items()}
            exp_avg = {n: s["exp_avg"] for n, s in state.items()}
            exp_avg_sq = {n: s["exp_avg_sq"] for n, s in state.items()}
            correct += ((outputs > 0.5) == (y > 0.5)).sum().item()
            seen += len(y)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": loss,
                "grads": {n: p.grad for n, p in params.items()},
                "slots": {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq},
                "params": params,
                "metrics": {"accuracy": correct / seen},
            }
