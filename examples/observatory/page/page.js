// Shows the events of the stream, the state of each program, and the answers to the form.
'use strict';

const RECORDING = 3000; // samples in the recording
const BACK_SECONDS = 15; // the time for which a returned program is shown as back
const parts = {};
let windowLength = 512, source = null, lastId = '', gateway;
const showSummary = text => { byId('summary').textContent = text; };
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
  const shownUntil = trigger.last, before = trigger.columns[2].at(-1) ?? false;
  if (on.length === 0) return; // the program runs, but receives no waveform
  trigger.add(at / 1000, [ratio, on]);
  const onset = on.findIndex((is, i) => is && !(on[i - 1] ?? before));
  if (onset >= 0 && at / 1000 + onset / 100 > shownUntil) {
    byId('trigger').textContent = `Event at ${clock(at / 1000 + onset / 100)}: STA/LTA exceeded ${THRESHOLD}.`;
  }
}
// Shows the units and ranges of the publishers' schemas.
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

// Shows the state of a program on its chips and in the summary.
//
// `live` is a boolean, or the reason for refusing its schema.
function showPart(part, live) {
  const was = parts[part]?.state, recovers = ['missing', 'back', 'refused'].includes(was);
  if (typeof live === 'string') setPart(part, 'refused', live);
  else setPart(part, !live ? 'missing' : recovers ? 'back' : 'live');
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
  if (state === 'missing') showSummary(`${chips[0].dataset.name} has been missing since ${now()}.`);
  if (state === 'refused') showSummary(`${chips[0].dataset.name} is refused: ${why}`);
  if (state === 'back') {
    showSummary(`${chips[0].dataset.name} has been back since ${now()}.`);
    parts[part].timer = setTimeout(() => setPart(part, 'live'), BACK_SECONDS * 1000);
  }
  const states = Object.values(parts).map(p => p.state);
  if (states.length === 4 && states.every(s => s === 'live')) showSummary('All four programs are live.');
  for (const section of document.querySelectorAll('section')) {
    section.classList.toggle('missing', section.querySelector('.chip:is([data-state=missing], [data-state=refused])') !== null);
  }
}

// Shows whether the gateway, which has all messages, answers. Otherwise the states of the programs are unknown.
function showGateway(answers) {
  if (answers === gateway) return;
  if (!answers) {
    showSummary(gateway === undefined ? 'Waiting for the gateway.' : `The gateway has not answered since ${now()}.`);
    Object.keys(parts).forEach(part => setPart(part, 'waiting'));
  } else if (gateway === false) {
    showSummary('Waiting for the first values.');
  }
  gateway = answers;
}

function listen() {
  source?.close();
  source = new EventSource(`events.php?window=${windowLength}&since=${lastId}`);
  let outage;
  source.onmessage = ({ data, lastEventId }) => {
    const event = JSON.parse(data);
    lastId = lastEventId;
    if ('gateway' in event) showGateway(event.gateway);
    Object.entries(event.parts ?? {}).forEach(([part, live]) => showPart(part, live));
    if (event.axes) showAxes(event.axes);
    event.waveform?.forEach(showWaveform);
    event.triggers?.forEach(showTrigger);
    if (event.waveform || event.triggers) drawWaveform();
    if (event.statistics) showStatistics(event.statistics);
    if (event.sensors) showReadings(event.sensors);
    if (event.spectrum) showSpectrum(event.spectrum);
  };
  // The stream ends every twenty seconds and the browser reconnects, so only an outage of three seconds is shown.
  source.onerror = () => { outage ??= setTimeout(() => showSummary(`The page's server has not answered since ${now()}.`), 3000); };
  source.onopen = () => { clearTimeout(outage); outage = undefined; };
}

byId('request').addEventListener('submit', async event => {
  event.preventDefault();
  const output = byId('answer');
  const showAnswer = (state, text) => {
    output.dataset.state = state;
    output.textContent = text;
    byId('length').setAttribute('aria-invalid', String(state === 'error'));
  };
  showAnswer('pending', 'Waiting for the answer…');
  try {
    const response = await fetch(`spectrum.php?${new URLSearchParams(new FormData(event.target))}`);
    const { answer, milliseconds, error, from } = await response.json();
    if (error) return showAnswer('error', `${error} (${from})`);
    const { window, power } = answer;
    showAnswer('answer', `Answered in ${number(milliseconds)} ms: ${window} samples, ${power[0].length} frequencies.`);
    showSpectrum(answer);
    windowLength = window;
    listen(); // the next stream computes the live spectrum of this window
  } catch (error) {
    showAnswer('error', `The page's server does not answer (${error.message}).`);
  }
});
addEventListener('pagehide', () => source?.close());
listen();
