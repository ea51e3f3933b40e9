// The echo panel: binary frames to /echo and back, some of them always in flight, and how many
// come back in a second.

import { $ } from "./elements.js";

const SPAN = 60_000; // ms the plot shows
const SAMPLE = 500; // ms between two points of it
const BLOCK = 65536; // bytes of randomness a browser gives at once

const run = { socket: null };
let samples = []; // { at, rate }, the newest last
let timer = 0;

// ---- running --------------------------------------------------------------------------------

function start() {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/echo");
  socket.binaryType = "arraybuffer";
  Object.assign(run, { socket, flight: [], since: fresh(), total: 0, peak: 0, payload: payload() });
  samples = [];
  socket.onopen = opened;
  socket.onmessage = returned;
  socket.onclose = ({ code }) => finish(`The connection was closed (${code}).`);
  showRunning(true);
  showNumbers(0, 0, 0);
  say("Connecting");
}

function opened() {
  $("echo-extensions").textContent = run.socket.extensions || "none";
  say("Running");
  run.since = fresh();
  timer = setInterval(sample, SAMPLE);
  fill();
}

function stop() {
  run.socket.onclose = null;
  run.socket.close(1000);
  finish("Stopped.");
}

function finish(text) {
  clearInterval(timer);
  run.socket.onmessage = run.socket.onopen = null;
  run.socket = null;
  showRunning(false);
  say(text);
}

// Keeps as many frames in flight as asked for: each that returns lets the next one go.
function fill() {
  while (run.flight.length < Number($("depth").value)) {
    run.flight.push({ at: performance.now(), size: run.payload.byteLength });
    run.socket.send(run.payload);
  }
}

function returned({ data }) {
  const { at, size } = run.flight.shift();
  if (data.byteLength !== size) {
    run.socket.close(1000);
    return finish(`Got ${data.byteLength} bytes back for ${size}.`);
  }
  run.since.frames += 1;
  run.since.bytes += size;
  run.since.waited += performance.now() - at;
  return fill();
}

function payload() {
  const bytes = new Uint8Array(Number($("size").value));
  if ($("content").value === "text") return bytes.map((_, i) => 97 + (i % 16));
  for (let i = 0; i < bytes.length; i += BLOCK) crypto.getRandomValues(bytes.subarray(i, i + BLOCK));
  return bytes;
}

// ---- counting -------------------------------------------------------------------------------

const fresh = () => ({ at: performance.now(), frames: 0, bytes: 0, waited: 0 });

function sample() {
  const { at, frames, bytes, waited } = run.since;
  run.since = fresh();
  const now = run.since.at;
  const seconds = (now - at) / 1000;
  const rate = frames / seconds;
  run.total += frames;
  run.peak = Math.max(run.peak, rate);
  samples = [...samples, { at: now, rate }].filter((point) => now - point.at <= SPAN);
  showNumbers(rate, bytes / seconds, frames && waited / frames);
  draw();
}

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });

function showNumbers(rate, bytes, wait) {
  $("rate").textContent = whole.format(rate);
  $("data").textContent = `${short.format(bytes / 2 ** 20)} MiB/s`;
  $("trip").textContent = `${short.format(wait)} ms`;
  $("peak").textContent = `${whole.format(run.peak)}/s`;
  $("total").textContent = whole.format(run.total);
}

function showRunning(running) {
  $("run").textContent = running ? "Stop" : "Start";
  $("run").ariaPressed = String(running);
}

function say(text) {
  $("echo-status").textContent = text;
}

// ---- the plot -------------------------------------------------------------------------------

const LEFT = 44, TOP = 8, BOTTOM = 18, RIGHT = 6; // px around the curve

// A round number above what is to be shown, whose half is round too.
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 10)));
  return power * [1, 2, 3, 4, 6, 8, 10].find((step) => step * power >= value);
}

function draw() {
  const canvas = $("plot");
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  const pen = canvas.getContext("2d");
  pen.scale(devicePixelRatio, devicePixelRatio);
  const box = { width: width - LEFT - RIGHT, height: height - TOP - BOTTOM };
  const top = ceiling(Math.max(10, ...samples.map(({ rate }) => rate)));
  const style = getComputedStyle(canvas);
  drawGrid(pen, box, top, style);
  if (samples.length > 1) drawCurve(pen, box, top, style.color);
}

function drawGrid(pen, box, top, style) {
  Object.assign(pen, { strokeStyle: style.borderTopColor, fillStyle: style.caretColor, lineWidth: 1 });
  pen.font = `11px ${style.fontFamily}`;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const part of [0, 0.5, 1]) {
    const y = Math.round(TOP + box.height * (1 - part)) + 0.5;
    pen.beginPath();
    pen.moveTo(LEFT, y);
    pen.lineTo(LEFT + box.width, y);
    pen.stroke();
    pen.fillText(short.format(top * part), LEFT - 6, y);
  }
  pen.textBaseline = "alphabetic";
  pen.fillText("now", LEFT + box.width, TOP + box.height + 14);
  pen.textAlign = "left";
  pen.fillText("60 s ago", LEFT, TOP + box.height + 14);
}

function drawCurve(pen, box, top, color) {
  const now = samples.at(-1).at;
  const x = (at) => LEFT + box.width * (1 - (now - at) / SPAN);
  const y = (rate) => TOP + box.height * (1 - rate / top);
  const curve = new Path2D();
  for (const { at, rate } of samples) curve.lineTo(x(at), y(rate));
  const area = new Path2D(curve);
  area.lineTo(x(now), y(0));
  area.lineTo(x(samples[0].at), y(0));
  Object.assign(pen, { strokeStyle: color, fillStyle: color, lineWidth: 2, lineJoin: "round" });
  pen.stroke(curve);
  pen.globalAlpha = 0.15;
  pen.fill(area);
}

// ---- the person -----------------------------------------------------------------------------

$("run").addEventListener("click", () => (run.socket ? stop() : start()));
for (const id of ["size", "content"]) {
  $(id).addEventListener("change", () => { run.payload = payload(); });
}
new ResizeObserver(draw).observe($("plot"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
