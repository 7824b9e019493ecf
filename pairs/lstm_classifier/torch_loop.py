import torch
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 6)
        self.lstm = nn.LSTM(6, 10, batch_first=True)
        self.fc = nn.Linear(10, 2)

    def forward(self, tokens):
        _, (hidden, _) = self.lstm(self.embedding(tokens))
        return self.fc(hidden[-1])


def train(weights, batches, *, lr):
    model = Classifier()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)

    for tokens, label in batches:
        outputs = model(tokens)
        loss = criterion(outputs, label)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in params.items()}
        optimizer.step()
        state = {name: optimizer.state[p] for name, p in params.items()}
        yield {
            "batch": (tokens, label),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {
                "exp_avg": {n: s["exp_avg"] for n, s in state.items()},
                "exp_avg_sq": {n: s["exp_avg_sq"] for n, s in state.items()},
            },
            "params": params,
        }
