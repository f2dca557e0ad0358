import { defineConnector } from '#sdk';
import { stdoutCapabilities, stdoutConfig, stdoutTargetOptions } from './config.ts';
import { errors } from './errors.ts';

export default defineConnector({
  name: 'stdout',
  title: 'JSON lines on standard output',
  urls: { schemes: ['stdout'], toConfig: () => ({}) },
  destination: {
    config: stdoutConfig,
    secrets: [],
    targetOptions: stdoutTargetOptions,
    capabilities: () => stdoutCapabilities,
    async create(_config, context) {
      const { StdoutDestination } = await import('./destination.ts');
      return new StdoutDestination(process.stdout, () => context.ports.clock.now());
    },
  },
  errors,
});
