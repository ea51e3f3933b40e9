// Three curves on a canvas; the colours are those of the style sheet.

import { SPAN } from "/track.js";

const LEFT = 34, TOP = 10, BOTTOM = 22, RIGHT = 22; // px around the curves
const DELAY = 200; // ms behind: what arrives meanwhile keeps the curves' ends at the edge
const GAP = 500; // ms without readings that part a curve
const LOWEST = -5, HIGHEST = 15, STEPS = [5, 10, 20, 50, 100, 200]; // m/s²
const AXES = ["x", "y", "z"];

// Round numbers around all that is to be shown, and few of them, so that the scale seldom moves.
function scale(readings) {
  const lowest = Math.min(LOWEST, ...readings.map(([, ...values]) => Math.min(...values)));
  const highest = Math.max(HIGHEST, ...readings.map(([, ...values]) => Math.max(...values)));
  const step = STEPS.find((each) => (highest - lowest) / each <= 5) ?? (highest - lowest) / 5;
  return { step, low: Math.floor(lowest / step) * step, high: Math.ceil(highest / step) * step };
}

export function draw(canvas, readings, now) {
  const { clientWidth, clientHeight } = canvas;
  if (!clientWidth) return;
  canvas.width = Math.round(clientWidth * devicePixelRatio);
  canvas.height = Math.round(clientHeight * devicePixelRatio);
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const box = { width: clientWidth - LEFT - RIGHT, height: clientHeight - TOP - BOTTOM };
  const { step, low, high } = scale(readings);
  box.x = (at) => LEFT + box.width * (1 - (now - DELAY - at) / SPAN);
  box.y = (value) => TOP + (box.height * (high - value)) / (high - low);
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.font = `11px ${style.fontFamily}`;
  pen.fillStyle = style.getPropertyValue("--soft");
  drawSeconds(pen, box, style);
  drawLevels(pen, box, { step, low, high }, style);
  if (readings.length) drawCurves(pen, box, readings, style);
}

function drawSeconds(pen, box, style) {
  pen.textBaseline = "alphabetic";
  for (let seconds = SPAN / 1000; seconds >= 0; seconds -= 2) {
    const x = Math.round(LEFT + box.width * (1 - (1000 * seconds) / SPAN)) + 0.5;
    line(pen, x, TOP, x, TOP + box.height, style.getPropertyValue("--line"));
    pen.textAlign = seconds ? "center" : "right";
    pen.fillText(seconds ? `−${seconds} s` : "now", seconds ? x : x + RIGHT - 4, TOP + box.height + 15);
  }
}

function drawLevels(pen, box, { step, low, high }, style) {
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (let level = low; level <= high; level += step) {
    const y = Math.round(box.y(level)) + 0.5;
    line(pen, LEFT, y, LEFT + box.width, y, style.getPropertyValue(level ? "--line" : "--soft"));
    pen.fillText(String(Math.round(level)).replace("-", "−"), LEFT - 7, y);
  }
}

function line(pen, x, y, toX, toY, color) {
  pen.strokeStyle = color;
  pen.beginPath();
  pen.moveTo(x, y);
  pen.lineTo(toX, toY);
  pen.stroke();
}

function drawCurves(pen, box, readings, style) {
  pen.save();
  pen.beginPath();
  pen.rect(LEFT, 0, box.width, TOP + box.height);
  pen.clip();
  Object.assign(pen, { lineWidth: 2, lineJoin: "round" });
  AXES.forEach((axis, i) => {
    pen.strokeStyle = style.getPropertyValue(`--${axis}`);
    pen.stroke(curve(box, readings, i + 1));
  });
  pen.restore();
  const last = readings.findLast(([at]) => box.x(at) < LEFT + box.width);
  if (last) drawNames(pen, box, last, style);
}

function curve(box, readings, index) {
  const path = new Path2D();
  let before = -Infinity;
  for (const reading of readings) {
    const x = box.x(reading[0]), y = box.y(reading[index]);
    if (reading[0] - before > GAP) path.moveTo(x, y);
    else path.lineTo(x, y);
    before = reading[0];
  }
  return path;
}

// Each curve bears its name at its end, so that nobody needs to tell the colours apart.
function drawNames(pen, box, last, style) {
  const names = AXES.map((axis, i) => ({ axis, y: box.y(last[i + 1]) })).sort((a, b) => a.y - b.y);
  names.forEach((name, i) => { if (i) name.y = Math.max(name.y, names[i - 1].y + 13); });
  pen.font = `600 13px ${style.fontFamily}`;
  pen.textAlign = "left";
  pen.textBaseline = "middle";
  for (const { axis, y } of names) {
    pen.fillStyle = style.getPropertyValue(`--${axis}`);
    pen.fillText(axis, LEFT + box.width + 7, y);
  }
}
