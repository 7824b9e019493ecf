import torch
from torch import nn


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(10, 8)
        self.rnn = nn.LSTM(8, 12)
        self.decoder = nn.Linear(12, 10)

    def forward(self, tokens, hidden):
        x, hidden = self.rnn(self.encoder(tokens), hidden)
        return self.decoder(x), hidden


def train(weights, data, *, lr, max_norm, batch_size, epochs):
    model = LanguageModel()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    for _ in range(epochs):
        h = c = torch.zeros(1, 6, 12)
        # A batch is the next stretch of time of all streams: (time, stream).
        for i in range(0, len(data["x"]), batch_size):
            x = data["x"][i : i + batch_size]
            y = data["y"][i : i + batch_size]
            h, c = h.detach(), c.detach()
            outputs, (h, c) = model(x, (h, c))
            loss = criterion(outputs.flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            grads = {n: p.grad.clone() for n, p in params.items()}
            norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            clipped = {n: p.grad for n, p in params.items()}
            optimizer.step()
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "hidden": {"h": h, "c": c},
                "loss": loss,
                "grads": grads,
                "norm": norm,
                "clipped": clipped,
                "model": model,
                "optimizer": optimizer,
            }
