import { existsSync } from 'node:fs';
import { isAbsolute, relative, resolve } from 'node:path';
import type { Connector } from '#sdk';
import { registry } from '../../connectors/registry.ts';
import { EtlError } from '../errors/error.ts';
import type { ConnectorLookup } from '../job/load.ts';

const loaded = new Map<string, Promise<Connector | undefined>>();
/** Of connectors in files: the file that has a code's text. */
const fileOfCode = new Map<string, string>();

/** The command that prints what a code means. */
export function explainCommand(code: string): string {
  const file = fileOfCode.get(code);
  return file === undefined ? `etl explain ${code}` : `etl explain ${code} --connector ${file}`;
}

/** Connectors by name, and those that a job keeps in a file beside it. */
export const connectors: ConnectorLookup = {
  names: Object.keys(registry),
  find(type, directory) {
    const key = isFile(type) ? resolve(directory, type) : type;
    const known = loaded.get(key) ?? (isFile(type) ? fromFile(key) : fromRegistry(type));
    loaded.set(key, known);
    return known;
  },
};

/** As the engine asks: there is one, or it throws. */
export async function loadConnector(type: string, directory: string): Promise<Connector> {
  const connector = await connectors.find(type, directory);
  if (connector) return connector;
  throw new EtlError({ kind: 'config', code: 'ETL-JOB-022', message: `there is no connector \`${type}\``, hint: `connectors: ${connectors.names.join(', ')}` });
}

function isFile(type: string): boolean {
  return type.startsWith('./') || type.startsWith('../') || isAbsolute(type);
}

async function fromRegistry(type: string): Promise<Connector | undefined> {
  const load = Object.hasOwn(registry, type) ? registry[type] : undefined;
  return load ? (await load()).default : undefined;
}

async function fromFile(path: string): Promise<Connector> {
  if (!existsSync(path)) throw new EtlError({ kind: 'config', code: 'ETL-JOB-046', message: `${path} does not exist`, hint: 'the path begins at the folder of the job file' });
  const near = relative(process.cwd(), path);
  const shown = isFile(near) ? near : `./${near}`;
  const connector = await (await import('./connector-file.ts')).importConnector(path, shown);
  for (const code of Object.keys(connector.errors)) fileOfCode.set(code, shown);
  return connector;
}
