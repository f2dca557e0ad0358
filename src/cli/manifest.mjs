// After the compiler: writes oclif.manifest.json, so that a start loads one command and not all, and dist/help.json, which bin/etl.js
// prints without loading anything.
import { mkdirSync, writeFileSync } from 'node:fs';
import { Config, Help, Plugin } from '@oclif/core';
import { commands } from '../../dist/src/cli/plugin.js';

const root = new URL('../../', import.meta.url);

const plugin = new Plugin({ root: root.pathname, type: 'core', ignoreManifest: true, errorOnManifestCreate: true, respectNoCacheDefault: true });
await plugin.load();
const unlisted = plugin.commandIDs.filter((id) => !Object.hasOwn(commands, id));
if (unlisted.length > 0) throw new Error(`not in src/cli/plugin.ts: ${unlisted.join(', ')}`);
writeFileSync(new URL('oclif.manifest.json', root), `${JSON.stringify(plugin.manifest, null, 2)}\n`);

process.env.NO_COLOR = '1';
delete process.env.FORCE_COLOR;
process.env.OCLIF_COLUMNS = '100';
const config = await Config.load({ root: root.pathname });
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
