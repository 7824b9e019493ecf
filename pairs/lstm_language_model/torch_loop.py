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


def train(x, y, *, lr, max_norm, batch_size, epochs):
    model = LanguageModel()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    for _ in range(epochs):
        h = c = torch.zeros(1, 6, 12)
        # A batch is the next stretch of time of all streams: (time, stream).
        for i in range(0, len(x), batch_size):
            tokens, targets = x[i : i + batch_size], y[i : i + batch_size]
            h, c = h.detach(), c.detach()
            outputs, (h, c) = model(tokens, (h, c))
            loss = criterion(outputs.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), max_norm)
            optimizer.step()
