// The client of the HTTP interface: the token, requests and commands, and the stream of events with its reconnection.

const KEY = 'linkspan-token';
const SILENCE = 20000; // milliseconds; a stream that receives nothing for this long, not even a heartbeat, is broken
const MIN_PAUSE = 300, MAX_PAUSE = 5000; // milliseconds before the stream reconnects
const EVENT_STREAM = 'text/event-stream';

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

// Returns the token, which arrives after the # of the address. It is removed from there at once.
// Histories and bookmarks therefore lack it.
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
export const fetchJson = async (path, more) => (await request(path, more)).json();

export function command(service, request) {
  const body = JSON.stringify(request);
  return fetchJson(`api/services/${encodeURIComponent(service)}/commands`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
}

// Yields the events of a stream. Unknown fields are skipped.
async function* events(chunks) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { kind: 'message', data: '' };
      for (const line of block.split('\n')) {
        // Not by a pattern: its dot stops at U+2028, which JSON does not escape, and a text of one service would end the stream of all.
        const colon = line.indexOf(':'), field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'data') event.data += value;
        if (field === 'event') event.kind = value;
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

// Passes events to `receive` while the page is open. Calls `state` with `live`, or with `disconnected` or `locked` and the reason.
export async function listen(receive, state) {
  let last = '', pause = MIN_PAUSE;
  for (;;) {
    const abort = new AbortController();
    let timer = setTimeout(() => abort.abort(), SILENCE);
    const alive = () => { clearTimeout(timer); timer = setTimeout(() => abort.abort(), SILENCE); };
    try {
      const headers = { Accept: EVENT_STREAM, ...last && { 'Last-Event-ID': last } };
      const response = await request('api/events', { headers, signal: abort.signal });
      for await (const { kind, data, id } of events(read(response.body, alive))) {
        if (id !== undefined) last = id;
        if (data === '') continue;
        pause = MIN_PAUSE;
        state('live');
        const event = JSON.parse(data);
        // An unknown event does not affect the others.
        try { receive(kind, event); } catch (error) { reportError(error); }
      }
    } catch (error) {
      if (error.status === 401) {
        clearTimeout(timer);
        return state('locked', error.message);
      }
      state('disconnected', error instanceof Problem ? error.message : '');
      pause = Math.min(pause * 2, MAX_PAUSE);
    }
    clearTimeout(timer);
    await new Promise(done => setTimeout(done, pause));
  }
}
