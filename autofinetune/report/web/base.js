// The data, elements, numbers as text, colours, and the queue in which plots are drawn.

const DATA = JSON.parse(document.getElementById('data').textContent);

/** Make an element; children that are no nodes become text. */
function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

function numberText(value, digits = 5) {
  if (!isNumber(value)) return '–';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return value.toExponential(digits - 2).replace(/\.?0+e/, 'e');
  return String(Number(value.toPrecision(digits)));
}

const countText = (count) => count.toLocaleString('en-US');
const plural = (count, word) => `${countText(count)} ${word}${count === 1 ? '' : 's'}`;
const percent = (share) => `${(100 * share).toFixed(share < 0.095 ? 1 : 0)} %`;
const clip = (text, most = 26) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function durationText(seconds) {
  if (!isNumber(seconds)) return '–';
  if (seconds < 120) return `${numberText(seconds, 3)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(1)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} d`;
}

function dateText(seconds) {
  const at = new Date(seconds * 1000), two = (n) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The unit of an axis of seconds, and its length in seconds. */
function timeUnit(span) {
  return span < 300 ? ['s', 1] : span < 3 * 3600 ? ['min', 60] : span < 4 * 86400 ? ['h', 3600] : ['d', 86400];
}

/** The value of a hyperparameter as text, from its number on the axis. */
function valueText(axis, value) {
  if (!isNumber(value)) return '–';
  return axis.labels ? axis.labels[value] ?? '–' : numberText(value, 6);
}

/** Text for Plotly, which reads some HTML in its texts. */
const plain = (text) => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

// --- colours ------------------------------------------------------------------------------------

const root = document.documentElement;
const darkWanted = matchMedia('(prefers-color-scheme: dark)');
let chosenTheme = 'automatic';
const isDark = () => (chosenTheme === 'automatic' ? darkWanted.matches : chosenTheme === 'dark');
const applyTheme = () => { root.dataset.theme = isDark() ? 'dark' : 'light'; };
const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
const STATES = { COMPLETED: 'done', STOPPED: 'stopped', FAILED: 'failed', LOST: 'lost', RUNNING: 'running', QUEUED: 'queued' };
const stateColour = (state) => colour(STATES[state] ?? 'muted');
const SERIES = ['#2a78d6', '#e8710a', '#2f9e44', '#c2255c', '#7048e8', '#0b9e9e', '#a8741a', '#7a8594'];

// From the worst to the best score; the best stands out from the background.
const LIGHT = ['#d9e26a', '#7ad151', '#22a884', '#2a788e', '#414487', '#440154'];
const DARK = ['#4b3b8f', '#3b6390', '#2a8c8c', '#35b779', '#9bd93c', '#fde725'];
const palette = () => (isDark() ? DARK : LIGHT);

function mix(one, other, share) {
  const part = (text, at) => parseInt(text.slice(at, at + 2), 16);
  const channel = (at) => Math.round(part(one, at) + share * (part(other, at) - part(one, at)));
  return `rgb(${channel(1)},${channel(3)},${channel(5)})`;
}

/** The colour of a quality between 0, the worst, and 1, the best. */
function qualityColour(quality) {
  const colours = palette(), at = Math.min(Math.max(quality, 0), 1) * (colours.length - 1);
  const low = Math.min(Math.floor(at), colours.length - 2);
  return mix(colours[low], colours[low + 1], at - low);
}

const faded = (hex, alpha) => hex + Math.round(255 * alpha).toString(16).padStart(2, '0');

// --- the queue: what is in sight first, one plot at a time, so that the page stays usable ---------

let queue = [];
let isPumping = false;

function later(node, task) {
  queue.push({ node, task });
  if (isPumping) return;
  isPumping = true;
  root.dataset.drawn = '';
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', pump, { once: true }); // Plotly comes last
  else setTimeout(pump, 0);
}

function pump() {
  const inSight = (one) => { const box = one.node.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight; };
  const place = queue.findIndex(inSight);
  if (place < 0) root.dataset.drawn = 'screen';
  const [one] = queue.splice(Math.max(place, 0), 1);
  if (one && one.node.isConnected) {
    const start = performance.now();
    one.task();
    performance.measure(one.node.getAttribute('aria-label'), { start });
  }
  if (queue.length) { setTimeout(pump, place < 0 ? 15 : 0); return; } // leaves time to scroll and type
  isPumping = false;
  root.dataset.drawn = 'all';
}
