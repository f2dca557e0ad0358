/** What we use of oclif when a command runs: what its flags and arguments are, and the parser. Each from its own module, since its index loads all. */
import type { FlagInput, OutputFlags } from '@oclif/core/interfaces';

export * as Args from '@oclif/core/args';
export * as Flags from '@oclif/core/flags';
export { parse } from '@oclif/core/parser';
export type { ArgInput, FlagInput, Input, ParserOutput } from '@oclif/core/interfaces';

/** What the parser makes of flags, or of arguments: a value each. */
export type Values = OutputFlags<FlagInput>;
