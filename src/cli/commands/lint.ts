import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Flags } from '../oclif.ts';
import { EtlError } from '../../errors/error.ts';
import type { Diagnostic } from '../../job/diagnostics.ts';
import { loadJob } from '../../job/load.ts';
import { EtlCommand, type Outcome } from '../command.ts';
import { EXIT } from '../exit.ts';
import { plural } from '../format.ts';
import { loadOptions } from '../job-input.ts';

export default class Lint extends EtlCommand {
  static override summary = 'Check job files offline: shape, meaning, places, suggestions.';
  static override strict = false;
  static override usage = 'lint FILES… [--strict] [--format text|json]';
  static override flags = {
    strict: Flags.boolean({ description: 'Warnings count as errors, missing variables too.' }),
    format: Flags.string({ options: ['text', 'json'], default: 'text', description: 'json: one problem a line on stdout.' }),
  };

  async execute(): Promise<Outcome> {
    const { argv, flags } = await this.parse(Lint);
    const files = argv.flatMap((argument) => expand(String(argument)));
    if (files.length === 0) throw new EtlError({ kind: 'config', code: 'ETL-CLI-001', message: 'no job file to check', hint: 'etl lint jobs/*.yaml' });
    const all: Diagnostic[] = [];
    const names = new Map<string, string>();
    for (const file of files) {
      const { diagnostics, name } = await loadJob(file, loadOptions(this.output, [], flags.strict ? 'error' : 'warning'));
      all.push(...diagnostics);
      const other = name === undefined ? undefined : names.get(name);
      if (name !== undefined && other !== undefined) all.push({ severity: 'error', kind: 'config', code: 'ETL-JOB-038', message: `${file} and ${other} are both named \`${name}\``, hint: 'they would take each other’s positions: rename one', location: { file, line: 1, column: 1 }, path: 'name' });
      if (name !== undefined) names.set(name, file);
    }
    return this.#report(all, files.length, flags);
  }

  #report(all: readonly Diagnostic[], files: number, flags: { strict: boolean; format: string }): Outcome {
    const errors = all.filter((diagnostic) => diagnostic.severity === 'error').length;
    const warnings = all.length - errors;
    for (const diagnostic of all) {
      if (flags.format === 'json' && !this.output.options.json) this.output.data(JSON.stringify(diagnostic));
      else this.output.diagnostic(diagnostic);
    }
    const bad = errors > 0 || (flags.strict && warnings > 0);
    const summary = `${plural(files, 'file')}: ${errors + warnings === 0 ? 'no problems' : `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`}`;
    this.output.say(`${bad ? this.output.paint('red', 'failed') : this.output.paint('green', 'ok')} ${summary}`);
    const first = all.find((diagnostic) => diagnostic.severity === 'error') ?? all[0];
    return { summary, result: { files, errors, warnings, diagnostics: all }, exitCode: bad ? EXIT.usage : EXIT.ok, ...(bad && first ? { error: { code: first.code, message: first.message, ...(first.hint === undefined ? {} : { hint: first.hint }), ...(first.location ? { location: first.location } : {}), docs: `etl explain ${first.code}` } } : {}) };
  }
}

/** A shell expands globs by itself; a folder stands for the job files in it. etl.yaml is not a job. */
function expand(argument: string): string[] {
  const isJob = (name: string): boolean => /\.ya?ml$/.test(name) && !/(^|\/)etl\.yaml$/.test(name);
  if (existsSync(argument)) {
    return statSync(argument).isDirectory() ? readdirSync(argument).filter(isJob).toSorted().map((name) => join(argument, name)) : [argument];
  }
  if (!argument.includes('*')) return [argument];
  const slash = argument.lastIndexOf('/');
  const folder = slash < 0 ? '.' : argument.slice(0, slash);
  const pattern = new RegExp(`^${argument.slice(slash + 1).split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
  return existsSync(folder) ? readdirSync(folder).filter((name) => pattern.test(name) && isJob(name)).toSorted().map((name) => join(folder, name)) : [];
}
