// The dialogs that precede a command, and the notes that show its outcome.
import { brief, clock, oneLine } from './values.js';

const byId = id => document.getElementById(id);
const NOTE_MILLISECONDS = 7000, MAX_NOTES = 4;

// Describes the effect of SHUTDOWN on this service.
function consequence({ state, adopted, unsupported = [], every }) {
  const checkpoint = !unsupported.includes('CHECKPOINT');
  if (adopted && state === 'STOPPING') return 'It has already received its signal to end. A second SHUTDOWN kills it and all processes that it started.';
  if (state === 'STOPPING') return 'It is already stopping. A second SHUTDOWN interrupts it: data that it has not written yet may be lost.';
  if (adopted) return `${checkpoint ? 'Its checkpoint command runs, then it' : 'It'} receives its signal to end, and is killed if it does not end in time. This page cannot start it again.`;
  return `It ${every === undefined ? '' : 'finishes its step, '}does what its program defines for SHUTDOWN, and ends. This page cannot start it again.`;
}

// Asks the user to confirm SHUTDOWN; resolves to true if the user does.
export function confirmShutdown(record) {
  const dialog = byId('confirm'), again = record.state === 'STOPPING';
  byId('confirm-title').textContent = `Shut down ${oneLine(record.name)}?`;
  byId('confirm-text').textContent = consequence(record);
  dialog.querySelector('[value=no]').textContent = again ? 'Let it finish' : 'Leave it running';
  dialog.querySelector('[value=yes]').textContent = again ? 'Interrupt it' : 'Shut down';
  return openDialog(dialog).then(value => value === 'yes');
}

// Asks the user for a command; resolves to {command, arguments, within}, or to null if the user cancels.
export function composeCommand(record, names) {
  const dialog = byId('command'), select = byId('command-name'), error = byId('command-error');
  byId('command-title').textContent = `Send a command to ${record.name}`;
  select.replaceChildren(...names.map(name => {
    const allowed = record.allowed.includes(name);
    return Object.assign(document.createElement('option'), {
      value: name, textContent: allowed ? name : `${name} (not allowed while ${record.state})`, disabled: !allowed,
    });
  }));
  error.textContent = '';
  const check = event => {
    if (event.submitter?.value !== 'yes') return;
    try {
      result();
    } catch (problem) {
      event.preventDefault();
      error.textContent = oneLine(problem.message);
    }
  };
  const result = () => {
    const text = byId('command-arguments').value.trim(), within = Number(byId('command-timeout').value);
    if (!(within > 0 && within <= 600)) throw new Error('The time-out must be more than 0 and at most 600 seconds.');
    let values;
    try {
      values = text === '' ? undefined : JSON.parse(text);
    } catch (problem) {
      throw new Error(`The arguments are not valid JSON: ${problem.message}`);
    }
    return { command: select.value, within, ...values !== undefined && { arguments: values } };
  };
  const form = dialog.querySelector('form');
  form.addEventListener('submit', check);
  return openDialog(dialog).then(value => {
    form.removeEventListener('submit', check);
    return value === 'yes' && select.value ? result() : null;
  });
}

// Opens a dialog and resolves to its return value. The focus then returns to the element that had it.
function openDialog(dialog) {
  const before = document.activeElement;
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise(done => dialog.addEventListener('close', () => {
    if (before?.isConnected) before.focus();
    done(dialog.returnValue);
  }, { once: true }));
}

// Shows the outcome of a command; a failure stays until the user dismisses it.
export function announce(service, command, outcome, text) {
  const note = document.createElement('div'), bad = outcome !== 'DONE' && outcome !== 'ACCEPTED';
  note.className = 'note';
  note.dataset.outcome = outcome;
  const head = document.createElement('p'), close = document.createElement('button');
  head.append(Object.assign(document.createElement('b'), { textContent: outcome }), ` ${command} · ${service}`);
  note.append(head);
  if (text) note.append(Object.assign(document.createElement('p'), { textContent: oneLine(text) }));
  close.type = 'button';
  close.textContent = '×';
  close.setAttribute('aria-label', 'Dismiss');
  close.addEventListener('click', () => note.remove());
  note.append(close);
  if (bad) note.setAttribute('role', 'alert');
  byId('answers').append(note);
  while (byId('answers').children.length > MAX_NOTES) byId('answers').firstElementChild.remove();
  if (!bad) setTimeout(() => note.remove(), NOTE_MILLISECONDS);
}

// Returns an answer as one line.
export const answerLine = (command, outcome, text) => `${clock(new Date())} ${command} ${outcome}${text ? `: ${text}` : ''}`;
export const value = answer => brief(answer.value);
