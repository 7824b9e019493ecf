import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def train(weights, batches, *, lr, momentum, decay):
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 1))
    model.load_state_dict(weights)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    parameters = model.parameters()
    optimizer = torch.optim.SGD(parameters, lr=lr, momentum=momentum)

    for x, y, held_out_x, held_out_y in batches:
        outputs = model(x)
        loss = nn.functional.mse_loss(outputs, y)
        optimizer.zero_grad()
        loss.backward()
        grads = {name: p.grad for name, p in model.named_parameters()}

        optimizer.step()
        average.update_parameters(model)
        with torch.no_grad():
            predictions = average(held_out_x)
        held_out_loss = nn.functional.mse_loss(predictions, held_out_y)
        state = {n: optimizer.state[p] for n, p in model.named_parameters()}
        buffers = {n: s["momentum_buffer"] for n, s in state.items()}
        yield {
            "batch": (x, y, held_out_x, held_out_y),
            "outputs": outputs,
            "loss": loss,
            "grads": grads,
            "slots": {"momentum_buffer": buffers},
            "params": dict(model.named_parameters()),
            "buffers": dict(average.module.named_parameters()),
            "metrics": {"held_out_loss": held_out_loss},
        }
