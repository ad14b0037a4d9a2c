// Text as key strokes: guests have no clipboard of ours, so a paste is typed. Codes are those of a US keyboard.

const SHIFTED = '~!@#$%^&*()_+{}|:"<>?ABCDEFGHIJKLMNOPQRSTUVWXYZ';
const CODES = {
  '`': 'Backquote', '-': 'Minus', '=': 'Equal', '[': 'BracketLeft', ']': 'BracketRight', '\\': 'Backslash', ';': 'Semicolon',
  "'": 'Quote', ',': 'Comma', '.': 'Period', '/': 'Slash', ' ': 'Space', '\n': 'Enter', '\t': 'Tab',
};
const UNSHIFTED = {
  '~': '`', '!': '1', '@': '2', '#': '3', '$': '4', '%': '5', '^': '6', '&': '7', '*': '8', '(': '9', ')': '0', '_': '-',
  '+': '=', '{': '[', '}': ']', '|': '\\', ':': ';', '"': "'", '<': ',', '>': '.', '?': '/',
};
const SHIFT = 0xffe1;

function keysym(char) {
  if (char === '\n') return 0xff0d;
  if (char === '\t') return 0xff09;
  const point = char.codePointAt(0);
  return point < 0x100 ? point : 0x01000000 | point;
}

function code(char) {
  const plain = (UNSHIFTED[char] ?? char).toLowerCase();
  if (CODES[plain]) return CODES[plain];
  if (/^[a-z]$/.test(plain)) return `Key${plain.toUpperCase()}`;
  if (/^[0-9]$/.test(plain)) return `Digit${plain}`;
  return null;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// A guest that is slow to read its keyboard loses strokes that come at once.
export async function typeText(rfb, text) {
  for (const char of text.replace(/\r\n?/g, '\n')) {
    const shift = SHIFTED.includes(char);
    if (shift) rfb.sendKey(SHIFT, 'ShiftLeft', true);
    rfb.sendKey(keysym(char), code(char));
    if (shift) rfb.sendKey(SHIFT, 'ShiftLeft', false);
    await pause(8);
  }
}
