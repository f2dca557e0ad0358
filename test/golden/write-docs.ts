import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { columnsTable, valuesTable, type Outcomes } from './tables.ts';

/** Writes the tables of docs/types.md from the declared outcomes, between the headings that stand there. */
const page = fileURLToPath(new URL('../../docs/types.md', import.meta.url));
const outcomes = JSON.parse(readFileSync(fileURLToPath(new URL('outcomes.json', import.meta.url)), 'utf8')) as Outcomes;
const between = (text: string, from: string, to: string, content: string): string => {
  const start = text.indexOf(from) + from.length;
  return `${text.slice(0, start)}\n\n${content}\n\n${text.slice(text.indexOf(to))}`;
};
const text = readFileSync(page, 'utf8');
const first = between(text, 'were exact at every destination:', 'The values that were not:', columnsTable(outcomes));
writeFileSync(page, between(first, 'The values that were not:', 'Notes:', valuesTable(outcomes)));
