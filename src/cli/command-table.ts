import type { CommandClass } from './command.ts';
import { EtlError } from '../errors/error.ts';
import { didYouMean } from '../job/diagnostics.ts';

/** Every command by its words. Nothing is loaded before it is asked for. */
export const commands: Readonly<Record<string, () => Promise<{ readonly default: CommandClass }>>> = {
  check: () => import('./commands/check.ts'),
  'connectors info': () => import('./commands/connectors/info.ts'),
  'connectors list': () => import('./commands/connectors/list.ts'),
  discover: () => import('./commands/discover.ts'),
  explain: () => import('./commands/explain.ts'),
  hash: () => import('./commands/hash.ts'),
  lint: () => import('./commands/lint.ts'),
  plan: () => import('./commands/plan.ts'),
  preview: () => import('./commands/preview.ts'),
  'quarantine list': () => import('./commands/quarantine/list.ts'),
  'quarantine show': () => import('./commands/quarantine/show.ts'),
  run: () => import('./commands/run.ts'),
  schema: () => import('./commands/schema.ts'),
  'state adopt': () => import('./commands/state/adopt.ts'),
  'state export': () => import('./commands/state/export.ts'),
  'state import': () => import('./commands/state/import.ts'),
  'state reset': () => import('./commands/state/reset.ts'),
  'state set': () => import('./commands/state/set.ts'),
  'state show': () => import('./commands/state/show.ts'),
};

/** The command that the first words name, and what is left for it. */
export function commandOf(argv: readonly string[]): { readonly name: string; readonly load: () => Promise<{ readonly default: CommandClass }>; readonly rest: readonly string[] } {
  for (const length of [1, 2]) {
    const name = argv.slice(0, length).join(' ');
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (load) return { name, load, rest: argv.slice(length) };
  }
  throw unknown(argv[0] ?? '', argv[1]);
}

function unknown(first: string, second: string | undefined): EtlError {
  const names = Object.keys(commands);
  const group = names.filter((name) => name.startsWith(`${first} `));
  const said = group.length > 0 && second !== undefined ? `${first} ${second}` : first;
  return new EtlError({ kind: 'config', code: 'ETL-CLI-001', message: first.startsWith('-') ? `a command stands before its flags: ${first} does not` : `there is no command \`${said}\``, hint: hintFor(said, group.length > 0 ? group : names) });
}

function hintFor(said: string, names: readonly string[]): string {
  if (/\.ya?ml$/i.test(said)) return `etl run ${said}`;
  const near = didYouMean(said, names);
  return near === undefined ? 'etl --help lists the commands' : `did you mean \`etl ${near}\`?`;
}
