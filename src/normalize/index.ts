export * from './spec.ts';
export * from './normalizer.ts';
export * from './target-schema.ts';
export * from './errors.ts';
export { domainKey, hashValue, normalForm, typeTag } from './hash.ts';
export { isWidening, sameType, typeName } from './widening.ts';
