// After the compiler: writes oclif.manifest.json, so that a start loads one command and not all, and dist/help.json, which bin/etl.js
// prints without loading anything. Also docs/job.schema.json and the pages of the errors. `--check` compares those that are committed
// and writes only the others.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Config, Help } from '@oclif/core';
import { EtlPlugin } from '../../dist/src/cli/plugin.js';

const root = new URL('../../', import.meta.url);
const check = process.argv.includes('--check');
const stale = [];

/** Writes a file, or in a check notes that the committed one is of another time. */
function put(path, content, committed = true) {
  const url = new URL(path, root);
  const same = existsSync(url) && readFileSync(url, 'utf8') === content;
  if (check && committed) {
    if (!same) stale.push(path);
  } else if (!same) {
    mkdirSync(new URL('.', url), { recursive: true });
    writeFileSync(url, content);
  }
}

const plugin = new EtlPlugin({ root: root.pathname, type: 'core', ignoreManifest: true, errorOnManifestCreate: true, respectNoCacheDefault: true });
await plugin.load();
put('oclif.manifest.json', `${JSON.stringify(plugin.manifest, null, 2)}\n`, false);

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
put('dist/help.json', JSON.stringify(texts), false);

const { jobJsonSchema } = await import(new URL('dist/src/job/json-schema.js', root));
put('docs/job.schema.json', `${JSON.stringify(jobJsonSchema(), null, 2)}\n`);

const { allTexts } = await import(new URL('dist/src/cli/texts.js', root));
const errors = Object.entries(await allTexts()).sort(([a], [b]) => (a < b ? -1 : 1));
put('docs/errors.md', `# Errors\n\nEvery error has a stable code. \`etl explain CODE\` prints the same texts. This page is generated.\n\n${errors.map(([code, { title, text }]) => `## ${code}\n\n**${title}.** ${text}\n`).join('\n')}`);

if (stale.length > 0) {
  process.stderr.write(`out of date: ${stale.join(', ')}; run \`npm run build\` and commit them\n`);
  process.exitCode = 1;
}
