"""Writes the generated parts of the pages: the collection, the table of modules, and the tables of evidence.

    python tests/readme.py [--check]

A part stands between <!-- name --> and <!-- /name -->. --check changes nothing and fails if a part is out of date.
"""

import ast
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from harness.contract.stages import STAGES
from harness.errors import counted
from harness.oracle.bounds import WEAKER_THRESHOLD
from harness.running.pairs import Pair, discover
from harness.running.start import SIDES

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
sys.path.insert(0, str(ROOT / "tests" / "evidence"))

from machine import told  # noqa: E402  (beside the commands that write what is read here)
from results import read  # noqa: E402

GROUPS = {
    "Optimizers": "adadelta adagrad adam_regression adamw_groups amsgrad nadam rmsprop_centered sgd_dampening sgd_nesterov",
    "Loop mechanics": "bfloat16_mixed clip_global_norm data_parallel ema_weights float16_loss_scaling frozen_backbone "
    "gradient_accumulation plateau_schedule sharpness_aware train_eval_metrics warmup_cosine",
    "Vision": "convnet_batchnorm mobilenet_block residual_net unet vision_transformer",
    "Sequence": "attention_dropout ctc_speech gpt gru_tagger lstm_classifier lstm_language_model masked_language_model "
    "seq2seq_attention temporal_convolution transformer_block",
    "Generative": "autoencoder_l1 denoising_diffusion gan vae vae_sampling vq_vae wgan_gradient_penalty",
    "Others": "contrastive dqn graph_convolution knowledge_distillation maml multi_task physics_informed ppo "
    "siamese_triplet skip_gram sparse_embedding",
    "The article's": "binary_classifier linear_regression mini_batch_mlp",
}
"""What the pairs of the collection are about: every one stands in one group."""


ORDER = (
    "__main__", "commands", "watching", "doctor", "plugin", "laws", "profiles", "template", "template_captured", "worker",
    "sides", "fixing", "contract", "running", "traces", "past", "mutations", "oracle", "diagnosis", "judging", "verdict",
    "report", "fleet",
    "faithful", "errors", "words",
)  # fmt: skip
"""The packages of harness and the modules beside them: how a run begins, then in the order of the data, then the rest."""


def collection() -> str:
    """A table for every group: each pair with its further ports, its sentence, what its loop records, and its traps."""
    pairs = {pair.name: pair for pair in discover(ROOT / "pairs")}
    if sorted(name for names in GROUPS.values() for name in names.split()) != sorted(pairs):
        raise click.ClickException("GROUPS in tests/readme.py must name every pair, once, and nothing else")
    head = ("pair", "what must agree", "recorded", "traps that the port avoids")
    return f"{len(pairs)} pairs:\n\n" + "\n\n".join(
        f"### {group}\n\n{table(head, [described(pairs[name]) for name in names.split()])}"
        for group, names in GROUPS.items()
    )


def described(pair: Pair) -> tuple[str, ...]:
    """A pair's row."""
    scenario = pair.scenario()
    return (
        f"[{pair.name}]({pair.name})" + "".join(f"<br>`:{name}`" for name in pair.variants),
        " ".join(scenario.about.split()),
        ", ".join(recorded(pair)),
        ", ".join(scenario.traps),
    )


def modules() -> str:
    """One row for every module of harness, package by package: its name and the first line of its docstring."""
    parts = {path.stem: path for path in (ROOT / "harness").iterdir() if module(path) and path.stem != "__init__"}
    if sorted(parts) != sorted(ORDER):
        raise click.ClickException(
            "ORDER in tests/readme.py must name every package of harness and every module beside them, once"
        )
    rows = []
    for name in ORDER:
        path = parts[name]
        if path.is_dir():
            rows.append((f"**[{name}]({name})**", "", first_line(path / "__init__.py")))
            inner = sorted(file for file in path.glob("*.py") if file.stem != "__init__")
            rows += [("", f"[{file.stem}]({name}/{file.name})", first_line(file)) for file in inner]
        else:
            rows.append(("", f"[{name}]({name}.py)", first_line(path)))
    return table(("package", "module", "what it is"), rows)


def module(path: Path) -> bool:
    """Whether a path is a module or a package."""
    return path.suffix == ".py" or (path / "__init__.py").exists()


def first_line(path: Path) -> str:
    """What a module says of itself."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not said:
        raise click.ClickException(f"{path.relative_to(ROOT)} does not say in its first line what it is")
    return said.splitlines()[0]


NAMES = {"four runs": "four runs", "nudged float32": "weaker rule, float32 alone"}
"""Rules, as a page calls them."""


CAPTURED = ("batch", "outputs", "loss", "grads", "lr", "slots", "params")
"""What is recorded of training functions that are captured."""


def recorded(pair: Pair) -> list[str]:
    """The stages that the pair's loops record, in causal order: the keys of every dict that has a "loss".

    The loops are read and not run, because this file loads no framework. A model stands for its gradients and
    parameters, an optimizer for its rate and, unless it is plain SGD, its slots; the port's loop tells of the buffers.
    """
    loops = [pair.file(side).read_text(encoding="utf-8") for side in SIDES]
    if not any("yield" in loop for loop in loops):
        return [stage for stage in STAGES if stage in CAPTURED or stage in loops[1]]
    dicts = [
        {key.value for key in node.keys if isinstance(key, ast.Constant)}
        for loop in loops
        for node in ast.walk(ast.parse(loop))
        if isinstance(node, ast.Dict)
    ]
    keys = set().union(*(found for found in dicts if "loss" in found))
    if "model" in keys:
        keys |= {"grads", "params"}
    if "optimizer" in keys:
        keys |= {"lr"} if "keras.optimizers.SGD" in loops[1] else {"lr", "slots"}
    return [stage for stage in STAGES if stage in keys]


def peers() -> str:
    """One row for every published rule."""
    found = read("peers")
    rows = [
        (bold(item, item["name"]), item["says"], f"{item['detected']} of {found['faults']}",
         f"{item['false_alarms']} of {found['valid']}", f"{item['near']}")
        for item in found["rules"]
    ]  # fmt: skip
    head = ("whose rule", "what it says", "faults noticed", "false alarms", "near its bound")
    return f"{table(head, rows)}\n\n{told(found['machine'])}"


def bold(item: dict[str, Any], text: str) -> str:
    """The text in bold if the row is ours."""
    return f"**{text}**" if item["name"] == "twinloop" else text


EXAMPLE = ("layer normalization, variance in one pass, mean 20", "layer normalization, epsilon 1e-6")
"""Two cases that float32 cannot tell apart."""


def example() -> str:
    """How far apart they are in both precisions."""
    known = {case["name"]: case for case in read("peers")["cases"]}
    rows = [
        (known[name]["name"] + (", valid" if known[name]["valid"] else ", a mistake"),
         *(f"{known[name][size]:.2g}" for size in ("float32", "float64", "excess")))
        for name in EXAMPLE
    ]  # fmt: skip
    return table(("against torch's layer normalization", "apart in float32", "apart in float64", "excess"), rows)


def evidence() -> str:
    """The gap in short: a row for each rule."""
    head = (
        "rule",
        "largest excess of a valid run",
        "smallest excess of a mistake",
        "threshold",
        "empty decades between",
    )
    rows = [
        (
            NAMES[rule["rule"]],
            f"{rule['worst']['excess']:.3g}, of {rule['runs']} runs of {counted(rule['pairs'], 'pair')}",
            f"{rule['least']['excess']:.2g}, of {rule['found']} found of {rule['faults']}",
            f"{rule['threshold']:g}",
            f"{rule['empty_decades']}",
        )
        for rule in read("gap")["rules"]
        if rule["rule"] == "four runs"
    ]
    found = read("weaker")
    rows.append(
        (
            NAMES["nudged float32"],
            f"{found['worst']['excess']:.3g}, of {found['judged']} pairs judged so on purpose",
            f"{found['faintest']['excess']:.2g}, of {found['noticed']} found of {found['faults']}",
            f"{WEAKER_THRESHOLD:g}",
            f"{found['decades']}",
        )
    )
    return f"{table(head, rows)}\n\n{told(read('gap')['machine'])}"


def weaker() -> str:
    """What the weaker rule comes to where the four runs could have been had."""
    found = read("weaker")
    judged = f"{found['judged']} of {found['valid']}, {found['steps']} steps each"
    rows = [
        ("valid pairs judged", judged),
        ("called different", ", ".join(found["alarms"]) or "none"),
        ("largest excess of a valid pair", "{excess:.3g}: {pair}, {tensor}".format(**found["worst"])),
        ("faults noticed", f"{found['noticed']} of {found['faults']}"),
        ("not noticed", "; ".join(found["missed"]) or "none"),
        ("smallest excess of a noticed fault, where it first shows", "{excess:.3g}: {fault}".format(**found["least"])),
        ("the same, at its largest", "{excess:.3g}: {fault}".format(**found["faintest"])),
        ("empty decades between that and the valid pairs", str(found["decades"])),
    ]
    return f"{table(('the weaker rule', 'in float32 alone'), rows)}\n\n{told(found['machine'])}"


def gap() -> str:
    """Valid runs and faults side by side, for each rule."""
    rows = []
    for rule in read("gap")["rules"]:
        worst, least = rule["worst"], rule["least"]
        rows.append(
            (
                NAMES[rule["rule"]],
                f"{rule['runs']} of {counted(rule['pairs'], 'pair')}, {rule['steps']} steps",
                f"{worst['excess']:.3g}: {worst['pair']}, {worst['tensor']}" if worst else "",
                f"{rule['found']} of {rule['faults']}",
                f"{least['excess']:.2g}: {least['fault']}" if least else "",
                f"{rule['empty_decades']}" if rule["empty_decades"] is not None else "",
            )
        )
    head = ("rule", "valid runs", "largest excess", "faults found", "smallest excess", "empty decades between")
    return f"{table(head, rows)}\n\n{told(read('gap')['machine'])}"


def corpus() -> str:
    """What the corpus of planted faults comes to."""
    found = read("causes")
    rows = []
    for title, value in found.items():
        if isinstance(value, dict) and value.get("of"):
            rows.append((title, f"{value['count']} of {value['of']}"))
        elif isinstance(value, dict) and "median" in value:
            rows.append((title, f"median {value['median']}, most {value['most']}"))
    taken = [
        (f"`{cause}`", named if named == "unknown" else f"`{named}`", str(count))
        for cause, named, count in found["confusions"]
    ]
    confused = f"{table(('cause', 'named first in its place', 'rows'), taken)}\n\n" if taken else ""
    return f"{table(('of the corpus', 'rows'), rows)}\n\n{confused}{told(found.get('machine'))}"


def outcomes(runs: list[dict[str, Any]], what: str) -> str:
    """The table of how rows came out that were found by themselves."""
    sureties = ("proven", "layer", "supported", "undetermined", "ambiguous")
    rows = [
        (
            run["what"],
            f"{run['rows']}",
            f"{run['right']}: "
            + ", ".join(f"{run[f'right {kind}']} {kind}" for kind in sureties if run[f"right {kind}"]),
            f"{run['wrong, said']}",
            f"**{run['silently wrong']}**",
            f"{run['not found']}",
            f"{run['steps']}",
        )
        for run in runs
    ]
    return table((what, "rows", "right", "wrong, and said to be open", "silently wrong", "not found", "steps"), rows)


def maps() -> str:
    """How maps of tensors came out that were found by themselves."""
    found = read("maps")
    return f"{outcomes(found['runs'], 'ports taken away in')}\n\n{told(found['machine'])}"


def library() -> str:
    """How maps of library models came out."""
    found = read("library_maps")
    versions = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
    return f"{outcomes(found['runs'], 'model')}\n\n{told(found['machine'])}\n\nWith {versions}."


def versions() -> str:
    """What came of the ends of the ranges of versions."""
    found = read("versions")
    rows = [
        (
            row["end"],
            row["versions"],
            f"{list(row['pairs'].values()).count('EQUIVALENT')} of {len(row['pairs'])}" if row["pairs"] else "none run",
            row["tests"].partition(" in ")[0],
        )
        for row in found["ends"]
    ]
    return f"{table(('end', 'installed', 'pairs equivalent', 'tests'), rows)}\n\n{told(found['machine'])}"


def causes() -> str:
    """The table of causes, by what they are about; how each is tried, as far as it is."""
    from harness.diagnosis.causes import table as known
    from harness.mutations.listed import tried

    ways = tried()
    areas = sorted({row.area for row in known().values()})
    parts = []
    for area in areas:
        rows = [
            (f"`{row.id}`", row.sentence, ", ".join(row.stages), "; ".join(ways.get(row.id, ())))
            for row in known().values()
            if row.area == area
        ]
        parts.append(
            f"### {area.capitalize()}\n\n{table(('cause', 'what is different', 'shows first in', 'tried'), rows)}"
        )
    found = sum(row in ways for row in known())
    return f"{counted(len(known()), 'row')}, {found} of them tried.\n\n" + "\n\n".join(parts)


WIDTH = 100
"""Columns of the command line's help on a page."""


def commands() -> str:
    """What --help prints, of twinloop and of each of its commands."""
    from harness.__main__ import main as twinloop

    settings: dict[str, Any] = {"terminal_width": WIDTH, "max_content_width": WIDTH}
    above = click.Context(twinloop, info_name="twinloop", **settings, help_option_names=["-h", "--help"])
    parts = [twinloop.get_help(above)]
    for name, command in sorted(twinloop.commands.items()):
        parts.append(command.get_help(click.Context(command, info_name=name, parent=above, **settings)))
    return "\n\n".join(f"```text\n{part.rstrip()}\n```" for part in parts)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


Parts = Mapping[str, Callable[[], str]]

DOCUMENTS: Mapping[Path, Parts] = {
    README: {"example": example, "evidence": evidence},
    ROOT / "pairs" / "README.md": {"collection": collection},
    ROOT / "harness" / "README.md": {"modules": modules, "commands": commands},
    ROOT / "harness" / "oracle" / "README.md": {},
    ROOT / "harness" / "diagnosis" / "README.md": {"causes": causes},
    ROOT / "harness" / "report" / "README.md": {},
    ROOT / "harness" / "traces" / "README.md": {},
    ROOT / "harness" / "fleet" / "README.md": {},
    ROOT / "tests" / "evidence" / "README.md": {
        "gap": gap,
        "weaker": weaker,
        "maps": maps,
        "library": library,
        "versions": versions,
        "peers": peers,
        "corpus": corpus,
    },
}
"""The pages, each with the parts of it that are generated."""


def filled(text: str, parts: Parts) -> str:
    """A document with every part written anew."""
    for name, make in parts.items():
        marker = re.compile(rf"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
        if len(marker.findall(text)) != 1:
            raise click.ClickException(f"<!-- {name} --> and <!-- /{name} --> must be there, once")
        part = f"<!-- {name} -->\n\n{make()}\n\n<!-- /{name} -->"
        text = marker.sub(lambda _, part=part: part, text)
    return text


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; fail if a part is out of date.")
def main(check: bool) -> None:
    """Write the generated parts of the pages."""
    for path, parts in DOCUMENTS.items():
        before = path.read_text(encoding="utf-8")
        after = filled(before, parts)
        if check and before != after:
            raise click.ClickException(f"{path.relative_to(ROOT)} is out of date; run: python tests/readme.py")
        if not check:
            path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
