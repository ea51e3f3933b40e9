// The chat of the demo page, over one WebSocket; the messages are described in chat.py.
// Whatever people wrote reaches the page as text nodes only.

import { Connection } from "./connection.js";

const $ = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// A tab keeps its own name and a new tab begins with the one chosen last. Private windows may
// refuse to store either; the page works without.
function recall() {
  try { return sessionStorage.name ?? localStorage.name; } catch { return undefined; }
}

function remember(name, ...stores) {
  try { for (const store of stores) globalThis[store].name = name; } catch { /* forgotten, then */ }
}

// ---- the chat: what is known ----------------------------------------------------------------

const LOBBY = "lobby";
const SHOWN = 500; // rows the log keeps
const NEAR = 5 * 60; // s between two messages that stand under one name

const guest = () => `Guest ${100 + Math.floor(900 * Math.random())}`;
const chat = {
  wish: recall() || guest(), // the name to ask for
  asked: "", // a name asked for and not granted yet
  you: "", // the name granted: the wish, maybe with a number behind it
  room: "",
  heard: "", // the room that this connection was welcomed to
  early: [], // what came of a room before its welcome
  people: new Map(), // the process of each, by name
  rooms: new Map(),
  last: undefined, // the message shown last
  seen: new Set(), // the ids of those that are shown
  sent: "", // what was said and has not come back yet
  unread: 0,
};

function wantedRoom() {
  try {
    return decodeURIComponent(location.hash.slice(1)).trim().toLowerCase() || LOBBY;
  } catch {
    return LOBBY; // a hash that is no valid encoding
  }
}

const hash = (room) => `#${encodeURIComponent(room)}`;
const showHash = (room) => history.replaceState(null, "", hash(room));
const join = () => connection.send({ type: "join", room: wantedRoom(), name: chat.wish });

// ---- the chat: what the server says ---------------------------------------------------------

function take(data) {
  let message;
  try { message = JSON.parse(data); } catch { /* `geventws publish` says whatever it is given */ }
  if (!message?.type) return announce(data);
  const early = OF_A_ROOM.has(message.type) && message.room !== chat.heard;
  if (early) chat.early.push(message);
  else hear[message.type]?.(message);
}

const OF_A_ROOM = new Set(["joined", "left", "renamed", "said", "people"]);
const hear = {
  welcome({ room, you, people, rooms, history }) {
    const back = room === chat.room;
    if (!back) clearLog();
    const early = chat.early.filter((message) => message.room === room);
    Object.assign(chat, { room, you, heard: room, early: [] });
    chat.people = new Map(Object.entries(people));
    quietly(() => history.forEach(addSaid));
    note(back ? "You are back" : `You are in #${room}`);
    if (!back && chat.people.size === 1) note("Nobody else is here: open this page in another tab");
    remember(chat.wish, "sessionStorage");
    connection.settled();
    hear.rooms({ rooms });
    showEverything();
    for (const message of early) hear[message.type](message);
  },
  joined({ name, process }) {
    chat.people.set(name, process);
    note(`${name} joined`);
    showPeople();
  },
  left({ name }) {
    chat.people.delete(name);
    note(`${name} left`);
    showPeople();
  },
  renamed({ name, to }) {
    const process = chat.people.get(name);
    chat.people.delete(name);
    chat.people.set(to, process);
    note(name === chat.you ? `You are now ${to}` : `${name} is now ${to}`);
    if (name === chat.you) granted(to);
    showPeople();
  },
  said(message) {
    if (message.name === chat.you) chat.sent = "";
    addSaid(message);
    if (document.hidden) chat.unread += 1;
    showTitle();
  },
  people({ people }) {
    chat.people = new Map(Object.entries(people));
    showPeople();
  },
  rooms({ rooms }) {
    chat.rooms = new Map(Object.entries(rooms));
    showRooms();
  },
  room({ room, people }) {
    if (people) chat.rooms.set(room, people);
    else chat.rooms.delete(room);
    showRooms();
  },
  error({ text }) {
    complain(text);
    takeBack();
    if (chat.room) showEverything();
    else startOver();
  },
};

function granted(name) {
  chat.you = name;
  chat.wish = chat.asked || name;
  remember(chat.wish, "sessionStorage", "localStorage");
}

// The very first join was refused: the address or the remembered name is at fault.
function startOver() {
  if (chat.startedOver) return;
  chat.startedOver = true;
  chat.wish = guest();
  showHash(LOBBY);
  join();
}

// What was said and never came back returns to the field, not to nowhere.
function takeBack() {
  if (chat.sent && !$("text").value) $("text").value = chat.sent;
  chat.sent = "";
}

let complaint = 0;
function complain(text) {
  $("error").textContent = text;
  clearTimeout(complaint);
  complaint = setTimeout(() => { $("error").textContent = ""; }, 6000);
}

// ---- the chat: what is shown ----------------------------------------------------------------

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const day = (time) => calendar.format(new Date(1000 * time));

function hue(name) {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 3600;
  return sum % 360;
}

function hued(node, name) {
  node.style.setProperty("--hue", hue(name));
  return node;
}

function avatar(name) {
  const node = element("span", { className: "avatar" }, [...name][0].toUpperCase());
  node.ariaHidden = "true";
  return hued(node, name);
}

let atEnd = true; // whether the log follows what is said
function addRow(row) {
  const log = $("log");
  log.append(row);
  while (log.childElementCount > SHOWN) log.firstElementChild.remove();
  if (atEnd || row.classList.contains("own")) toEnd();
  else if (row.classList.contains("said")) $("newer").hidden = false;
}

function toEnd() {
  atEnd = true;
  $("log").scrollTop = $("log").scrollHeight;
  $("newer").hidden = true;
}

function clearLog() {
  $("log").replaceChildren();
  $("newer").hidden = true;
  chat.last = undefined;
  chat.seen.clear();
}

function addSaid(message) {
  const { name, text, time, id } = message;
  if (chat.seen.has(id)) return;
  chat.seen.add(id);
  if (chat.seen.size > SHOWN) chat.seen.delete(chat.seen.values().next().value);
  const when = new Date(1000 * time);
  const before = chat.last;
  if (!before || day(before.time) !== day(time)) {
    addRow(element("li", { className: "note day" }, day(time)));
  }
  const row = element("li", { className: "said" },
    avatar(name),
    element("div", {},
      element("p", { className: "meta" },
        hued(element("span", { className: "name" }, name), name),
        element("time", { dateTime: when.toISOString(), title: when.toLocaleString() }, clock.format(when))),
      element("p", { className: "text", dir: "auto", title: clock.format(when) }, text)));
  row.classList.toggle("own", name === chat.you);
  const follows = $("log").lastElementChild?.classList.contains("said");
  row.classList.toggle("again", follows && before?.name === name && time - before.time < NEAR);
  chat.last = message;
  addRow(row);
}

// A screen reader need not read the whole history out.
function quietly(action) {
  $("log").ariaBusy = "true";
  action();
  $("log").ariaBusy = "false";
}

function note(text, kind = "") {
  addRow(element("li", { className: `note ${kind}` }, text));
}

function announce(text) {
  if (typeof text === "string") note(text, "announced");
}

function showEverything() {
  showHash(chat.room);
  $("room").textContent = `#${chat.room}`;
  showPeople();
  showRooms();
  showTitle();
}

function showPeople() {
  const others = [...chat.people.keys()].filter((name) => name !== chat.you);
  const names = [chat.you, ...others.sort((a, b) => a.localeCompare(b))];
  $("here").textContent = names.length === 1 ? "only you" : `${names.length} people`;
  if (document.activeElement !== $("name")) $("name").value = chat.you;
  $("people").replaceChildren(...names.map(personRow));
}

function personRow(name) {
  const process = element("span", { className: "process", title: "process" }, chat.people.get(name) ?? "");
  const person = element("div", {}, element("span", { className: "who" }, name), process);
  const row = element("li", {}, avatar(name), person);
  if (name === chat.you) row.append(element("span", { className: "you" }, "you"));
  return row;
}

function showRooms() {
  const rooms = [...chat.rooms].sort(([a], [b]) => a.localeCompare(b));
  $("rooms").replaceChildren(...rooms.map(([room, people]) => {
    const count = element("span", { className: "count", title: `${people} here` }, String(people));
    const link = element("a", { href: hash(room) }, `#${room}`, count);
    if (room === chat.room) link.ariaCurrent = "page";
    return element("li", {}, link);
  }));
}

function showTitle() {
  document.title = `${chat.unread ? `(${chat.unread}) ` : ""}#${chat.room} · geventws chat`;
}

function showState(state, text, countdown = "", extensions = "") {
  $("connection").dataset.state = state;
  if ($("status").textContent !== text) $("status").textContent = text;
  $("countdown").textContent = countdown;
  $("extensions").textContent = extensions;
  $("retry").hidden = state !== "off";
  $("send").disabled = state !== "on";
  if (state === "off") takeBack();
}

function show(view) {
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll("[data-show]")) {
    button.ariaPressed = String(button.dataset.show === view);
  }
}

// ---- the chat: what the person does ---------------------------------------------------------

const connection = new Connection("/chat", {
  opened() { Object.assign(chat, { heard: "", early: [] }); join(); },
  received: take,
  changed: showState,
});

function say() {
  const text = $("text").value.trim();
  if (!text || $("send").disabled) return;
  connection.send({ type: "say", text });
  chat.sent = text;
  $("text").value = "";
  $("error").textContent = "";
}

function rename() {
  const name = $("name").value.trim();
  $("name").blur();
  chat.asked = name;
  if (connection.isOpen) connection.send({ type: "rename", name });
  else granted(name);
}

function enterRoom() {
  const room = $("room-name").value.trim().replace(/^#/, "");
  if (!room) return;
  $("room-name").value = "";
  location.hash = hash(room);
}

function whenSubmitted(form, action) {
  $(form).addEventListener("submit", (event) => { event.preventDefault(); action(); });
}

whenSubmitted("say-form", say);
whenSubmitted("name-form", rename);
whenSubmitted("room-form", enterRoom);
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  say();
});
$("newer").addEventListener("click", toEnd);
$("log").addEventListener("scroll", () => {
  const log = $("log");
  atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (atEnd) $("newer").hidden = true;
});
// A phone's keyboard takes half of the log away.
new ResizeObserver(() => { if (atEnd) toEnd(); }).observe($("log"));
$("retry").addEventListener("click", () => connection.hurry());
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => show(button.dataset.show));
}
addEventListener("hashchange", () => {
  show("talk");
  if (connection.isOpen && wantedRoom() !== chat.room) join();
});
addEventListener("online", () => connection.hurry());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  chat.unread = 0;
  if (chat.room) showTitle();
  connection.hurry();
});

connection.open();
