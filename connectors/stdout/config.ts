import * as z from 'zod';
import type { Capabilities } from '#sdk';

export const stdoutConfig = z.strictObject({});
export type StdoutConfig = z.infer<typeof stdoutConfig>;

export const stdoutTargetOptions = z.strictObject({
  format: z.literal('jsonl').default('jsonl').describe('One JSON object a line.'),
});

export const stdoutCapabilities: Capabilities = {
  writeModes: ['append'],
  deletes: ['hard', 'soft'],
  processes: 1,
  maxSessions: 1,
  origins: [],
  keepsState: false,
  promise: { append: 'at-least-once' },
  promiseNote: 'Whoever reads the pipe may have seen rows that come again after a failure: nothing past the pipe is known.',
  names: { maxBytes: 255, caseSensitive: true },
  takesChanges: true,
};
