// Asks for the numbers once a second and draws them. What is shown began when the page was opened:
// the server keeps no history.

const $ = (id) => document.getElementById(id);
const SPANS = [30, 60, 120, 180]; // seconds the plots show, the longer the more there is
const EVERY = 1000; // ms between two questions
const PATIENCE = 5000; // ms that an answer may take
const WIDTH = 600, HEIGHT = 120; // of a plot, in units of its own
const CLOSE_NAMES = {
  0: "others", 1000: "normal closure", 1001: "going away", 1002: "protocol error",
  1003: "unsupported data", 1005: "no code given", 1006: "lost", 1007: "invalid data",
  1008: "policy violation", 1009: "message too big", 1010: "extension missing",
  1011: "internal error", 1012: "service restart", 1013: "try again later", 1014: "bad gateway",
};
const STATUS_NAMES = {
  400: "bad request", 401: "unauthorized", 403: "forbidden", 404: "not found",
  405: "method not allowed", 408: "too late", 414: "address too long", 426: "upgrade required",
  429: "too many from one address", 431: "head too large", 500: "internal error", 503: "overload",
};

// ---- numbers as people read them ------------------------------------------------------------

const scaled = (value, base, units) => {
  let step = 0;
  while (value >= base && step < units.length - 1) {
    value /= base;
    step += 1;
  }
  const digits = value >= 100 || (step === 0 && Number.isInteger(value)) ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${units[step]}`;
};
const count = (value) =>
  value >= 10 && value < 10_000 ? whole(value) : neat(scaled(value, 1000, ["", " k", " M", " G"]));
const whole = (value) => Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
const size = (value) => scaled(value, 1000, [" B", " kB", " MB", " GB"]);
const time = (value) => (value >= 1 ? `${value.toFixed(2)} s` : scaled(value * 1000, Infinity, [" ms"]));
const neat = (text) => text.replace(/\.(\d*?)0+(?!\d)/, (_, kept) => kept && `.${kept}`);

// ---- plots ----------------------------------------------------------------------------------

const rate = (name) => (now, before) => {
  const seconds = now.time - before.time;
  return seconds > 0 ? Math.max((now.total[name] - before.total[name]) / seconds, 0) : 0;
};
const slowRate = (name) => (now, before) => {
  const seconds = now.time - before.time;
  return seconds > 0 ? Math.max((now.slow[name] - before.slow[name]) / seconds, 0) : 0;
};
const quantile = (name) => (now) => (now.latency === null ? null : now.latency[name]);

// Each line: its name, what it shows of two answers that follow each other.
const PLOTS = [
  ["connections", whole, 10, [["open", (now) => now.connections]]],
  ["messages", count, 10, [["received", rate("messages_received")], ["sent", rate("messages_sent")]]],
  ["traffic", size, 1000, [["received", rate("wire_received")], ["sent", rate("wire_sent")]]],
  ["latency", time, 0.001, [["median", quantile("p50")], ["95th percentile", quantile("p95")], ["worst", quantile("worst")]]],
  ["lag", time, 0.01, [["longest delay", (now) => now.lag]]],
  ["slow", count, 1, [["had to wait", slowRate("buffered")], ["dropped", slowRate("dropped")], ["not sent", slowRate("not_sent")]]],
];
const HUES = ["one", "two", "three"];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, attributes);
  made.append(...children);
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

class Plot {
  constructor([id, format, least, lines]) {
    this.format = format;
    this.least = least; // the smallest number at the top of the scale
    this.lines = lines.map(([name, value], index) => ({ name, value, hue: HUES[index], points: [] }));
    this.build($(id));
  }

  build(section) {
    const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    for (const y of [0, HEIGHT / 2, HEIGHT]) svg.append(drawn("line", { x1: 0, x2: WIDTH, y1: y, y2: y }));
    for (const line of this.lines) {
      line.area = drawn("path", { class: `area ${line.hue}` });
      line.path = drawn("path", { class: line.hue });
      svg.append(line.area, line.path);
      line.now = element("dd", { textContent: "–" });
      const legend = element("div", {}, element("dt", { className: line.hue, textContent: line.name }), line.now);
      section.querySelector("dl").append(legend);
    }
    this.top = element("span", { className: "top" });
    this.middle = element("span", { className: "middle" });
    const bottom = element("span", { className: "bottom", textContent: "0" });
    this.begin = element("span");
    const times = element("div", { className: "times", ariaHidden: "true" }, this.begin, element("span", { textContent: "now" }));
    section.append(element("div", { className: "canvas", ariaHidden: "true" }, svg, this.top, this.middle, bottom), times);
  }

  // Begins anew: what comes next does not go on from what is there.
  restart(now) {
    for (const line of this.lines) {
      const last = line.points.at(-1);
      if (last && last[0] < now.time) line.points.push([last[0], null]);
      else line.points = []; // of another clock
    }
  }

  add(now, before) {
    for (const line of this.lines) {
      const value = line.value(now, before);
      line.points.push([now.time, value]);
      while (line.points[0][0] < now.time - SPANS.at(-1) - 2) line.points.shift();
      line.now.textContent = value === null ? "–" : this.format(value);
    }
    this.draw(now.time);
  }

  draw(now) {
    const values = this.lines.flatMap((line) => line.points.map(([, value]) => value ?? 0));
    const top = roundUp(Math.max(...values, this.least));
    const age = now - this.lines[0].points[0][0];
    const span = SPANS.find((each) => age <= each) ?? SPANS.at(-1);
    this.top.textContent = neat(this.format(top));
    this.middle.textContent = neat(this.format(top / 2));
    this.begin.textContent = span < 120 ? `${span} s ago` : `${span / 60} min ago`;
    for (const line of this.lines) this.trace(line, now, top, span);
  }

  trace(line, now, top, span) {
    let path = "", area = "";
    let x = null; // of the point before, where the line goes on from it
    for (const [at, value] of [...line.points.filter(([at]) => now - at <= span), [now, null]]) {
      if (value === null) {
        if (x !== null) area += `L${x} ${HEIGHT}Z`;
        x = null;
        continue;
      }
      const begins = x === null;
      x = (WIDTH * (1 - (now - at) / span)).toFixed(1);
      const place = `${x} ${(HEIGHT * (1 - value / top)).toFixed(1)}`;
      path += begins ? `M${place}h0` : `L${place}`; // of nothing else, h0 makes a dot
      area += begins ? `M${x} ${HEIGHT}L${place}` : `L${place}`;
    }
    line.path.setAttribute("d", path);
    line.area.setAttribute("d", line === this.lines[0] ? area : "");
  }
}

// Returns the next of 1, 2, 5, 10, 20, 50 and so on.
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => value <= step * power * 1.0001);
}

// ---- tables ---------------------------------------------------------------------------------

function showBars(id, table, names, hue) {
  const rows = Object.entries(table).sort(([, one], [, other]) => other - one).slice(0, 8);
  const most = Math.max(...rows.map(([, number]) => number), 1);
  $(id).replaceChildren(...rows.map(([code, number]) => {
    const meter = element("meter", { className: hue, max: most, value: number, ariaHidden: "true" });
    return element("li", {},
      element("span", { className: "code", textContent: code === "0" ? "" : code }),
      element("span", { className: "name", textContent: names[code] ?? "application's own" }),
      element("span", { textContent: whole(number) }), meter);
  }));
  $(`${id}-none`).hidden = rows.length > 0;
}

function showPeers(peers) {
  $("peers").replaceChildren(...peers.map((peer) => element("tr", {},
    element("td", { textContent: peer.connection }),
    element("td", { textContent: peer.address }),
    element("td", { className: peer.unsent ? "number behind" : "number", textContent: peer.unsent ? size(peer.unsent) : "–" }),
    element("td", { className: "number", textContent: peer.messages || "–" }),
    element("td", { className: "number", textContent: peer.latency ? time(peer.latency) : "–" }))));
  $("peers-none").hidden = peers.length > 0;
}

// ---- asking ---------------------------------------------------------------------------------

const plots = PLOTS.map((plot) => new Plot(plot));
let before = null;
let paused = false;

function show(now) {
  if (before !== null && now.run !== before.run) {
    for (const plot of plots) plot.restart(now);
  } else if (before !== null && now.time > before.time) {
    for (const plot of plots) plot.add(now, before);
  }
  before = now;
  showBars("closes", now.closes, CLOSE_NAMES, "one");
  showBars("refused", now.refused, STATUS_NAMES, "three");
  showPeers(now.slowest);
  $("about").textContent = `geventws ${now.version} · ${whole(now.opened)} connections so far`;
}

function say(state, text) {
  if ($("status").textContent !== text) $("status").textContent = text; // or it is read out again
  $("status").dataset.state = state;
}

function pause(on, state, text) {
  paused = on;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Go on" : "Pause";
  say(state, text);
}

async function ask() {
  let answer = null, now = null;
  try {
    answer = await fetch("numbers", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (answer.ok) now = await answer.json();
  } catch {
    answer = null; // nobody answers, or not in time
  }
  if (now !== null) show(now);
  if (paused) return; // meanwhile
  if (now !== null) say("on", "Live");
  else if (answer === null) say("off", "No answer, trying again");
  else if (answer.status === 401) pause(true, "off", "The token is not valid any more");
  else say("off", `Answered ${answer.status}, trying again`);
}

async function run() {
  const since = performance.now();
  if (!paused && !document.hidden) await ask();
  setTimeout(run, Math.max(EVERY - (performance.now() - since), EVERY / 4));
}

$("pause").onclick = () => pause(!paused, "wait", paused ? "Connecting" : "Paused");
run();
