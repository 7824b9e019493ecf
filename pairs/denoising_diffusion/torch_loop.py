import copy
import math

import torch
from torch import nn


class TimeEmbedding(nn.Module):
    def __init__(self, width):
        super().__init__()
        half = width // 2
        step = math.log(10000.0) / half
        self.rates = torch.exp(-step * torch.arange(half))

    def forward(self, timesteps):
        angles = timesteps[:, None] * self.rates
        return torch.cat([torch.sin(angles), torch.cos(angles)], -1)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = TimeEmbedding(8)
        self.time = nn.Sequential(
            nn.Linear(8, 16),
            nn.SiLU(),
            nn.Linear(16, 8),
        )
        self.conv_in = nn.Conv2d(1, 8, 3, padding=1)
        self.norm1 = nn.GroupNorm(2, 8)
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)
        self.norm2 = nn.GroupNorm(2, 8)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv_out = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, images, timesteps):
        silu = nn.functional.silu
        x = self.conv_in(images)
        time = self.time(self.embedding(timesteps))
        h = self.conv1(silu(self.norm1(x)))
        h = h + time[:, :, None, None]
        h = self.conv2(silu(self.norm2(h)))
        return self.conv_out(x + h)


def train(weights, batches, *, lr, beta_start, beta_end, ema_decay):
    model = Denoiser()
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    averages = copy.deepcopy(model).requires_grad_(False)
    averages = dict(averages.named_parameters())

    # The noise schedule.
    betas = torch.linspace(beta_start, beta_end, 50)
    kept = torch.cumprod(1 - betas, 0)
    signal, spread = torch.sqrt(kept), torch.sqrt(1 - kept)

    for images, noise, timesteps in batches:
        # The forward process.
        signal_t = signal[timesteps][:, None, None, None]
        spread_t = spread[timesteps][:, None, None, None]
        noised = signal_t * images + spread_t * noise

        # The denoiser's step.
        outputs = model(noised, timesteps)
        loss = nn.functional.mse_loss(outputs, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

        # The average follows.
        with torch.no_grad():
            for name, average in averages.items():
                average.lerp_(params[name], 1 - ema_decay)
        yield {
            "batch": (images, noise, timesteps),
            "outputs": {"noised": noised, "predicted": outputs},
            "loss": loss,
            "model": model,
            "optimizer": optimizer,
            "buffers": {"averages": averages},
        }
