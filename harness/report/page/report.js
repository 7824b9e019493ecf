"use strict";
(() => {
  // Every text of a verdict goes into the page through here, as text: nothing it holds can become markup.
  const h = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value != null) made.setAttribute(name, value);
    }
    made.append(...children.flat(9).filter((child) => child != null && child !== false));
    return made;
  };
  const $ = (id) => document.getElementById(id);
  const ZERO = -9999, MOST = 30000;
  const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  // The overview: filters and sorts the table that is there without a script too.
  const body = $("pairs").tBodies[0], rows = [...body.rows];
  const filter = () => {
    const words = $("words").value.toLowerCase().split(/\s+/).filter(Boolean), status = $("status").value;
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word)) && (!status || row.dataset.status === status)
        && !($("failed").checked && row.dataset.passed === "1");
      row.hidden = !fits;
      shown += fits;
    }
    $("shown").textContent = shown === rows.length ? "" : `${shown} of ${counted(rows.length, "pair")}`;
  };
  for (const id of ["words", "status", "failed"]) $(id).addEventListener("input", filter);
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  const heads = [...document.querySelectorAll("#pairs th[aria-sort]")];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.key;
    const order = (a, b) => {
      const numbers = [Number(key(a)), Number(key(b))];
      const plain = key(a) !== "" && key(b) !== "" && numbers.every((number) => !Number.isNaN(number));
      return plain ? numbers[0] - numbers[1] : key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
    };
    rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
    body.append(...rows);
  }));

  // Colours come from the style sheet, so that both themes and print have one source.
  let palette = {};
  const probe = h("span", { hidden: true });
  document.body.append(probe);
  const color = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const readPalette = () => {
    const names = ["text", "dim", "line", "torch", "tensorflow", "band", "bad", "back",
      "agree0", "agree1", "agree2", "differ0", "differ1", "differ2", "differ3"];
    palette = Object.fromEntries(names.map((name) => [name, color(name)]));
  };
  let redraws = [];
  const redraw = () => { readPalette(); redraws.forEach((draw) => draw()); };
  const root = document.documentElement;
  $("theme").addEventListener("input", () => {
    if ($("theme").value) root.dataset.theme = $("theme").value;
    else delete root.dataset.theme;
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  addEventListener("beforeprint", () => { root.dataset.theme = "light"; redraw(); });
  addEventListener("afterprint", () => {
    if ($("theme").value) root.dataset.theme = $("theme").value;
    else delete root.dataset.theme;
    redraw();
  });

  const unpack = async (id) => {
    const packed = Uint8Array.from(atob($(id).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return JSON.parse(await new Response(stream).text());
  };

  // Excess is kept in hundredths of a decade.
  const excessText = (value) => {
    if (value == null) return "";
    if (value === ZERO) return "0";
    if (value >= MOST) return "∞";
    const number = 10 ** (value / 100);
    return number < 1000 ? String(Number(number.toPrecision(2))) : number.toExponential(1).replace(".0e", "e");
  };
  const numberText = (value, digits = 6) => {
    if (value == null) return "";
    const size = Math.abs(value);
    if (size >= 1e300) return "∞";
    return size !== 0 && (size < 1e-4 || size >= 1e7) ? value.toExponential(Math.min(digits, 6) - 1) : String(Number(value.toPrecision(digits)));
  };
  const value = (text) => h("span", { class: text.length > 40 ? "value long" : "value" }, text);
  const shade = (value, limit) => {
    if (value <= limit) return palette[value <= 0 ? "agree0" : value <= limit / 2 ? "agree1" : "agree2"];
    return palette[value <= 600 ? "differ0" : value <= 900 ? "differ1" : value <= 1200 ? "differ2" : "differ3"];
  };

  const part = (id, title, ...content) => h("section", { class: "part", "aria-labelledby": `h-${id}` }, h("h3", { id: `h-${id}` }, title), ...content);
  const table = (label, names, lines, numbers = []) => h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label },
    h("table", {}, h("thead", {}, h("tr", {}, names.map((name, i) => h("th", { scope: "col", class: numbers.includes(i) ? "number" : null }, name)))),
      h("tbody", {}, lines.map((line) => h("tr", {}, line.map((cell, i) => h("td", { class: numbers.includes(i) ? "number" : null }, cell)))))));
  const key = (items) => h("ul", { class: "key" }, items.map(([style, text, kind]) =>
    h("li", {}, h("i", { class: kind || "", style, "aria-hidden": "true" }), text)));

  const pairView = (data, number) => {
    const points = Math.max(0, ...data.tensors.map((tensor) => tensor.excess.length), ...data.losses.map((loss) => loss.torch.length));
    const limit = data.threshold > 0 ? Math.round(100 * Math.log10(data.threshold)) : 300;
    const first = data.first;
    const stepOf = (point) => point * data.stride;
    const stepText = (point) => (data.stride === 1 ? `step ${stepOf(point)}` : `steps ${stepOf(point)} to ${Math.min(data.steps, stepOf(point + 1)) - 1}`);
    const firstPoint = first && first.step < data.steps ? Math.floor(first.step / data.stride) : null;
    let now = firstPoint == null ? Math.max(0, points - 1) : firstPoint;
    const onStep = [], stages = [...new Set(data.tensors.map((tensor) => tensor.stage))];
    const states = new Map(stages.map((stage) => {
      const firsts = data.tensors.filter((tensor) => tensor.stage === stage && tensor.first).map((tensor) => tensor.first.step);
      return [stage, firsts.length ? Math.min(...firsts) : null];
    }));
    const parting = first && first.stage ? first.stage : null;

    const lead = [
      h("h2", { tabindex: "-1", id: "pair-title" }, data.pair),
      h("p", { class: "lead" }, h("span", { class: `status ${data.look}` }, h("span", { "aria-hidden": "true" }, data.mark), ` ${data.status}`), `  ${data.sentence}`),
      data.causes.length > 0 && part("causes", "Cause, and what to write", data.causes.map(cause)),
      data.notes.length > 0 && h("ul", { class: "notes" }, data.notes.map((line) => h("li", {}, line))),
      h("dl", { class: "facts" }, data.facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    ];
    const out = [nav(number), ...lead];

    if (data.findings.length) out.push(part("findings", "Findings", h("ul", { class: "findings" },
      data.findings.map((item) => h("li", {}, h("strong", {}, item.kind), `: ${item.sentence}`)))));

    if (data.trace) out.push(part("trace", "Traceback", h("pre", { tabindex: "0" }, data.trace)));

    if (stages.length) {
      const list = h("ol", { class: "stages" });
      const show = () => list.replaceChildren(...stages.map((stage) => {
        const here = data.tensors.filter((tensor) => tensor.stage === stage && tensor.excess[now] != null);
        const apart = here.filter((tensor) => tensor.excess[now] > limit).length, since = states.get(stage);
        const at = !here.length ? "not recorded" : apart ? `${apart} of ${here.length} differ` : "agrees";
        const look = !here.length ? "" : apart ? "bad" : "good";
        return h("li", { class: look + (stage === parting ? " first" : "") },
          h("span", { "aria-hidden": "true" }, apart ? "✗ " : here.length ? "✓ " : "– "), stage,
          h("small", { class: look }, `${at} at ${stepText(now)}`),
          since != null && h("small", {}, stage === parting ? `the first to part, at step ${since}` : `parts at step ${since}`));
      }));
      onStep.push(show);
      out.push(part("stages", "Stages of a step, in causal order", list));
    }
    if (points > 0) out.push(player());
    if (data.losses.length) out.push(part("losses", "Loss", lossCharts()));
    if (data.tensors.some((tensor) => tensor.excess.length)) out.push(part("map", "Excess by tensor and step", excessMap()));
    const differing = data.tensors.filter((tensor) => tensor.first);
    if (differing.length || first) out.push(part("worst", "What differs, and its worst elements", differences()));
    if (data.sensitivity.length || data.status.startsWith("EQUIVALENT")) out.push(part("sensitivity", "Sensitivity and horizon", sensitivity()));
    if (data.listing) out.push(part("loops", "The two loops", listing()));
    if (data.printed) out.push(part("printed", "What the loops printed", h("pre", { tabindex: "0" }, data.printed)));
    if (data.command || data.header.length) out.push(part("again", "To see it again",
      data.command && h("p", {}, h("code", {}, data.command), " ", h("button", { type: "button", class: "copy", onclick: (event) => copy(event.target) }, "Copy")),
      h("dl", { class: "facts" }, [...data.problem, ...data.header].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))))));
    onStep.forEach((show) => show());
    return out;

    function copy(button) {
      const done = () => { button.textContent = "Copied"; };
      if (navigator.clipboard && isSecureContext) navigator.clipboard.writeText(data.command).then(done, () => {});
      else { getSelection().selectAllChildren(button.parentNode.querySelector("code")); document.execCommand("copy"); done(); }
    }

    function go(point) {
      now = Math.min(points - 1, Math.max(0, point));
      onStep.forEach((show) => show());
    }

    function player() {
      const slider = h("input", { type: "range", min: 0, max: points - 1, "aria-label": "Step", oninput: () => go(Number(slider.value)) });
      const said = h("output", { "aria-live": "polite" });
      let timer = null;
      const play = h("button", { type: "button", onclick: () => {
        const stop = () => { clearInterval(timer); timer = null; play.textContent = "Play"; };
        if (timer) return stop();
        if (now >= points - 1) go(0);
        play.textContent = "Stop";
        timer = setInterval(() => { if (now >= points - 1 || !play.isConnected) stop(); else go(now + 1); }, Math.max(60, Math.min(400, 8000 / points)));
      } }, "Play");
      onStep.push(() => {
        slider.value = now;
        const here = data.tensors.filter((tensor) => tensor.excess[now] != null);
        const apart = here.filter((tensor) => tensor.excess[now] > limit).sort((a, b) => b.excess[now] - a.excess[now]);
        const names = apart.slice(0, 3).map((tensor) => `${tensor.name} (${excessText(tensor.excess[now])})`).join(", ");
        const loss = data.losses.length && data.losses[0].torch[now] != null
          ? `; ${data.losses[0].name} ${numberText(data.losses[0].torch[now])} in ${data.sides[0]}, ${numberText(data.losses[0].tensorflow[now])} in ${data.sides[1]}` : "";
        const past = data.horizon != null && stepOf(now) >= data.horizon ? "; past the horizon: rounding alone moves it, nothing is said" : "";
        const text = `${stepText(now)} of ${data.steps}: ${counted(here.length - apart.length, "tensor")} ${here.length - apart.length === 1 ? "agrees" : "agree"}, ${apart.length} ${apart.length === 1 ? "differs" : "differ"}${names ? `: ${names}${apart.length > 3 ? ", ..." : ""}` : ""}${loss}${past}`;
        said.textContent = text;
        slider.setAttribute("aria-valuetext", text);
      });
      return h("div", { class: "player", role: "group", "aria-label": "Walk through the steps" }, h("div", {},
        play,
        h("button", { type: "button", "aria-label": "One step back", onclick: () => go(now - 1) }, "◂"), slider,
        h("button", { type: "button", "aria-label": "One step on", onclick: () => go(now + 1) }, "▸"),
        firstPoint != null && h("button", { type: "button", onclick: () => go(firstPoint) }, "First difference")), said);
    }

    function lossCharts() {
      const box = h("div", {}), choice = h("select", { oninput: () => draw(), "aria-label": "Which loss" }, data.losses.map((loss, i) => h("option", { value: i }, loss.name)));
      let charts = [];
      const size = () => Math.max(240, box.clientWidth || 600);
      const cursor = () => charts.forEach((chart) => {
        if (chart.data[0][now] != null) chart.setCursor({ left: chart.valToPos(chart.data[0][now], "x"), top: 0 }, false);
      });
      const draw = () => {
        charts.forEach((chart) => chart.destroy());
        const loss = data.losses[Number(choice.value) || 0], xs = loss.torch.map((_, i) => stepOf(i));
        const decade = (values) => {
          const seen = values.filter((value) => value > 0 && value < 1e300);
          return seen.length ? [10 ** Math.floor(Math.log10(Math.min(...seen)) - 0.2), 10 ** Math.ceil(Math.log10(Math.max(...seen)) + 0.2)] : [1e-17, 1];
        };
        const limits = loss.rounding.map((value) => (value == null ? null : value * data.threshold));
        const range = decade([...loss.gap, ...loss.rounding, ...limits]);
        const gap = loss.gap.map((value) => (value > 0 ? Math.min(value, 1e300) : null));
        const axis = (more) => ({ stroke: () => palette.text, grid: { stroke: () => palette.line, width: 1, filter: (u, splits) => splits }, ticks: { stroke: () => palette.line, width: 1, filter: (u, splits) => splits }, font: "12px system-ui", size: 62, ...more });
        const common = (height) => ({ width: size(), height, legend: { show: false }, cursor: { drag: { x: false, y: false }, y: false } });
        const few = { show: xs.length <= 60, size: 5 };
        const steps = axis({ size: 42, label: "step", labelSize: 18, labelFont: "12px system-ui", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000] });
        const number = (u, values) => values.map((value) => (value == null ? "" : numberText(value, 4)));
        const power = (u, values) => values.map((value) => value.toExponential(0));
        const decades = (u, axisIndex, low, high) => {
          const from = Math.round(Math.log10(low)), to = Math.round(Math.log10(high)), every = Math.max(1, Math.ceil((to - from) / 8));
          return Array.from({ length: Math.floor((to - from) / every) + 1 }, (_, i) => 10 ** (from + i * every));
        };
        const chartTop = new uPlot({ ...common(230), scales: { x: { time: false } }, axes: [steps, axis({ values: number })],
          series: [{}, { stroke: () => palette.torch, width: 3, points: few }, { stroke: () => palette.tensorflow, width: 2, dash: [6, 4], points: few }] },
          [xs, loss.torch, loss.tensorflow], top);
        const band = (u) => {
          const { ctx, bbox } = u;
          ctx.save();
          ctx.beginPath(); ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height); ctx.clip();
          const known = xs.map((x, i) => [x, loss.rounding[i]]).filter(([, value]) => value > 0);
          if (known.length) {
            const at = ([x, value]) => [u.valToPos(x, "x", true), u.valToPos(value, "y", true)];
            ctx.fillStyle = palette.band;
            ctx.beginPath();
            ctx.moveTo(at(known[0])[0] - (known.length === 1 ? 99 : 0), bbox.top + bbox.height);
            known.forEach((point) => ctx.lineTo(...at(point)));
            ctx.lineTo(at(known[known.length - 1])[0], bbox.top + bbox.height);
            ctx.fill();
          }
          ctx.restore();
        };
        const chartBelow = new uPlot({ ...common(230), scales: { x: { time: false }, y: { distr: 3, range: () => range } }, axes: [steps, axis({ values: power, splits: decades, filter: (u, splits) => splits })],
          hooks: { drawClear: [band] },
          series: [{}, { stroke: () => palette.bad, width: 2, points: { show: xs.length <= 200, size: 5 } }, { stroke: () => palette.dim, width: 1.5, dash: [3, 4], points: { show: false } }] },
          [xs, gap, limits], below);
        charts = [chartTop, chartBelow];
        const largest = Math.max(0, ...loss.gap.filter((value) => value != null));
        top.setAttribute("aria-label", `${loss.name} by step: from ${numberText(loss.torch[0])} to ${numberText(loss.torch.at(-1))} in ${data.sides[0]}, from ${numberText(loss.tensorflow[0])} to ${numberText(loss.tensorflow.at(-1))} in ${data.sides[1]}`);
        below.setAttribute("aria-label", `difference of the two by step, at most ${numberText(largest, 3)}; rounding explains up to ${numberText(Math.max(...loss.rounding.filter((value) => value != null)), 3)}`);
        values.replaceChildren(table("Losses by step", ["step", ...data.sides, "difference", "rounding explains"],
          xs.map((x, i) => [x, numberText(loss.torch[i], 9), numberText(loss.tensorflow[i], 9), numberText(loss.gap[i], 3), numberText(loss.rounding[i], 3)]), [0, 1, 2, 3, 4]));
        cursor();
      };
      const top = h("div", { class: "plot", role: "img" }), below = h("div", { class: "plot", role: "img" }), values = h("div", {});
      box.append(data.losses.length > 1 ? choice : "",
        key([["color:var(--torch)", data.sides[0], "line"], ["color:var(--tensorflow)", data.sides[1], "line dashed"]]), top,
        key([["color:var(--bad)", "difference", "line"], ["background:var(--band)", "what rounding explains"], ["color:var(--dim)", "from here on they differ", "line dashed"]]), below,
        h("p", { class: "dim" }, "The runs that are judged. A step at which both are equal to the last bit has no point in the lower chart."),
        h("details", {}, h("summary", {}, "As a table"), values));
      redraws.push(() => charts.forEach((chart) => chart.redraw(false, true)));
      onStep.push(cursor);
      later.push(() => { draw(); new ResizeObserver(() => charts.forEach((chart) => { if (chart.width !== size()) chart.setSize({ width: size(), height: 230 }); })).observe(box); });
      return box;
    }

    function excessMap() {
      const strips = [];
      const largest = (curves) => Array.from({ length: points }, (_, i) => curves.reduce((most, curve) => (curve[i] == null ? most : most == null ? curve[i] : Math.max(most, curve[i])), null));
      const row = (label, curve, depth, tag = "div") => {
        const most = curve.reduce((a, b) => (b == null ? a : a == null ? b : Math.max(a, b)), null);
        const since = curve.findIndex((value) => value > limit);
        const canvas = h("canvas", { role: "img", "aria-label": most == null ? "not recorded" : since < 0 ? `agrees at every step, excess at most ${excessText(most)}` : `differs from ${stepText(since)} on, excess up to ${excessText(most)}` });
        strips.push([canvas, curve]);
        return h(tag, { class: `row deep${depth}` }, h("span", { class: "label mono" }, label), canvas, h("span", { class: "size" }, excessText(most)));
      };
      const draw = ([canvas, curve]) => {
        const width = canvas.clientWidth, height = canvas.clientHeight, scale = window.devicePixelRatio || 1;
        if (!width) return;
        canvas.width = width * scale; canvas.height = height * scale;
        const context = canvas.getContext("2d"), cell = canvas.width / points;
        curve.forEach((value, i) => {
          if (value == null) return;
          // What differs fills its cell, what agrees half of it, so that no colour is needed to tell them apart.
          const tall = value > limit ? 1 : 0.45, left = Math.round(i * cell), right = Math.round((i + 1) * cell - (cell > 5 * scale ? scale : 0));
          context.globalAlpha = data.horizon != null && stepOf(i) >= data.horizon ? 0.35 : 1;
          context.fillStyle = shade(value, limit);
          context.fillRect(left, canvas.height * (1 - tall) / 2, Math.max(1, right - left), canvas.height * tall);
        });
        context.globalAlpha = 1;
        context.strokeStyle = palette.text; context.lineWidth = scale;
        context.strokeRect(Math.round(now * cell) + scale / 2, scale / 2, Math.max(2 * scale, cell - scale), canvas.height - scale);
      };
      let waiting = false;
      const all = () => {
        if (waiting) return;
        waiting = true;
        requestAnimationFrame(() => { waiting = false; strips.forEach(draw); });
      };
      const onpath = (tensor) => tensor.first && first && tensor.first.step === first.step && tensor.stage === first.stage;
      const group = (label, tensors, depth, open, kind) => h("details", { class: kind, open, ontoggle: all }, row(label, largest(tensors.map((tensor) => tensor.excess)), depth, "summary"));
      const tree = stages.map((stage) => {
        const inside = data.tensors.filter((tensor) => tensor.stage === stage && tensor.excess.length);
        if (!inside.length) return null;
        const rest = (tensor) => (tensor.name === stage ? stage : tensor.name.slice(stage.length + 1));
        if (inside.length === 1) return row(inside[0].name, inside[0].excess, 0);
        const modules = new Map();
        inside.forEach((tensor) => {
          const name = rest(tensor), cut = Math.max(name.lastIndexOf("."), name.lastIndexOf("/")), module = cut > 0 ? name.slice(0, cut) : name;
          modules.set(module, [...(modules.get(module) || []), tensor]);
        });
        const made = group(`${stage} (${inside.length})`, inside, 0, inside.some(onpath), "stage");
        modules.forEach((tensors, module) => {
          if (tensors.length === 1) return made.append(row(rest(tensors[0]), tensors[0].excess, 1));
          const below = group(`${module} (${tensors.length})`, tensors, 1, tensors.some(onpath), "module");
          tensors.forEach((tensor) => below.append(row(rest(tensor), tensor.excess, 2)));
          made.append(below);
        });
        return made;
      });
      onStep.push(all);
      redraws.push(() => strips.forEach(draw));
      const map = h("div", { class: "map" }, tree);
      later.push(() => { new ResizeObserver(all).observe(map); strips.forEach(draw); });
      const limitText = excessText(limit);
      return [h("p", { class: "dim" }, `Rows stand in the order in which a step computes them, columns are steps 0 to ${data.steps - 1}, each figure is the largest excess of its row. Excess is the difference over what rounding explains.`),
        key([["background:var(--agree0)", "up to 1: rounding"], ["background:var(--agree1)", `up to ${excessText(limit / 2)}`], ["background:var(--agree2)", `up to ${limitText}: agrees`], ["background:var(--differ0)", `above ${limitText}: differs (taller)`], ["background:var(--differ1)", "above 1e6"], ["background:var(--differ2)", "above 1e9"], ["background:var(--differ3)", "above 1e12"]]), map];
    }

    function differences() {
      const place = (item) => item.index.length ? `[${item.index.join(", ")}]` : "";
      const size = (value) => (value ? numberText(value, 3) : "");
      const lines = differing.map((tensor) => tensor.first).sort((a, b) => a.step - b.step);
      const shown = lines.length ? lines : [first];
      const rowOf = (item) => [item.step, h("span", { class: "mono" }, item.tensor), item.kind + (item.only_in ? ` (${item.only_in})` : ""), place(item), value(item.torch), value(item.tensorflow), size(item.gap), size(item.relative), item.kind === "values" ? (item.endless ? "∞" : numberText(item.excess, 2)) : ""];
      const names = ["step", "tensor", "what", "element", ...data.sides, "difference", "relative", "excess"], few = 12;
      const out = [h("p", { class: "dim" }, "Of every tensor its first disagreement, at the element furthest apart; the first of them may be the cause of all others."),
        table("First disagreements", names, shown.slice(0, few).map(rowOf), [0, 6, 7, 8])];
      if (shown.length > few) out.push(h("details", {}, h("summary", {}, `${shown.length - few} more`), table("Further disagreements", names, shown.slice(few).map(rowOf), [0, 6, 7, 8])));
      data.tensors.filter((tensor) => tensor.worst.length > 1).sort((a, b) => a.first.step - b.first.step).forEach((tensor) => out.push(
        h("details", { open: first && tensor.first.tensor === first.tensor },
          h("summary", {}, `Elements of ${tensor.name} furthest apart at step ${tensor.first.step}`),
          table(`Elements of ${tensor.name}`, ["element", ...data.sides, "difference"], tensor.worst.map((item) => [place(item), value(item.torch), value(item.tensorflow), numberText(item.gap, 3)]), [3]))));
      return out;
    }

    function cause(item) {
      if (!item.cause) return h("p", {}, item.sentence);
      const called = h("p", { class: "lead" }, h("strong", { class: "mono" }, item.cause), ` (${item.strength}) at ${item.where}: ${item.sentence}`);
      const proof = item.evidence && h("p", {}, `Evidence: ${item.evidence}.`);
      const others = item.also.length > 0 && h("p", {}, `As well explained by: ${item.also.join(", ")}.`);
      const stands = item.lines.map(([where, text]) => [h("dt", {}, where), h("dd", { class: "mono" }, text)]);
      const fix = h("dl", { class: "fix" }, stands, h("dt", { class: "good" }, "write instead"), h("dd", { class: "mono good" }, item.instead));
      const more = item.sides.length > 0 && h("details", {}, h("summary", {}, "What either framework does"),
        h("dl", { class: "fix" }, item.sides.map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])));
      const patch = item.patch && h("details", {}, h("summary", {}, "A patch to try"), h("pre", { class: "mono", tabindex: 0 }, item.patch),
        h("p", { class: "dim" }, h("code", {}, `twinloop fix ${data.pair}`), " runs it, and says what then remains."));
      return h("div", { class: "cause" }, called, proof, others, fix, patch, more);
    }

    function sensitivity() {
      const held = data.horizon == null ? `The verdict holds to the end, ${counted(data.steps, "step")}.` : `The verdict holds to step ${data.horizon}; past it rounding alone moves the loss, and nothing is said.`;
      if (!data.sensitivity.length) return [h("p", {}, held), h("p", { class: "dim" }, "No mistakes were made on purpose; --thorough makes them and sees whether they are noticed.")];
      const noticed = data.sensitivity.filter((trial) => trial.noticed).length;
      return [h("p", {}, held, ` ${noticed} of ${counted(data.sensitivity.length, "mistake")} made on purpose in the port ${noticed === 1 ? "was" : "were"} noticed.`),
        table("Mistakes made on purpose", ["mistake", "kind", "noticed", "step", "tensor", "excess"], data.sensitivity.map((trial) => [trial.mistake, trial.kind,
          trial.noticed ? "✓ yes" : trial.declared ? "no, as declared" : trial.refused ? "refused by torch" : trial.shows_in_torch ? "✗ no" : "changes nothing", trial.step ?? "", trial.tensor, trial.noticed ? numberText(trial.excess, 2) : ""]), [3, 5])];
    }

    function listing() {
      const [left, right] = data.listing.names, suspects = data.listing.suspects.map((lines) => new Map(lines));
      const line = (number, text, side) => {
        const marked = number > 0 && suspects[side].has(number);
        return h("div", { class: `${side ? "right" : "left"}${marked ? " suspect" : ""}${text ? "" : " blank"}` },
          h("span", {}, number ? String(number) : ""), h("span", { class: "mono" }, marked ? [h("strong", { role: "img", "aria-label": "suspect line" }, "▶ "), text] : text || " "));
      };
      const told = (sure) => suspects.flatMap((lines, side) => [...lines].filter(([, known]) => known === sure).map(([number]) => `${data.listing.names[side]}:${number}`)).join(", ");
      const named = told(true), likely = told(false);
      return [(named || likely) && h("p", {}, "Marked: ", named && `${named}, which a message above names`, named && likely && "; ", likely && `${likely}, which does what the cause is about`, "."),
        h("div", { class: "code", role: "group", "aria-label": "The two loops side by side" }, h("h4", { class: "left" }, left), h("h4", { class: "right" }, right),
          data.listing.rows.map(([a, b, c, d]) => [line(a, b, 0), line(c, d, 1)]))];
    }
  };

  const links = rows.map((row) => row.querySelector("a"));
  const byNumber = new Map(links.map((link) => [link.getAttribute("href"), link.textContent]));
  const nav = (number) => {
    const to = (other, text) => byNumber.has(`#pair-${other}`) && h("a", { href: `#pair-${other}` }, `${text}: ${byNumber.get(`#pair-${other}`)}`);
    return h("nav", { class: "around", "aria-label": "Pairs" }, h("a", { href: "#" }, "← all pairs"), to(number - 1, "previous"), to(number + 1, "next"));
  };

  let later = [], turn = 0;
  const route = async (event) => {
    const mine = ++turn, match = /^#pair-(\d+)$/.exec(location.hash), article = $("pair");
    if (location.hash && !match) return;
    redraws = []; later = [];
    if (!match || !$(`data-${match[1]}`)) {
      article.hidden = true; $("overview").hidden = false;
      article.replaceChildren();
      if (event) $("content").focus();
      return;
    }
    let content;
    try {
      const data = await unpack(`data-${match[1]}`);
      if (mine !== turn) return;
      readPalette();
      content = pairView(data, Number(match[1]));
    } catch (error) {
      content = [nav(Number(match[1])), h("p", { class: "bad" }, `This page cannot be shown: ${error.message}. It needs a browser of 2023 or later.`)];
    }
    article.replaceChildren(...content.flat(9).filter(Boolean));
    $("overview").hidden = true; article.hidden = false;
    later.forEach((run) => run());
    scrollTo(0, 0);
    const title = $("pair-title");
    if (title && event) title.focus({ preventScroll: true });
    document.body.dataset.shown = match[1];
  };
  addEventListener("hashchange", route);
  readPalette();
  if (rows.length === 1 && !location.hash) history.replaceState(null, "", "#pair-0");
  route();
})();
