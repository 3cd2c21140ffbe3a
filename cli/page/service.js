// One service: its line in the list, its buttons, and what is behind its name.
import { clock, duration, leaves, number, oneLine, time } from './values.js';
import { History, Plot } from './plot.js';

const BUTTONS = [['GET_DATA', 'Get data'], ['PAUSE', 'Pause'], ['RUN', 'Run'], ['CHECKPOINT', 'Checkpoint'], ['SHUTDOWN', 'Shut down']];
const ANSWERED = ['STATUS', 'DESCRIBE', 'STATS', 'LOG', 'CANCEL'];
const GLYPHS = {
  STARTING: '◌', READY: '○', RUNNING: '▶', PAUSING: '◌', PAUSED: '❚❚', CHECKPOINTING: '◌', STOPPING: '◌', STOPPED: '■', FAILED: '✕',
};
const PLOTS = 12, PRINTED = 20;
const HISTORIES = 100; // names of numbers that are kept, however often a service invents new ones
const element = (name, marks = {}) => Object.assign(document.createElement(name), marks);
// Writes only what is new: a list of hundreds is refreshed every second.
const write = (where, text) => { const line = oneLine(text); if (where.textContent !== line) where.textContent = line; };

export class Service {
  // `act(service, word)` sends a command, or asks what it is to be where there is no word.
  constructor(name, act) {
    this.name = name;
    this.histories = new Map();
    this.plots = new Map();
    this.pending = new Set();
    this.printed = []; // [time, level, text] of the last lines of an adopted program, the newest last
    this.visible = false;
    this.element = document.getElementById('row').content.firstElementChild.cloneNode(true);
    const find = selector => this.element.querySelector(selector);
    [this.badge, this.title, this.view, this.now, this.spark] = ['.state', '.name', '.view', '.now', '.spark path'].map(find);
    [this.about, this.wrong, this.facts, this.commands, this.answer, this.more] = ['.about', '.wrong', '.facts', '.commands', '.answer', '.more'].map(find);
    this.element.dataset.name = name;
    this.title.textContent = name;
    this.commands.setAttribute('aria-label', `Commands for ${name}`);
    const button = (word, text) => {
      const made = element('button', { type: 'button', textContent: text });
      if (word) made.dataset.command = word;
      made.addEventListener('click', () => { if (!this.pending.has(word)) act(this, word); });
      this.commands.append(made);
      return made;
    };
    this.buttons = BUTTONS.map(([word, text]) => button(word, text));
    this.other = button('', 'More…');
    this.other.setAttribute('aria-haspopup', 'dialog');
    this.title.addEventListener('click', () => this.open(this.more.hidden));
  }

  // The commands that have no button.
  get words() { return [...new Set([...this.record.commands ?? [], ...ANSWERED])]; }

  get needsAttention() {
    const { state, view, problem, reason } = this.record;
    return Boolean(problem || reason) || state === 'FAILED' || view === 'STALE' || view === 'DISCONNECTED';
  }

  matches(words, only) {
    const { name, state, view, description, program, reason, problem } = this.record;
    const all = [name, state, view, description, program, reason, problem].join(' ').toLowerCase();
    return words.every(word => all.includes(word)) && (!only || (only === 'attention' ? this.needsAttention : state === only));
  }

  take(record) {
    this.record = record;
    this.receivedAt = Date.now();
    const { view, reason, problem } = record;
    // The last state of a service that disconnected without a goodbye would look current.
    const state = view === 'DISCONNECTED' ? view : record.state;
    this.element.dataset.state = this.badge.dataset.state = state;
    this.element.dataset.view = view;
    write(this.badge.firstElementChild, GLYPHS[state] ?? '');
    write(this.badge.lastElementChild, state);
    write(this.view, view === 'CONNECTED' || view === state ? '' : view);
    write(this.wrong, [problem, reason].filter(Boolean).join(' · '));
    this.permit();
    this.showFacts();
    if (!this.more.hidden) this.detail();
  }

  // Disables what the state forbids; the focus does not fall out of the row with a button that was just used.
  permit() {
    const { allowed = [], unsupported = [], state, view } = this.record, held = this.commands.contains(document.activeElement) ? document.activeElement : null;
    for (const button of this.buttons) {
      const word = button.dataset.command;
      button.disabled = !allowed.includes(word);
      // What would always fail is not offered.
      button.hidden = unsupported.includes(word);
      button.title = button.disabled ? `not while it is ${view === 'CONNECTED' ? state : view}` : '';
      button.setAttribute('aria-disabled', String(this.pending.has(word)));
    }
    this.other.disabled = !this.words.some(word => allowed.includes(word));
    if (held?.disabled) (this.buttons.find(button => !button.disabled) ?? this.title).focus();
  }

  wait(word, waits) {
    this.pending[waits ? 'add' : 'delete'](word);
    this.permit();
  }

  // Shows the line under the name; it is written again every second, because it has durations.
  showFacts() {
    const { description, steps, busy, doing, since, view, answered } = this.record;
    write(this.about, description ?? '');
    const past = (Date.now() - this.receivedAt) / 1000, facts = [];
    facts.push(`since ${clock(time(since))}`, steps === 1 ? '1 step' : `${number(steps ?? 0)} steps`);
    if (busy !== undefined && busy !== null && view === 'CONNECTED') facts.push(`in ${doing ?? 'something'} for ${duration(busy + past)}`);
    if (answered?.failed || answered?.rejected) facts.push(`${answered.failed} failed, ${answered.rejected} rejected`);
    write(this.facts, facts.join(' · '));
    this.element.toggleAttribute('data-busy', (busy ?? 0) + past > 5 && doing !== undefined);
  }

  // A line of the output of an adopted program.
  print(at, level, text) {
    this.printed.push([at, level, text]);
    this.printed.sort(([a], [b]) => a - b);
    if (this.printed.length > PRINTED) this.printed.shift();
    this.stale = true;
  }

  // What is charted: an adopted program has numbers of its process alone, which are shown as words.
  get charts() { return this.record.adopted ? [] : (this.leaves ?? []).filter(([, what]) => typeof what === 'number'); }

  data({ at, value, too_large: size }) {
    this.at = time(at).getTime();
    this.leaves = size === undefined ? shown(value) : [['value', `${number(size)} bytes, too many to show`]];
    for (const [path, what] of this.leaves) {
      if (typeof what !== 'number') continue;
      if (!this.histories.has(path)) this.histories.set(path, new History());
      this.histories.get(path).add(this.at, what);
    }
    this.prune();
    this.stale = true;
  }

  // Removes numbers that the service no longer reports, the oldest first; those that are plotted stay.
  prune() {
    const now = new Set(this.leaves.map(([path]) => path));
    for (const path of this.histories.keys()) {
      if (this.histories.size <= HISTORIES) return;
      if (!now.has(path) && !this.plots.has(path)) this.histories.delete(path);
    }
  }

  // The number that the list shows: the first that is not a mere counter.
  get first() {
    const numbers = this.charts;
    return numbers.find(([path]) => this.histories.get(path).wanders) ?? numbers[0];
  }

  draw(now) {
    if (!this.visible) return;
    this.showFacts();
    const first = this.first, last = this.printed.at(-1);
    if (this.record.adopted && last) {
      write(this.now.firstElementChild, last[2]);
    } else if (first) {
      write(this.now.firstElementChild, first[0]);
      write(this.now.lastElementChild, number(first[1]));
      this.spark.setAttribute('d', this.histories.get(first[0]).line(now, 200, 32, 2).path);
    }
    if (this.more.hidden) return;
    if (this.stale) this.detail();
    for (const plot of this.plots.values()) plot.draw(now);
  }

  open(open) {
    this.more.hidden = !open;
    this.title.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.visible = true;
    this.detail();
    this.draw(Date.now());
  }

  detail() {
    this.stale = false;
    if (!this.parts) {
      const [plots, words, record] = ['plots', 'words', 'record'].map(name => element(name === 'plots' ? 'div' : 'dl', { className: name }));
      this.parts = { plots, words, record, printed: element('ol', { className: 'printed' }), none: element('p', { className: 'none' }) };
      this.more.append(this.parts.none, plots, this.parts.printed, words, record);
    }
    this.parts.printed.replaceChildren(...this.printed.map(([, level, text]) => {
      const line = element('li', { textContent: oneLine(text) });
      line.dataset.level = level;
      return line;
    }));
    for (const [path] of this.charts) {
      if (this.plots.has(path) || this.plots.size >= PLOTS) continue;
      this.plots.set(path, new Plot(path, this.histories.get(path)));
      this.parts.plots.append(this.plots.get(path).element);
    }
    const words = (this.leaves ?? []).filter(([path]) => !this.plots.has(path));
    write(this.parts.none, this.leaves ? '' : 'It has reported no data yet.');
    list(this.parts.words, words.map(([path, what]) => [path, typeof what === 'number' ? number(what) : String(what)]));
    const r = this.record, answered = Object.entries(r.answered ?? {}).map(([what, count]) => `${count} ${what}`).join(', ');
    list(this.parts.record, [
      ['program', r.program], ['process', r.pid], ['machine', r.machine], ['steps', r.every ? `every ${duration(r.every)}` : 'without a period'],
      ['comes from', r.source], ['connections', r.connections], ['first seen', clock(time(r.first_seen))],
      ...r.view === 'CONNECTED' ? [] : [['last seen', clock(time(r.last_seen))]],
      ['commands', answered || 'none yet'], ['takes beside', (r.commands ?? []).join(' ') || 'nothing'],
    ].filter(([, what]) => what !== undefined && what !== null).map(([name, what]) => [name, String(what)]));
  }
}

// An unexpected value of one service does not stop the display of the others.
function shown(value) {
  try {
    return leaves(value);
  } catch (wrong) {
    return [['value', `cannot be shown: ${wrong.message}`]];
  }
}

// A list of terms; what is there already stays, so that a text can be selected.
function list(where, pairs) {
  const keys = pairs.map(([name]) => name).join('\n');
  if (where.dataset.keys !== keys) {
    where.dataset.keys = keys;
    where.replaceChildren(...pairs.map(([name]) => {
      const pair = document.createElement('div');
      pair.append(element('dt', { textContent: oneLine(name) }), document.createElement('dd'));
      return pair;
    }));
  }
  pairs.forEach(([, what], i) => write(where.children[i].lastElementChild, what));
}
