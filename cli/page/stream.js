// The interface: the token, questions and commands, and the stream of what happens, which is taken up again by itself.

const KEY = 'linkspan-token';
const SILENCE = 20000; // a stream without any byte, heartbeats included, for so long is broken
const SOON = 300, LATE = 5000;
export const READING = 'text/event-stream';

// An error of the server, as problem details (RFC 9457).
export class Problem extends Error {
  constructor(details, status) {
    super(details.detail ?? `the server answered with ${status}`);
    this.kind = details.kind ?? 'Error';
    this.code = details.code;
    this.status = status;
    this.answer = details.answer;
  }
}

// The token comes in the address, behind the #, and is taken out of it at once: it is to stand in no history and no bookmark.
export function token(text = location.hash) {
  const found = /(?:#|^)(?:token=)?([0-9a-f]{64})$/i.exec(text.trim().replace(/^.*#/, '#'));
  if (found) sessionStorage.setItem(KEY, found[1].toLowerCase());
  if (location.hash.includes('token=')) history.replaceState(null, '', location.pathname + location.search);
  return sessionStorage.getItem(KEY);
}
export const forget = () => sessionStorage.removeItem(KEY);

async function request(path, { headers, ...more } = {}) {
  const options = { cache: 'no-store', credentials: 'omit', redirect: 'error', ...more };
  const response = await fetch(path, { ...options, headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY)}`, ...headers } });
  if (response.ok) return response;
  throw new Problem(await response.json().catch(() => ({})), response.status);
}
export const ask = async (path, more) => (await request(path, more)).json();

export function command(service, order) {
  const body = JSON.stringify(order);
  return ask(`api/services/${encodeURIComponent(service)}/commands`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
}

// The events in a stream's text, one after the other. Exported for its own sake: what it does not know it leaves out.
export async function* events(chunks) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { what: 'message', data: '' };
      for (const line of block.split('\n')) {
        const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field === 'data') event.data += value;
        if (field === 'event') event.what = value;
        if (field === 'id') event.id = value;
      }
      yield event;
    }
  }
}

async function* read(body, alive) {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// Passes events to `receive` for as long as the page is open. `state` is called with `live`, `away` and a reason, or `locked`.
export async function listen(receive, state) {
  let last = '', pause = SOON;
  for (;;) {
    const abort = new AbortController();
    let timer = setTimeout(() => abort.abort(), SILENCE);
    const alive = () => { clearTimeout(timer); timer = setTimeout(() => abort.abort(), SILENCE); };
    try {
      const headers = { Accept: READING, ...last && { 'Last-Event-ID': last } };
      const response = await request('api/events', { headers, signal: abort.signal });
      for await (const { what, data, id } of events(read(response.body, alive))) {
        if (id !== undefined) last = id;
        if (data === '') continue;
        pause = SOON;
        state('live');
        receive(what, JSON.parse(data));
      }
    } catch (error) {
      if (error.status === 401) {
        clearTimeout(timer);
        return state('locked', error.message);
      }
      state('away', error instanceof Problem ? error.message : '');
      pause = Math.min(pause * 2, LATE);
    }
    clearTimeout(timer);
    await new Promise(done => setTimeout(done, pause));
  }
}
