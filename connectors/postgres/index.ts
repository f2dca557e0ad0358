import { defineConnector } from '#sdk';
import { connectionSecrets, sourceConfig } from './config.ts';
import { destination } from './destination.ts';
import { destinationErrors } from './destination-errors.ts';
import { classify, errors } from './errors.ts';
import { PostgresSource } from './source.ts';

export default defineConnector({
  name: 'postgres',
  title: 'PostgreSQL',
  urls: { schemes: ['postgres:', 'postgresql:'], toConfig: (url) => ({ url }) },
  source: {
    config: sourceConfig,
    secrets: connectionSecrets,
    syncModes: ['full', 'incremental'],
    create: async (config, context) => new PostgresSource(config, context),
  },
  destination,
  classify,
  errors: { ...errors, ...destinationErrors },
});
