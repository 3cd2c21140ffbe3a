// The page: it shows events as they arrive, sends the commands of its buttons, and shows their answers.
import { announce, answerLine, composed, confirmed, value } from './dialogs.js';
import { Service } from './service.js';
import { Problem, ask, command, forget, listen, token } from './stream.js';
import { clock, oneLine, time } from './values.js';

const LINES = 400, PRINTS = ['stdout', 'stderr'], WITHIN = 30, TICK = 1000;
const byId = id => document.getElementById(id);
const services = new Map(), seen = new Set();
const order = new Intl.Collator('en', { numeric: true });
let only = '', away = '';

// ---- the list

const watcher = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    const service = services.get(target.dataset.name);
    if (!service) continue;
    service.visible = isIntersecting;
    if (isIntersecting) service.draw(Date.now());
  }
}, { rootMargin: '200px' });

// Whether the token only reads: then nothing is offered that would be refused.
let reads = false;
function take(record) {
  if (reads) record = { ...record, allowed: [] };
  let service = services.get(record.name);
  if (!service) {
    service = new Service(record.name, act);
    services.set(record.name, service);
    const next = [...byId('list').children].find(row => order.compare(row.dataset.name, record.name) > 0);
    byId('list').insertBefore(service.element, next ?? null);
    watcher.observe(service.element);
    if (record.adopted) printedBefore(record.name);
  }
  service.take(record);
}
// What an adopted program printed before this page was opened: its own log has it, and the controller's does not.
async function printedBefore(name) {
  const lines = await ask(`api/log?lines=${LINES}&service=${encodeURIComponent(name)}`).catch(() => []);
  lines.filter(({ level }) => PRINTS.includes(level)).forEach(line => note({ ...line, service: name }));
}
function drop(name) {
  const service = services.get(name);
  if (!service) return;
  watcher.unobserve(service.element);
  service.element.remove();
  services.delete(name);
}

// Shows what the filter leaves, and how many there are of each kind.
let sifting = false;
function sift() {
  if (sifting) return;
  sifting = true;
  requestAnimationFrame(() => { sifting = false; sifted(); });
}
function sifted() {
  const words = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean), counts = new Map();
  let attention = 0, left = 0;
  for (const service of services.values()) {
    counts.set(service.record.state, (counts.get(service.record.state) ?? 0) + 1);
    attention += service.needsAttention;
    const matches = service.matches(words, only);
    service.element.hidden = !matches;
    left += matches;
  }
  const kinds = [...counts].sort(([a], [b]) => order.compare(a, b));
  chips([['', 'All', services.size], ...attention || only === 'attention' ? [['attention', 'Need attention', attention]] : [], ...kinds.map(([state, n]) => [state, state, n])]);
  if (only && only !== 'attention' && !counts.has(only)) { only = ''; sift(); }
  byId('none').hidden = left > 0;
  byId('none').textContent = services.size ? 'No service fits the filter.' : away ? '' : 'No service has connected yet. Start one; it finds this controller by itself.';
  for (const line of byId('lines').children) line.hidden = hides(line, words);
  siftOutput();
}
function chips(wanted) {
  const where = byId('states');
  wanted.forEach(([key, text, count], i) => {
    let chip = where.children[i];
    if (!chip) {
      chip = Object.assign(document.createElement('button'), { type: 'button' });
      chip.addEventListener('click', () => { only = only === chip.dataset.only ? '' : chip.dataset.only; sifted(); });
      where.append(chip);
    }
    chip.dataset.only = key;
    chip.setAttribute('aria-pressed', String(only === key));
    const label = `${text} ${count}`;
    if (chip.textContent !== label) chip.textContent = label;
  });
  while (where.children.length > wanted.length) where.lastElementChild.remove();
}

// ---- the log

const hides = (line, words) => !words.every(word => line.dataset.text.includes(word))
  || (byId('serious').checked && !['warning', 'error'].includes(line.dataset.level));
// What programs print has a list and a filter of its own: it may come by the hundred, and says nothing of the services.
const outputWords = () => byId('printed-filter').value.toLowerCase().split(/\s+/).filter(Boolean);
const hidesOutput = (line, words) => !words.every(word => line.dataset.text.includes(word)) || (byId('stderr').checked && line.dataset.level !== 'stderr');
function siftOutput() {
  const words = outputWords();
  for (const line of byId('printed').children) line.hidden = hidesOutput(line, words);
}
function cut(line) {
  seen.delete(line.dataset.key);
  line.remove();
}
function note(entry) {
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
  const isOutput = PRINTS.includes(level), list = byId(isOutput ? 'printed' : 'lines');
  line.hidden = isOutput ? hidesOutput(line, outputWords()) : hides(line, byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean));
  if (isOutput) {
    byId('output').hidden = false;
    services.get(service)?.print(date.getTime(), level, text);
  }
  line.dataset.at = date.getTime();
  list.insertBefore(line, [...list.children].find(other => Number(other.dataset.at) <= date.getTime()) ?? null);
  while (list.children.length > LINES) cut(list.lastElementChild);
}

// ---- what happens

function receive(what, event) {
  if (what === 'snapshot') {
    const names = new Set(event.services.map(record => record.name));
    for (const name of [...services.keys()]) if (!names.has(name)) drop(name);
    event.services.forEach(take);
    event.data.forEach(one => services.get(one.name)?.data(one));
    event.log.forEach(note);
    if (event.controller) controller(event.controller);
    if (event.host) named(event.host);
  } else if (what === 'service') take(event.service);
  else if (what === 'gone') drop(event.name);
  else if (what === 'data') services.get(event.name)?.data(event);
  else if (what === 'log') note(event.entry);
  else if (what === 'controller') controller(event);
  else if (what === 'missed') note({ at: new Date().toISOString(), level: 'warning', text: `${event.count} events came too fast for this page and are left out` });
  sift();
}
// Which machine this page is of: several may be open, and all are at 127.0.0.1 where ssh forwards them.
function named(host) {
  const text = oneLine(host);
  byId('host').textContent = `on ${text}`;
  document.title = `Services on ${text}`;
}
const controller = ({ connected, reason }) => linked({ controller: connected, reason });

// Whether what is shown is current, and since when it is not. The page's server may be away, or the controller behind it. Changes
// that arrive together are shown once: a new stream may report at once that the controller is not there.
const links = { server: undefined, controller: true, reason: '', shown: 'waiting', since: null, due: false };
function linked(news) {
  Object.assign(links, news);
  if (!links.due) {
    links.due = true;
    setTimeout(() => { links.due = false; showLink(); });
  }
}
function showLink() {
  if (links.server === undefined || document.body.dataset.link === 'locked') return;
  const state = links.server && links.controller ? 'live' : 'away', who = links.server ? 'The controller' : 'The page’s server';
  if (state !== links.shown) links.since = clock(new Date());
  links.shown = byId('link').dataset.state = document.body.dataset.link = state;
  away = state === 'away' ? `${who} has not answered since ${links.since}; trying again` : '';
  const where = byId('link').querySelector('span'), text = away || 'Live';
  if (where.textContent !== text) where.textContent = text;
  byId('link').title = state === 'away' ? links.reason : '';
  sift();
}
const linkChanged = (state, reason = '') => state === 'locked' ? lock(reason) : linked({ server: state === 'live', reason });

// ---- what is pressed

async function act(service, word) {
  const { name, record } = service;
  let request = { command: word, within: WITHIN };
  if (word === 'SHUTDOWN' && !await confirmed(record)) return;
  if (word === '') request = await composed(record, service.words);
  if (!request) return;
  service.wait(word, true);
  service.answer.dataset.outcome = '';
  service.answer.textContent = `${request.command} …`;
  const [outcome, text] = await sent(service, request);
  service.wait(word, false);
  service.answer.dataset.outcome = outcome;
  service.answer.textContent = oneLine(answerLine(request.command, outcome, text));
  announce(name, request.command, outcome, text);
}
async function sent(service, request) {
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
    return ['NO ANSWER', 'The page’s server does not answer. Whether the command arrived is not known: look at the state.'];
  }
}

// ---- the door

function lock(why) {
  forget();
  byId('why').textContent = why;
  byId('locked').hidden = false;
  document.body.dataset.link = 'locked';
  byId('key').focus();
}
function unlock() {
  byId('locked').hidden = true;
  document.body.dataset.link = byId('link').dataset.state = links.shown = 'waiting';
  // Where it cannot be asked, the stream tells why.
  ask('api').then(routes => { reads = !routes.some(({ method }) => method === 'POST'); }, () => {}).then(() => listen(receive, linkChanged));
}
byId('unlock').addEventListener('submit', event => {
  event.preventDefault();
  const found = /[0-9a-f]{64}/i.exec(byId('key').value);
  byId('key').value = '';
  if (found && token(found[0])) unlock();
  else byId('why').textContent = 'That is no token: it has 64 digits and letters from a to f.';
});
addEventListener('hashchange', () => { if (location.hash.includes('token=') && token() && !byId('locked').hidden) unlock(); });

// ---- the keyboard

byId('sieve').addEventListener('submit', event => event.preventDefault());
byId('filter').addEventListener('input', sift);
byId('serious').addEventListener('change', sift);
byId('printed-filter').addEventListener('input', siftOutput);
byId('stderr').addEventListener('change', siftOutput);
document.addEventListener('keydown', event => {
  const typing = event.target.matches('input, textarea, select') || document.querySelector('dialog[open]');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    byId('filter').focus();
  } else if (event.key === 'Escape' && event.target === byId('filter')) {
    byId('filter').value = '';
    sift();
  } else if (['ArrowDown', 'ArrowUp'].includes(event.key) && event.target.matches('.name')) {
    const names = [...document.querySelectorAll('.service:not([hidden]) .name')];
    const next = names[names.indexOf(event.target) + (event.key === 'ArrowDown' ? 1 : -1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
});

setInterval(() => { const now = Date.now(); for (const service of services.values()) service.draw(now); }, TICK);
if (token()) unlock();
else lock('Whoever knows its token may see and command the services; this page was opened without one.');
