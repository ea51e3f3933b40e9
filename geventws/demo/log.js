// The log of the chat: what is said, and who comes and goes.

import { $, avatar, coloured, element } from "./elements.js";

const SHOWN = 500; // rows the log keeps
const NEAR = 5 * 60; // s between two messages that stand under one name
const NAMED = 5; // of many who come or go

let last; // the message shown last
let crowd = {}; // which row says who came or went last
const seen = new Set(); // the ids of the messages that are shown

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const listed = new Intl.ListFormat("en");
const day = (time) => calendar.format(new Date(1000 * time));

let atEnd = true; // whether the log follows what is said
function addRow(row) {
  const log = $("log");
  log.append(row);
  while (log.childElementCount > SHOWN) log.firstElementChild.remove();
  if (atEnd || row.classList.contains("own")) follow();
  else if (row.classList.contains("said")) $("newer").hidden = false;
}

// Once for all rows of a frame: to scroll is to have the whole log laid out.
let following = 0;
function follow() {
  following ||= requestAnimationFrame(toEnd);
}

function toEnd() {
  following = 0;
  atEnd = true;
  $("log").scrollTop = $("log").scrollHeight;
  $("newer").hidden = true;
}

export function clearLog() {
  $("log").replaceChildren();
  $("newer").hidden = true;
  last = undefined;
  seen.clear();
}

export function addSaid(message, isOwn) {
  const { who, name, text, time, id } = message;
  if (seen.has(id)) return;
  seen.add(id);
  if (seen.size > SHOWN) seen.delete(seen.values().next().value);
  const when = new Date(1000 * time);
  const before = last;
  if (!before || day(before.time) !== day(time)) {
    addRow(element("li", { className: "note day" }, day(time)));
  }
  const row = element("li", { className: "said" },
    avatar(message),
    element("div", {},
      element("p", { className: "meta" },
        coloured(element("span", { className: "name" }, name), who),
        element("time", { dateTime: when.toISOString(), title: when.toLocaleString() }, clock.format(when))),
      element("p", { className: "text", dir: "auto", title: clock.format(when) }, text)));
  row.classList.toggle("own", isOwn);
  const follows = $("log").lastElementChild?.classList.contains("said");
  const same = before?.who === who && before.name === name;
  row.classList.toggle("again", follows && same && time - before.time < NEAR);
  last = message;
  addRow(row);
}

// A screen reader need not read the whole history out.
export function quietly(action) {
  $("log").ariaBusy = "true";
  action();
  $("log").ariaBusy = "false";
}

export function note(text, kind = "") {
  addRow(element("li", { className: `note ${kind}` }, text));
}

// Many who come or go together take one row.
export function noteOf(what, name) {
  const { row, names } = crowd;
  if (crowd.what === what && row === $("log").lastElementChild) {
    names.push(name);
    const more = names.length > NAMED ? [`${names.length - NAMED} more`] : [];
    row.textContent = `${listed.format([...names.slice(0, NAMED), ...more])} ${what}`;
    if (atEnd) follow();
  } else {
    note(`${name} ${what}`);
    crowd = { what, names: [name], row: $("log").lastElementChild };
  }
}

$("newer").addEventListener("click", toEnd);
$("log").addEventListener("scroll", () => {
  if (following) return; // what is not at the end is about to be
  const log = $("log");
  atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  if (atEnd) $("newer").hidden = true;
});
// A phone's keyboard takes half of the log away.
new ResizeObserver(() => { if (atEnd) toEnd(); }).observe($("log"));
