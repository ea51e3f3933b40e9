// What a phone opens: its motion, reading by reading, to the server.

import { Link } from "/link.js";
import { draw } from "/plot.js";
import { $, showNumbers, showState } from "/show.js";
import { Track } from "/track.js";

const PATIENCE = 3000; // ms a sensor may take until its first reading
const track = new Track();
const link = new Link({ changed: showState, received: (name) => showState("on", `Sending as ${name}`) });
let running = false;

async function start() {
  $("start").disabled = true; // or a second tap would start it twice
  const problem = await obstacle();
  $("start").disabled = false;
  complain(problem);
  if (problem) return;
  toggle(true);
  track.readings = [];
  addEventListener("devicemotion", moved);
  link.open(`/send?name=${encodeURIComponent($("name").value)}`);
  stayAwake();
  setTimeout(() => { if (running && !track.last) complain("This device gives no readings."); }, PATIENCE);
}

function stop() {
  toggle(false);
  removeEventListener("devicemotion", moved);
  link.close();
  showState("off", "Stopped");
}

function toggle(on) {
  running = on;
  $("start").textContent = on ? "Stop" : "Start";
  $("name").disabled = on;
}

// iOS asks its user, and only where a tap led to the question.
async function obstacle() {
  if (!isSecureContext) return "Browsers give readings to https pages only: start the server with --certfile and --keyfile.";
  if (!globalThis.DeviceMotionEvent) return "This browser has no readings to give.";
  const answer = await (DeviceMotionEvent.requestPermission?.().catch(() => "denied") ?? "granted");
  return answer === "granted" ? "" : "Without your permission there are no readings.";
}

function moved({ timeStamp, accelerationIncludingGravity: force }) {
  if (typeof force?.x !== "number") return; // a desktop sends one event without numbers
  const reading = [timeStamp, force.x, force.y, force.z].map((value) => Math.round(100 * value) / 100);
  complain("");
  track.add(reading, performance.now());
  track.forget(performance.now());
  link.send(JSON.stringify(reading));
}

function complain(text) {
  if ($("problem").textContent !== text) $("problem").textContent = text;
}

// A screen that goes dark stops the readings. It may refuse, on a low battery for example.
function stayAwake() {
  navigator.wakeLock?.request("screen").catch(() => complain("Keep the screen on by hand."));
}

function frame() {
  draw($("plot"), track.readings, performance.now());
  requestAnimationFrame(frame);
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (running) stop();
  else start();
});
document.addEventListener("visibilitychange", () => { if (running && !document.hidden) stayAwake(); });
setInterval(() => showNumbers(track.last), 250);
requestAnimationFrame(frame);
