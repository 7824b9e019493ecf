from harness import Scenario, integers, normal, ones

VOCABULARY, LENGTH, WIDTH, BLOCKS = 2000, 64, 384, 4


def block(name):
    return {
        f"{name}.ln_1.weight": ones(WIDTH),
        f"{name}.c_attn.weight": normal(3 * WIDTH, WIDTH, std=0.02),
        f"{name}.c_proj.weight": normal(WIDTH, WIDTH, std=0.02),
        f"{name}.ln_2.weight": ones(WIDTH),
        f"{name}.up.weight": normal(4 * WIDTH, WIDTH, std=0.02),
        f"{name}.down.weight": normal(WIDTH, 4 * WIDTH, std=0.02),
    }


blocks = {name: recipe for i in range(BLOCKS) for name, recipe in block(f"h.{i}").items()}

scenario = Scenario(
    "A transformer of eight million parameters under Adam, for benchmarks.",
    weights={
        "wte.weight": normal(VOCABULARY, WIDTH, std=0.02),
        "wpe.weight": normal(LENGTH, WIDTH, std=0.02),
        **blocks,
        "ln_f.weight": ones(WIDTH),
    },
    data={"x": integers(64, LENGTH, high=VOCABULARY), "y": integers(64, LENGTH, high=VOCABULARY)},
    batch_size=8,
    epochs=1,
    hyper={"lr": 0.001},
)
