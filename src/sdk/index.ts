/**
 * The public contract. A glossary:
 * stream: a table, topic, file set or API resource at the source · pipe: one source and one destination of a job · load: one piece of
 * work on some streams · split: what one reader reads in order · position: from where `read` can go on · checkpoint: a position that
 * covers all before it · session: one writer's claim on one split · quarantine: where rejected rows lie · batch: columns of some rows
 */
export * from './contract.ts';
export * from './connector.ts';
export * from './ports.ts';
export * from './failpoint.ts';
export * from '../errors/error.ts';
export * from './simple-source.ts';
