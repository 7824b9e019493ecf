import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense1 = nn.Linear(2, 10)
        self.dense2 = nn.Linear(10, 1)

    def forward(self, inputs):
        x = torch.relu(self.dense1(inputs))
        return self.dense2(x)


def train(weights, data, *, lr, batch_size, epochs):
    model = NeuralNetwork()
    model.load_state_dict(weights)
    dataset = TensorDataset(data["x"], data["y"])
    loader = DataLoader(dataset, batch_size=batch_size)
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    params = dict(model.named_parameters())

    for _ in range(epochs):
        for x, y in loader:
            outputs = model(x)
            loss = criterion(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            grads = {name: p.grad for name, p in params.items()}
            optimizer.step()
            state = {name: optimizer.state[p] for name, p in params.items()}
            exp_avg = {n: s["exp_avg"] for n, s in state.items()}
            exp_avg_sq = {n: s["exp_avg_sq"] for n, s in state.items()}
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": loss,
                "grads": grads,
                "slots": {"exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq},
                "params": params,
            }
