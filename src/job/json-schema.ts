import * as z from 'zod';
import { jobSchema } from './schema.ts';

/** The shape of a job for editors: `# yaml-language-server: $schema=./.etl/job.schema.json`. */
export function jobJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(jobSchema, { io: 'input', unrepresentable: 'any', target: 'draft-2020-12' });
  return { ...schema, title: 'etl job', description: 'A job of etl. ${VAR} may stand in any text; see docs/job.md.' };
}
