import { pathOfUrl } from '../_shared/url-path.ts';
import { defineConnector } from '#sdk';
import { fileCapabilities, fileConfig, fileTargetOptions } from './config.ts';
import { classify, errors } from './errors.ts';

export default defineConnector({
  name: 'file',
  title: 'A folder on disk: Parquet or JSON lines',
  urls: { schemes: ['file'], toConfig: (url) => ({ path: pathOfUrl(url) }) },
  destination: {
    config: fileConfig,
    secrets: [],
    targetOptions: fileTargetOptions,
    capabilities: () => fileCapabilities,
    async create(config, context) {
      const { createFileDestination } = await import('./destination.ts');
      return createFileDestination(config, context);
    },
  },
  classify,
  errors,
});
