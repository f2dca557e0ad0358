import { registry } from '../../connectors/registry.ts';
import { batchErrors } from '../batch/errors.ts';
import { engineErrors } from '../engine/errors.ts';
import type { ErrorTexts } from '../errors/error.ts';
import { jobErrors } from '../job/errors.ts';
import { normalizeErrors } from '../normalize/errors.ts';
import { sdkErrors } from '../sdk/errors.ts';
import { cliErrors } from './errors.ts';

/** The texts of every code, from each folder's own list. */
export async function allTexts(): Promise<ErrorTexts> {
  const connectors = await Promise.all(Object.values(registry).map(async (load) => (await load()).default.errors));
  return Object.assign({}, cliErrors, jobErrors, engineErrors, batchErrors, normalizeErrors, sdkErrors, ...connectors);
}
