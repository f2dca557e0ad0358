import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from './child.ts';
import { COMMIT_FAULTS, type CommitProxy } from './proxy.ts';
import type { Random } from './random.ts';
import { CLAIMED, failpointsOf, type Route } from './routes.ts';
import { RoundFailed, type Runs } from './runs.ts';

/** What one break is made of. */
export interface Scene {
  readonly route: Route;
  readonly random: Random;
  readonly runs: Runs;
  readonly proxy: CommitProxy;
}

/** Under which names a break counts; undefined where nothing was alive any more to be broken: then it is drawn again. */
export interface Broken { readonly kind: string; readonly failpoint?: string; readonly outcome?: string }
type Break = (scene: Scene) => Promise<Broken | undefined>;

const UNREACHABLE = 3;
const LOCKED = 5;
const STOPPED = 6;
const SECOND_SIGNAL = 143;

/** One that a usual run passes: each name is as likely as any other, however often it is passed. */
function drawFailpoint({ route, random, runs }: Scene): { failpoint: string; nth: number } {
  const passes = (name: string): number => runs.usual.hits.filter((hit) => hit === name).length;
  const failpoint = random.pick(failpointsOf(route).filter((name) => passes(name) > 0));
  return { failpoint, nth: 1 + random.below(passes(failpoint)) };
}

const killAtFailpoint: Break = async (scene) => {
  const { runs } = scene;
  const at = drawFailpoint(scene);
  const promised = await runs.promised();
  const [ended] = await runs.watch(runs.start({ at: { ...at, signal: 'SIGKILL' } }));
  if (!ended) return undefined;
  const killed = ended.signal === 'SIGKILL';
  await runs.allow(ended, killed ? [null] : [0], `a run to be killed at ${at.failpoint}`);
  await runs.judge(promised, [ended], `killed at ${at.failpoint}`);
  return killed ? { kind: 'kill-failpoint', failpoint: at.failpoint } : undefined;
};

/** A signal some time after the run has touched anything. */
async function signalled(child: Child, signals: readonly NodeJS.Signals[], delayMs: number): Promise<void> {
  if (!(await child.untilLive())) return;
  await sleep(delayMs);
  for (const signal of signals) child.kill(signal);
}

const killAtRandomTime: Break = async ({ runs, random }) => {
  const promised = await runs.promised();
  const child = runs.start();
  const signal = signalled(child, ['SIGKILL'], random.next() * 0.9 * runs.usual.liveMs);
  const [ended] = await runs.watch(child);
  await signal;
  if (!ended) return undefined;
  const killed = ended.signal === 'SIGKILL';
  await runs.allow(ended, killed ? [null] : [0], 'a run to be killed');
  await runs.judge(promised, [ended], 'killed at a random time');
  return killed ? { kind: 'kill-time' } : undefined;
};

const terminate: Break = async ({ runs, random }) => {
  const promised = await runs.promised();
  const child = runs.start();
  const twice = random.chance(0.3);
  const signal = signalled(child, twice ? ['SIGTERM', 'SIGTERM'] : ['SIGTERM'], random.next() * 0.7 * runs.usual.liveMs);
  const [ended] = await runs.watch(child);
  await signal;
  if (!ended) return undefined;
  // a process that has told its end and is being taken down by Node has no handler any more
  const toldItsEnd = /^ok crash: /m.test(ended.output) ? [null] : [];
  await runs.allow(ended, [0, STOPPED, ...(twice ? [SECOND_SIGNAL] : []), ...toldItsEnd], 'a run that got SIGTERM');
  await runs.judge(promised, [ended], 'SIGTERM');
  return ended.code === 0 ? undefined : { kind: twice ? 'sigterm-twice' : 'sigterm', outcome: `ended with ${ended.code}` };
};

/** Stops itself at a failpoint and wakes when its successor has ended: it finds itself fenced and changes nothing. */
const zombie: Break = async (scene) => {
  const { runs, route, random } = scene;
  const at = drawFailpoint(scene);
  const polite = random.chance(0.05);
  const promised = await runs.promised();
  const child = runs.start({ at: { ...at, signal: 'SIGSTOP' } });
  if (!(await child.untilStopped())) {
    const ended = await child.ended;
    await runs.allow(ended, [0], 'a run that was to be stopped');
    await runs.judge(promised, [ended], 'not stopped');
    return undefined;
  }
  const claimed = child.hits().some((name) => CLAIMED.has(name));
  try {
    // Where one process has the file, a stopped one keeps it (rule 28).
    const asleep = await runs.target.content();
    const [successor] = await runs.watch(runs.start({ polite }));
    if (!successor) return undefined;
    await runs.allow(successor, route === 'postgres-duckdb' ? [0, LOCKED] : [0], `the successor of a process stopped at ${at.failpoint}`);
    const before = await runs.target.content();
    if (successor.code === LOCKED && before !== asleep) throw new RoundFailed(`a successor without the file changed it, while its holder was stopped at ${at.failpoint}`);
    child.kill('SIGCONT');
    const [ended] = await runs.watch(child);
    if (!ended) return undefined;
    await runs.allow(ended, successor.code === LOCKED ? [0] : [0, LOCKED], `a zombie of ${at.failpoint}`);
    if (claimed && successor.code === 0 && before !== await runs.target.content()) throw new RoundFailed(`a zombie of ${at.failpoint} changed the target after its successor had ended`);
    await runs.judge(promised, [successor, ended], `zombie of ${at.failpoint}`);
    return { kind: polite ? 'zombie-silent-lease' : 'zombie', failpoint: `${at.failpoint} (stopped)`, outcome: `successor ${successor.code}, zombie ${ended.code}` };
  } finally {
    child.kill('SIGKILL');
  }
};

const secondStart: Break = async ({ runs, random }) => {
  const polite = random.chance(0.2);
  const promised = await runs.promised();
  const first = runs.start();
  await sleep(random.next() * 0.5 * runs.usual.liveMs);
  const second = runs.start({ polite });
  const overlap = second.untilLive().then((live) => live && !first.isOver);
  const both = await runs.watch(first, second);
  for (const ended of both) await runs.allow(ended, [0, LOCKED], `one of two runs${polite ? '' : ', the second with --take-over'}`);
  const codes = both.map(({ code }) => code).join(' and ');
  if (!both.some(({ code }) => code === 0)) throw new RoundFailed(`of two runs none ended well: ${both.map(({ output }) => output).join('\n')}`);
  await runs.judge(promised, both, 'two runs at once');
  const met = (await overlap) || both.some(({ code }) => code === LOCKED);
  return met ? { kind: polite ? 'second-start' : 'second-start-take-over', outcome: `ended with ${codes}` } : undefined;
};

const breakCommit: Break = async ({ runs, random, proxy }) => {
  const fault = random.pick(COMMIT_FAULTS);
  const promised = await runs.promised();
  proxy.arm(fault, 1 + random.below(10));
  const [ended] = await runs.watch(runs.start());
  const { broken } = proxy;
  await proxy.disarm();
  if (!ended) return undefined;
  await runs.allow(ended, broken > 0 ? [0, UNREACHABLE] : [0], `a run with a ${fault} COMMIT`);
  await runs.judge(promised, [ended], `a ${fault} COMMIT`);
  return broken > 0 ? { kind: `commit-${fault}`, outcome: `ended with ${ended.code}` } : undefined;
};

/** The network goes away for a moment: the run makes its connections anew, unless it had just begun. */
const cutConnections: Break = async ({ runs, random, proxy }) => {
  const promised = await runs.promised();
  const child = runs.start();
  let connections = 0;
  const cut = child.untilLive().then(async (live) => {
    if (!live) return;
    await sleep(random.next() * 0.8 * runs.usual.liveMs);
    connections = proxy.cut();
  });
  const [ended] = await runs.watch(child);
  await cut;
  if (!ended) return undefined;
  await runs.allow(ended, connections > 0 ? [0, UNREACHABLE] : [0], 'a run whose connections were cut');
  await runs.judge(promised, [ended], 'cut connections');
  return connections > 0 ? { kind: 'connections-cut', outcome: `ended with ${ended.code}` } : undefined;
};

const WEIGHTS: readonly { readonly attempt: Break; readonly weight: number; readonly only?: Route }[] = [
  { attempt: killAtFailpoint, weight: 9 }, { attempt: killAtRandomTime, weight: 4 }, { attempt: zombie, weight: 2 }, { attempt: secondStart, weight: 2 }, { attempt: terminate, weight: 2 },
  { attempt: breakCommit, weight: 4, only: 'postgres-postgres' }, { attempt: cutConnections, weight: 2, only: 'postgres-postgres' },
];

export function drawBreak(route: Route, random: Random): Break {
  return random.pick(WEIGHTS.filter(({ only }) => only === undefined || only === route).flatMap(({ attempt, weight }) => Array<Break>(weight).fill(attempt)));
}
