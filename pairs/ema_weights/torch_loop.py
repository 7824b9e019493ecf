import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def train(weights, batches, *, lr, momentum, decay):
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    model.load_state_dict(weights)
    params = dict(model.named_parameters())
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    averages = dict(average.module.named_parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    criterion = nn.MSELoss()

    for x, y, held_out_x, held_out_y in batches:
        outputs = model(x)
        loss = criterion(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)

        with torch.no_grad():
            predictions = average(held_out_x)
        held_out_loss = criterion(predictions, held_out_y)
        state = {n: optimizer.state[p] for n, p in params.items()}
        buffers = {n: s["momentum_buffer"] for n, s in state.items()}
        yield {
            "batch": (x, y, held_out_x, held_out_y),
            "outputs": outputs,
            "loss": loss,
            "grads": {n: p.grad for n, p in params.items()},
            "slots": {"momentum_buffer": buffers},
            "params": params,
            "buffers": averages,
            "metrics": {"held_out_loss": held_out_loss},
        }
