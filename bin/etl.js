#!/usr/bin/env node
// Starts fast: the help was written at build time, so that it needs no library; everything else is loaded when it is asked for.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const argv = process.argv.slice(2);
/** A group alone names no command. */
const groups = ['connectors', 'quarantine', 'state'];
const wantsHelp = argv.length === 0 || (argv.length === 1 && groups.includes(argv[0])) || argv.includes('--help') || argv.includes('-h') || argv[0] === 'help';
const end = argv.indexOf('--');

if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`);
} else if (!(wantsHelp && (end < 0 || argv[0] === 'help') && help())) {
  const { main, leave } = require('./load.js');
  const { setFlagsFromString } = require('node:v8');
  // Young objects keep the room that they have after the start: V8 would give a long job some 30 MB more for them, and no speed.
  setFlagsFromString('--semi-space-growth-factor=1');
  // Node 20 compiles what has hardly run: in jobs of seconds that costs more than it saves, and in long ones it only comes later.
  if (process.versions.v8.startsWith('11.')) {
    setFlagsFromString('--no-sparkplug');
    setFlagsFromString('--interrupt-budget=1000000');
  }
  void main(argv).then(leave);
}

/** Prints the help of a command from the build's list; false where there is none of that name. */
function help() {
  let texts;
  try {
    texts = JSON.parse(readFileSync(join(root, 'dist/help.json'), 'utf8'));
  } catch {
    return false;
  }
  const words = argv.filter((word) => !word.startsWith('-') && word !== 'help');
  for (let length = Math.min(2, words.length); length >= 0; length--) {
    const text = texts[words.slice(0, length).join(' ')];
    if (text === undefined || (length === 0 && words.length > 0)) continue;
    process.stdout.on('error', () => process.exit(0));
    process.stdout.write(text);
    return true;
  }
  return false;
}
