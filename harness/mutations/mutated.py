"""A reference with known porting mistakes made in it, or one that is looked at to see which could be made.

Every call of a torch function that the user's own code leads to is a site. Where a mutant is wanted, its change stands in
for the call; where mutants are listed, the reference runs as it is, and what could be changed is noted.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode

from harness.mutations import calls, loops, optimizers
from harness.mutations.call import Call, Change, Offer
from harness.mutations.sites import Modules, Site, site
from harness.running.start import Mutant, Mutating

MOST = 4000
"""Mutants that are listed of one run; a loop with more sites has its first ones."""


class Calls(TorchFunctionMode):
    """Sees every call of a torch function, and makes some of them otherwise."""

    def __init__(self, mutated: "Mutated") -> None:
        super().__init__()
        self.mutated = mutated

    def __torch_function__(
        self, function: Callable[..., Any], _types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        if self.mutated.wants(name):
            return self.mutated.call(name, function, args, kwargs or {})
        return function(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Reached:
    """Where a run was when it first came to a site: behind so many layers, and what it is called."""

    behind: int
    label: str


class Mutated:
    """See the module. ``offers``: the mutants that could be made in what was run so far."""

    def __init__(self, asked: Mutating) -> None:
        self.list = asked.list
        self.table = calls.by_function()
        self.modules = Modules()
        self.used: dict[str, str] = {}
        self.found: dict[Mutant, int] = {}
        self.sites: dict[str, set[tuple[str, str]]] = {}
        self.reached: set[tuple[str, str]] = set()
        self.places: dict[str, Reached] = {}
        changes = {(change.name, change.cause): change for change in calls.CHANGES}
        others = {(other.name, other.cause): other for other in optimizers.CHANGES}
        habits = {(habit.name, habit.cause): habit for habit in loops.HABITS}
        self.wanted: dict[str, list[tuple[Change, dict[str, Any]]]] = {}
        self.habits: list[loops.Habit] = []
        of_optimizers: dict[str, list[tuple[optimizers.Other, optimizers.Settings]]] = {}
        for mutant in asked.mutants:
            key, settings = (mutant.change, mutant.cause), dict(mutant.settings)
            if key in habits:
                self.habits.append(habits[key])
            elif mutant.site.startswith("optimizer "):
                of_optimizers.setdefault(mutant.site, []).append((others[key], settings))
            else:
                self.wanted.setdefault(mutant.site, []).append((changes[key], settings))
        self.optimizers = optimizers.Watching(of_optimizers)
        self.functions = {name for made in self.wanted.values() for change, _ in made for name in change.functions}

    @contextmanager
    def active(self) -> Iterator[None]:
        """While this is open, the loop is run so."""
        with ExitStack() as stack:
            begin, end = self.optimizers.begin, self.optimizers.end
            for habit in self.habits:
                stack.enter_context(habit.patched())
            stack.callback(register_optimizer_step_pre_hook(begin).remove)
            stack.callback(register_optimizer_step_post_hook(end).remove)
            if self.list or self.functions:
                stack.enter_context(self.modules.watched())
            if self.list:
                stack.enter_context(loops.noticed(self.used, lambda: self.modules.path))
            if self.list or self.functions:
                stack.enter_context(Calls(self))
            yield

    def wants(self, name: str) -> bool:
        """Whether calls of a function of this name are looked at."""
        if self.optimizers.stepping:
            return False
        return name in (self.table if self.list else self.functions)

    def call(self, name: str, function: Callable[..., Any], args: Sequence[Any], named: dict[str, Any]) -> Any:
        """A call of such a function."""
        here = site(name, self.modules.path, numbers=self.list)
        if here is None:
            return function(*args, **named)
        if self.list:
            if (here.key, here.caller) not in self.reached:
                self.reached.add((here.key, here.caller))
                self.note(here, Call(function, args, named, here.numbers))
            return function(*args, **named)
        for key in here.groups:
            for change, settings in self.wanted.get(key, ()):
                if name in change.functions:
                    return change.apply(Call(function, args, named), settings)
        return function(*args, **named)

    def note(self, here: Site, call: Call) -> None:
        """Which mistakes could be made at a site."""
        for key, label in here.groups.items():
            self.places.setdefault(key, Reached(len(self.modules.done), label))
        for change in self.table[call.name]:
            offered: list[Offer] = []
            with suppress(Exception):  # whatever a change makes of arguments that it was not made for
                offered = list(change.offers(call))
            for turn, (settings, was) in enumerate(offered):
                told = (*settings.items(),)
                for where in here.groups:
                    at = self.places[where]
                    made = Mutant(
                        change.name, change.cause, change.stage, where, at.label, told, (*was.items(),), at.behind
                    )
                    self.sites.setdefault(str((where, change.name, change.cause, told)), set()).add(
                        (here.key, here.caller)
                    )
                    if len(self.found) < MOST:
                        self.found.setdefault(made, turn)

    @property
    def offers(self) -> tuple[Mutant, ...]:
        """See the class; of those that are made in the same calls the one that is told the most narrowly."""
        if not self.list:
            return ()
        found: list[Mutant] = []
        known: set[Any] = set()
        for mutant in self.found:
            made = (mutant.change, mutant.cause, mutant.settings)
            where = frozenset(self.calls_of(mutant))
            if (made, where) not in known:
                known.add((made, where))
                found.append(mutant)
        order = {(change.name, change.cause): place for place, change in enumerate(calls.CHANGES)}
        # The likeliest value of every change comes first: a mistake of few values is not to wait for one of many. In a large
        # model a function is called at a hundred places, and people make their mistakes at all of them.
        found.sort(
            key=lambda mutant: (self.found[mutant], order[mutant.change, mutant.cause], -len(self.calls_of(mutant)))
        )
        found += self.of_optimizers()
        found += [
            Mutant(habit.name, habit.cause, habit.stage, "loop", f"the loop{told}")
            for habit in loops.HABITS
            if habit.used in self.used
            for told in (f", {self.used[habit.used]} first" if self.used[habit.used] else "",)
        ]
        return tuple(found)

    def calls_of(self, mutant: Mutant) -> set[tuple[str, str]]:
        """The calls in which a mistake is made."""
        return self.sites[str((mutant.site, mutant.change, mutant.cause, mutant.settings))]

    def of_optimizers(self) -> Iterator[Mutant]:
        """Mistakes in each optimizer, in all of them at once, and in each group of one that has several."""
        known = self.optimizers.known
        for number, (optimizer, groups) in enumerate(zip(known, self.optimizers.groups, strict=True)):
            kind = type(optimizer).__name__
            own = kind if len(known) == 1 else f"{kind} number {number + 1}"
            sites = [(f"optimizer {number}", own, groups[0])]
            if len(known) > 1 and number == 0:
                sites.append(("optimizer *", "every optimizer", groups[0]))
            if len(groups) > 1:
                sites += [
                    (f"optimizer {number} group {at}", f"{own}, group {at + 1}", group)
                    for at, group in enumerate(groups)
                ]
            for other in optimizers.CHANGES:
                if kind not in other.kinds:
                    continue
                for key, label, group in sites:
                    beside = [one for one in groups if one is not group]
                    for settings, was in other.offers(group, beside):
                        yield Mutant(
                            other.name, other.cause, other.stage, key, label, (*settings.items(),), (*was.items(),)
                        )
