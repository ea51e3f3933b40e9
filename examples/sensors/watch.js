// The plot: which devices there are, and the curves of the one chosen.

import { Link } from "/link.js";
import { draw } from "/plot.js";
import { $, showNumbers, showState } from "/show.js";
import { Track } from "/track.js";

const tracks = new Map(); // by device
let wish = ""; // the device chosen last; it may be away
let paused; // while it is: since when, and the readings there were

const shown = () => (tracks.has(wish) ? wish : [...tracks.keys()][0]);

function received(data) {
  const news = JSON.parse(data);
  const before = [...tracks.keys()].join("\n");
  for (const name of tracks.keys()) if (!Object.hasOwn(news, name)) tracks.delete(name);
  for (const name of Object.keys(news)) hear(name, news[name]);
  if ([...tracks.keys()].join("\n") !== before || !tracks.size) showDevices();
}

function hear(name, readings) {
  if (!tracks.has(name)) tracks.set(name, new Track());
  for (const reading of readings) tracks.get(name).add(reading, performance.now());
  tracks.get(name).forget(performance.now());
}

function showDevices() {
  $("devices").hidden = tracks.size < 2;
  $("waiting").hidden = tracks.size > 0;
  $("pause").hidden = !tracks.size;
  $("devices").replaceChildren($("devices").firstElementChild, ...[...tracks.keys()].map(choice));
  if (!tracks.size && paused) pause();
  showState(tracks.size ? "on" : "wait", tracks.size ? `Live from ${shown()}` : "Waiting for a device");
}

function choice(name) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "device" });
  input.checked = name === shown();
  input.addEventListener("change", () => { wish = name; showDevices(); focusChosen(); });
  label.append(input, name);
  return label;
}

const focusChosen = () => $("devices").querySelector(":checked").focus();

function pause() {
  const readings = () => new Map([...tracks].map(([name, track]) => [name, [...track.readings]]));
  paused = paused ? undefined : { at: performance.now(), readings: readings() };
  $("pause").ariaPressed = String(Boolean(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
}

function frame() {
  const readings = paused ? paused.readings.get(shown()) : tracks.get(shown())?.readings;
  draw($("plot"), readings ?? [], paused?.at ?? performance.now());
  requestAnimationFrame(frame);
}

// Numbers that change sixty times a second cannot be read.
function numbers() {
  const track = tracks.get(shown());
  if (paused) return;
  showNumbers(track?.last);
  $("rate").textContent = track ? `${Math.round(track.rate(performance.now()))} readings a second` : "";
}

const link = new Link({
  received,
  changed(state, text) {
    tracks.clear();
    showDevices();
    $("waiting").hidden = true;
    showState(state, text);
  },
});

$("pause").addEventListener("click", pause);
$("command").textContent =
  `python examples/sensors/device.py ${location.origin.replace(/^http/, "ws")}/send`;
link.open("/watch");
setInterval(numbers, 250);
requestAnimationFrame(frame);
