export * from './spec.ts';
export * from './normalizer.ts';
export * from './target-schema.ts';
export * from './errors.ts';
export { hashValue } from './hash.ts';
