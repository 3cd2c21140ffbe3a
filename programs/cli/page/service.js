// One service: its row in the list, its buttons, and its details.
import { clock, duration, leaves, number, oneLine, time } from './values.js';
import { History, Plot } from './plot.js';

const BUTTONS = [['GET_DATA', 'Get data'], ['PAUSE', 'Pause'], ['RUN', 'Run'], ['CHECKPOINT', 'Checkpoint'], ['SHUTDOWN', 'Shut down']];
const BUILT_IN = ['STATUS', 'DESCRIBE', 'STATS', 'LOG', 'CANCEL'];
const GLYPHS = {
  STARTING: '◌', READY: '○', RUNNING: '▶', PAUSING: '◌', PAUSED: '❚❚', CHECKPOINTING: '◌', STOPPING: '◌', STOPPED: '■', FAILED: '✕',
};
const MAX_PLOTS = 12, MAX_OUTPUT = 20;
const MAX_HISTORIES = 100; // numbers that are kept: a service may report new names without end
const element = (name, properties = {}) => Object.assign(document.createElement(name), properties);
// Writes only a changed text, because hundreds of rows are refreshed every second.
const setText = (where, text) => { const line = oneLine(text); if (where.textContent !== line) where.textContent = line; };

export class Service {
  // `run(service, command)` sends a command; if `command` is empty, it opens the dialog for commands without a button.
  constructor(name, run) {
    this.name = name;
    this.histories = new Map();
    this.plots = new Map();
    this.pending = new Set();
    this.output = []; // [time, level, text] of the last lines of an adopted program, the newest last
    this.visible = false;
    this.element = document.getElementById('row').content.firstElementChild.cloneNode(true);
    const find = selector => this.element.querySelector(selector);
    [this.badge, this.title, this.view, this.current, this.spark] = ['.state', '.name', '.view', '.current', '.spark path'].map(find);
    [this.description, this.problem, this.facts, this.commands, this.answer, this.details] = ['.description', '.problem', '.facts', '.commands', '.answer', '.details'].map(find);
    this.element.dataset.name = name;
    this.title.textContent = name;
    this.commands.setAttribute('aria-label', `Commands for ${name}`);
    const button = (command, text) => {
      const made = element('button', { type: 'button', textContent: text });
      if (command) made.dataset.command = command;
      made.addEventListener('click', () => { if (!this.pending.has(command)) run(this, command); });
      this.commands.append(made);
      return made;
    };
    this.buttons = BUTTONS.map(([command, text]) => button(command, text));
    this.other = button('', 'More…');
    this.other.setAttribute('aria-haspopup', 'dialog');
    this.title.addEventListener('click', () => this.open(this.details.hidden));
  }

  // The commands for the dialog.
  get dialogCommands() { return [...new Set([...this.record.commands ?? [], ...BUILT_IN])]; }

  get needsAttention() {
    const { state, view, problem, reason } = this.record;
    return Boolean(problem || reason) || state === 'FAILED' || view === 'STALE' || view === 'DISCONNECTED';
  }

  matches(words, selected) {
    const { name, state, view, description, program, reason, problem } = this.record;
    const all = [name, state, view, description, program, reason, problem].join(' ').toLowerCase();
    return words.every(word => all.includes(word)) && (!selected || (selected === 'attention' ? this.needsAttention : state === selected));
  }

  update(record) {
    this.record = record;
    this.receivedAt = Date.now();
    const { view, reason, problem } = record;
    // The last state of a disconnected service would look current.
    const state = view === 'DISCONNECTED' ? view : record.state;
    this.element.dataset.state = this.badge.dataset.state = state;
    this.element.dataset.view = view;
    setText(this.badge.firstElementChild, GLYPHS[state] ?? '');
    setText(this.badge.lastElementChild, state);
    setText(this.view, view === 'CONNECTED' || view === state ? '' : view);
    setText(this.problem, [problem, reason].filter(Boolean).join(' · '));
    this.updateButtons();
    this.showFacts();
    if (!this.details.hidden) this.showDetails();
  }

  // Disables the commands that the state forbids. If this disables the button that has the focus, the focus stays in the row.
  updateButtons() {
    const { allowed = [], unsupported = [], state, view } = this.record;
    const focused = this.commands.contains(document.activeElement) ? document.activeElement : null;
    for (const button of this.buttons) {
      const { command } = button.dataset;
      button.disabled = !allowed.includes(command);
      // A command that the program does not support would always fail.
      button.hidden = unsupported.includes(command);
      button.title = button.disabled ? `not allowed while the service is ${view === 'CONNECTED' ? state : view}` : '';
      button.setAttribute('aria-disabled', String(this.pending.has(command)));
    }
    this.other.disabled = !this.dialogCommands.some(command => allowed.includes(command));
    if (focused?.disabled) (this.buttons.find(button => !button.disabled) ?? this.title).focus();
  }

  setPending(command, pending) {
    this.pending[pending ? 'add' : 'delete'](command);
    this.updateButtons();
  }

  // Shows the line under the name. It contains durations, so it is refreshed every second.
  showFacts() {
    const { description, steps, busy, doing, since, view, answered } = this.record;
    setText(this.description, description ?? '');
    const elapsed = (Date.now() - this.receivedAt) / 1000, facts = [];
    facts.push(`since ${clock(time(since))}`, steps === 1 ? '1 step' : `${number(steps ?? 0)} steps`);
    if (busy !== undefined && busy !== null && view === 'CONNECTED') facts.push(`busy with ${doing ?? 'its work'} for ${duration(busy + elapsed)}`);
    if (answered?.failed || answered?.rejected) facts.push(`${answered.failed} failed, ${answered.rejected} rejected`);
    setText(this.facts, facts.join(' · '));
    this.element.toggleAttribute('data-busy', (busy ?? 0) + elapsed > 5 && doing !== undefined);
  }

  // Adds a line of the output of an adopted program.
  addOutput(at, level, text) {
    this.output.push([at, level, text]);
    this.output.sort(([a], [b]) => a - b);
    if (this.output.length > MAX_OUTPUT) this.output.shift();
    this.stale = true;
  }

  // The leaves that are plotted. The numbers of an adopted program only describe its process, so they are shown as text.
  get plotted() { return this.record.adopted ? [] : (this.leaves ?? []).filter(([, leaf]) => typeof leaf === 'number'); }

  data({ at, value, too_large: size }) {
    this.at = time(at).getTime();
    this.leaves = size === undefined ? leavesOrError(value) : [['value', `${number(size)} bytes, too large to show`]];
    for (const [path, leaf] of this.leaves) {
      if (typeof leaf !== 'number') continue;
      if (!this.histories.has(path)) this.histories.set(path, new History());
      this.histories.get(path).add(this.at, leaf);
    }
    this.prune();
    this.stale = true;
  }

  // Removes numbers that the service no longer reports, the oldest first. Plotted numbers stay.
  prune() {
    const now = new Set(this.leaves.map(([path]) => path));
    for (const path of this.histories.keys()) {
      if (this.histories.size <= MAX_HISTORIES) return;
      if (!now.has(path) && !this.plots.has(path)) this.histories.delete(path);
    }
  }

  // The number that the list shows: the first that has decreased, else the first.
  get first() {
    const numbers = this.plotted;
    return numbers.find(([path]) => this.histories.get(path).decreased) ?? numbers[0];
  }

  draw(now) {
    if (!this.visible) return;
    this.showFacts();
    const first = this.first, last = this.output.at(-1);
    if (this.record.adopted && last) {
      setText(this.current.firstElementChild, last[2]);
    } else if (first) {
      setText(this.current.firstElementChild, first[0]);
      setText(this.current.lastElementChild, number(first[1]));
      this.spark.setAttribute('d', this.histories.get(first[0]).line(now, 200, 32, 2).path);
    }
    if (this.details.hidden) return;
    if (this.stale) this.showDetails();
    for (const plot of this.plots.values()) plot.draw(now);
  }

  open(open) {
    this.details.hidden = !open;
    this.title.setAttribute('aria-expanded', String(open));
    if (!open) return;
    this.visible = true;
    this.showDetails();
    this.draw(Date.now());
  }

  showDetails() {
    this.stale = false;
    if (!this.parts) {
      const [plots, values, record] = ['plots', 'values', 'record'].map(name => element(name === 'plots' ? 'div' : 'dl', { className: name }));
      this.parts = { plots, values, record, output: element('ol', { className: 'output' }), noData: element('p', { className: 'no-data' }) };
      this.details.append(this.parts.noData, plots, this.parts.output, values, record);
    }
    this.parts.output.replaceChildren(...this.output.map(([, level, text]) => {
      const line = element('li', { textContent: oneLine(text) });
      line.dataset.level = level;
      return line;
    }));
    for (const [path] of this.plotted) {
      if (this.plots.has(path) || this.plots.size >= MAX_PLOTS) continue;
      this.plots.set(path, new Plot(path, this.histories.get(path)));
      this.parts.plots.append(this.plots.get(path).element);
    }
    const values = (this.leaves ?? []).filter(([path]) => !this.plots.has(path));
    setText(this.parts.noData, this.leaves ? '' : 'The service has reported no data yet.');
    fillList(this.parts.values, values.map(([path, leaf]) => [path, typeof leaf === 'number' ? number(leaf) : String(leaf)]));
    const r = this.record, answered = Object.entries(r.answered ?? {}).map(([outcome, count]) => `${count} ${outcome}`).join(', ');
    fillList(this.parts.record, [
      ['program', r.program], ['process', r.pid], ['machine', r.machine], ['period of steps', r.every ? duration(r.every) : 'none'],
      ['source', r.source], ['connections', r.connections], ['first seen', clock(time(r.first_seen))],
      ...r.view === 'CONNECTED' ? [] : [['last seen', clock(time(r.last_seen))]],
      ['answered commands', answered || 'none'], ['own commands', (r.commands ?? []).join(' ') || 'none'],
    ].filter(([, value]) => value !== undefined && value !== null).map(([name, value]) => [name, String(value)]));
  }
}

// Returns the leaves, or the error as a leaf: an unexpected value of one service must not stop the display of the others.
function leavesOrError(value) {
  try {
    return leaves(value);
  } catch (error) {
    return [['value', `cannot be shown: ${error.message}`]];
  }
}

// Fills a list of terms. Existing elements stay, so that the user can select their text.
function fillList(where, pairs) {
  const keys = pairs.map(([name]) => name).join('\n');
  if (where.dataset.keys !== keys) {
    where.dataset.keys = keys;
    where.replaceChildren(...pairs.map(([name]) => {
      const pair = document.createElement('div');
      pair.append(element('dt', { textContent: oneLine(name) }), document.createElement('dd'));
      return pair;
    }));
  }
  pairs.forEach(([, text], i) => setText(where.children[i].lastElementChild, text));
}
