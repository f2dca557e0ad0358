import { Plugin, type Command } from '@oclif/core';

/** Every command by its name, as oclif spells it. Nothing is loaded before it is asked for. */
const commands: Readonly<Record<string, () => Promise<{ readonly default: Command.Class }>>> = {
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

/** oclif looks for a file per command; ours lie in one script (see bundle.mjs), so they are found by name. */
export class EtlPlugin extends Plugin {
  override findCommand(id: string, options: { must: true }): Promise<Command.Class>;
  override findCommand(id: string, options?: { must: boolean }): Promise<Command.Class | undefined>;
  override async findCommand(id: string, options?: { must: boolean }): Promise<Command.Class | undefined> {
    const load = Object.hasOwn(commands, id) ? commands[id] : undefined;
    if (!load && options?.must) throw new Error(`command ${id} is not in src/cli/plugin.ts`);
    const command = (await load?.())?.default;
    return command && Object.assign(command, { id, plugin: this });
  }
}
