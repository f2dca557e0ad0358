import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Interfaces } from '@oclif/core';
import type { Command } from './oclif.ts';

/** Every command by its name, as oclif spells it. Nothing is loaded before it is asked for. */
export const commands: Readonly<Record<string, () => Promise<{ readonly default: Command.Class }>>> = {
  check: () => import('./commands/check.ts'),
  'connectors:info': () => import('./commands/connectors/info.ts'),
  'connectors:list': () => import('./commands/connectors/list.ts'),
  discover: () => import('./commands/discover.ts'),
  explain: () => import('./commands/explain.ts'),
  hash: () => import('./commands/hash.ts'),
  lint: () => import('./commands/lint.ts'),
  plan: () => import('./commands/plan.ts'),
  preview: () => import('./commands/preview.ts'),
  'quarantine:list': () => import('./commands/quarantine/list.ts'),
  'quarantine:show': () => import('./commands/quarantine/show.ts'),
  run: () => import('./commands/run.ts'),
  schema: () => import('./commands/schema.ts'),
  'state:adopt': () => import('./commands/state/adopt.ts'),
  'state:export': () => import('./commands/state/export.ts'),
  'state:import': () => import('./commands/state/import.ts'),
  'state:reset': () => import('./commands/state/reset.ts'),
  'state:set': () => import('./commands/state/set.ts'),
  'state:show': () => import('./commands/state/show.ts'),
};

function json<T>(root: string, name: string): T {
  return JSON.parse(readFileSync(join(root, name), 'utf8')) as T;
}

/**
 * The program as oclif's own plugin class would find it in the folder of package.json, without looking: the manifest is written by the
 * build, and the commands lie in one script (see bundle.mjs), where no file is theirs.
 */
export function etlPlugin(root: string): Interfaces.Plugin {
  const pjson = json<Interfaces.PJSON>(root, 'package.json');
  const manifest = json<Interfaces.Manifest>(root, 'oclif.manifest.json');
  const plugin: Interfaces.Plugin = {
    _base: '', alias: pjson.name, name: pjson.name, version: pjson.version, type: 'core', moduleType: 'module', valid: true, isRoot: true, hasManifest: true,
    root, pjson, options: { root }, hooks: {}, commandsDir: undefined, topics: Object.entries(pjson.oclif.topics ?? {}).map(([name, topic]) => ({ ...topic, name })),
    commandIDs: Object.keys(manifest.commands), commands: Object.values(manifest.commands).map((command) => ({ ...command, load: () => find(command.id) })),
    load: () => Promise.resolve(), findCommand: find,
  };
  async function find(id: string): Promise<Command.Class> {
    const load = Object.hasOwn(commands, id) ? commands[id] : undefined;
    if (!load) throw new Error(`command ${id} is not in src/cli/plugin.ts`);
    return Object.assign((await load()).default, { id, plugin });
  }
  return plugin;
}
