"use strict";

const RESERVED = "nsum"; // none, skip, undo, ask the model
const KEYS = [..."1234567890", ...[..."abcdefghijklmnopqrstuvwxyz"].filter((letter) => !RESERVED.includes(letter))];
const SEARCH_FROM = 10; // classes beyond the digits can also be searched
const AHEAD = 4; // questions that are at hand before the next batch is asked for
const SHOWN = 12; // answers that can be seen again
const WAIT = 700; // milliseconds
const NAMES = { pool: "Unlabelled", pseudo: "Pseudo-labels", issues: "Suspected labels" };

/** The key of each class: its own name where that is one, such as a digit, else the next free one; or none. */
function keysOf(classes) {
  const names = classes.map((name) => name.toLowerCase());
  const own = names.map((name, at) => KEYS.includes(name) && names.indexOf(name) === at ? name : null);
  const free = KEYS.filter((key) => !own.includes(key));
  return own.map((key) => key ?? free.shift() ?? null);
}

/** What a tab still knows when it is loaded again; nothing where the browser allows no storage. */
const kept = (() => {
  try {
    return sessionStorage;
  } catch {
    return {};
  }
})();

const element = (id) => document.getElementById(id);
const browser = kept.browser ??= crypto.randomUUID();
const number = (count) => count.toLocaleString("en");

let fixed; // what never changes while the server runs
let keys = []; // of the classes, in their order
let section = "pool";
let questions = []; // at hand, the first one is shown
let answered = []; // by this page, the last one at the end
let open = 0; // questions of this section without an answer
let asking = false, ended = false, retrying;
let chain = Promise.resolve(); // answers are sent one after the other

async function ask(path, body) {
  const sent = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ browser, build: fixed.build, ...body }) };
  let answer;
  try {
    answer = await fetch(path, sent);
  } catch {
    throw new Error("the server does not answer; is `sprout label` still running?");
  }
  if (answer.status === 412) location.reload(); // the server has other images than this page
  const said = await answer.json().catch(() => ({ error: answer.statusText }));
  if (!answer.ok) throw Object.assign(new Error(said.error), { status: answer.status });
  return said;
}

function complain(error) {
  element("trouble").textContent = error ? `Not saved: ${error.message}` : "";
  element("trouble").hidden = !error;
}

function say(text) {
  element("status").textContent = text;
}

function show(state) {
  const { counts, left } = state;
  for (const name of ["today", "all", "open", "pool"]) element(name).textContent = number(counts[name]);
  open = section === "pool" ? counts.open : left[section];
  element("share").dataset.pool = counts.pool || "";
  element("share").value = counts.pool ? 1 - counts.open / counts.pool : 1;
  element("guess").disabled = !state.guesses;
  element("how").textContent = state.source ? `Strategy ${fixed.strategy}; ${state.source}.` : "";
  for (const button of element("sections").children) {
    const count = button.value === "pool" ? counts.open : left[button.value];
    button.textContent = `${NAMES[button.value]} ${number(count)}`;
  }
}

const place = (question) => ({ split: question.split, row: question.row });
const address = (question) => `/image/${question.split}/${question.row}.png`;
const same = (one, other) => one.split === other.split && one.row === other.row;

async function fetchMore(afresh = false) {
  if (asking || (ended && !afresh)) return;
  asking = true;
  const wanted = section;
  try {
    const found = await ask("/next", { section: wanted, afresh });
    show(found);
    if (wanted !== section) return;
    if (found.waiting) {
      const { done, total } = found.learning;
      say(done ? `The model looks at the images: ${number(done)} of ${number(total)}` : "Loading the model");
      setTimeout(() => wanted === section && fetchMore(afresh), WAIT);
      return;
    }
    ended = !found.questions.length;
    const fresh = found.questions.filter((each) => !questions.some((other) => same(each, other)));
    for (const each of fresh) new Image().src = address(each);
    questions.push(...fresh);
    draw();
  } catch (error) {
    say(error.message);
    if (!error.status) setTimeout(() => fetchMore(afresh), 4 * WAIT);
  } finally {
    asking = false;
    if (wanted !== section) fetchMore(true);
  }
}

function draw() {
  const question = questions[0];
  element("question").hidden = !question;
  element("undo").disabled = !answered.length;
  drawAnswered();
  if (!question) {
    if (ended) drawEnd();
    return;
  }
  say("");
  const image = element("image");
  if (image.getAttribute("src") !== address(question)) image.src = address(question);
  element("origin").textContent = question.origin;
  element("guesses").hidden = true;
  element("guess").hidden = section !== "pool";
  drawClaim(question);
  for (const button of element("classes").children) {
    button.classList.toggle("suggested", button.value === question.suggested);
    button.classList.remove("chosen");
  }
}

/** Nothing is at hand: asks again from time to time for what other pages leave. */
function drawEnd() {
  const empty = section === "pool" && !element("share").dataset.pool;
  say(open ? "What is left is open in another tab or browser, each for 15 minutes at most." : empty ? "The data has no unlabelled images." : "Nothing is left here.");
  clearTimeout(retrying);
  if (open) retrying = setTimeout(askAgain, 15 * WAIT);
}

function askAgain() {
  ended = false;
  return fetchMore();
}

function drawClaim(question) {
  const claimed = claim(question);
  const score = question.score === null ? "" : ` (probability ${question.score.toFixed(2)})`;
  const claimText = element("claim");
  claimText.hidden = element("confirm").hidden = !claimed;
  if (!claimed) return;
  const parts = question.given
    ? ["The data says ", question.given, `${score}. The model suggests `, question.suggested, "."]
    : ["The model says ", question.suggested, `${score}. If it is wrong, choose the right class.`];
  claimText.replaceChildren(...parts.map((part, at) => (at % 2 ? bold(part) : part)));
  element("confirm-text").textContent = question.given ? `Keep ${claimed}` : `Confirm ${claimed}`;
}

function claim(question) {
  return section === "pool" ? "" : question.given || question.suggested;
}

function bold(text) {
  const made = document.createElement("b");
  made.textContent = text;
  return made;
}

function drawAnswered() {
  element("given").hidden = !answered.length;
  element("recent").replaceChildren(...answered.slice(-SHOWN).reverse().map(drawOne));
}

function drawOne(entry) {
  const item = document.createElement("li"), button = document.createElement("button"), frame = document.createElement("span");
  const image = document.createElement("img"), name = document.createElement("span");
  button.type = "button";
  button.title = "Ask again";
  button.className = entry.at ? "" : "pending";
  frame.className = "frame";
  image.src = address(entry.question);
  image.alt = entry.question.origin;
  name.textContent = entry.label || "none of these";
  frame.append(image);
  button.append(frame, name);
  if (entry.replaced && entry.replaced !== entry.label) {
    const before = document.createElement("small");
    before.textContent = `was ${entry.replaced}`;
    button.append(before);
  }
  button.onclick = () => again(entry);
  item.append(button);
  return item;
}

function remember() {
  kept.answered = JSON.stringify(answered.filter((entry) => entry.at).slice(-100));
}

function give(answer, label = "") {
  const question = questions[0], image = element("image");
  // What cannot be seen is not answered.
  if (!question || !image.complete || !image.naturalWidth || image.getAttribute("src") !== address(question)) return;
  const entry = { question, label, at: null, section };
  questions.shift();
  answered.push(entry);
  clearSearch();
  draw();
  chain = chain.then(() => send(entry, answer));
  if (questions.length < AHEAD) chain.then(() => fetchMore());
}

async function send(entry, answer) {
  try {
    const said = await ask("/answer", { ...place(entry.question), answer, label: entry.label });
    entry.at = said.written.at;
    entry.replaced = said.written.replaces;
    remember();
    complain();
    show(said);
  } catch (error) {
    answered = answered.filter((other) => other !== entry);
    if (entry.section === section) questions.unshift(entry.question);
    complain(error);
  }
  draw();
}

function undo() {
  const last = answered.findLast((entry) => entry.section === section) ?? answered.at(-1);
  if (last) again(last);
}

/** Takes an answer back and asks for the image again. */
function again(entry) {
  answered = answered.filter((other) => other !== entry);
  draw();
  chain = chain.then(async () => {
    if (!entry.at) return; // it was never saved, and is asked again already
    try {
      show(await ask("/undo", { ...place(entry.question), at: entry.at }));
      complain();
      if (entry.section === section) questions.unshift(entry.question);
    } catch (error) {
      if (error.status !== 409) answered.push(entry);
      complain(error);
    }
    remember();
    draw();
  });
}

function skip() {
  const question = questions.shift();
  if (!question) return;
  clearSearch();
  draw();
  chain = chain.then(() => ask("/skip", place(question))).then(show).catch(complain);
  if (questions.length < AHEAD) chain.then(askAgain);
}

async function guess() {
  const question = questions[0];
  if (!question || section !== "pool" || element("guess").disabled) return;
  try {
    const { top } = await ask(`/guess/${question.split}/${question.row}`);
    if (questions[0] !== question) return;
    element("guesses").replaceChildren(...top.map(drawGuess));
    element("guesses").hidden = false;
  } catch (error) {
    say(error.message);
  }
}

function drawGuess({ label, probability }) {
  const item = document.createElement("li"), name = document.createElement("span"), share = document.createElement("span");
  const bar = document.createElement("progress");
  name.textContent = label;
  bar.value = probability;
  share.textContent = probability.toFixed(2);
  item.append(name, bar, share);
  return item;
}

function turnTo(name) {
  section = name;
  questions = [];
  ended = false;
  for (const button of element("sections").children) button.setAttribute("aria-current", String(button.value === name));
  element("question").hidden = true;
  say("Loading");
  chain.then(() => fetchMore(true));
}

function clearSearch() {
  element("search").value = "";
  filter();
}

function filter() {
  const wanted = element("search").value.trim().toLowerCase();
  for (const button of element("classes").children) button.hidden = !button.value.toLowerCase().includes(wanted);
}

function drawFixed() {
  keys = keysOf(fixed.classes);
  element("by").textContent = fixed.by;
  element("file").textContent = fixed.file;
  element("searching").hidden = fixed.classes.length <= SEARCH_FROM;
  element("sections").replaceChildren(...fixed.sections.map((name) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", value: name, onclick: () => turnTo(name) });
    return button;
  }));
  element("sections").hidden = fixed.sections.length < 2;
  element("classes").replaceChildren(...fixed.classes.map((name, at) => {
    const button = document.createElement("button"), text = document.createElement("span");
    Object.assign(button, { type: "button", value: name, onclick: () => give("class", name) });
    text.textContent = name;
    button.append(text);
    if (keys[at]) {
      const key = document.createElement("kbd");
      key.textContent = keys[at].toUpperCase();
      button.append(key);
    }
    return button;
  }));
}

function confirmClaim() {
  if (questions[0] && claim(questions[0])) give("class", claim(questions[0]));
}

const ACTIONS = { n: () => give("none"), s: skip, " ": skip, u: undo, z: undo, Backspace: undo, m: guess, Enter: confirmClaim, "/": () => element("search").focus() };

function typed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target === element("search")) return inSearch(event);
  if (event.target.tagName === "BUTTON" && [" ", "Enter"].includes(event.key)) return;
  const key = event.key.length > 1 ? event.key : event.key.toLowerCase(), at = keys.indexOf(key);
  const act = at >= 0 ? () => give("class", fixed.classes[at]) : ACTIONS[key];
  if (!act) return;
  event.preventDefault();
  act();
}

function inSearch(event) {
  if (!["Enter", "Escape"].includes(event.key)) return;
  event.preventDefault();
  const found = [...element("classes").children].find((button) => !button.hidden);
  if (event.key === "Enter" && element("search").value.trim() && found) give("class", found.value);
  clearSearch();
  element("search").blur();
}

async function start() {
  try {
    fixed = await ask("/state");
  } catch (error) {
    say(error.message);
    setTimeout(start, 4 * WAIT);
    return;
  }
  drawFixed();
  show(fixed);
  document.body.classList.remove("loading");
  // The rows of another build are other images.
  answered = kept.build === fixed.build ? JSON.parse(kept.answered ?? "[]") : [];
  kept.build = fixed.build;
  element("none").onclick = ACTIONS.n;
  element("skip").onclick = skip;
  element("undo").onclick = undo;
  element("guess").onclick = guess;
  element("confirm").onclick = confirmClaim;
  element("search").oninput = filter;
  document.addEventListener("keydown", typed);
  // A button that was clicked would take the next Enter or space for itself.
  document.addEventListener("click", (event) => event.target.closest("button")?.blur());
  turnTo("pool");
}

start();
