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
        x = pack_padded_sequence(
            torch.relu(x),
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        x, _ = self.gru(x)
        # As long as the frames, even if no utterance of the batch is.
        x, _ = pad_packed_sequence(x, batch_first=True, total_length=10)
        return self.head(x).log_softmax(-1)


def train(weights, batches, *, lr, weight_decay):
    model = Recogniser()
    model.load_state_dict(weights)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=lr,
        weight_decay=weight_decay,
    )

    for labels, label_lengths, frame_lengths, frames in batches:
        outputs = model(frames, frame_lengths)
        loss = nn.functional.ctc_loss(
            outputs.transpose(0, 1),
            labels,
            frame_lengths,
            label_lengths,
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield {
            "batch": (labels, label_lengths, frame_lengths, frames),
            "outputs": outputs,
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
        }
