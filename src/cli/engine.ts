import type { EngineContext } from '../engine/index.ts';
import { loadConnector } from './connectors.ts';
import type { Output } from './output.ts';
import { systemPorts } from './ports.ts';

/** The engine's outside: real time, real connectors, notes to the person. */
export function engineContext(output: Output): EngineContext {
  return {
    ports: systemPorts,
    load: loadConnector,
    note(level, message) {
      if (level === 'debug') output.detail(message);
      else output.say(`${level === 'warn' ? output.paint('yellow', 'warning') : output.paint('dim', 'note')} ${message}`);
    },
  };
}
