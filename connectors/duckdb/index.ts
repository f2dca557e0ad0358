import { defineConnector, EtlError } from '#sdk';
import { pathOfUrl } from '../_shared/url-path.ts';
import { duckdbCapabilities, duckdbConfig, duckdbTargetOptions, type DuckdbConfig } from './config.ts';
import { classifyDuckdb, driverMissing, duckdbErrors } from './errors.ts';

export default defineConnector<unknown, DuckdbConfig>({
  name: 'duckdb',
  title: 'DuckDB',
  urls: {
    schemes: ['duckdb:'],
    toConfig: (url) => ({ path: pathOfUrl(url) }),
  },
  destination: {
    config: duckdbConfig,
    secrets: [],
    capabilities: () => duckdbCapabilities(),
    targetOptions: duckdbTargetOptions,
    // The driver is an optional dependency of 70 MB: loaded with what uses it, never before.
    async create(config, context) {
      const { createDestination } = await import('./destination.ts').catch((error: unknown) => { throw driverMissing(error); });
      return createDestination(config, context);
    },
  },
  classify: (error) => (error instanceof EtlError ? undefined : classifyDuckdb(error)),
  errors: duckdbErrors,
});
