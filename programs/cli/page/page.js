// The page: it shows events as they arrive, sends the commands of its buttons, and shows their answers.
import { announce, answerLine, composeCommand, confirmShutdown, value } from './dialogs.js';
import { Service } from './service.js';
import { Problem, command, fetchJson, forget, listen, token } from './stream.js';
import { clock, oneLine, time } from './values.js';

const MAX_LINES = 400, OUTPUT_LEVELS = ['stdout', 'stderr'];
const COMMAND_SECONDS = 30, REFRESH_MILLISECONDS = 1000;
const byId = id => document.getElementById(id);
const services = new Map(), seen = new Set();
const collator = new Intl.Collator('en', { numeric: true });
let selected = '', outage = ''; // the button that limits the list; the text of the header while the page is disconnected

// ---- the list

const watcher = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    const service = services.get(target.dataset.name);
    if (!service) continue;
    service.visible = isIntersecting;
    if (isIntersecting) service.draw(Date.now());
  }
}, { rootMargin: '200px' });

// Whether the token permits only reading: commands are then disabled, because the server would refuse them.
let readOnly = false;
function updateService(record) {
  if (readOnly) record = { ...record, allowed: [] };
  let service = services.get(record.name);
  if (!service) {
    service = new Service(record.name, runCommand);
    services.set(record.name, service);
    const next = [...byId('list').children].find(row => collator.compare(row.dataset.name, record.name) > 0);
    byId('list').insertBefore(service.element, next ?? null);
    watcher.observe(service.element);
    if (record.adopted) loadOutput(record.name);
  }
  service.update(record);
}
// Loads the output from before this page was opened: the log of the adopted program has it, the controller's log does not.
async function loadOutput(name) {
  const lines = await fetchJson(`api/log?lines=${MAX_LINES}&service=${encodeURIComponent(name)}`).catch(() => []);
  lines.filter(({ level }) => OUTPUT_LEVELS.includes(level)).forEach(line => addLine({ ...line, service: name }));
}
function removeService(name) {
  const service = services.get(name);
  if (!service) return;
  watcher.unobserve(service.element);
  service.element.remove();
  services.delete(name);
}

// Shows the services and the events that match the filter, and the number of services in each state.
let filterPending = false;
function scheduleFilter() {
  if (filterPending) return;
  filterPending = true;
  requestAnimationFrame(() => { filterPending = false; applyFilter(); });
}
function applyFilter() {
  const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean), counts = new Map();
  let attention = 0, matching = 0;
  for (const service of services.values()) {
    counts.set(service.record.state, (counts.get(service.record.state) ?? 0) + 1);
    attention += service.needsAttention;
    const matches = service.matches(words, selected);
    service.element.hidden = !matches;
    matching += matches;
  }
  const states = [...counts].sort(([a], [b]) => collator.compare(a, b));
  chips([['', 'All', services.size], ...attention || selected === 'attention' ? [['attention', 'Need attention', attention]] : [], ...states.map(([state, n]) => [state, state, n])]);
  if (selected && selected !== 'attention' && !counts.has(selected)) { selected = ''; scheduleFilter(); }
  byId('no-services').hidden = matching > 0;
  byId('no-services').textContent = services.size ? 'No service matches the filter.' : outage ? '' : 'No service has connected yet. Start one; it connects to this controller by itself.';
  for (const line of byId('events').children) line.hidden = hides(line, words);
  filterOutput();
}
function chips(wanted) {
  const where = byId('states');
  wanted.forEach(([key, text, count], i) => {
    let chip = where.children[i];
    if (!chip) {
      chip = Object.assign(document.createElement('button'), { type: 'button' });
      chip.addEventListener('click', () => { selected = selected === chip.dataset.only ? '' : chip.dataset.only; applyFilter(); });
      where.append(chip);
    }
    chip.dataset.only = key;
    chip.setAttribute('aria-pressed', String(selected === key));
    const label = `${text} ${count}`;
    if (chip.textContent !== label) chip.textContent = label;
  });
  while (where.children.length > wanted.length) where.lastElementChild.remove();
}

// ---- the log

const hides = (line, words) => !words.every(word => line.dataset.text.includes(word))
  || (byId('problems-only').checked && !['warning', 'error'].includes(line.dataset.level));
// The output of programs has its own list and filter: it may be long, and would hide the events of the services.
const outputWords = () => byId('output-filter').value.toLowerCase().split(/\s+/).filter(Boolean);
const hidesOutput = (line, words) => !words.every(word => line.dataset.text.includes(word)) || (byId('stderr-only').checked && line.dataset.level !== 'stderr');
function filterOutput() {
  const words = outputWords();
  for (const line of byId('output-lines').children) line.hidden = hidesOutput(line, words);
}
function removeLine(line) {
  seen.delete(line.dataset.key);
  line.remove();
}
function addLine(entry) {
  const { at, service = '', level = 'info', text = '' } = entry, key = JSON.stringify([at, service, text]);
  if (seen.has(key)) return;
  seen.add(key);
  const line = document.createElement('li'), when = document.createElement('time'), date = time(at);
  when.textContent = clock(date);
  if (!Number.isNaN(date.getTime())) when.dateTime = date.toISOString();
  line.dataset.level = level;
  line.dataset.key = key;
  line.dataset.text = `${service} ${level} ${text}`.toLowerCase();
  line.append(when, Object.assign(document.createElement('b'), { textContent: service || 'controller' }));
  if (!['info', 'debug'].includes(level)) line.append(Object.assign(document.createElement('em'), { textContent: level }));
  line.append(Object.assign(document.createElement('span'), { textContent: oneLine(text) }));
  const isOutput = OUTPUT_LEVELS.includes(level), list = byId(isOutput ? 'output-lines' : 'events');
  line.hidden = isOutput ? hidesOutput(line, outputWords()) : hides(line, byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean));
  if (isOutput) {
    byId('output').hidden = false;
    services.get(service)?.addOutput(date.getTime(), level, text);
  }
  line.dataset.at = date.getTime();
  list.insertBefore(line, [...list.children].find(other => Number(other.dataset.at) <= date.getTime()) ?? null);
  while (list.children.length > MAX_LINES) removeLine(list.lastElementChild);
}

// ---- the stream

function receive(kind, event) {
  if (kind === 'snapshot') {
    const names = new Set(event.services.map(record => record.name));
    for (const name of [...services.keys()]) if (!names.has(name)) removeService(name);
    event.services.forEach(updateService);
    event.data.forEach(one => services.get(one.name)?.data(one));
    event.log.forEach(addLine);
    if (event.controller) updateController(event.controller);
    if (event.host) showHost(event.host);
  } else if (kind === 'service') updateService(event.service);
  else if (kind === 'gone') removeService(event.name);
  else if (kind === 'data') services.get(event.name)?.data(event);
  else if (kind === 'log') addLine(event.entry);
  else if (kind === 'controller') updateController(event);
  else if (kind === 'missed') addLine({ at: new Date().toISOString(), level: 'warning', text: `${event.count} events are missing here, because this page received them too slowly` });
  scheduleFilter();
}
// The address does not identify the machine: pages that ssh forwards are all at 127.0.0.1.
function showHost(host) {
  const text = oneLine(host);
  byId('host').textContent = `on ${text}`;
  document.title = `Services on ${text}`;
}
const updateController = ({ connected, reason }) => updateLink({ controller: connected, reason });

// The page's connection to its server, and the server's connection to the controller. Changes that arrive together are
// shown once, because a new stream may begin with the loss of the controller.
const link = { server: undefined, controller: true, reason: '', shown: 'waiting', since: null, due: false };
function updateLink(changes) {
  Object.assign(link, changes);
  if (!link.due) {
    link.due = true;
    setTimeout(() => { link.due = false; showLink(); });
  }
}
function showLink() {
  if (link.server === undefined || document.body.dataset.link === 'locked') return;
  const state = link.server && link.controller ? 'live' : 'disconnected', silent = link.server ? 'The controller' : 'The page’s server';
  if (state !== link.shown) link.since = clock(new Date());
  link.shown = byId('link').dataset.state = document.body.dataset.link = state;
  outage = state === 'disconnected' ? `${silent} has not answered since ${link.since}; trying again` : '';
  const where = byId('link').querySelector('span'), text = outage || 'Live';
  if (where.textContent !== text) where.textContent = text;
  byId('link').title = state === 'disconnected' ? oneLine(link.reason) : '';
  scheduleFilter();
}
const linkChanged = (state, reason = '') => state === 'locked' ? lock(reason) : updateLink({ server: state === 'live', reason });

// ---- commands

// Runs the command of a button; the empty one opens the dialog.
async function runCommand(service, name) {
  const { record } = service;
  let request = { command: name, within: COMMAND_SECONDS };
  if (name === 'SHUTDOWN' && !await confirmShutdown(record)) return;
  if (name === '') request = await composeCommand(record, service.dialogCommands);
  if (!request) return;
  service.setPending(name, true);
  service.answer.dataset.outcome = '';
  service.answer.textContent = `${request.command} …`;
  const [outcome, text] = await send(service, request);
  service.setPending(name, false);
  service.answer.dataset.outcome = outcome;
  service.answer.textContent = oneLine(answerLine(request.command, outcome, text));
  announce(service.name, request.command, outcome, text);
}
// Sends a command; returns its outcome and a text.
async function send(service, request) {
  try {
    const answer = await command(service.name, request);
    if (request.command === 'GET_DATA' && answer.outcome === 'DONE') {
      service.data({ at: new Date().toISOString(), value: answer.value });
      service.open(true);
    }
    return [answer.outcome, value(answer)];
  } catch (error) {
    if (error.status === 401) lock(error.message);
    if (error instanceof Problem) return [error.answer?.outcome ?? error.kind, error.message];
    return ['NO ANSWER', 'The page’s server does not answer. The command may have been carried out: check the state of the service.'];
  }
}

// ---- the token

function lock(reason) {
  forget();
  byId('locked-reason').textContent = oneLine(reason);
  byId('locked').hidden = false;
  document.body.dataset.link = 'locked';
  byId('token').focus();
}
function unlock() {
  byId('locked').hidden = true;
  document.body.dataset.link = byId('link').dataset.state = link.shown = 'waiting';
  // If this request fails, the stream reports the reason.
  fetchJson('api').then(routes => { readOnly = !routes.some(({ method }) => method === 'POST'); }, () => {}).then(() => listen(receive, linkChanged));
}
byId('unlock').addEventListener('submit', event => {
  event.preventDefault();
  const found = /[0-9a-f]{64}/i.exec(byId('token').value);
  byId('token').value = '';
  if (found && token(found[0])) unlock();
  else byId('locked-reason').textContent = 'This is not a token: a token has 64 hexadecimal digits.';
});
addEventListener('hashchange', () => { if (location.hash.includes('token=') && token() && !byId('locked').hidden) unlock(); });

// ---- the keyboard

byId('filters').addEventListener('submit', event => event.preventDefault());
byId('filter').addEventListener('input', scheduleFilter);
byId('problems-only').addEventListener('change', scheduleFilter);
byId('output-filter').addEventListener('input', filterOutput);
byId('stderr-only').addEventListener('change', filterOutput);
document.addEventListener('keydown', event => {
  const typing = event.target.matches('input, textarea, select') || document.querySelector('dialog[open]');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    byId('filter').focus();
  } else if (event.key === 'Escape' && event.target === byId('filter')) {
    byId('filter').value = '';
    scheduleFilter();
  } else if (['ArrowDown', 'ArrowUp'].includes(event.key) && event.target.matches('.name')) {
    const names = [...document.querySelectorAll('.service:not([hidden]) .name')];
    const next = names[names.indexOf(event.target) + (event.key === 'ArrowDown' ? 1 : -1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
});

setInterval(() => { const now = Date.now(); for (const service of services.values()) service.draw(now); }, REFRESH_MILLISECONDS);
if (token()) unlock();
else lock('This page was opened without a token. A token is needed to see the services and to send them commands.');
