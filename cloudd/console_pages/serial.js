const at = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

function tell(state, words) {
  document.body.className = state;
  at('state').textContent = words;
}

function open() {
  const path = query.get('path') ?? `console/serial?token=${query.get('token') ?? ''}`;
  if (!path.startsWith('console/serial?')) return tell('ended', 'This address has no ticket for a serial line.');
  if (!window.Terminal || !window.FitAddon) return tell('ended', 'xterm.js is not installed here: run "make consoles" on the server.');
  const term = new window.Terminal({ cursorBlink: true, scrollback: 10000, theme: { background: '#101418' } });
  const fit = new window.FitAddon.FitAddon();
  term.loadAddon(fit);
  term.open(at('screen'));
  fit.fit();
  window.addEventListener('resize', () => fit.fit());
  at('full').addEventListener('click', () => (document.fullscreenElement
    ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
  connect(term, path);
}

function connect(term, path) {
  const url = new URL(`/${path}`, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url.href, ['binary']);
  const encoder = new TextEncoder();
  let connected = false;
  socket.binaryType = 'arraybuffer';
  socket.addEventListener('open', () => { connected = true; tell('open', 'Connected'); term.focus(); });
  socket.addEventListener('message', (event) => term.write(
    typeof event.data === 'string' ? event.data : new Uint8Array(event.data)));
  socket.addEventListener('close', (event) => tell('ended', connected
    ? `The console has ended${event.reason ? `: ${event.reason}` : ''}.`
    : 'No connection: the ticket was used or has expired. Ask for a new console.'));
  term.onData((data) => { if (socket.readyState === WebSocket.OPEN) socket.send(encoder.encode(data)); });
}

open();
