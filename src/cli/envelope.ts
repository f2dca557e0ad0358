import * as z from 'zod';

/** What `--json` prints: one object on stdout, whatever happened. docs/envelope.schema.json is made from it. */
export const envelopeSchema = z.strictObject({
  command: z.string().describe('run, state show, …'),
  ok: z.boolean().describe('the exit code is 0'),
  summary: z.string().describe('one line for a person'),
  result: z.unknown().describe('what the command found or did; null where it did not get so far'),
  error: z.union([z.null(), z.strictObject({
    code: z.string().describe('stable: ETL-PG-012'),
    message: z.string(),
    hint: z.string().optional().describe('what to do'),
    location: z.strictObject({ file: z.string(), line: z.int(), column: z.int() }).optional(),
    docs: z.string().describe('the command that explains the code'),
  })]),
});

export function envelopeJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(envelopeSchema), title: 'etl --json' };
}
