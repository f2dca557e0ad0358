/** For people who write connectors: a scripted source with its oracle, a destination in memory, and suites that every connector passes. */
export * from './random.ts';
export * from './ports.ts';
export * from './script.ts';
export * from './history.ts';
export * from './scripted-world.ts';
export { ScriptedSource } from './scripted-source.ts';
export type { LivePosition, Resync } from './scripted-live.ts';
export * from './oracle.ts';
export * from './compare.ts';
export * from './fold.ts';
export * from './test-network.ts';
export { emptyStore, type MemoryStore, type StoredTable } from './memory-store.ts';
export * from './memory-destination.ts';
export { testingErrors } from './errors.ts';
export * from './drive.ts';
export * from './acceptance/destination.ts';
export * from './acceptance/source.ts';
