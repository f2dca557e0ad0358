// The pages that are made from the code: docs/job.schema.json, docs/envelope.schema.json and docs/errors.md. `--check` compares them and writes nothing.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);
const check = process.argv.includes('--check');
const stale = [];

function put(path, content) {
  const url = new URL(path, root);
  if (existsSync(url) && readFileSync(url, 'utf8') === content) return;
  if (check) stale.push(path);
  else writeFileSync(url, content);
}

const { jobJsonSchema } = await import(new URL('dist/src/job/json-schema.js', root));
put('docs/job.schema.json', `${JSON.stringify(jobJsonSchema(), null, 2)}\n`);

const { envelopeJsonSchema } = await import(new URL('dist/src/cli/envelope.js', root));
put('docs/envelope.schema.json', `${JSON.stringify(envelopeJsonSchema(), null, 2)}\n`);

const { allTexts } = await import(new URL('dist/src/cli/texts.js', root));
const errors = Object.entries(await allTexts()).sort(([a], [b]) => (a < b ? -1 : 1));
put('docs/errors.md', `# Errors\n\nEvery error has a stable code. \`etl explain CODE\` prints the same texts. This page is generated.\n\n${errors.map(([code, { title, text }]) => `## ${code}\n\n**${title}.** ${text}\n`).join('\n')}`);

if (stale.length > 0) {
  process.stderr.write(`out of date: ${stale.join(', ')}; run \`npm run build\` and commit them\n`);
  process.exitCode = 1;
}
