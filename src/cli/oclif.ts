/** What we use of oclif, each from its own module: its index loads all. */
export * as Args from '@oclif/core/args';
export { Command } from '@oclif/core/command';
export * as Flags from '@oclif/core/flags';
export { run } from '@oclif/core/run';
