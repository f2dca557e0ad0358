import { defineConnector, EtlError } from '#sdk';
import { duckdbConfig, duckdbTargetOptions, type DuckdbConfig } from './config.ts';
import { createDestination, duckdbCapabilities } from './destination.ts';
import { classifyDuckdb, duckdbErrors } from './errors.ts';

export default defineConnector<unknown, DuckdbConfig>({
  name: 'duckdb',
  title: 'DuckDB',
  urls: {
    schemes: ['duckdb:'],
    toConfig: (url) => ({ path: decodeURIComponent(url.replace(/^duckdb:/, '').replace(/^\/\/(?=\/|[^/])/, '')) }),
  },
  destination: {
    config: duckdbConfig,
    secrets: [],
    capabilities: () => duckdbCapabilities(),
    targetOptions: duckdbTargetOptions,
    create: createDestination,
  },
  classify: (error) => (error instanceof EtlError ? undefined : classifyDuckdb(error)),
  errors: duckdbErrors,
});
