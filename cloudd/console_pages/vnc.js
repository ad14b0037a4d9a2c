import { typeText } from './typing.js';

const at = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);

function socketUrl(path) {
  const url = new URL(`/${path.replace(/^\/+/, '')}`, location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

function tell(state, words) {
  document.body.className = state;
  at('state').textContent = words;
}

function ended(words) {
  tell('ended', words);
  for (const button of document.querySelectorAll('header button')) button.disabled = true;
}

async function open() {
  const path = query.get('path') ?? `console/vnc?token=${query.get('token') ?? ''}`;
  if (!path.startsWith('console/vnc?')) return ended('This address has no ticket for a screen.');
  let RFB;
  try {
    ({ default: RFB } = await import('/console/vendor/@novnc/novnc/core/rfb.js'));
  } catch (error) {
    return ended('noVNC is not installed here: run "make consoles" on the server.');
  }
  const rfb = new RFB(at('screen'), socketUrl(path), { shared: true, wsProtocols: ['binary'] });
  let connected = false;
  rfb.scaleViewport = true;
  rfb.background = '#101418';
  rfb.addEventListener('connect', () => { connected = true; tell('open', 'Connected'); rfb.focus(); });
  rfb.addEventListener('desktopname', (event) => { at('name').textContent = event.detail.name; });
  rfb.addEventListener('disconnect', (event) => ended(connected
    ? (event.detail.clean ? 'The console has ended.' : 'The connection was lost. Ask for a new console.')
    : 'No connection: the ticket was used or has expired, or the guest is off. Ask for a new console.'));
  wire(rfb);
}

function wire(rfb) {
  at('keys').addEventListener('click', () => { rfb.sendCtrlAltDel(); rfb.focus(); });
  at('scale').addEventListener('click', (event) => {
    rfb.scaleViewport = !rfb.scaleViewport;
    event.target.setAttribute('aria-pressed', String(rfb.scaleViewport));
    rfb.focus();
  });
  at('paste').addEventListener('click', () => at('clip').showModal());
  at('clip').addEventListener('close', async () => {
    const text = at('text').value;
    at('text').value = '';
    if (at('clip').returnValue === 'type') await typeText(rfb, text);
    rfb.focus();
  });
  at('full').addEventListener('click', () => (document.fullscreenElement
    ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
}

open();
