// Keys, copying, and pages that stay as they are while somebody types. All reading works without this file.
"use strict";

const typing = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;
const busy = () => document.querySelector("details.act[open], dialog[open]") !== null || typing(document.activeElement);

// --- lines of a table: j, k, Enter
const lines = () => [...document.querySelectorAll("tr:has(a.line)")];
function move(step) {
  const all = lines();
  if (all.length === 0) return;
  const at = all.findIndex((line) => line.getAttribute("aria-selected") === "true");
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  all.forEach((line) => line.removeAttribute("aria-selected"));
  next.setAttribute("aria-selected", "true");
  next.scrollIntoView({ block: "nearest" });
  next.querySelector("a.line").focus({ preventScroll: true });
}

// --- pages: g, then a letter
const PAGES = { o: "overview", s: "sagas", t: "schedules", a: "attention", p: "participants", d: "definitions", l: "dead-letters", b: "batches", u: "audit", m: "machine" };
let going = false;
function go(key) {
  going = false;
  const words = { overview: "Overview", sagas: "Sagas", schedules: "Schedules", attention: "Attention", participants: "Participants", definitions: "Definitions", "dead-letters": "Dead letters", batches: "Batches", audit: "Audit", machine: "Machine" };
  const link = [...document.querySelectorAll(".bar nav a")].find((one) => one.textContent.trim().startsWith(words[PAGES[key]] ?? " "));
  if (link) link.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    document.querySelectorAll("details.act[open]").forEach((one) => one.removeAttribute("open"));
    document.activeElement.blur();
    return;
  }
  if (typing(event.target) || document.querySelector("dialog[open]")) return;
  if (going) return go(event.key);
  const acts = {
    "/": () => document.getElementById("find").focus(),
    "?": () => document.getElementById("keys").showModal(),
    j: () => move(1),
    k: () => move(-1),
    g: () => { going = true; setTimeout(() => { going = false; }, 1500); },
    c: () => { const first = document.querySelector("[data-copy]"); if (first) copy(first); },
  };
  if (Object.hasOwn(acts, event.key)) {
    event.preventDefault();
    acts[event.key]();
  }
});

// --- copying
function copy(element) {
  navigator.clipboard?.writeText(element.dataset.copy).then(() => {
    element.dataset.copied = "";
    setTimeout(() => { delete element.dataset.copied; }, 1200);
  });
}
document.addEventListener("click", (event) => {
  const copied = event.target.closest("[data-copy]");
  if (copied) copy(copied);
  document.querySelectorAll("details.act[open]").forEach((one) => { if (!one.contains(event.target)) one.removeAttribute("open"); });
});

// --- a change is shown when nobody is in the middle of something
let missed = false;
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.requestConfig.triggeringEvent?.type !== "sse:changed" || !busy()) return;
  missed = true;
  event.preventDefault();
});
document.addEventListener("toggle", () => {
  if (missed && !busy()) { missed = false; htmx.trigger("#page", "sse:changed"); }
}, true);

// --- what was unfolded stays so when the page is drawn anew
let unfolded = new Map();
document.addEventListener("htmx:beforeSwap", () => {
  unfolded = new Map([...document.querySelectorAll("#page details[id]")].map((one) => [one.id, one.open]));
});
document.addEventListener("htmx:afterSwap", () => {
  document.querySelectorAll("#page details[id]").forEach((one) => { if (unfolded.has(one.id)) one.open = unfolded.get(one.id); });
});

// --- times grow old while a page is open: formatting.relative, in the browser
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
function relative(moment) {
  const distance = Math.floor(Math.abs(Date.now() - moment) / 1000);
  const unit = UNITS.find(([, size]) => distance >= size);
  if (!unit) return "now";
  const words = `${Math.floor(distance / unit[1])} ${unit[0]}`;
  return moment < Date.now() ? `${words} ago` : `in ${words}`;
}
setInterval(() => {
  document.querySelectorAll("time[datetime]").forEach((one) => { one.textContent = relative(Date.parse(one.dateTime)); });
}, 10000);
