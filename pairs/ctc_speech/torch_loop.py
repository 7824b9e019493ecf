import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Recogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 3, padding=1)
        self.gru = nn.GRU(8, 6, batch_first=True, bidirectional=True)
        self.head = nn.Linear(12, 4)

    def forward(self, frames, lengths):
        x = self.conv(frames.transpose(1, 2)).transpose(1, 2)
        packing = {"batch_first": True, "enforce_sorted": False}
        x = pack_padded_sequence(torch.relu(x), lengths, **packing)
        x, _ = self.gru(x)
        whole = {"batch_first": True, "total_length": frames.shape[1]}
        x, _ = pad_packed_sequence(x, **whole)
        return self.head(x).log_softmax(-1)


def train(weights, batches, *, lr, weight_decay):
    model = Recogniser()
    model.load_state_dict(weights)
    adamw = {"lr": lr, "weight_decay": weight_decay}
    optimizer = torch.optim.AdamW(model.parameters(), **adamw)
    ctc = nn.CTCLoss()
    params = dict(model.named_parameters())

    for labels, label_lengths, frame_lengths, frames in batches:
        outputs = model(frames, frame_lengths)
        by_time = outputs.transpose(0, 1)
        loss = ctc(by_time, labels, frame_lengths, label_lengths)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in params.items()}
        optimizer.step()
        state = [(name, optimizer.state[p]) for name, p in params.items()]
        means = {name: slots["exp_avg"] for name, slots in state}
        squares = {name: slots["exp_avg_sq"] for name, slots in state}
        yield {
            "batch": (labels, label_lengths, frame_lengths, frames),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {"exp_avg": means, "exp_avg_sq": squares},
            "params": params,
        }
