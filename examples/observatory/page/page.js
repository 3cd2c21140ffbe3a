// The page's life: takes events as they come, says which part is missing or back, and asks what the form asks.
'use strict';

const RECORDING = 3000; // samples in the recording
const BACK_SECONDS = 15; // how long a part that came back is called so
const parts = {};
let length = 512, source = null, lastId = '';
const say = text => { byId('summary').textContent = text; };
const now = () => clock(Date.now() / 1000);

function showWaveform({ at, first, samples }) {
  samples[0].forEach((_, i) => {
    const t = at / 1000 + i / 100;
    if ((first + i) % RECORDING === 0 && t > wave.last + 0.005) restarts.push(t);
  });
  wave.add(at / 1000, samples);
  const second = (first + samples[0].length) % RECORDING / 100;
  byId('recorded').textContent = `replayed in real time, now at ${second.toFixed(0).padStart(2, '0')} of 30 s`;
}
function showTrigger({ at, ratio, on }) {
  const heard = trigger.last, before = trigger.columns[2].at(-1) ?? false;
  if (on.length === 0) return; // the program lives, but receives no waveform
  trigger.add(at / 1000, [ratio, on]);
  const onset = on.findIndex((is, i) => is && !(on[i - 1] ?? before));
  if (onset >= 0 && at / 1000 + onset / 100 > heard) {
    byId('trigger').textContent = `Event at ${clock(at / 1000 + onset / 100)}: STA/LTA rose over ${THRESHOLD}.`;
  }
}
// Units and ranges as the schemas have them.
function showAxes({ rate, samples, ...readings }) {
  if (samples) {
    byId('sampled').textContent = `in ${unitName(samples.unit)}; `;
    byId('density').textContent = `${unitName(samples.unit)}²/${unitName(rate.unit)}`;
  }
  setRanges(readings);
}
function showSpectrum(answer) {
  drawSpectrum(answer);
  byId('window').textContent = `${answer.window} samples = ${number(answer.window / 100)} s, steps of ${number(answer.step)} Hz`;
}

// Says it on every chip of the part, and once in words. A text is the reason why what the part publishes does not fit this page.
function showPart(part, live) {
  const was = parts[part]?.state, came = ['missing', 'back', 'refused'].includes(was);
  if (typeof live === 'string') setPart(part, 'refused', live);
  else setPart(part, !live ? 'missing' : came ? 'back' : 'live');
}
function setPart(part, state, why) {
  if (parts[part]?.state === state && parts[part].why === why) return;
  clearTimeout(parts[part]?.timer);
  parts[part] = { state, why };
  const chips = document.querySelectorAll(`[data-part=${part}]`);
  for (const chip of chips) {
    chip.dataset.state = state;
    chip.querySelector('b').textContent = state === 'live' ? 'live' : `${state} ${now()}`;
  }
  if (state === 'missing') say(`${chips[0].dataset.name} is missing since ${now()}.`);
  if (state === 'refused') say(`${chips[0].dataset.name} is refused: ${why}`);
  if (state === 'back') {
    say(`${chips[0].dataset.name} is back since ${now()}.`);
    parts[part].timer = setTimeout(() => setPart(part, 'live'), BACK_SECONDS * 1000);
  }
  const states = Object.values(parts).map(p => p.state);
  if (states.length === 4 && states.every(s => s === 'live')) say('All four programs are live.');
  for (const section of document.querySelectorAll('section')) {
    section.classList.toggle('missing', section.querySelector('.chip:is([data-state=missing], [data-state=refused])') !== null);
  }
}

function listen() {
  source?.close();
  source = new EventSource(`events.php?window=${length}&since=${lastId}`);
  let lost;
  source.onmessage = ({ data, lastEventId }) => {
    const event = JSON.parse(data);
    lastId = lastEventId;
    Object.entries(event.parts ?? {}).forEach(([part, live]) => showPart(part, live));
    if (event.axes) showAxes(event.axes);
    event.waveform?.forEach(showWaveform);
    event.triggers?.forEach(showTrigger);
    if (event.waveform || event.triggers) drawWaveform();
    if (event.statistics) showStatistics(event.statistics);
    if (event.sensors) showReadings(event.sensors);
    if (event.spectrum) showSpectrum(event.spectrum);
  };
  // Every twenty seconds the stream ends and the browser asks again: only what lasts is worth a word.
  source.onerror = () => { lost ??= setTimeout(() => say(`The page's server does not answer since ${now()}.`), 3000); };
  source.onopen = () => { clearTimeout(lost); lost = undefined; };
}

byId('ask').addEventListener('submit', async event => {
  event.preventDefault();
  const told = byId('answer');
  const tell = (state, text) => {
    told.dataset.state = state;
    told.textContent = text;
    byId('length').setAttribute('aria-invalid', String(state === 'error'));
  };
  tell('asking', 'Asking…');
  try {
    const response = await fetch(`spectrum.php?${new URLSearchParams(new FormData(event.target))}`);
    const { answer, milliseconds, error, from } = await response.json();
    if (error) return tell('error', `${error} (${from})`);
    const { window, power } = answer;
    tell('answer', `Answered in ${number(milliseconds)} ms: ${window} samples, ${power[0].length} frequencies.`);
    showSpectrum(answer);
    length = window;
    listen(); // from now on the live spectrum has this window
  } catch (error) {
    tell('error', `The page's server does not answer (${error.message}).`);
  }
});
addEventListener('pagehide', () => source?.close());
listen();
