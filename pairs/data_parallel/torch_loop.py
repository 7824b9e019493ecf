import os
import tempfile

import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

# The ranks talk to each other and to nobody outside this machine.
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")


def replica(rank, store, weights, data, lr, batch_size, epochs):
    dist.init_process_group("gloo", store, rank=rank, world_size=2)
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3))
    if rank == 0:  # the other one gets its weights from here, through DDP
        model.load_state_dict(weights)
    parallel = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(parallel.parameters(), lr=lr)
    dataset = TensorDataset(data["x"], data["y"])
    sampler = DistributedSampler(dataset, shuffle=False)
    loader = DataLoader(dataset, batch_size // 2, sampler=sampler)
    criterion = nn.CrossEntropyLoss()

    for _ in range(epochs):
        for x, y in loader:
            outputs = parallel(x)
            loss = criterion(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total = loss.detach().clone()
            dist.all_reduce(total)
            yield {
                "batch": (x, y),
                "outputs": outputs,
                "loss": total / 2,
                "grads": {n: p.grad for n, p in model.named_parameters()},
                "params": dict(model.named_parameters()),
            }
    dist.destroy_process_group()


def second_rank(*job):
    for _ in replica(1, *job):
        pass


def train(weights, data, *, lr, batch_size, epochs):
    # What torchrun does: one process a rank, and a place where they meet.
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{folder}/store"
        job = (store, weights, data, lr, batch_size, epochs)
        context = multiprocessing.get_context("fork")
        other = context.Process(target=second_rank, args=job)
        other.start()
        try:
            yield from replica(0, *job)
        finally:
            other.kill()
            other.join()
