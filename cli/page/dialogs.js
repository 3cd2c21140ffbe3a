// The dialogs before a command, and the notes that show its answer.
import { brief, clock, oneLine } from './values.js';

const byId = id => document.getElementById(id);
const STAYS = 7000, MOST = 4;

// What SHUTDOWN does to this program, and no more than that.
function consequence({ state, adopted, unsupported = [], every }) {
  const checkpoint = !unsupported.includes('CHECKPOINT');
  if (adopted && state === 'STOPPING') return 'It was told to end already. A second time kills it, with all that it started.';
  if (state === 'STOPPING') return 'It is stopping already. A second time gives up what is under way: what it has not written yet may be missing.';
  if (adopted) return `${checkpoint ? 'Its checkpoint command runs, then it' : 'It'} gets its signal to end, and is killed where it does not end in time. This page cannot start it again.`;
  return `It ${every === undefined ? '' : 'finishes its step, '}does what its program has for SHUTDOWN, and ends. This page cannot start it again.`;
}

// Whether it is meant.
export function confirmed(record) {
  const dialog = byId('confirm'), again = record.state === 'STOPPING';
  byId('confirm-title').textContent = `Shut down ${oneLine(record.name)}?`;
  byId('confirm-text').textContent = consequence(record);
  dialog.querySelector('[value=no]').textContent = again ? 'Let it finish' : 'Leave it running';
  dialog.querySelector('[value=yes]').textContent = again ? 'Give up and end' : 'Shut down';
  return shown(dialog).then(value => value === 'yes');
}

// A command that has arguments: {command, arguments, within}, or nothing.
export function composed(record, words) {
  const dialog = byId('order'), select = byId('order-command'), error = byId('order-error');
  byId('order-title').textContent = `A command for ${record.name}`;
  select.replaceChildren(...words.map(word => {
    const allowed = record.allowed.includes(word);
    return Object.assign(document.createElement('option'), {
      value: word, textContent: allowed ? word : `${word} – not while ${record.state}`, disabled: !allowed,
    });
  }));
  error.textContent = '';
  const take = event => {
    if (event.submitter?.value !== 'yes') return;
    try {
      result();
    } catch (wrong) {
      event.preventDefault();
      error.textContent = wrong.message;
    }
  };
  const result = () => {
    const text = byId('order-arguments').value.trim(), within = Number(byId('order-within').value);
    if (!(within > 0 && within <= 600)) throw new Error('Give more than 0 and at most 600 seconds.');
    let values;
    try {
      values = text === '' ? undefined : JSON.parse(text);
    } catch (wrong) {
      throw new Error(`The arguments are no JSON: ${wrong.message}`);
    }
    return { command: select.value, within, ...values !== undefined && { arguments: values } };
  };
  const form = dialog.querySelector('form');
  form.addEventListener('submit', take);
  return shown(dialog).then(value => {
    form.removeEventListener('submit', take);
    return value === 'yes' && select.value ? result() : null;
  });
}

// Opens a dialog; the focus goes back to where it came from.
function shown(dialog) {
  const before = document.activeElement;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise(done => dialog.addEventListener('close', () => {
    if (before?.isConnected) before.focus();
    done(dialog.returnValue);
  }, { once: true }));
}

// Shows the outcome of a command; a failure stays until the user removes it.
export function announce(service, word, outcome, text) {
  const note = document.createElement('div'), bad = outcome !== 'DONE' && outcome !== 'ACCEPTED';
  note.className = 'note';
  note.dataset.outcome = outcome;
  const head = document.createElement('p'), close = document.createElement('button');
  head.append(Object.assign(document.createElement('b'), { textContent: outcome }), ` ${word} · ${service}`);
  note.append(head);
  if (text) note.append(Object.assign(document.createElement('p'), { textContent: oneLine(text) }));
  close.type = 'button';
  close.textContent = '×';
  close.setAttribute('aria-label', 'Put away');
  close.addEventListener('click', () => note.remove());
  note.append(close);
  if (bad) note.setAttribute('role', 'alert');
  byId('answers').append(note);
  while (byId('answers').children.length > MOST) byId('answers').firstElementChild.remove();
  if (!bad) setTimeout(() => note.remove(), STAYS);
}

// Returns an answer as one line.
export const answerLine = (word, outcome, text) => `${clock(new Date())} ${word} ${outcome}${text ? `: ${text}` : ''}`;
export const value = answer => brief(answer.value);
