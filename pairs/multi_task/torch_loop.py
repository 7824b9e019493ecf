import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(10, 20),
            nn.ReLU(),
            nn.Linear(20, 16),
            nn.ReLU(),
        )
        self.position = nn.Linear(16, 2)
        self.kind = nn.Linear(16, 4)
        self.log_var = nn.Parameter(torch.zeros(2))

    def forward(self, x):
        features = self.trunk(x)
        return self.position(features), self.kind(features)


def train(x, position, kind, *, epochs, batch_size, lr, betas):
    model = MultiTask()
    mse_loss = nn.MSELoss()
    cross_entropy = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=betas)
    loader = DataLoader(
        TensorDataset(x, position, kind),
        batch_size=batch_size,
        shuffle=True,
    )

    for _ in range(epochs):
        for inputs, *targets in loader:
            outputs = model(inputs)
            regression = mse_loss(outputs[0], targets[0])
            classification = cross_entropy(outputs[1], targets[1])
            weight = torch.exp(-model.log_var)
            loss = weight[0] * regression / 2 + weight[1] * classification
            loss = loss + model.log_var.sum() / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
