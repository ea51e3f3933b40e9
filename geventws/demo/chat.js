// The chat of the demo page, over one WebSocket; the messages are described in messages.py.
// Whatever people wrote reaches the page as text nodes only.

import { Connection } from "./connection.js";
import { $, avatar, element } from "./elements.js";
import { addSaid, clearLog, note, noteOf, quietly } from "./log.js";

// A tab keeps its own name and a new tab begins with the one chosen last. Private windows may
// refuse to store either; the page works without.
function recall() {
  try { return sessionStorage.name ?? localStorage.name; } catch { return undefined; }
}

function remember(name, ...stores) {
  try { for (const store of stores) globalThis[store].name = name; } catch { /* forgotten, then */ }
}

// What proves that it is us who come back; a tab keeps its own, as it does its name.
function ownKey() {
  const key = crypto.getRandomValues(new Uint32Array(4)).join("-");
  try { return (sessionStorage.chatKey ??= key); } catch { return key; }
}

// ---- the chat: what is known ----------------------------------------------------------------

const LOBBY = "lobby";

const guest = () => `Guest ${100 + Math.floor(900 * Math.random())}`;
const chat = {
  wish: recall() || guest(), // the name to ask for
  asked: "", // a name asked for and not granted yet
  key: ownKey(),
  member: "", // what this connection is called
  you: {}, // our card: who we are, and the name granted: the wish, maybe with a number behind it
  room: "",
  heard: "", // the room that this connection was welcomed to
  early: [], // what came of a room before its welcome
  people: new Map(), // the card of each connection, by member
  rooms: new Map(),
  sent: "", // what was said and has not come back yet
  returned: "", // and was put back into the field
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
const join = () => connection.send({ type: "join", room: wantedRoom(), name: chat.wish, key: chat.key });

// ---- the chat: what the server says ---------------------------------------------------------

function take(data) {
  let message;
  try { message = JSON.parse(data); } catch { /* `geventws publish` says whatever it is given */ }
  if (!Object.hasOwn(hear, message?.type)) return announce(data);
  const early = OF_A_ROOM.has(message.type) && message.room !== chat.heard;
  if (early) chat.early.push(message);
  else hear[message.type](message);
}

const OF_A_ROOM = new Set(["here", "gone", "said", "people"]);
const hear = {
  welcome({ room, you, people, rooms, history }) {
    const back = room === chat.room;
    if (!back) clearLog();
    const early = chat.early.filter((message) => message.room === room);
    Object.assign(chat, { room, member: you, you: people[you], heard: room, early: [] });
    chat.people = new Map(Object.entries(people));
    quietly(() => history.forEach((message) => addSaid(message, isOwn(message))));
    note(back ? "You are back" : `You are in #${room}`);
    if (!back && present().size === 1) note("Nobody else is here: open this page in another tab");
    remember(chat.wish, "sessionStorage");
    connection.settled();
    hear.rooms({ rooms });
    showEverything();
    for (const message of early) hear[message.type](message);
  },
  here({ member, card }) {
    const { name } = card;
    const before = present().get(card.who)?.name;
    chat.people.set(member, card);
    if (member === chat.member) granted(card);
    else if (before === undefined) noteOf("joined", name);
    else if (before !== name) note(`${before} is now ${name}`);
    showPeople();
  },
  gone({ member }) {
    const card = chat.people.get(member);
    chat.people.delete(member);
    if (card && !present().has(card.who)) noteOf("left", card.name);
    showPeople();
  },
  said(message) {
    if (isOwn(message)) arrived(message.text);
    addSaid(message, isOwn(message));
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
  room({ room, number }) {
    if (number) chat.rooms.set(room, number);
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

const isOwn = ({ who }) => who === chat.you.who;

function granted(card) {
  note(`You are now ${card.name}`);
  chat.you = card;
  chat.wish = chat.asked || card.name;
  remember(chat.wish, "sessionStorage", "localStorage");
}

// Who is here, each once: of several connections of one, this page's counts, or else the last.
function present() {
  const cards = [...chat.people.values(), chat.people.get(chat.member)].filter(Boolean);
  return new Map(cards.map((card) => [card.who, card]));
}

// The very first join was refused: the address or the remembered name is at fault.
function startOver() {
  if (chat.startedOver) return;
  chat.startedOver = true;
  chat.wish = guest();
  showHash(LOBBY);
  join();
}

// What was said and did not come back returns to the field, not to nowhere; until it comes after all.
function takeBack() {
  if (chat.sent && !$("text").value) $("text").value = chat.returned = chat.sent;
  chat.sent = "";
}

function arrived(text) {
  if (text === chat.returned && text === $("text").value) $("text").value = "";
  chat.sent = chat.returned = "";
}

let complaint = 0;
function complain(text) {
  $("error").textContent = text;
  clearTimeout(complaint);
  complaint = setTimeout(() => { $("error").textContent = ""; }, 6000);
}

// ---- the chat: what is shown ----------------------------------------------------------------

const byName = new Intl.Collator(undefined, { numeric: true }).compare;
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
  const people = present();
  people.delete(chat.you.who);
  const others = [...people.values()].sort((a, b) => byName(a.name, b.name));
  $("here").textContent = others.length ? `${others.length + 1} people` : "only you";
  if (document.activeElement !== $("name")) $("name").value = chat.you.name;
  $("people").replaceChildren(...[chat.you, ...others].map(personRow));
}

function personRow(card) {
  const process = element("span", { className: "process", title: "process" }, card.process);
  const person = element("div", {}, element("span", { className: "who" }, card.name), process);
  const row = element("li", {}, avatar(card), person);
  if (card === chat.you) row.append(element("span", { className: "you" }, "you"));
  return row;
}

function showRooms() {
  const rooms = [...chat.rooms].sort(([a], [b]) => byName(a, b));
  $("rooms").replaceChildren(...rooms.map(([room, number]) => {
    const count = element("span", { className: "count", title: `${number} here` }, String(number));
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
  closed: complain, // with the reason the server gave, if any
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
  else granted({ ...chat.you, name });
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
