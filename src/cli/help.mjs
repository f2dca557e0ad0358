// After the compiler: writes dist/help.json, which bin/etl.js prints without loading anything.
import { mkdirSync, writeFileSync } from 'node:fs';
import { Config, Help } from '@oclif/core';
import { commands } from '../../dist/src/cli/command-table.js';

const root = new URL('../../', import.meta.url);

process.env.NO_COLOR = '1';
delete process.env.FORCE_COLOR;
process.env.OCLIF_COLUMNS = '100';
const config = await Config.load({ root: root.pathname });
const unlisted = config.commandIDs.map((id) => id.replaceAll(':', ' ')).filter((name) => !Object.hasOwn(commands, name));
if (unlisted.length > 0) throw new Error(`not in src/cli/command-table.ts: ${unlisted.join(', ')}`);
const texts = {};

class TextHelp extends Help {
  lines = [];
  log(...args) {
    this.lines.push(args.join(' '));
  }
}
async function textOf(show) {
  const help = new TextHelp(config, { ...config.pjson.oclif.helpOptions, stripAnsi: true });
  await show(help);
  return `${help.lines.join('\n').trimEnd()}\n`;
}
texts[''] = await textOf((help) => help.showRootHelp());
for (const topic of config.topics) texts[topic.name.replaceAll(':', ' ')] = await textOf((help) => help.showTopicHelp(topic));
for (const command of config.commands) texts[command.id.replaceAll(':', ' ')] = await textOf((help) => help.showCommandHelp(command));
mkdirSync(new URL('dist/', root), { recursive: true });
writeFileSync(new URL('dist/help.json', root), JSON.stringify(texts));
